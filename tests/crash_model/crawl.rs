//! A small crawl's commits through the real store, and the paths they use.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use civitrawl::dataset::commit::{Part, PrunedPart, Strand, Walk, fingerprint};
use civitrawl::dataset::layout::{Layout, RunId};
use civitrawl::dataset::manifest::Manifest;
use civitrawl::dataset::storage::Storage;
use civitrawl::dataset::store::{Batch, Store, Writer};
use civitrawl::dataset::{Error, layout};
use civitrawl::table::{Gather, Provenance, Table, creators, pages, tags};

/// Commits of the whole crawl.
pub(crate) const COMMITS: u64 = 4;

/// Every second record is a full one.
pub(crate) const FULL_EVERY: u64 = 2;

/// The parts that a commit removes: table, and the commit that added it. The next commit adds none to one of the tables.
pub(crate) const PRUNED: [(u64, &str, u64); 3] = [(3, "tags", 1), (3, "creators", 2), (4, "tags", 2)];

/// Whether a commit adds creators.
pub(crate) fn has_creators(commit: u64) -> bool {
    commit % 3 == 2
}

/// The dataset; the directory above it is not there either.
pub(crate) fn place() -> Layout {
    Layout::new("/srv/data/catalog")
}

/// A run of its own for each set of digits.
pub(crate) fn writer(digits: u16) -> Writer {
    let began = jiff::Timestamp::UNIX_EPOCH;
    let definition = serde_json::json!({ "walks": ["tags", "creators"] });
    Writer { run: layout::RunId::new(&began, digits), crawl: String::from("model"), definition }
}

/// The cursor behind a commit's pages.
pub(crate) fn cursor(commit: u64) -> String {
    format!("2026-11-23|{commit}")
}

/// Where the walks stand behind a commit.
pub(crate) fn walks(commit: u64) -> BTreeMap<String, Walk> {
    let walk = |pages: u64, met: u64| {
        let met = vec![fingerprint(&cursor(met))];
        let strand = Strand { cursor: Some(cursor(commit)), pages, met, ..Strand::default() };
        Walk { pages, items: 3 * pages, strands: BTreeMap::from([(String::new(), strand)]), ..Walk::default() }
    };
    let mut walks = BTreeMap::from([(String::from("tags"), walk(commit, commit))]);
    if commit >= 2 {
        walks.insert(String::from("creators"), walk((commit + 1) / 3, commit));
    }
    walks
}

/// What a commit makes durable: a page of tags, and with every third one a page of creators.
pub(crate) fn batch(commit: u64, manifest: &Manifest) -> Batch {
    let (mut tag, mut creator, mut page) =
        (tags::Builder::default(), creators::Builder::default(), pages::Builder::default());
    let number = i64::try_from(commit).expect("commits are few");
    let names: Vec<String> = (0..3).map(|n| format!("{commit}-{n}")).collect();
    let at = |walk, page| Provenance { pass: 1, walk, page, fetched_at: 0 };
    let here = at("tags", number);
    names.iter().for_each(|name| {
        tag.push(tags::Row { name, model_count: None, link: None, extra: None, at: &here });
    });
    push_page(&mut page, &here);
    if has_creators(commit) {
        let here = at("creators", (number + 1) / 3);
        names.iter().for_each(|username| {
            let row = creators::Row { username, model_count: None, link: None, image: None, extra: None, at: &here };
            creator.push(row);
        });
        push_page(&mut page, &here);
    }
    let builders: [&mut dyn Gather; 3] = [&mut tag, &mut creator, &mut page];
    let finish = |builder: &mut dyn Gather| -> (&'static Table, RecordBatch) {
        (builder.table(), builder.finish().expect("rows fit their table"))
    };
    let goes = |part: &&Part| PRUNED.contains(&(commit, part.table.as_str(), part.name.commit));
    let prune = manifest.live_parts().filter(goes).map(PrunedPart::from).collect();
    Batch { tables: builders.into_iter().map(finish).collect(), pass: 1, walks: walks(commit), prune }
}

fn push_page(builder: &mut pages::Builder, at: &Provenance<'_>) {
    builder.push(pages::Row {
        run: "model",
        endpoint: at.walk,
        url: "http://127.0.0.1/api/v1",
        cursor: None,
        next_cursor: None,
        status: Some(200),
        attempts: Some(1),
        items: Some(3),
        bytes: None,
        latency_ms: None,
        cache_status: None,
        age_s: None,
        repairs: Some(0),
        body: None,
        body_encoding: None,
        at,
    });
}

/// Opens the dataset.
pub(crate) fn open(storage: &Arc<dyn Storage>) -> Result<Store, Error> {
    let mut store = Store::open(place(), Arc::clone(storage))?;
    store.write_full_every(FULL_EVERY);
    Ok(store)
}

/// Opens the dataset and commits until the crawl is whole, a report behind each commit as a run writes it; `committed`
/// hears every commit that returned `Ok`, the one found at the beginning first.
pub(crate) fn run(storage: &Arc<dyn Storage>, digits: u16, committed: &dyn Fn(u64)) -> Result<(), Error> {
    let mut store = open(storage)?;
    let first = store.manifest().last_commit();
    committed(first);
    let writer = writer(digits);
    for commit in first + 1..=COMMITS {
        let batch = batch(commit, store.manifest());
        store.commit(&writer, batch)?;
        committed(commit);
        report(&mut store, &writer.run)?;
    }
    Ok(())
}

fn report(store: &mut Store, run: &RunId) -> Result<(), Error> {
    store.write_report(run, "{}")
}
