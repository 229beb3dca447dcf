//! The crash model: the real store runs on a disk in memory, which is cut off at every step and in every way a power loss may
//! cut it; whatever is left must open, hold all that was promised, and continue: commits, snapshots, and the rows that only a
//! snapshot holds. Storages that break the protocol are caught.
//!
//! `SEED=` repeats the random picks, `BREADTH=` multiplies how many states are looked at: `scripts/crash-model`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "crash_model/check.rs"]
mod check;
#[path = "crash_model/crawl.rs"]
mod crawl;
#[path = "crash_model/disk.rs"]
mod disk;
#[path = "crash_model/explore.rs"]
mod explore;
#[path = "crash_model/machine.rs"]
mod machine;
#[path = "crash_model/mutant.rs"]
mod mutant;
#[path = "crash_model/power.rs"]
mod power;

use std::env;
use std::sync::Arc;

use check::{has_one_writer, recovers};
use civitrawl::dataset::Error;
use civitrawl::dataset::manifest::Manifest;
use crawl::{batch, info, open, run};
use disk::State;
use explore::{Explorer, Seen};
use machine::{Failing, Machine, Moment, Promised};
use mutant::{ALL, Mutation, wrap};
use power::{Random, losses};

/// The program's own, which takes a tenth less time here.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EMFILE: i32 = 24;
const EDQUOT: i32 = 122;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn seed() -> u64 {
    let seed = number("SEED", 1);
    eprintln!("SEED={seed}");
    seed
}

fn breadth() -> usize {
    usize::try_from(number("BREADTH", 1)).unwrap()
}

/// The crawl from an empty disk to its end, every moment of it. The order of calls is the same each time only on one thread.
fn crawled(mutation: Option<Mutation>, threads: usize) -> Result<Vec<Moment>, String> {
    let machine = Machine::start(State::new(), Promised::default(), None);
    let storage = wrap(&machine, mutation);
    run(&storage, 1, threads, &|more| machine.promise(more)).map_err(|error| format!("it cannot crawl: {error}"))?;
    has_one_writer(&storage)?;
    Ok(machine.history())
}

#[test]
fn whatever_a_crash_leaves_recovers() {
    let mut explorer = Explorer::new(None, 2, seed(), breadth());
    let moments = crawled(None, 1).unwrap();
    let found = explorer.explore(&moments, 0);
    println!("{} steps, {}", moments.len(), explorer.summary());
    found.unwrap();
    assert!(explorer.states > 10_000, "only {} states were tried", explorer.states);
}

#[test]
fn whatever_a_crash_leaves_of_snapshots_made_on_two_threads_recovers() {
    let mut explorer = Explorer::new(None, 0, seed(), breadth());
    let moments = crawled(None, 2).unwrap();
    let found = explorer.explore(&moments, 0);
    println!("{} steps, {}", moments.len(), explorer.summary());
    found.unwrap();
}

#[test]
fn every_mutation_of_the_protocol_is_caught() {
    for mutation in ALL {
        // Most are found without crashing any recovery, and soon.
        let violation = (0..=2).find_map(|recoveries| {
            let mut explorer = Explorer::new(Some(mutation), recoveries, 1, 1);
            crawled(Some(mutation), 1).and_then(|moments| explorer.explore(&moments, 0)).err()
        });
        println!("{mutation:?}: {}", violation.unwrap_or_else(|| panic!("{mutation:?} was not caught")));
    }
}

/// A crawl in which one step fails; whether it ended well, and the disk then.
fn failed(failing: Failing) -> (Result<(), Error>, Arc<Machine>) {
    let machine = Machine::start(State::new(), Promised::default(), Some(failing));
    let storage = wrap(&machine, None);
    (run(&storage, 1, 1, &|more| machine.promise(more)), machine)
}

#[test]
fn a_step_that_fails_loses_nothing() {
    let steps = {
        let machine = Machine::start(State::new(), Promised::default(), None);
        run(&wrap(&machine, None), 1, 1, &|_| ()).unwrap();
        machine.steps()
    };
    let (mut random, mut seen, mut states, mut errors) = (Random(seed()), Seen::default(), 0, 0);
    let once_and_for_ever = |code| [(code, false, false), (code, true, false)];
    let mut ways = [ENOSPC, EIO, EDQUOT, EMFILE].map(once_and_for_ever).concat();
    ways.push((EIO, false, true));
    for at in 0..steps {
        for (code, from_then_on, done) in ways.iter().copied() {
            let failing = Failing { at, from_then_on, code, done };
            let (ended, machine) = failed(failing);
            match ended {
                Err(Error::Disk { source, .. }) => {
                    assert_eq!(source.raw_os_error(), Some(code), "{failing:?}");
                    errors += 1;
                }
                // What is cleaned up at the end of a failure may fail as well; nothing else may be passed over.
                other => panic!("{failing:?}: {other:?}"),
            }
            let moment = machine.history().pop().unwrap();
            assert!(!moment.state.retried, "{failing:?}: a file was synced again after its sync had failed");
            let cut = losses(&moment.state, 4 * breadth(), &mut random).into_iter();
            for state in cut.chain([moment.state.clone()]) {
                let left = Moment { state, promised: moment.promised };
                if seen.is_new(&left) {
                    recovers(&left, None).unwrap_or_else(|violation| panic!("{failing:?}: {violation}"));
                }
                states += 1;
            }
        }
    }
    println!("{steps} steps, {} failures, {errors} errors, {states} states", steps * ways.len());
}

#[test]
fn a_second_writer_that_got_past_the_lock_replaces_nothing() {
    let machine = Machine::start(State::new(), Promised::default(), None);
    let storage = wrap(&machine, Some(Mutation::LockLost));
    let (mut first, mut second) = (open(&storage).unwrap(), open(&storage).unwrap());
    let batch = || batch(1, &Manifest::default());
    first.commit(&info(1), batch()).unwrap();
    assert!(matches!(second.commit(&info(2), batch()), Err(Error::Disk { .. })));
    drop((first, second));
    let left = Moment { state: machine.state(), promised: Promised { commit: 1, snapshot: 0 } };
    let left = recovers(&left, None).unwrap().pop().unwrap();
    check::goes_on(&left, None).unwrap();
}
