//! Files whose size and hash are recorded: the one way to write them, and the one way to read what they hold.
//!
//! A file is hashed whole before anything of it is used, and every block that is read afterwards is compared with what was
//! hashed. So no row is made of other bytes than were written, not even where two readings of a disk differ.

use std::fmt::Display;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::cancel::{Cancel, check};
use super::error::{During, Error};
use super::history::Part;
use super::layout::{FileHash, Layout};
use crate::storage::{Content, Ranges, Storage, Unsynced};

/// Bytes that are compared together.
const BLOCK: usize = 16 << 10;
/// Bytes hashed at a time. A file of no more is in memory while it is open, so that its columns cost no reads.
const HASHED: usize = 16 * BLOCK;

/// A file, and what is recorded of it.
#[derive(Debug, Clone)]
pub(super) struct RecordedFile {
    path: PathBuf,
    /// Its path before it is published, if it is a part.
    staged: Option<PathBuf>,
    bytes: u64,
    hash: FileHash,
    /// A checksum of each block, none of a small file; set once the file was found to be what is recorded. Copies share it.
    blocks: Arc<OnceLock<Arc<[u32]>>>,
}

impl RecordedFile {
    /// Returns the file at this path, with its size and hash as they are recorded.
    pub(super) fn new(path: PathBuf, bytes: u64, hash: FileHash) -> Self {
        Self { path, staged: None, bytes, hash, blocks: Arc::default() }
    }

    /// Returns the file of a part, which may still have its staged name if it is of the last commit.
    pub(super) fn of_part(layout: &Layout, part: &Part) -> Self {
        let staged = Some(layout.staged(part.table, &part.name));
        Self { staged, ..Self::new(layout.part(part.table, &part.name), part.bytes, part.hash) }
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its size in bytes, as it is recorded.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns its hash, as it is recorded.
    pub(super) fn hash(&self) -> FileHash {
        self.hash
    }

    /// True once it was found to be what is recorded.
    pub(super) fn is_checked(&self) -> bool {
        self.blocks.get().is_some()
    }

    /// Returns the bytes of it that are in memory while it is open.
    pub(super) fn bytes_held(&self) -> u64 {
        if self.is_small() { self.bytes } else { 0 }
    }

    fn is_small(&self) -> bool {
        self.bytes <= HASHED as u64
    }

    /// Opens the file. The first time this reads all of it; of a small one every time.
    ///
    /// # Errors
    /// [`Error::Rotten`] if it is not, byte for byte, what is recorded; [`Error::Disk`]; [`Error::Cancelled`].
    pub(super) fn open(&self, storage: &dyn Storage, cancel: Cancel<'_>) -> Result<CheckedFile, Error> {
        let file = match self.find(storage) {
            // A file may be in the place of its directory.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Error::rotten(&self.path, "is missing"));
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(Error::rotten(&self.path, format!("cannot be read: {error}")));
            }
            file => file.during("read", &self.path)?,
        };
        let source = if self.is_small() {
            let mut whole = Bytes::new();
            self.compare(&*file, cancel, &mut |read| whole = Bytes::copy_from_slice(read))?;
            self.blocks.get_or_init(Arc::default);
            Source::Memory(whole)
        } else if let Some(blocks) = self.blocks.get() {
            Source::Disk(file, Arc::clone(blocks))
        } else {
            let mut blocks = Vec::new();
            self.compare(&*file, cancel, &mut |read| blocks.extend(read.chunks(BLOCK).map(crc32fast::hash)))?;
            Source::Disk(file, Arc::clone(self.blocks.get_or_init(|| blocks.into())))
        };
        let content = CheckedContent { source, bytes: self.bytes, failure: Mutex::default() };
        Ok(CheckedFile { path: self.path.clone(), content: Arc::new(content) })
    }

    /// Opens it under its own name, under its staged one, or, if it was published meanwhile, under its own.
    fn find(&self, storage: &dyn Storage) -> io::Result<Box<dyn Ranges>> {
        let mut file = storage.open(&self.path);
        for path in self.staged.iter().chain([&self.path]) {
            if file.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                file = storage.open(path);
            }
        }
        file
    }

    /// Hashes the file. Calls `show` with all of it, piece by piece.
    fn compare(&self, file: &dyn Ranges, cancel: Cancel<'_>, show: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let found = file.bytes().during("read", &self.path)?;
        if found != self.bytes {
            return Err(Error::other_size(&self.path, found, self.bytes));
        }
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; HASHED.min(self.bytes as usize)];
        let mut at = 0;
        while at < self.bytes {
            check(cancel)?;
            let length = (self.bytes - at).min(HASHED as u64);
            let read = &mut buffer[..length as usize];
            read_exact_at(file, at, read).during("read", &self.path)?;
            hasher.update(read);
            show(read);
            at += length;
        }
        if FileHash::from(hasher.finalize()) != self.hash {
            return Err(Error::other_hash(&self.path));
        }
        Ok(())
    }
}

