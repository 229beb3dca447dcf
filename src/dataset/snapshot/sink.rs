//! A file of a snapshot, or a run on the way to one, being written row by row.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;

use super::form::{Place, schema};
use super::merge::Sheet;
use super::run::RunWriter;
use crate::dataset::damage::Damage;
use crate::dataset::error::{During, Error};
use crate::dataset::parquet_file::as_io;
use crate::dataset::part::properties;
use crate::storage::Storage;
use crate::table::{Column, Table};

/// How hard files that are read for weeks are pressed.
const LEVEL: i32 = 2;

/// What a file is made of, beside its rows.
pub(super) struct Shape<'a> {
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// How many of the last columns are instants that are given row by row.
    pub(super) marks: usize,
    /// What it is for.
    pub(super) purpose: Purpose<'a>,
    /// Whose rows have no key twice; `None` where a key may come again.
    pub(super) unique: Option<Unique>,
}

/// A table whose rows, given in the order of their keys, have none twice.
#[derive(Clone)]
pub(super) struct Unique {
    pub(super) dataset: PathBuf,
    pub(super) table: &'static Table,
}

/// What a file is written for.
pub(super) enum Purpose<'a> {
    /// To be read once, by who merges it with others.
    Run,
    /// For readers; its metadata tells these facts.
    Readers(&'a [(&'static str, String)]),
}

enum Writer<W: Write + Send> {
    Run(RunWriter<W>),
    Parquet(ArrowWriter<W>),
}

/// Where the rows of one file go.
pub(super) struct Sink<'a> {
    writer: Writer<&'a mut (dyn Write + Send)>,
    sheet: Sheet,
    path: PathBuf,
    unique: Option<Unique>,
    /// The key of the last row; empty before the first.
    last_key: Vec<u8>,
}

impl Sink<'_> {
    /// Appends a row.
    ///
    /// # Errors
    /// [`Error::Damaged`] when its key came before and must not come again.
    pub(super) fn push(&mut self, place: &Place, marks: &[Option<i64>]) -> Result<(), Error> {
        if let Some(unique) = &self.unique {
            if self.last_key == place.key() {
                return Err(unique.doubled(place));
            }
            self.last_key.clear();
            self.last_key.extend_from_slice(place.key());
        }
        self.sheet.push(place, marks);
        if self.sheet.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let rows = self.sheet.take().map_err(io::Error::other).during("write", &self.path)?;
        let Some(rows) = rows else { return Ok(()) };
        match &mut self.writer {
            Writer::Run(writer) => writer.write(&rows).map_err(io::Error::other),
            Writer::Parquet(writer) => writer.write(&rows).map_err(as_io),
        }
        .during("write", &self.path)
    }
}

impl Unique {
    fn doubled(&self, place: &Place) -> Error {
        let values = self.table.key.iter().map(|column| format!("{column} {}", place.shown(column)));
        let key = values.collect::<Vec<_>>().join(", ");
        let damages = vec![Damage::DoubledKey { table: self.table.name, key }];
        Error::Damaged { dataset: self.dataset.clone(), damages }
    }
}

impl<W: Write + Send> Writer<W> {
    fn new(to: W, shape: &Shape<'_>) -> io::Result<Self> {
        let schema = schema(&shape.columns);
        match shape.purpose {
            Purpose::Run => RunWriter::new(to, &schema).map(Self::Run).map_err(io::Error::other),
            Purpose::Readers(facts) => {
                let properties = properties(&shape.columns, LEVEL, facts.to_vec()).map_err(as_io)?;
                ArrowWriter::try_new(to, schema, Some(properties)).map(Self::Parquet).map_err(as_io)
            }
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Self::Run(writer) => writer.close().map_err(io::Error::other),
            Self::Parquet(writer) => writer.close().map(drop).map_err(as_io),
        }
    }
}

/// Writes a file with the rows that `fill` gives, and makes its content durable.
///
/// # Errors
/// The first error of `fill`, or of the disk.
pub(super) fn write(
    storage: &dyn Storage,
    path: &Path,
    shape: &Shape<'_>,
    fill: &mut dyn FnMut(&mut Sink<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failed = None;
    let written = storage.write(path, &mut |to| {
        let sheet = Sheet::new(schema(&shape.columns), shape.marks);
        let (writer, unique) = (Writer::new(to, shape)?, shape.unique.clone());
        let mut sink = Sink { writer, sheet, path: path.to_owned(), unique, last_key: Vec::new() };
        match fill(&mut sink).and_then(|()| sink.flush()) {
            Ok(()) => sink.writer.close(),
            Err(error) => {
                failed = Some(error);
                Err(io::Error::other("its rows cannot be had"))
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => written.during("write", path),
    }
}
