//! A disk in memory that knows what of it is durable: what is on the platter, and what only the running system sees.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::io::{Error, ErrorKind, Result};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use civitrawl::storage::{Entry, Ranges};

/// The directory in the root that exists, durably, before anything is done.
const BASE: &str = "srv";

/// Everything there is, as seen now and as it is durable. Copies share what is equal in them.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The root is the first one; names lead to the others, as they do to files.
    pub(super) directories: Vec<Arc<Directory>>,
    pub(super) files: Vec<File>,
    /// The targets of symbolic links.
    pub(super) links: Vec<PathBuf>,
    /// Set when a file whose sync had failed was synced again.
    pub(crate) retried: bool,
}

/// The thing that a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    File(usize),
    Link(usize),
    Directory(usize),
}

/// Names: all of them, the durable ones, and the changes in between, each of which a power loss may undo alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(super) names: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
    pub(super) pending: Vec<(String, Option<Node>)>,
}

/// The bytes of a file, hashed once.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    bytes: Arc<[u8]>,
    pub(crate) hash: blake3::Hash,
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self { hash: blake3::hash(&bytes), bytes: bytes.into() }
    }
}

impl Default for Blob {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Hash for Blob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.hash.as_bytes()[..8]);
    }
}

/// A content, and what of it is durable.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct File {
    pub(super) content: Blob,
    pub(super) durable: Blob,
    pub(super) dirty: bool,
    pub(super) sync_failed: bool,
}

impl Directory {
    fn change(&mut self, name: &str, node: Option<Node>) {
        apply(&mut self.names, name, node);
        self.pending.push((name.to_owned(), node));
    }
}

/// Makes one change of a name.
pub(super) fn apply(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => drop(names.insert(name.to_owned(), node)),
        None => drop(names.remove(name)),
    }
}

/// Disks that continue alike have one hash: a thing that no name leads to changes nothing, nor does the order in which things
/// were made.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.retried.hash(hasher);
        let (mut found, mut numbers) = (vec![Node::Directory(0)], HashMap::from([(Node::Directory(0), 0)]));
        let mut at = 0;
        while let Some(node) = found.get(at).copied() {
            at += 1;
            let mut number = |node: Node| {
                *numbers.entry(node).or_insert_with(|| {
                    found.push(node);
                    found.len() - 1
                })
            };
            match node {
                Node::Directory(directory) => {
                    let Directory { names, durable, pending } = &*self.directories[directory];
                    for names in [names, durable] {
                        names.len().hash(hasher);
                        names.iter().for_each(|(name, node)| (name, number(*node)).hash(hasher));
                    }
                    pending.len().hash(hasher);
                    pending.iter().for_each(|(name, node)| (name, node.map(&mut number)).hash(hasher));
                }
                Node::File(file) => self.files[file].hash(hasher),
                Node::Link(link) => self.links[link].hash(hasher),
            }
        }
    }
}

impl State {
    /// A disk with nothing of interest on it.
    pub(crate) fn new() -> Self {
        let names = BTreeMap::from([(BASE.to_owned(), Node::Directory(1))]);
        let root = Directory { durable: names.clone(), names, pending: Vec::new() };
        Self { directories: vec![Arc::new(root), Arc::default()], files: Vec::new(), links: Vec::new(), retried: false }
    }

    /// The directory of this path.
    fn directory(&self, path: &Path) -> Result<usize> {
        path.iter().skip(1).try_fold(0, |inside, name| {
            match self.directories[inside].names.get(&*name.to_string_lossy()) {
                Some(Node::Directory(directory)) => Ok(*directory),
                Some(_) => Err(ErrorKind::NotADirectory.into()),
                None => Err(ErrorKind::NotFound.into()),
            }
        })
    }

