//! Builds the tables of a snapshot, those that belong together one after the other, and several such families side by side.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{panic, thread};

use super::builder::{Draft, FamilyBuilder, Form, TableInputs};
use super::inventory::File;
use crate::dataset::cancel::Cancel;
use crate::dataset::error::Error;
use crate::table::Table;

/// The work of one table.
pub(super) struct Task<'a> {
    pub(super) table: &'static Table,
    /// The files that are linked from the snapshot before, and the directory of that.
    pub(super) linked: Vec<(&'a Path, &'a File)>,
    /// The rows to write, if any file is to be written.
    pub(super) written: Option<(TableInputs, Form)>,
}

/// A table and those whose rows belong to it, in the order in which they are built.
pub(super) type Family<'a> = Vec<Task<'a>>;

/// Builds families on so many threads. Returns the entries of all files for the inventory.
///
/// # Errors
/// The first error; it ends the other threads as well.
pub(super) fn build(
    draft: &Draft<'_>,
    mut families: Vec<Family<'_>>,
    threads: usize,
    cancel: Cancel<'_>,
) -> Result<Vec<File>, Error> {
    // The largest one begins first, so that none is left alone at the end.
    families.sort_by_key(bytes);
    let (left, failed) = (Mutex::new(families), AtomicBool::new(false));
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let is_over = || failed.load(Ordering::Relaxed) || cancel();
    let work = || {
        let mut files = Vec::new();
        while let Some(family) = next() {
            let built = one(draft, family, &is_over);
            failed.fetch_or(built.is_err(), Ordering::Relaxed);
            files.extend(built?);
        }
        Ok(files)
    };
    let results: Vec<Result<Vec<File>, Error>> = thread::scope(|scope| {
        // Where no more threads can be had, fewer of them do the same.
        let start = |_| thread::Builder::new().name(String::from("snapshot")).spawn_scoped(scope, work).ok();
        let helpers: Vec<_> = (1..threads).map_while(start).collect();
        let own = work();
        let ended = |helper: thread::ScopedJoinHandle<'_, _>| {
            helper.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        };
        helpers.into_iter().map(ended).chain([own]).collect()
    });
    let (mut files, mut error) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(built) => files.extend(built),
            // A thread that was ended by the error of another one says only that it was cancelled.
            Err(other) if matches!(error, None | Some(Error::Cancelled)) => error = Some(other),
            Err(_) => {}
        }
    }
    error.map_or(Ok(files), Err)
}

fn one(draft: &Draft<'_>, family: Family<'_>, cancel: Cancel<'_>) -> Result<Vec<File>, Error> {
    let mut builder = FamilyBuilder::new(draft, cancel);
    for Task { table, linked, written } in family {
        linked.into_iter().try_for_each(|(before, file)| builder.link(before, file))?;
        if let Some((inputs, form)) = written {
            builder.table(table, inputs, form)?;
        }
    }
    builder.finish()
}

/// Returns the size of what is read for a family.
fn bytes(family: &Family<'_>) -> u64 {
    family.iter().filter_map(|task| task.written.as_ref()).map(|(inputs, _)| inputs.bytes()).sum()
}
