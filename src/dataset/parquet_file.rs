//! Reads files in ranges, however large they are: as Parquet, or as bytes to be hashed.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::cancel::{Cancel, check};
use super::error::{During, Error};
use crate::storage::{Ranges, Storage};

/// Bytes read at a time if the length is not known beforehand.
const READ_BYTES: usize = 16 << 10;

/// Returns the size of a file and its BLAKE3 hash in hexadecimal.
pub(super) fn size_and_hash(storage: &dyn Storage, path: &Path, cancel: Cancel<'_>) -> Result<(u64, String), Error> {
    let file = storage.open(path).during("read", path)?;
    let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        check(cancel)?;
        match file.read_at(at, &mut buffer).during("read", path)? {
            0 => return Ok((at, hasher.finalize().to_string())),
            read => {
                hasher.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
}

/// Opens a Parquet file.
pub(super) fn open(storage: &dyn Storage, path: &Path) -> Result<ParquetRecordBatchReaderBuilder<Chunks>, Error> {
    let file = storage.open(path).during("read", path)?;
    let chunks = Chunks { bytes: file.bytes().during("read", path)?, file: file.into() };
    ParquetRecordBatchReaderBuilder::try_new(chunks).map_err(as_io).during("read", path)
}

/// Opens a file to be read from its beginning.
pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<BufReader<Tail>, Error> {
    let file = storage.open(path).during("read", path)?.into();
    Ok(BufReader::with_capacity(READ_BYTES, Tail { file, at: 0 }))
}

/// Turns a Parquet error into the I/O error that caused it, if one did.
pub(super) fn as_io(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

/// A file, for the Parquet reader.
pub(super) struct Chunks {
    file: Arc<dyn Ranges>,
    bytes: u64,
}

/// A file from some offset on.
pub(super) struct Tail {
    file: Arc<dyn Ranges>,
    at: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Tail>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::with_capacity(READ_BYTES, Tail { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut content = vec![0; length];
        Tail { file: Arc::clone(&self.file), at: start }.read_exact(&mut content)?;
        Ok(content.into())
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
