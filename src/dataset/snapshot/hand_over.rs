//! Hands things from the thread that makes them to another one that uses them, so that both work at a time.

use std::io::{self, ErrorKind};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::{panic, thread};

/// The most things that wait between both threads.
const WAITING: usize = 1;

/// Uses a thing.
pub(super) type Use<'a, T> = dyn FnMut(T) -> io::Result<()> + Send + 'a;
/// Hands a thing over.
pub(super) type HandOver<'a, T> = dyn FnMut(T) -> io::Result<()> + 'a;

/// Calls `make` with a function that hands things over to `used`, which runs on a thread of its own if `aside`. Returns what
/// `make` returns, after all things were used.
///
/// # Errors
/// The first one of `used`. `make` gets an error as well with the next thing, and should end.
pub(super) fn hand_over<T: Send, M>(
    aside: bool,
    used: &mut Use<'_, T>,
    make: impl FnOnce(&mut HandOver<'_, T>) -> M,
) -> io::Result<M> {
    let used = Mutex::new(used);
    let exclusive = || used.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        let work = move || receiver.iter().try_for_each(&mut **exclusive());
        let user = aside.then(|| thread::Builder::new().name(String::from("encode")).spawn_scoped(scope, work));
        // Where no more threads can be had, this one does the same.
        let Some(Ok(user)) = user else {
            let (mut used, mut result) = (exclusive(), Ok(()));
            let made = make(&mut |thing| {
                result = used(thing);
                match &result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(error.kind().into()),
                }
            });
            return result.map(|()| made);
        };
        let made = make(&mut |thing| sender.send(thing).map_err(|_| ErrorKind::BrokenPipe.into()));
        drop(sender);
        user.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)).map(|()| made)
    })
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use super::*;

    /// Makes so many numbers, or as many as can be handed over.
    fn numbers(end: u32) -> impl FnOnce(&mut HandOver<'_, u32>) -> u32 {
        move |hand_over| (0..end).take_while(|number| hand_over(*number).is_ok()).count() as u32
    }

    #[test]
    fn every_thing_is_used_in_order_before_it_returns() {
        for (aside, end) in [(false, 0), (true, 0), (false, 1000), (true, 1000)] {
            let mut used = Vec::new();
            let mut take = |number| {
                used.push(number);
                Ok(())
            };
            let made = hand_over(aside, &mut take, numbers(end)).unwrap();
            assert_eq!((made, used), (end, (0..end).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn a_thread_of_its_own_uses_them_only_if_wanted() {
        for aside in [false, true] {
            let (own, mut other) = (thread::current().id(), None);
            let mut used = |_: u32| {
                other = Some(thread::current().id());
                Ok(())
            };
            hand_over(aside, &mut used, numbers(1)).unwrap();
            assert_eq!(other != Some(own), aside);
        }
    }

    #[test]
    fn the_error_of_a_use_ends_both_and_is_returned() {
        for (aside, at) in [(false, 0), (true, 0), (false, 7), (true, 7), (true, 999)] {
            let mut count = 0;
            let mut used = |number| {
                count += 1;
                if number == at { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
            };
            let failed = hand_over(aside, &mut used, numbers(1000)).unwrap_err();
            assert_eq!((failed.raw_os_error(), count), (Some(28), at + 1));
        }
    }

    #[test]
    fn a_panic_of_either_ends_both_and_is_passed_on() {
        for (aside, user, maker) in [(false, true, false), (true, true, false), (true, false, true), (true, true, true)]
        {
            let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
                let mut used = |_| {
                    assert!(!user, "on purpose");
                    Ok(())
                };
                hand_over(aside, &mut used, |hand_over| {
                    (0..10).take_while(|number| hand_over(*number).is_ok()).for_each(drop);
                    assert!(!maker, "on purpose");
                })
            }));
            assert!(panicked.is_err(), "{aside} {user} {maker}");
        }
    }
}
