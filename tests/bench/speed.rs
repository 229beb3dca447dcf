//! The speed of each stage of a page's way: `cargo bench --bench speed`.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod stages;

use std::sync::LazyLock;

use civitrawl::table::Tables;
use divan::Bencher;
use divan::counter::BytesCount;
use stages::{Corpus, Rows, Target};

const ENDPOINTS: [&str; 2] = ["models", "images"];
/// A part's worth.
const PAGES: usize = 14;
static MODELS: LazyLock<Corpus> = LazyLock::new(|| Corpus::fetch("models", PAGES));
static IMAGES: LazyLock<Corpus> = LazyLock::new(|| Corpus::fetch("images", PAGES));

fn main() {
    divan::main();
}

fn corpus(endpoint: &str) -> &'static Corpus {
    if endpoint == "models" { &MODELS } else { &IMAGES }
}

fn take(corpus: &Corpus, tables: &mut Tables) {
    for answer in &corpus.answers {
        stages::rows(corpus, &stages::decode(answer), tables);
    }
}

fn batches(corpus: &Corpus) -> Rows {
    let mut tables = Tables::default();
    take(corpus, &mut tables);
    stages::gather(&mut tables)
}

#[divan::bench(args = ENDPOINTS)]
fn decode(bencher: Bencher<'_, '_>, endpoint: &str) {
    let corpus = corpus(endpoint);
    let all = || corpus.answers.iter().map(|answer| stages::decode(answer).len()).sum::<usize>();
    bencher.counter(BytesCount::new(corpus.bytes())).bench_local(all);
}

#[divan::bench(args = ENDPOINTS)]
fn decode_and_rows(bencher: Bencher<'_, '_>, endpoint: &str) {
    let corpus = corpus(endpoint);
    let mut tables = Tables::default();
    bencher.counter(BytesCount::new(corpus.bytes())).bench_local(|| {
        take(corpus, &mut tables);
        stages::gather(&mut tables)
    });
}

#[divan::bench(args = ENDPOINTS)]
fn encode(bencher: Bencher<'_, '_>, endpoint: &str) {
    let corpus = corpus(endpoint);
    let rows = batches(corpus);
    bencher.counter(BytesCount::new(corpus.bytes())).bench_local(|| stages::encode(&rows));
}

#[divan::bench(args = ENDPOINTS, sample_count = 10)]
fn commit(bencher: Bencher<'_, '_>, endpoint: &str) {
    let corpus = corpus(endpoint);
    let (rows, mut target) = (batches(corpus), Target::new());
    let bencher = bencher.counter(BytesCount::new(corpus.bytes())).with_inputs(|| rows.clone());
    bencher.bench_local_values(|rows| stages::commit(&mut target, rows));
}
