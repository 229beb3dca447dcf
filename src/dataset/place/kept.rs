//! The few things that a place must be able to do, be it a directory or a store.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::dataset::error::Error;
use crate::dataset::layout::PlaceName;

/// Takes a block of a file.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Error> + 'a;

/// A place that keeps copies. Errors name it, and say which side failed. Several threads may call it at once.
pub trait Place: Sync {
    /// Returns its name, for messages.
    fn root(&self) -> &Path;

    /// Returns the name of one of its files, for messages.
    fn path(&self, name: &PlaceName) -> PathBuf;

    /// Returns names and sizes in a folder, those of its folders included; `""` is the top. Empty if there is no such folder.
    fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>, Error>;

    /// Returns a file's content, 1 GiB at most; `None` if there is no such file.
    fn read(&self, name: &PlaceName) -> Result<Option<Vec<u8>>, Error>;

    /// Reads a file of this size, however large it is, and gives its blocks to the sink in order.
    ///
    /// # Errors
    /// [`Error::Rotten`] if it is missing or has another size; the first error of the sink.
    fn fetch(&self, name: &PlaceName, bytes: u64, sink: &mut Sink<'_>) -> Result<(), Error>;

    /// Creates a file, or replaces what has its name. It gets its name once it is whole.
    fn put(&self, name: &PlaceName, content: &mut dyn Read) -> Result<(), Error>;

    /// Creates a small file unless its name is taken, durably where the place itself can do that. Returns true if the file holds
    /// this content now: an answer that was lost is decided by reading it back.
    fn create(&self, name: &PlaceName, content: &[u8]) -> Result<bool, Error>;

    /// Fails if the place would replace a file whatever the condition of the request says.
    ///
    /// # Errors
    /// [`Error::Refused`].
    fn probe(&self) -> Result<(), Error>;

    /// Keeps other pushes out as long as the guard lives, where that is possible.
    ///
    /// # Errors
    /// [`Error::Occupied`].
    fn hold(&self) -> Result<Box<dyn Send>, Error>;

    /// Replaces the head, which was `seen`, after all that was listed, read or put is durable.
    ///
    /// # Errors
    /// [`Error::Overtaken`] if another push or run replaced it meanwhile.
    fn replace_head(&self, seen: Option<&[u8]>, content: &[u8]) -> Result<(), Error>;
}
