//! Models that earlier passes of a walk met and a full one did not: those to be looked up before they count as gone.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::Error;
use super::layout::Layout;
use super::scan::each_batch;
use super::storage::Storage;
use crate::table::{models, pages};

/// The strand of a looked up model, before its id.
pub const GONE: &str = "gone/";

/// Ids of the models that a walk met in one of the passes `earlier` and that no walk met in this one, in order. One that was
/// looked up, whoever did it, and not found since the walk met it last needs no second look.
///
/// # Errors
/// [`Error::Disk`].
pub fn unmet(
    layout: &Layout,
    storage: &dyn Storage,
    walk: &str,
    pass: i64,
    earlier: &BTreeSet<i64>,
) -> Result<Vec<i64>, Error> {
    let mut last: HashMap<i64, i64> = HashMap::new();
    each_batch(layout, storage, &models::TABLE, &["id", "pass", "walk"], &mut |batch| {
        let (Some(ids), Some(passes)) = (numbers(batch, "id"), numbers(batch, "pass")) else { return };
        for (row, name) in texts(batch, "walk") {
            let counts = earlier.contains(&passes[row]) && walk_and_strand(name).0 == walk;
            if counts || passes[row] == pass {
                let seen = last.entry(ids[row]).or_default();
                *seen = passes[row].max(*seen);
            }
        }
    })?;
    last.retain(|_, seen| *seen < pass);
    each_batch(layout, storage, &pages::TABLE, &["pass", "walk", "status"], &mut |batch| {
        let (Some(passes), Some(statuses)) = (numbers(batch, "pass"), numbers(batch, "status")) else { return };
        for (row, name) in texts(batch, "walk").filter(|(row, _)| statuses[*row] == 404) {
            let id = walk_and_strand(name).1.strip_prefix(GONE).and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|id| last.get(id).is_some_and(|seen| *seen <= passes[row])) {
                last.remove(&id);
            }
        }
    })?;
    let ids: BTreeSet<i64> = last.into_keys().collect();
    Ok(ids.into_iter().collect())
}

/// What a name tells: the walk, and behind a slash the strand.
fn walk_and_strand(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}

fn numbers<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a [i64]> {
    Some(batch.column_by_name(column)?.as_primitive_opt::<Int64Type>()?.values())
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let texts = batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    texts.into_iter().flat_map(|texts| texts.iter().enumerate()).filter_map(|(row, text)| Some((row, text?)))
}
