//! A small crawl through the real store: its commits, the snapshots taken of them, and the paths they use.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use civitrawl::dataset::commit::{Part, PartitionState, PrunedPart, WalkState, fingerprint};
use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::manifest::Manifest;
use civitrawl::dataset::snapshot::{SnapshotOptions, Taken, take};
use civitrawl::dataset::store::{Batch, RunInfo, Store};
use civitrawl::dataset::{Error, layout};
use civitrawl::storage::Storage;
use civitrawl::table;
use civitrawl::table::{Provenance, Table, TableBuilder, tags, users};

use crate::machine::Promised;

/// Commits of the whole crawl.
pub(crate) const COMMITS: u64 = 6;

/// Every second record is a full one.
pub(crate) const FULL_EVERY: u64 = 2;

/// The commit that removes the parts which a snapshot has absorbed, and adds nothing.
pub(crate) const PRUNING: u64 = 5;

/// The commits behind which a snapshot is taken; the first one is what [`PRUNING`] follows.
const SNAPSHOTS: [u64; 2] = [PRUNING - 1, COMMITS];

/// The parts that a commit removes: table, and the commit that added it. The fourth adds none to one of the tables.
pub(crate) const PRUNED: [(u64, &str, u64); 6] = [
    (3, "tags", 1),
    (3, "users", 2),
    (4, "tags", 2),
    (PRUNING, "tags", 3),
    (PRUNING, "tags", 4),
    (PRUNING, "users", 4),
];

/// Returns whether a commit adds users.
pub(crate) fn has_users(commit: u64) -> bool {
    matches!(commit, 2 | 4 | 6)
}

/// The pages of tags there are behind a commit: one for each that adds rows.
pub(crate) fn pages(commit: u64) -> u64 {
    commit - u64::from(commit >= PRUNING)
}

/// The pages of users there are behind a commit.
fn pages_of_users(commit: u64) -> u64 {
    (1..=commit).filter(|commit| has_users(*commit)).count() as u64
}

/// The dataset; the directory above it is not there either.
pub(crate) fn place() -> Layout {
    Layout::new("/srv/data/catalog")
}

/// A run of its own for each set of digits.
pub(crate) fn info(digits: u16) -> RunInfo {
    let began = jiff::Timestamp::UNIX_EPOCH;
    let definition = serde_json::json!({ "walks": ["tags", "users"] });
    RunInfo {
        run: layout::RunId::new(&began, digits.into()),
        crawl: String::from("model"),
        server: String::from("model"),
        definition,
    }
}

/// The cursor behind a page.
pub(crate) fn cursor(page: u64) -> String {
    format!("2026-11-23|{page}")
}

/// The states of the walks behind a commit.
pub(crate) fn walks(commit: u64) -> BTreeMap<String, WalkState> {
    let cursor = cursor(pages(commit));
    let walk = |pages: u64| {
        let seen = vec![fingerprint(&cursor)];
        let partition =
            PartitionState { cursor: Some(cursor.clone()), pages, new_cursors: seen, ..PartitionState::default() };
        WalkState {
            pages,
            items: 3 * pages,
            partitions: BTreeMap::from([(String::new(), partition)]),
            ..WalkState::default()
        }
    };
    let mut walks = BTreeMap::from([(String::from("tags"), walk(pages(commit)))]);
    if commit >= 2 {
        walks.insert(String::from("users"), walk(pages_of_users(commit)));
    }
    walks
}

/// The ids of the users that a commit adds: those of a range of their own.
pub(crate) fn user_ids(commit: u64) -> impl Iterator<Item = i64> {
    let first = i64::try_from(commit).expect("commits are few") << 20;
    first..first + 3
}

/// The rows a commit makes durable: a page of tags, and with some a page of users.
pub(crate) fn batch(commit: u64, manifest: &Manifest) -> Batch {
    let (mut tag, mut user, mut page) =
        (tags::Builder::default(), users::Builder::default(), table::pages::Builder::default());
    let number = |page: u64| i64::try_from(page).expect("pages are few");
    let names: Vec<String> = (0..3).map(|n| format!("{commit}-{n}")).collect();
    let at = |walk, page| Provenance { pass: 1, walk, page, fetched_at: 0 };
    let here = at("tags", number(pages(commit)));
    names.iter().for_each(|name| {
        tag.push(tags::Row { name, model_count: None, link: None, extra: None, at: &here });
    });
    push_page(&mut page, &here);
    if has_users(commit) {
        let here = at("users", number(pages_of_users(commit)));
        for id in user_ids(commit) {
            user.push(users::Row { id, username: None, extra: None, at: &here });
        }
        push_page(&mut page, &here);
    }
    let builders: [&mut dyn TableBuilder; 3] = [&mut tag, &mut user, &mut page];
    let finish = |builder: &mut dyn TableBuilder| -> (&'static Table, RecordBatch) {
        (builder.table(), builder.finish().expect("rows fit their table"))
    };
    let goes = |part: &&Part| PRUNED.contains(&(commit, part.table.name, part.name.commit));
    let prune = manifest.live_parts().filter(goes).map(PrunedPart::from).collect();
    Batch { tables: builders.into_iter().map(finish).collect(), pass: 1, walks: walks(commit), prune }
}

fn push_page(builder: &mut table::pages::Builder, at: &Provenance<'_>) {
    builder.push(table::pages::Row {
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

/// Opens the dataset and crawls until all is whole, a report behind some commits as a run writes it; `promise` hears
/// every commit and every snapshot that returned `Ok`, the commit found at the beginning first. Snapshots are made on so many
/// threads.
pub(crate) fn run(
    storage: &Arc<dyn Storage>,
    digits: u16,
    threads: usize,
    promise: &dyn Fn(Promised),
) -> Result<(), Error> {
    let mut store = open(storage)?;
    let info = info(digits);
    let mut last = store.manifest().last_commit();
    promise(Promised { commit: last, snapshot: 0 });
    loop {
        if SNAPSHOTS.contains(&last) {
            let snapshot = snapshot(&mut store, last + 1 == PRUNING, threads)?;
            last = store.manifest().last_commit();
            promise(Promised { commit: last, snapshot });
        }
        if last == COMMITS {
            return store.settle();
        }
        let batch = batch(last + 1, store.manifest());
        last = store.commit(&info, batch)?.commit;
        promise(Promised { commit: last, snapshot: 0 });
        // A report settles what the commit published, and some commits have none.
        if last.is_multiple_of(3) {
            store.write_report(&info.run, "{}")?;
        }
    }
}

/// Takes a snapshot, with the history of tags and users in ranges, in the place of the one before; gives its number.
fn snapshot(store: &mut Store, prune: bool, threads: usize) -> Result<u64, Error> {
    let options = SnapshotOptions {
        tables: &[],
        history: &[&tags::TABLE],
        split: &[&users::TABLE],
        keep: &|_, _| false,
        prune,
        threads,
    };
    match take(store, &options)? {
        Taken::New(inventory) | Taken::Nothing(inventory) => Ok(inventory.snapshot),
        Taken::Empty => unreachable!("there are commits"),
    }
}
