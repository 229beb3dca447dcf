//! The report as a page: the figures of a snapshot and of the crawl behind it, as one HTML file that needs nothing else.
//!
//! ```text
//! snapshot ─ dataset::snapshot_reader ─▶ catalog, health: figures ─ page: sections ─ chart: bars, matrices, plots ─▶ HTML
//! ```
//! Figures are counted while columns stream by; memory grows with the number of different names only. What the server said
//! is escaped by the template, and kept apart from the text around it.

use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::snapshot_reader::SnapshotReader;
use crate::storage::Storage;

mod catalog;
mod chart;
mod health;
mod latency;
mod page;
mod plot;
mod sections;
mod tally;
mod text;

/// The page that tells of a dataset's newest snapshot; `None` when it has none.
///
/// # Errors
/// [`Error`] when the snapshot cannot be read.
pub fn page(layout: &Layout, storage: &dyn Storage) -> Result<Option<String>, Error> {
    let Some(snapshot) = SnapshotReader::newest(layout, storage)? else { return Ok(None) };
    let catalog = catalog::Catalog::gather(&snapshot)?;
    let health = health::Health::gather(&snapshot)?;
    Ok(Some(page::render(&snapshot, &catalog, &health).into_string()))
}
