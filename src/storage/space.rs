//! The room that a disk has left.

use std::io;
use std::path::Path;

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
