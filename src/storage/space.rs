//! The room that a disk has left, and has to keep.

use std::io;
use std::path::{Path, PathBuf};

/// The room that a disk has to keep.
#[derive(Debug, Clone)]
pub struct MinFree {
    /// A path on the disk, which need not exist yet.
    pub path: PathBuf,
    /// The least number of free bytes.
    pub bytes: u64,
}

impl MinFree {
    /// Returns a sentence if the disk has less room than it has to keep; `None` also if that cannot be known.
    pub fn lack(&self) -> Option<String> {
        let free = free_bytes(&self.path).ok().filter(|free| *free < self.bytes)?;
        let (free, kept, path) = (megabytes(free), megabytes(self.bytes), self.path.display());
        Some(format!(
            "the disk of `{path}` has {free} left, and `--min-free` keeps {kept}; free some space and run it again"
        ))
    }
}

/// Formats bytes: `40.0 MB`, `5.0 GB`.
fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.1} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

/// Returns the bytes that a user may still write to the disk of a path, which need not exist yet.
///
/// # Errors
/// The system's error; `Unsupported` where it cannot be asked.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        let here = Path::new(".");
        let mut above = path.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
        let found = above.find_map(|path| match rustix::fs::statvfs(path) {
            Err(Errno::NOENT) => None,
            found => Some(found),
        });
        let disk = found.unwrap_or(Err(Errno::NOENT))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot be asked for the free space of a disk"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_yet_has_the_room_of_what_is_above() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("a/b/c")).unwrap() > 0);
        assert!(free_bytes(Path::new("no/such/dataset")).unwrap() > 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(free_bytes(&file).unwrap() > 0);
        assert!(free_bytes(&file.join("a")).is_err());
    }
}
