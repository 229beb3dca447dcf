//! The report: the figures of a snapshot and of its crawl as one self-contained HTML page.
//!
//! ```text
//! snapshot ─ dataset::snapshot_reader ─▶ catalog, health: figures ─ page: sections ─ chart: bars, matrices, plots ─▶ HTML
//! ```
//! Columns are streamed, and names beyond what memory is set aside for are counted in a further reading, so memory is bounded. Text from the server is escaped by the template
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

/// Returns the HTML page of a dataset's newest snapshot; `None` if it has none. Calls `progress` with the bytes of each file that is
/// read for the first time.
///
/// # Errors
/// [`Error`] if the snapshot cannot be read.
pub fn page(layout: &Layout, storage: &dyn Storage, progress: &dyn Fn(u64)) -> Result<Option<String>, Error> {
    let Some(snapshot) = SnapshotReader::newest(layout, storage)? else { return Ok(None) };
    let snapshot = snapshot.watched(progress);
    let catalog = catalog::Catalog::gather(&snapshot)?;
    let health = health::Health::gather(&snapshot)?;
    Ok(Some(page::render(&snapshot, &catalog, &health).into_string()))
}
