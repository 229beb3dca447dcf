//! Builds the tables of a snapshot, those that belong together one after the other, and several such families side by side.

use std::panic::AssertUnwindSafe;
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
    let built = side_by_side(families, threads, cancel, &|family, cancel| one(draft, family, cancel))?;
    Ok(built.into_iter().flatten().collect())
}

/// Does the work of all jobs on so many threads, the last job first. The check that it gets says also when another thread has
/// failed or panicked.
fn side_by_side<J: Send, D: Send>(
    jobs: Vec<J>,
    threads: usize,
    cancel: Cancel<'_>,
    work: &(dyn Fn(J, Cancel<'_>) -> Result<D, Error> + Sync),
) -> Result<Vec<D>, Error> {
    let (left, failed) = (Mutex::new(jobs), AtomicBool::new(false));
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let is_over = || failed.load(Ordering::Relaxed) || cancel();
    let work = || {
        let mut done = Vec::new();
        while let Some(job) = next() {
            let ended = panic::catch_unwind(AssertUnwindSafe(|| work(job, &is_over)));
            failed.fetch_or(!matches!(ended, Ok(Ok(_))), Ordering::Relaxed);
            done.push(ended.unwrap_or_else(|panicked| panic::resume_unwind(panicked))?);
        }
        Ok(done)
    };
    let results: Vec<Result<Vec<D>, Error>> = thread::scope(|scope| {
        // Where no more threads can be had, fewer of them do the same.
        let start = |_| thread::Builder::new().name(String::from("snapshot")).spawn_scoped(scope, work).ok();
        let helpers: Vec<_> = (1..threads).map_while(start).collect();
        let own = work();
        let ended = |helper: thread::ScopedJoinHandle<'_, _>| {
            helper.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        };
        helpers.into_iter().map(ended).chain([own]).collect()
    });
    let (mut all, mut error) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(done) => all.extend(done),
            // A thread that was ended by the error of another one says only that it was cancelled.
            Err(other) if matches!(error, None | Some(Error::Cancelled)) => error = Some(other),
            Err(_) => {}
        }
    }
    error.map_or(Ok(all), Err)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cancel::{NEVER, check};

    /// Works until it is cancelled.
    fn endless(cancel: Cancel<'_>) -> Result<u32, Error> {
        loop {
            check(cancel)?;
            thread::yield_now();
        }
    }

    #[test]
    fn every_job_is_done_once() {
        let mut done = side_by_side((0..100).collect(), 2, NEVER, &|job: u32, _| Ok(job)).unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
        assert!(side_by_side(Vec::new(), 2, NEVER, &|job: u32, _| Ok(job)).unwrap().is_empty());
    }

    #[test]
    fn the_first_failure_stops_the_other_thread_and_is_returned() {
        for failing in [0, 1] {
            let failed = side_by_side(vec![2, 1, 0], 2, NEVER, &|job: u32, cancel| match job == failing {
                true => Err(Error::rotten(Path::new("x"), "is missing")),
                false => endless(cancel),
            });
            assert!(matches!(failed, Err(Error::Rotten { .. })), "{failed:?}");
        }
    }

    #[test]
    fn a_cancel_stops_both() {
        let asked = AtomicBool::new(false);
        let is_asked = || asked.load(Ordering::Relaxed);
        let cancelled = side_by_side(vec![2, 1, 0], 2, &is_asked, &|job: u32, cancel| {
            asked.fetch_or(job == 1, Ordering::Relaxed);
            endless(cancel)
        });
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    }

    #[test]
    fn a_panic_stops_the_other_thread_and_is_passed_on() {
        for failing in [0, 1] {
            let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
                side_by_side(vec![2, 1, 0], 2, NEVER, &|job: u32, cancel| {
                    assert_ne!(job, failing, "on purpose");
                    endless(cancel)
                })
            }));
            assert!(panicked.is_err());
        }
    }
}
