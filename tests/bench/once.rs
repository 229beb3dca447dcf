//! A page's way once, outside of any harness.
//!
//! `once LIST` sends a few pages of the sandbox through every stage, and prints their bytes: what `scripts/instructions` counts.
//! `once LIST DIR` reads and encodes the pages in a directory, nothing fetched and nothing durable: what `scripts/bench` calls
//! the floor, the least that these tables can cost this program.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod stages;

use std::fs;
use std::path::PathBuf;

use civitrawl::table::Tables;
use stages::{Corpus, Target};

/// Enough to count, for a row group or two of the largest table.
const COUNTED: usize = 6;
/// A part's worth.
const PART: usize = 14;

fn main() {
    // Cargo adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [list] => {
            let corpus = Corpus::fetch(list, COUNTED);
            println!("{}", corpus.bytes());
            counted(&corpus, Target::new());
        }
        [list, directory] => floor(&Corpus::named(list), directory),
        _ => panic!("name a list, and a directory of its pages if they are there already"),
    }
}

/// Nothing outside of this is counted.
#[inline(never)]
fn counted(corpus: &Corpus, mut target: Target) {
    let mut tables = Tables::default();
    for answer in &corpus.answers {
        stages::rows(corpus, &stages::decode(answer), &mut tables);
    }
    let rows = stages::gather(&mut tables);
    stages::encode(&rows);
    stages::commit(&mut target, rows);
}

fn floor(corpus: &Corpus, directory: &str) {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut tables = Tables::default();
    for part in paths.chunks(PART) {
        for path in part {
            stages::rows(corpus, &fs::read_to_string(path).expect("a page"), &mut tables);
        }
        stages::encode(&stages::gather(&mut tables));
    }
}
