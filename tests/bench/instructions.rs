//! Every stage of a page's way, once: what `scripts/instructions` counts. Prints the bytes of JSON.

#![allow(clippy::expect_used, clippy::panic)]

mod stages;

use civitrawl::table::Tables;
use stages::{Corpus, Target};

/// Enough for a row group or two of the largest table.
const PAGES: usize = 6;

fn main() {
    let endpoint = std::env::args().nth(1);
    let corpus = match endpoint.as_deref() {
        Some("models") => Corpus::models(PAGES),
        Some("images") => Corpus::images(PAGES),
        other => panic!("name `models` or `images`, not {other:?}"),
    };
    println!("{}", corpus.bytes());
    counted(&corpus, Target::new());
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
