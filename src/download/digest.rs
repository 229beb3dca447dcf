//! The hashes by which the site knows model files: SHA256 and AutoV3, computed piece by piece.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "reads the files it hashes")]

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Bytes of a file in memory at once.
const PIECE_BYTES: usize = 1 << 20;

/// A SHA256 of the bytes so far.
#[derive(Debug, Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Returns the digest in upper-case hexadecimal, as the server writes it.
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02X}");
        }
        text
    }
}

/// Returns the digest of a file's content, to which more may be added. `read` receives the length of each piece.
///
/// # Errors
/// When it cannot be read, or is no regular file.
pub fn of_file(path: &Path, read: &mut dyn FnMut(u64)) -> io::Result<Digest> {
    of_rest(&mut open(path)?, read)
}

/// Opens a regular file to be read. Anything else, such as a FIFO, is not opened, because that may wait for ever.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The path may name another thing a moment after it was looked at.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let regular = |facts: fs::Metadata| {
        let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        if facts.is_file() { Ok(()) } else { Err(no_file()) }
    };
    regular(fs::metadata(path)?)?;
    let file = options.open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

/// Returns the AutoV3 of a safetensors file: the first 12 digits of the SHA256 of the bytes behind its header. Editing the
/// header does not change it. `None` for a file of another format.
///
/// # Errors
/// When the file cannot be read.
pub fn auto_v3(path: &Path) -> io::Result<Option<String>> {
    let mut file = open(path)?;
    let mut length = [0; 8];
    match file.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut brace = [0];
    let tensors = u64::from_le_bytes(length).checked_add(8).filter(|at| (9..file_length(&file)).contains(at));
    let Some(tensors) = tensors else { return Ok(None) };
    file.read_exact(&mut brace)?;
    if brace != *b"{" {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(tensors))?;
    let mut digest = of_rest(&mut file, &mut |_| {})?.finish();
    digest.truncate(12);
    Ok(Some(digest))
}

fn file_length(file: &File) -> u64 {
    file.metadata().map_or(0, |facts| facts.len())
}

/// Returns the digest of all that is left to read.
///
/// # Errors
/// When it cannot be read.
pub fn of_rest(file: &mut impl Read, read: &mut dyn FnMut(u64)) -> io::Result<Digest> {
    let (mut digest, mut piece) = (Digest::default(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(digest),
            Ok(bytes) => {
                digest.update(&piece[..bytes]);
                read(bytes as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha256() {
        let mut digest = Digest::default();
        digest.update(b"a");
        digest.update(b"bc");
        assert_eq!(digest.finish(), "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, vec![7; PIECE_BYTES + 5]).unwrap();
        let mut pieces = Vec::new();
        let whole = of_file(&path, &mut |bytes| pieces.push(bytes)).unwrap();
        let mut same = Digest::default();
        same.update(&vec![7; PIECE_BYTES + 5]);
        assert_eq!(whole.finish(), same.finish());
        assert_eq!(pieces.iter().sum::<u64>(), PIECE_BYTES as u64 + 5);
    }

    #[test]
    fn an_edited_header_leaves_the_tensors_digest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.safetensors");
        let mut digests = Vec::new();
        for header in ["{}", "{\"__metadata__\":{\"title\":\"mine\"}}"] {
            let length = (header.len() as u64).to_le_bytes();
            std::fs::write(&path, [&length[..], header.as_bytes(), b"abc"].concat()).unwrap();
            digests.push(auto_v3(&path).unwrap());
        }
        assert_eq!(digests, [Some("BA7816BF8F01".to_owned()), Some("BA7816BF8F01".to_owned())]);
        let long = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        let no_header = [&2u64.to_le_bytes()[..], b"abcdef"].concat();
        for other in [&b""[..], b"short", &long, &no_header] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(auto_v3(&path).unwrap(), None, "{other:?}");
        }
    }
}
