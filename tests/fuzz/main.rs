//! The targets of the fuzzer at every change: over what was kept, whole, and over what chance makes of it.
//!
//! `scripts/fuzz` runs the same targets for as long as one likes, guided by coverage. A finding's bytes belong into
//! `tests/fuzz/kept/<target>`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod targets;

use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use targets::{TARGETS, Target};

/// Words that readers of JSON, TOML, cursors and gzip treat in ways of their own.
const WORDS: &[&str] = &[
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "9223372036854775808",
    "0.1",
    "\0",
    "\n",
    "=",
    "|",
    ".",
    "[[walk]]",
    "\"id\":",
    "\"items\":",
    "\"metadata\":",
    "\"nextCursor\":",
    "\u{feff}",
    "é",
    "\u{1f}\u{8b}",
    "error code: 1010",
];

/// One change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
    Put(Index, &'static str),
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (at(), select(WORDS)).prop_map(|(at, word)| Change::Put(at, word)),
        (at(), at()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

/// Applies a change; `seeds` are what others are spliced in from.
fn apply(bytes: &mut Vec<u8>, change: &Change, seeds: &[Vec<u8>]) {
    let place = |at: &Index| at.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Flip(..) => {}
        Change::Cut(from, to) => {
            let (from, to) = (place(from), place(to));
            bytes.drain(from.min(to)..from.max(to));
        }
        Change::Repeat(from, to) => {
            let (from, to) = (place(from), place(to));
            let piece = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(to..to, piece);
        }
        Change::Put(at, word) => {
            let at = place(at);
            bytes.splice(at..at, word.bytes());
        }
        Change::Splice(at, other) => {
            let (at, other) = (place(at), &seeds[other.index(seeds.len())]);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[at.min(other.len())..]);
        }
    }
}

fn kept(target: &str) -> Vec<Vec<u8>> {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/kept").join(target);
    let mut paths: Vec<_> = fs::read_dir(&place).expect("every target has something to begin with").collect();
    paths.sort_by_key(|entry| entry.as_ref().map(|entry| entry.file_name()).ok());
    paths.into_iter().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// Runs a target over what was kept, and over changes of it. `SEED` takes other ones.
fn run(name: &str) {
    let target: Target = TARGETS.iter().find(|(word, _)| *word == name).expect("the target is listed").1;
    let seeds = kept(name);
    seeds.iter().for_each(|seed| target(seed));
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = if name == "budget" { 60 } else { 1500 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let input = (any::<Index>(), vec(change(), 0..6));
    let outcome = runner.run(&input, |(which, changes)| {
        let mut bytes = seeds[which.index(seeds.len())].clone();
        changes.iter().for_each(|change| apply(&mut bytes, change, &seeds));
        target(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|found| panic!("{name}: {found}"));
}

/// One test for each target; none of those listed may be forgotten here.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_target_is_run() {
            let listed: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(listed, [$(stringify!($name)),*]);
        }
    };
}

targets! { record crawl_file page repair cursor verdict inflate budget examination }

/// Records of another version are refused at once, and nothing behind that is ever reached.
#[test]
fn the_first_kept_records_are_those_of_this_version() {
    for name in ["first.json", "unknown.json"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/kept/record").join(name);
        let record = civitrawl::dataset::commit::Record::decode(1, &fs::read(path).unwrap());
        assert!(record.is_ok(), "{name}: {record:?}; replace it by commits/00000001.json of a new crawl");
    }
}