/// A file that was found to be what is recorded, open to be read in ranges, however large it is.
#[derive(Clone)]
pub(super) struct CheckedFile {
    path: PathBuf,
    content: Arc<CheckedContent>,
}

impl CheckedFile {
    /// Returns it as a Parquet file.
    pub(super) fn parquet(&self) -> Result<ParquetRecordBatchReaderBuilder<Chunks>, Error> {
        ParquetRecordBatchReaderBuilder::try_new(self.chunks()).map_err(|error| self.fault(&error))
    }

    /// Returns the footer of a Parquet file.
    pub(super) fn footer(&self) -> Result<ParquetMetaData, Error> {
        ParquetMetaDataReader::new().parse_and_finish(&self.chunks()).map_err(|error| self.fault(&error))
    }

    /// Returns its content, for the Parquet reader.
    pub(super) fn chunks(&self) -> Chunks {
        Chunks(Arc::clone(&self.content))
    }

    /// Returns it as a stream from its beginning.
    pub(super) fn stream(&self) -> Tail {
        Tail { content: Arc::clone(&self.content), at: 0, block: Bytes::new() }
    }

    /// Returns all of it.
    pub(super) fn whole(&self) -> Result<Bytes, Error> {
        let length = usize::try_from(self.content.bytes).unwrap_or(usize::MAX);
        self.content.range(0, length).map_err(|error| self.fault(&error))
    }

    /// Returns the error for a reading that failed: the disk's, or else that the file cannot be read.
    pub(super) fn fault(&self, failure: &dyn Display) -> Error {
        let failed = self.content.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed {
            Some(source) => Error::Disk { action: "read", path: self.path.clone(), source },
            None => Error::rotten(&self.path, format!("cannot be read: {failure}")),
        }
    }
}

/// The content of a checked file.
struct CheckedContent {
    source: Source,
    bytes: u64,
    /// The last error of the disk, which the readers of Parquet do not pass on.
    failure: Mutex<Option<io::Error>>,
}

/// The place from which a checked file is read.
enum Source {
    Memory(Bytes),
    /// The file, and a checksum of each block, which is compared when the block is read again.
    Disk(Box<dyn Ranges>, Arc<[u32]>),
}

impl CheckedContent {
    /// Returns the bytes from an offset on, which must all be there.
    fn range(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.bytes);
        let end = end.ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "it ends too early"))?;
        let (file, blocks) = match &self.source {
            Source::Memory(whole) => return Ok(whole.slice(start as usize..end as usize)),
            Source::Disk(file, blocks) => (file, blocks),
        };
        let first = start / BLOCK as u64;
        let from = first * BLOCK as u64;
        let to = end.next_multiple_of(BLOCK as u64).min(self.bytes);
        let mut content = vec![0; (to - from) as usize];
        read_exact_at(&**file, from, &mut content).map_err(|error| self.keep(error))?;
        let sums = blocks.get(first as usize..).unwrap_or_default();
        if !content.chunks(BLOCK).zip(sums).all(|(block, sum)| crc32fast::hash(block) == *sum) {
            return Err(io::Error::new(ErrorKind::InvalidData, "its bytes are other ones than a moment ago"));
        }
        let skipped = (start - from) as usize;
        Ok(Bytes::from(content).slice(skipped..skipped + length))
    }

    /// Keeps an error of the disk. Returns one of its kind.
    fn keep(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        kind.into()
    }
}

/// Fills the buffer with the bytes from an offset on.
fn read_exact_at(file: &dyn Ranges, mut at: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(at, buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => {
                at += read as u64;
                buffer = &mut buffer[read..];
            }
        }
    }
    Ok(())
}

/// A checked file, for the Parquet reader.
pub(super) struct Chunks(Arc<CheckedContent>);

/// A checked file from some offset on.
pub(super) struct Tail {
    content: Arc<CheckedContent>,
    at: u64,
    /// The rest of the block before `at`.
    block: Bytes,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for Chunks {
    type T = Tail;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(Tail { content: Arc::clone(&self.0), at: start, block: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.0.range(start, length)?)
    }
}

impl BufRead for Tail {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.block.is_empty() && self.at < self.content.bytes {
            let end = (self.at + 1).next_multiple_of(BLOCK as u64).min(self.content.bytes);
            self.block = self.content.range(self.at, (end - self.at) as usize)?;
            self.at = end;
        }
        Ok(&self.block)
    }

