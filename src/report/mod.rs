//! The report: the figures of a snapshot and of its crawl as one self-contained HTML page.
//!
//! ```text
//! snapshot ─ dataset::snapshot_reader ─▶ catalog, health: figures ─ page: sections ─ chart: bars, matrices, plots ─▶ HTML
//! ```
//! Columns are streamed, so memory grows only with the number of different names. Text from the server is escaped by the template
//! and isolated from the text around it.

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

/// Returns the HTML page of a dataset's newest snapshot; `None` if it has none.
///
/// # Errors
/// [`Error`] if the snapshot cannot be read.
pub fn page(layout: &Layout, storage: &dyn Storage) -> Result<Option<String>, Error> {
    let Some(snapshot) = SnapshotReader::newest(layout, storage)? else { return Ok(None) };
    let catalog = catalog::Catalog::gather(&snapshot)?;
    let health = health::Health::gather(&snapshot)?;
    Ok(Some(page::render(&snapshot, &catalog, &health).into_string()))
}
