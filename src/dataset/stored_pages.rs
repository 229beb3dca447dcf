//! Pages as they were committed, with the answers they keep: what a replay reads.

use arrow::array::{Array, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};

use crate::table::{Provenance, pages, rejects};

/// A row of `pages`.
#[derive(Debug, Clone)]
pub struct KeptPage<'a> {
    /// What the table has of it, all but where it came from.
    columns: Columns<'a>,
    /// Which answer it was.
    pub at: Provenance<'a>,
}

#[derive(Debug, Clone)]
struct Columns<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl<'a> KeptPage<'a> {
    /// The pages of a batch of the table's rows.
    pub fn all(batch: &'a RecordBatch) -> impl Iterator<Item = Self> {
        (0..batch.num_rows()).map(|row| {
            let columns = Columns { batch, row };
            Self { at: columns.provenance(), columns }
        })
    }

    /// The row as it stands.
    pub fn row(&'a self) -> pages::Row<'a> {
        let columns = &self.columns;
        pages::Row {
            run: columns.text("run").unwrap_or_default(),
            endpoint: columns.text("endpoint").unwrap_or_default(),
            url: columns.text("url").unwrap_or_default(),
            cursor: columns.text("cursor"),
            next_cursor: columns.text("next_cursor"),
            status: columns.number("status"),
            attempts: columns.number("attempts"),
            items: columns.number("items"),
            bytes: columns.number("bytes"),
            latency_ms: columns.number("latency_ms"),
            cache_status: columns.text("cache_status"),
            age_s: columns.number("age_s"),
            repairs: columns.number("repairs"),
            body: columns.bytes("body"),
            body_encoding: columns.text("body_encoding"),
            at: &self.at,
        }
    }
}

/// A row of `rejects`.
#[derive(Debug, Clone)]
pub struct KeptReject<'a> {
    columns: Columns<'a>,
    /// Which answer it came from.
    pub at: Provenance<'a>,
}

impl<'a> KeptReject<'a> {
    /// The rejects of a batch of the table's rows that stand for a whole page.
    pub fn whole_pages(batch: &'a RecordBatch) -> impl Iterator<Item = Self> {
        let all = (0..batch.num_rows()).map(|row| Columns { batch, row });
        let whole = all.filter(|columns| columns.number("position") == Some(rejects::WHOLE_PAGE));
        whole.map(|columns| Self { at: columns.provenance(), columns })
    }

    /// The row as it stands.
    pub fn row(&'a self) -> rejects::Row<'a> {
        rejects::Row {
            position: rejects::WHOLE_PAGE,
            reason: self.columns.text("reason").unwrap_or_default(),
            item: self.columns.text("item"),
            at: &self.at,
        }
    }
}

impl<'a> Columns<'a> {
    fn provenance(&self) -> Provenance<'a> {
        Provenance {
            pass: self.number("pass").unwrap_or_default(),
            walk: self.text("walk").unwrap_or_default(),
            page: self.number("page").unwrap_or_default(),
            fetched_at: self.primitive::<TimestampMillisecondType>("fetched_at").unwrap_or_default(),
        }
    }

    /// The column's array, unless it is null here, or an older version did not have it.
    fn present(&self, name: &str) -> Option<&'a dyn Array> {
        self.batch.column_by_name(name).map(AsRef::as_ref).filter(|array| array.is_valid(self.row))
    }

    fn primitive<T: ArrowPrimitiveType>(&self, name: &str) -> Option<T::Native> {
        Some(self.present(name)?.as_primitive_opt::<T>()?.value(self.row))
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.primitive::<Int64Type>(name)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        Some(self.present(name)?.as_string_opt::<i32>()?.value(self.row))
    }

    fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        Some(self.present(name)?.as_binary_opt::<i32>()?.value(self.row))
    }
}
