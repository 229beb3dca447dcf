//! `latest.json`: the last commit and snapshot of a place. A checksum closes the file.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::dataset::checksummed_json::{self, Fault};
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{FileHash, PlaceLayout};
use crate::storage::Storage;

const FORMAT: u32 = 1;

/// The state of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    version: String,
    /// The last commit.
    pub(super) commit: u64,
    /// The hash of its record.
    pub(super) record: FileHash,
    /// The newest snapshot.
    pub(super) snapshot: Option<Snapshot>,
    /// For readers: the files of each table of that snapshot, relative to the place.
    pub(super) tables: BTreeMap<String, Vec<String>>,
}

/// The inventory of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) number: u64,
    pub(super) inventory: FileHash,
}

impl Head {
    pub(super) fn new(
        commit: u64,
        record: FileHash,
        snapshot: Option<Snapshot>,
        tables: BTreeMap<String, Vec<String>>,
    ) -> Self {
        Self { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), commit, record, snapshot, tables }
    }

    /// Returns the head of a place; `None` before the end of its first push.
    ///
    /// # Errors
    /// [`Error::Rotten`]; [`Error::Newer`]; [`Error::Disk`].
    pub(super) fn read(place: &PlaceLayout, storage: &dyn Storage) -> Result<Option<Self>, Error> {
        let path = place.head();
        let content = match storage.read(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(Error::rotten(&path, format!("cannot be read: {error}")));
            }
            content => content.during("read", &path)?,
        };
        match checksummed_json::decode(&content, FORMAT, |_| true) {
            Ok(head) => Ok(Some(head)),
            Err(Fault::Damaged(reason)) => Err(Error::rotten(&path, format!("is damaged: {reason}"))),
            Err(Fault::Newer(newer)) => Err(Error::Newer { dataset: place.root().to_owned(), newer }),
        }
    }

    /// Replaces the head of a place. All that it names must be durable.
    pub(super) fn write(&self, place: &PlaceLayout, storage: &dyn Storage) -> Result<(), Error> {
        let path = place.head();
        let draft = PlaceLayout::draft(&path);
        let content = checksummed_json::encode(self).map_err(std::io::Error::other).during("write", &path)?;
        storage.write(&draft, &mut |to| to.write_all(content.as_bytes())).during("write", &draft)?;
        storage.rename(&draft, &path).during("replace", &path)?;
        storage.sync_dir(place.root()).during("sync", place.root())
    }
}