    /// The directory a path is in, and its name there.
    fn place(&mut self, path: &Path) -> Result<(&mut Directory, String)> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(parent), Some(name)) = (path.parent(), name) else { return Err(ErrorKind::InvalidInput.into()) };
        let parent = self.directory(parent)?;
        Ok((Arc::make_mut(&mut self.directories[parent]), name))
    }

    /// The thing that a name refers to.
    fn node(&self, path: &Path) -> Result<Node> {
        let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
        let parent = &self.directories[self.directory(parent)?];
        parent.names.get(&*name.to_string_lossy()).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The file of this name.
    pub(super) fn file(&self, path: &Path) -> Result<usize> {
        match self.node(path)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
            Node::Link(_) => Err(ErrorKind::InvalidInput.into()),
        }
    }

    /// The directories that must be made before this one is there, the uppermost first.
    pub(super) fn missing(&self, path: &Path) -> Vec<PathBuf> {
        let above = path.ancestors().take_while(|path| self.directory(path).is_err());
        let mut missing: Vec<_> = above.map(Path::to_owned).collect();
        missing.reverse();
        missing
    }

    pub(super) fn make_dir(&mut self, path: &Path) -> Result<()> {
        let made = self.directories.len();
        let (parent, name) = self.place(path)?;
        parent.change(&name, Some(Node::Directory(made)));
        self.directories.push(Arc::default());
        Ok(())
    }

    /// Opens a file for writing, emptied; it gets the name when there is none of it.
    pub(super) fn create(&mut self, path: &Path) -> Result<usize> {
        if let Ok(file) = self.file(path) {
            self.files[file].content = Blob::default();
            self.files[file].dirty = true;
            return Ok(file);
        }
        let file = self.files.len();
        let (parent, name) = self.place(path)?;
        parent.change(&name, Some(Node::File(file)));
        self.files.push(File::default());
        Ok(file)
    }

    pub(super) fn append(&mut self, file: usize, bytes: &[u8]) -> Result<()> {
        let file = &mut self.files[file];
        file.content = [&*file.content, bytes].concat().into();
        file.dirty = true;
        Ok(())
    }

    /// Replaces a file's content.
    pub(super) fn fill(&mut self, file: usize, bytes: &[u8]) -> Result<()> {
        self.files[file].content = bytes.to_vec().into();
        self.files[file].dirty = true;
        Ok(())
    }

    pub(super) fn sync_file(&mut self, file: usize) -> Result<()> {
        let file = &mut self.files[file];
        self.retried |= file.sync_failed;
        // A system that failed to write pages may call them clean, and says yes the next time.
        if !file.sync_failed {
            (file.durable, file.dirty) = (file.content.clone(), false);
        }
        Ok(())
    }

    pub(super) fn fail_sync(&mut self, file: usize) {
        self.retried |= self.files[file].sync_failed;
        self.files[file].sync_failed = true;
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> Result<()> {
        let file = self.file(from)?;
        let (directory, name) = self.place(to)?;
        if directory.names.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        directory.change(&name, Some(Node::File(file)));
        Ok(())
    }

    /// Two changes of names, of which a power loss may undo either. Of directories only one that is free is taken.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        let moved = self.node(from)?;
        match (moved, self.node(to)) {
            (Node::Directory(_), Ok(_)) | (_, Ok(Node::Directory(_))) => return Err(ErrorKind::AlreadyExists.into()),
            _ => {}
        }
        let (directory, name) = self.place(to)?;
        directory.change(&name, Some(moved));
        self.remove(from)
    }

    pub(super) fn symlink(&mut self, target: &Path, path: &Path) -> Result<()> {
        let link = self.links.len();
        let (directory, name) = self.place(path)?;
        if directory.names.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        directory.change(&name, Some(Node::Link(link)));
        self.links.push(target.to_owned());
        Ok(())
    }

    pub(crate) fn read_symlink(&self, path: &Path) -> Result<Option<PathBuf>> {
        match self.node(path) {
            Ok(Node::Link(link)) => Ok(Some(self.links[link].clone())),
            Ok(_) => Err(ErrorKind::InvalidInput.into()),
            Err(_) => Ok(None),
        }
    }

    /// Its content returns with it if a power loss undoes this.
    pub(super) fn remove_dir(&mut self, path: &Path) -> Result<()> {
        let directory = self.directory(path)?;
        if !self.directories[directory].names.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.remove(path)
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<()> {
        let (directory, name) = self.place(path)?;
        if directory.names.contains_key(&name) {
            directory.change(&name, None);
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> Result<()> {
        let directory = self.directory(path)?;
        let directory = Arc::make_mut(&mut self.directories[directory]);
        directory.durable = directory.names.clone();
        directory.pending.clear();
        Ok(())
    }

    /// Names and sizes in a directory.
    pub(crate) fn list(&self, path: &Path) -> Vec<Entry> {
        let names = self.directory(path).into_iter().flat_map(|directory| &self.directories[directory].names);
        let size = |node: &Node| match node {
            Node::File(file) => self.files[*file].content.len() as u64,
            Node::Link(_) | Node::Directory(_) => 0,
        };
        names.map(|(name, node)| Entry { name: name.clone(), bytes: size(node) }).collect()
    }

    /// A file's content.
    pub(crate) fn read(&self, path: &Path) -> Result<Blob> {
        Ok(self.files[self.file(path)?].content.clone())
    }

    /// Every file in a directory and below, by its path.
    pub(crate) fn image(&self, path: &Path) -> BTreeMap<PathBuf, Blob> {
        let (mut image, mut found) = (BTreeMap::new(), Vec::new());
        found.extend(self.directory(path).map(|directory| (path.to_owned(), directory)));
        while let Some((path, directory)) = found.pop() {
            for (name, node) in &self.directories[directory].names {
                match node {
                    Node::File(file) => drop(image.insert(path.join(name), self.files[*file].content.clone())),
                    Node::Directory(directory) => found.push((path.join(name), *directory)),
                    Node::Link(_) => {}
                }
            }
        }
        image
    }

    /// The error of a name that is not there, as the system words it.
    pub(super) fn is_missing(error: &Error) -> bool {
        error.kind() == ErrorKind::NotFound
    }
}

/// A file's content, read in ranges.
pub(crate) struct Opened(pub(crate) Blob);

impl Ranges for Opened {
    fn bytes(&self) -> Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let at = usize::try_from(at).map_err(Error::other)?.min(self.0.len());
        let length = buffer.len().min(self.0.len() - at);
        buffer[..length].copy_from_slice(&self.0[at..at + length]);
        Ok(length)
    }
}
