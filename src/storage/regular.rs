//! Opens regular files only. A FIFO, a device or a link in the place of a file is never waited for and never written through.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place where files are opened")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for reading. A symbolic link is followed, because reading through it does no harm.
pub(super) fn open(path: &Path) -> io::Result<File> {
    checked(options(0).read(true), path)
}

/// Creates a file and opens it for writing. Anything but a directory that has its name is removed first.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        created => created,
    }
}

/// Creates a file that only its owner may read, and opens it for writing. Whatever has its name is left alone.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

/// Opens a file for reading and writing, or creates it.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    let flags = rustix::fs::OFlags::NOFOLLOW.bits();
    #[cfg(not(unix))]
    let flags = 0;
    checked(options(flags).read(true).write(true).create(true).truncate(false), path)
}

/// Returns options under which no FIFO is waited for.
#[cfg_attr(not(unix), expect(unused_mut, reason = "there are no such flags"))]
fn options(flags: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, (flags | rustix::fs::OFlags::NONBLOCK.bits()) as i32);
    #[cfg(not(unix))]
    let _ = flags;
    options
}

fn checked(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(no_file()),
    }
}

/// Returns the error for a thing that is no regular file.
pub(super) fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is no regular file")
}
