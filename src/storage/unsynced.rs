//! Contents and names that are not durable yet, and the threads that make several of them durable at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Most syncs under way at a time: those of a commit of ten tables.
const SYNCS: usize = 24;

/// A content or the names of a directory, written and not durable yet.
pub enum Unsynced {
    /// The content of the file of this path, with its sync. The file is still open: one that is opened anew may not report what
    /// failed before.
    Content(PathBuf, Box<dyn FnOnce() -> io::Result<()> + Send>),
    /// The names in this directory.
    Names(PathBuf),
}

/// A sync that failed.
#[derive(Debug)]
pub struct Failed {
    /// The file or directory.
    pub path: PathBuf,
    /// The cause.
    pub error: io::Error,
}

impl Unsynced {
    /// Returns the path of the file or directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Content(path, _) | Self::Names(path) => path,
        }
    }
}

/// Set once the system could not make something durable.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Returns true once a sync of this process has failed. Then it is unknown what the disk holds: the system may call lost pages
/// clean, and the next sync of them succeeds.
pub fn a_sync_has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

fn is_of_the_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied, Unsupported};
    !matches!(error.kind(), InvalidInput | NotFound | PermissionDenied | Unsupported)
}

/// Syncs all of a batch, several at a time. Returns the failures.
pub(super) fn side_by_side(batch: Vec<Unsynced>, sync: impl Fn(Unsynced) -> io::Result<()> + Sync) -> Vec<Failed> {
    let helpers = batch.len().min(SYNCS).saturating_sub(1);
    let (left, failures) = (Mutex::new(batch.into_iter()), Mutex::new(Vec::new()));
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(unsynced) = next() {
            let path = unsynced.path().to_owned();
            if let Err(error) = sync(unsynced) {
                FAILED.fetch_or(is_of_the_disk(&error), Ordering::Relaxed);
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(Failed { path, error });
            }
        }
    };
    thread::scope(|scope| {
        // Where no more threads can be had, fewer of them do the same.
        let start = |_| thread::Builder::new().name(String::from("sync")).spawn_scoped(scope, work).ok();
        (0..helpers).map_while(start).for_each(drop);
        work();
    });
    failures.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Mutex};

    use super::*;

    fn batch(length: usize) -> Vec<Unsynced> {
        (0..length).map(|n| Unsynced::Names(PathBuf::from(n.to_string()))).collect()
    }

    #[test]
    fn as_many_as_may_be_are_under_way_at_once() {
        // Nobody passes before all have come.
        let all_here = Barrier::new(SYNCS);
        let failed = side_by_side(batch(SYNCS), |_| {
            all_here.wait();
            Ok(())
        });
        assert!(failed.is_empty());
    }

    #[test]
    fn each_is_synced_once_and_no_more_than_may_be_at_once_and_all_failures_are_returned() {
        for length in [0, 1, 2, SYNCS, 10 * SYNCS + 1] {
            let (seen, now, most) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicUsize::new(0));
            let failed = side_by_side(batch(length), |unsynced| {
                most.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                let number: usize = unsynced.path().to_string_lossy().parse().unwrap();
                seen.lock().unwrap().push(number);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                if number.is_multiple_of(3) { Err(io::Error::other(number.to_string())) } else { Ok(()) }
            });
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            assert_eq!(seen, (0..length).collect::<Vec<_>>());
            assert!(most.into_inner() <= SYNCS);
            let mut failed: Vec<usize> = failed
                .iter()
                .map(|failed| {
                    assert_eq!(failed.path.to_string_lossy(), failed.error.to_string());
                    failed.error.to_string().parse().unwrap()
                })
                .collect();
            failed.sort_unstable();
            assert_eq!(failed, (0..length).step_by(3).collect::<Vec<_>>());
        }
    }
}