    fn consume(&mut self, bytes: usize) {
        self.block.advance(bytes);
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Writes a new file. Returns what was written, for the record, and its content, which is not durable yet.
///
/// # Errors
/// The first error of `content`, or the disk's.
pub(super) fn create_recorded(
    storage: &dyn Storage,
    path: &Path,
    content: &mut Content<'_>,
) -> io::Result<(RecordedFile, Unsynced)> {
    let mut written = (0, FileHash::of(b""));
    let unsynced = storage.create(path, &mut |to| {
        let mut to = Hashing { to, hasher: blake3::Hasher::new(), bytes: 0 };
        content(&mut to)?;
        written = (to.bytes, to.hasher.finalize().into());
        Ok(())
    })?;
    Ok((RecordedFile::new(path.to_owned(), written.0, written.1), unsynced))
}

/// Hashes what it writes.
struct Hashing<'a> {
    to: &'a mut (dyn Write + Send),
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.to.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Turns a Parquet error into the I/O error that caused it, if one did.
pub(super) fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::cancel::NEVER;
    use super::*;
    use crate::storage::Disk;

    /// A file of a few blocks, whose 20,000th byte is read as another one from some moment on.
    struct Fickle(Vec<u8>, Arc<AtomicBool>);

    impl Ranges for Fickle {
        fn bytes(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let rest = &self.0[at as usize..];
            // Short reads are no end.
            let read = rest.len().min(buffer.len()).min(5000);
            buffer[..read].copy_from_slice(&rest[..read]);
            let byte = 20_000_u64.checked_sub(at).filter(|byte| *byte < read as u64);
            if let Some(byte) = byte.filter(|_| self.1.load(Ordering::Relaxed)) {
                buffer[byte as usize] ^= 1;
            }
            Ok(read)
        }
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn ranges_and_streams_are_the_content() {
        let folder = tempfile::TempDir::new().unwrap();
        // The first one is kept in memory, the other one is read in ranges.
        for size in [HASHED, HASHED + 99_999] {
            let (path, content) = (Layout::entry(folder.path(), "file"), content(size));
            let mut fill = |to: &mut (dyn Write + Send)| content.chunks(777).try_for_each(|chunk| to.write_all(chunk));
            let (written, _) = create_recorded(&Disk, &path, &mut fill).unwrap();
            assert_eq!((written.bytes(), written.hash()), (size as u64, FileHash::of(&content)));
            let file = written.open(&Disk, NEVER).unwrap();
            assert_eq!(matches!(file.content.source, Source::Memory(_)), size == HASHED);
            let ranges = [(0, 0), (0, 1), (16_383, 2), (16_384, 16_384), (5, size - 5), (size - 1, 1), (size, 0)];
            for (start, length) in ranges {
                assert_eq!(file.content.range(start as u64, length).unwrap(), &content[start..][..length], "{start}");
                let mut read = Vec::new();
                let mut rest = Chunks(Arc::clone(&file.content)).get_read(start as u64).unwrap();
                rest.read_to_end(&mut read).unwrap();
                assert_eq!(read, &content[start..]);
            }
            assert!(file.content.range(size as u64 - 1, 2).is_err() && file.content.range(u64::MAX, 2).is_err());
            assert_eq!(file.whole().unwrap(), content);
        }
    }

    #[test]
    fn a_block_that_is_read_otherwise_the_second_time_is_refused() {
        let (content, otherwise) = (content(100_000), Arc::new(AtomicBool::new(false)));
        let path = Layout::entry(Path::new("x"), "file");
        let recorded = RecordedFile::new(path, content.len() as u64, FileHash::of(&content));
        let blocks: Vec<u32> = content.chunks(BLOCK).map(crc32fast::hash).collect();
        let file = Fickle(content, Arc::clone(&otherwise));
        recorded.compare(&file, NEVER, &mut |_| ()).unwrap();
        otherwise.store(true, Ordering::Relaxed);
        assert!(matches!(recorded.compare(&file, NEVER, &mut |_| ()), Err(Error::Rotten { .. })));
        let source = Source::Disk(Box::new(file), blocks.into());
        let content = CheckedContent { bytes: recorded.bytes, source, failure: Mutex::default() };
        assert!(content.range(0, 16_384).is_ok() && content.range(32_768, 10).is_ok());
        assert_eq!(content.range(30_000, 1).unwrap_err().kind(), ErrorKind::InvalidData);
        let file = CheckedFile { path: recorded.path, content: Arc::new(content) };
        assert!(file.stream().read_to_end(&mut Vec::new()).is_err());
        assert!(matches!(file.whole(), Err(Error::Rotten { .. })));
    }
}
