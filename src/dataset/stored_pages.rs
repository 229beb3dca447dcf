//! Committed pages with the answers they keep: the input of a replay.

use arrow::array::RecordBatch;

use super::columns::Columns;
use crate::table::{Provenance, pages, rejects};

/// A row of `pages`.
#[derive(Debug, Clone)]
pub struct StoredPage<'a> {
    batch: &'a RecordBatch,
    row: usize,
    /// The answer from which the page was read.
    pub at: Provenance<'a>,
}

impl<'a> StoredPage<'a> {
    /// Returns the pages of a batch of the table.
    pub fn all(batch: &'a RecordBatch) -> impl Iterator<Item = Self> {
        (0..batch.num_rows()).map(move |row| Self { batch, row, at: provenance(batch, row) })
    }

    /// Returns the row as it was written.
    pub fn row(&'a self) -> pages::Row<'a> {
        let text = |name: &str| self.batch.texts(name).get(self.row);
        let number = |name: &str| self.batch.numbers(name).get(self.row);
        pages::Row {
            run: text("run").unwrap_or_default(),
            endpoint: text("endpoint").unwrap_or_default(),
            url: text("url").unwrap_or_default(),
            cursor: text("cursor"),
            next_cursor: text("next_cursor"),
            status: number("status"),
            attempts: number("attempts"),
            items: number("items"),
            bytes: number("bytes"),
            latency_ms: number("latency_ms"),
            cache_status: text("cache_status"),
            age_s: number("age_s"),
            repairs: number("repairs"),
            body: self.batch.bytes("body").get(self.row),
            body_encoding: text("body_encoding"),
            at: &self.at,
        }
    }
}

/// A row of `rejects`.
#[derive(Debug, Clone)]
pub struct StoredReject<'a> {
    batch: &'a RecordBatch,
    row: usize,
    /// The answer from which the item was rejected.
    pub at: Provenance<'a>,
}

impl<'a> StoredReject<'a> {
    /// Returns the rejects of a batch of the table that stand for a whole page.
    pub fn whole_pages(batch: &'a RecordBatch) -> impl Iterator<Item = Self> {
        let positions = batch.numbers("position");
        let whole = (0..batch.num_rows()).filter(move |row| positions.get(*row) == Some(rejects::WHOLE_PAGE));
        whole.map(move |row| Self { batch, row, at: provenance(batch, row) })
    }

    /// Returns the row as it was written.
    pub fn row(&'a self) -> rejects::Row<'a> {
        rejects::Row {
            position: rejects::WHOLE_PAGE,
            reason: self.batch.texts("reason").get(self.row).unwrap_or_default(),
            item: self.batch.texts("item").get(self.row),
            at: &self.at,
        }
    }
}

fn provenance(batch: &RecordBatch, row: usize) -> Provenance<'_> {
    Provenance {
        pass: batch.numbers("pass").get(row).unwrap_or_default(),
        walk: batch.texts("walk").get(row).unwrap_or_default(),
        page: batch.numbers("page").get(row).unwrap_or_default(),
        fetched_at: batch.instants("fetched_at").get(row).unwrap_or_default(),
    }
}
