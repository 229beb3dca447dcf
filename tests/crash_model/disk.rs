//! A disk in memory that knows what of it is durable: what is on the platter, and what only the running system sees.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use civitrawl::dataset::storage::{Entry, Ranges};

/// Where directories exist, durably, before anything is done.
const BASE: [&str; 2] = ["/", "/srv"];

/// Everything there is, as seen now and as it is durable.
#[derive(Debug, Clone, Hash)]
pub(crate) struct State {
    pub(super) directories: BTreeMap<PathBuf, Directory>,
    pub(super) files: Vec<File>,
    /// Where symbolic links lead.
    pub(super) links: Vec<PathBuf>,
    /// Whether a file whose sync had failed was synced again.
    pub(crate) retried: bool,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    File(usize),
    Link(usize),
    Directory,
}

/// Names: all of them, the durable ones, and the changes in between, each of which a power loss may undo alone.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Directory {
    pub(super) names: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
    pub(super) pending: Vec<(String, Option<Node>)>,
}

/// A content, and what of it is durable.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct File {
    pub(super) content: Arc<[u8]>,
    pub(super) durable: Arc<[u8]>,
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

impl State {
    /// A disk with nothing of interest on it.
    pub(crate) fn new() -> Self {
        let mut state = Self { directories: BTreeMap::new(), files: Vec::new(), links: Vec::new(), retried: false };
        for base in BASE {
            state.directories.insert(base.into(), Directory::default());
        }
        for directory in BASE.iter().map(Path::new).filter(|path| path.parent().is_some()) {
            let (parent, name) = state.place(directory).expect("the base is there");
            parent.names.insert(name.clone(), Node::Directory);
            parent.durable.insert(name, Node::Directory);
        }
        state
    }

    fn directory(&mut self, path: &Path) -> Result<&mut Directory> {
        self.directories.get_mut(path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The directory a path is in, and its name there.
    fn place(&mut self, path: &Path) -> Result<(&mut Directory, String)> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(parent), Some(name)) = (path.parent(), name) else { return Err(ErrorKind::InvalidInput.into()) };
        Ok((self.directory(parent)?, name))
    }

    /// The file of this name.
    pub(super) fn file(&self, path: &Path) -> Result<usize> {
        let directory = path.parent().and_then(|parent| self.directories.get(parent));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match directory.and_then(|directory| directory.names.get(&name)) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            Some(Node::Link(_)) => Err(ErrorKind::InvalidInput.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// What a name stands for.
    fn node(&self, path: &Path) -> Result<Node> {
        let directory = path.parent().and_then(|parent| self.directories.get(parent));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        directory.and_then(|directory| directory.names.get(&name)).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The directories that must be made before this one is there, the uppermost first.
    pub(super) fn missing(&self, path: &Path) -> Vec<PathBuf> {
        let above = path.ancestors().take_while(|path| !self.directories.contains_key(*path));
        let mut missing: Vec<_> = above.map(Path::to_owned).collect();
        missing.reverse();
        missing
    }

    pub(super) fn make_dir(&mut self, path: &Path) -> Result<()> {
        let (parent, name) = self.place(path)?;
        parent.change(&name, Some(Node::Directory));
        self.directories.insert(path.to_owned(), Directory::default());
        Ok(())
    }

    /// Opens a file for writing, emptied; it gets the name when there is none of it.
    pub(super) fn create(&mut self, path: &Path) -> Result<usize> {
        if let Ok(file) = self.file(path) {
            self.files[file].content = Arc::default();
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
        file.content = [&file.content[..], bytes].concat().into();
        file.dirty = true;
        Ok(())
    }

    pub(super) fn sync_file(&mut self, file: usize) -> Result<()> {
        let file = &mut self.files[file];
        self.retried |= file.sync_failed;
        // A system that failed to write pages may call them clean, and says yes the next time.
        if !file.sync_failed {
            (file.durable, file.dirty) = (Arc::clone(&file.content), false);
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

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        let node = self.node(from)?;
        if node == Node::Directory {
            // Commits move no directory.
            return Err(ErrorKind::Unsupported.into());
        }
        let (directory, name) = self.place(to)?;
        directory.change(&name, Some(node));
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

    pub(super) fn read_symlink(&self, path: &Path) -> Result<Option<PathBuf>> {
        match self.node(path) {
            Ok(Node::Link(link)) => Ok(Some(self.links[link].clone())),
            Ok(_) => Err(ErrorKind::InvalidInput.into()),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> Result<()> {
        if !self.directory(path)?.names.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.directories.remove(path);
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
        directory.durable = directory.names.clone();
        directory.pending.clear();
        Ok(())
    }

    /// Names and sizes in a directory.
    pub(crate) fn list(&self, path: &Path) -> Vec<Entry> {
        let names = self.directories.get(path).into_iter().flat_map(|directory| &directory.names);
        let size = |node: &Node| match node {
            Node::File(file) => self.files[*file].content.len() as u64,
            Node::Link(_) | Node::Directory => 0,
        };
        names.map(|(name, node)| Entry { name: name.clone(), bytes: size(node) }).collect()
    }

    /// A file's content.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>> {
        Ok(self.files[self.file(path)?].content.to_vec())
    }

    /// Every file there is, by its path.
    pub(crate) fn image(&self) -> BTreeMap<PathBuf, Arc<[u8]>> {
        let mut image = BTreeMap::new();
        for (path, directory) in &self.directories {
            for (name, node) in &directory.names {
                if let Node::File(file) = node {
                    image.insert(path.join(name), Arc::clone(&self.files[*file].content));
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
pub(crate) struct Opened(pub(crate) Vec<u8>);

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
