//! Work on many files of a place, a few at a time.

use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::dataset::cancel::{Cancel, check};
use crate::dataset::error::Error;

/// Most files under way at a time. Of each a store holds 8 MiB in memory, or twice that.
const FILES: usize = 8;

/// Works on each of these, several at a time. The first error cancels the others, which end before this returns it.
pub(super) fn several<T: Sync>(
    items: &[T],
    cancel: Cancel<'_>,
    work: impl Fn(&T, Cancel<'_>) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let cancel = || cancel() || failure().is_some();
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = check(&cancel).and_then(|()| work(item, &cancel)) {
                failure().get_or_insert(error);
                break;
            }
        }
    };
    thread::scope(|scope| {
        // Where no more threads can be had, fewer of them do the same.
        let start = |_| thread::Builder::new().name(String::from("copy")).spawn_scoped(scope, work).ok();
        (1..items.len().min(FILES)).map_while(start).for_each(drop);
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// A content that ends with an error once the work is cancelled.
pub(super) struct Cancelling<'a, R> {
    pub(super) content: R,
    pub(super) cancel: Cancel<'a>,
}

impl<R: Read> Read for Cancelling<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.cancel)() { Err(ErrorKind::ConnectionAborted.into()) } else { self.content.read(buffer) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;

    use super::super::super::cancel::NEVER;
    use super::*;

    #[test]
    fn as_many_as_may_be_are_under_way_and_each_is_worked_on_once() {
        for length in [0, 1, FILES, 10 * FILES] {
            let (seen, now, most) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicUsize::new(0));
            // Nobody passes before all have come.
            let all_here = Barrier::new(length.clamp(1, FILES));
            let items: Vec<usize> = (0..length).collect();
            several(&items, NEVER, |item, _| {
                most.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                all_here.wait();
                seen.lock().unwrap().push(*item);
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
            .unwrap();
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            assert_eq!((seen, most.into_inner()), (items, length.min(FILES)));
        }
    }

    #[test]
    fn the_first_error_ends_all_and_is_returned() {
        let (begun, others_wait) = (AtomicUsize::new(0), Barrier::new(FILES));
        let items: Vec<usize> = (0..10 * FILES).collect();
        let ended = several(&items, NEVER, |item, cancel| {
            begun.fetch_add(1, Ordering::SeqCst);
            others_wait.wait();
            if *item == 3 {
                return Err(Error::Overtaken { place: "x".into() });
            }
            let mut content = Cancelling { content: io::repeat(0), cancel };
            while content.read(&mut [0]).is_ok() {}
            Err(Error::Cancelled)
        });
        assert!(matches!(ended, Err(Error::Overtaken { .. })));
        assert_eq!(begun.into_inner(), FILES);
        // What is cancelled before it begins does nothing.
        let touched = AtomicBool::new(false);
        let ended = several(&items, &|| true, |_, _| {
            touched.store(true, Ordering::SeqCst);
            Ok(())
        });
        assert!(matches!(ended, Err(Error::Cancelled)) && !touched.into_inner());
    }
}
