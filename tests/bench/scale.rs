//! Multiplies a crawled dataset: `scale DATASET LARGE COPIES` makes another one of so many copies of its rows, by the real store.
//!
//! Each copy has ids, people, tags, pages, partitions and commits of its own, so the large dataset is a sound one of a catalog so
//! many times as large, for a small part of the time that a crawl of it takes.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use civitrawl::dataset::columns::Columns;
use civitrawl::dataset::commit::WalkState;
use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::store::{Batch, RunInfo, Store};
use civitrawl::storage::Disk;
use civitrawl::table::{self, Table};

/// The rows of a commit.
type Rows = Vec<(&'static Table, RecordBatch)>;

fn main() {
    // Cargo adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [dataset, large, copies] = &arguments[..] else {
        panic!("name a dataset, another one, and the number of copies")
    };
    let open = |path: &str| Store::open(Layout::new(Path::new(path)), Arc::new(Disk)).expect("a dataset");
    let (dataset, mut large) = (open(dataset), open(large));
    let copies: i64 = copies.parse().expect("a number of copies");
    let last = dataset.manifest().last.as_ref().expect("a commit");
    let commits = commits(&dataset);
    let span = span(&commits);
    // The pages and items of each walk: of one copy, and so far.
    let (all, mut done) = (counted(commits.iter().flatten()), BTreeMap::new());
    for copy in 0..copies {
        for (at, commit) in commits.iter().enumerate() {
            let rows = |(table, rows): &(&'static Table, RecordBatch)| (*table, copied(table, rows, copy, span, &all));
            let tables: Rows = commit.iter().map(rows).collect();
            for (walk, (pages, items)) in counted(commit) {
                let sum: &mut (u64, u64) = done.entry(walk).or_default();
                *sum = (sum.0 + pages, sum.1 + items);
            }
            let is_last = copy + 1 == copies && at + 1 == commits.len();
            let walk = |(name, walk): (&String, &WalkState)| {
                let (pages, items) = done.get(name).copied().unwrap_or_default();
                let end = walk.end.clone().filter(|_| is_last);
                (name.clone(), WalkState { pages, items, end, ..walk.clone() })
            };
            let walks = last.walks.iter().map(walk).collect();
            large.commit(&RunInfo::of(last), Batch { tables, pass: 1, walks, prune: Vec::new() }).expect("a commit");
        }
    }
}

/// The rows of each commit.
fn commits(dataset: &Store) -> Vec<Rows> {
    let rows = |part| {
        let batches: Vec<RecordBatch> = dataset.rows(part).expect("a sound part");
        (part.table, concat_batches(&part.table.schema(), &batches).expect("rows of one table"))
    };
    dataset.manifest().history.parts.values().map(|parts| parts.iter().map(rows).collect()).collect()
}

/// The pages of each walk and the items on them.
fn counted<'a>(tables: impl IntoIterator<Item = &'a (&'static Table, RecordBatch)>) -> BTreeMap<String, (u64, u64)> {
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, rows) in tables.into_iter().filter(|(table, _)| table.name == "pages") {
        for (walk, items) in rows.texts("walk").iter().flatten().zip(rows.numbers("items").iter()) {
            let walk = walk.split('/').next().unwrap_or(walk);
            let (pages, all) = counts.entry(walk.to_owned()).or_default();
            (*pages, *all) = (*pages + 1, *all + items.unwrap_or(0).unsigned_abs());
        }
    }
    counts
}

/// True for the columns that hold ids of what only one copy has.
fn is_id(table: &Table, column: &str) -> bool {
    (column == "id" && table.name != "tags") || (column.ends_with("_id") && column != "tag_id")
}

/// A number by which ids can be shifted so that no copy has one of another.
fn span(commits: &[Rows]) -> i64 {
    let mut ids: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (table, rows) in commits.iter().flatten().filter(|(table, _)| is_id(table, table.key[0])) {
        for id in rows.numbers(table.key[0]).iter().flatten() {
            let (least, most) = ids.entry(table.name).or_insert((id, id));
            (*least, *most) = (id.min(*least), id.max(*most));
        }
    }
    ids.values().map(|(least, most)| most - least + 1).max().expect("rows")
}

/// The rows with ids, names, pages and partitions of this copy.
fn copied(table: &Table, rows: &RecordBatch, copy: i64, span: i64, all: &BTreeMap<String, (u64, u64)>) -> RecordBatch {
    let walks = rows.texts("walk");
    let column = |name: &str| -> Option<ArrayRef> {
        let (numbers, texts) = (rows.numbers(name), rows.texts(name));
        Some(match name {
            _ if is_id(table, name) => {
                Arc::new(numbers.iter().map(|id| Some(id? + copy * span)).collect::<Int64Array>())
            }
            // The pages of a partition are counted anew, and each copy has partitions of its own.
            "page" => Arc::new(
                numbers
                    .iter()
                    .zip(walks.iter())
                    .map(|(page, walk)| {
                        let before = all.get(walk?).map_or(0, |(pages, _)| i64::try_from(*pages).expect("few pages"));
                        Some(page? + copy * before)
                    })
                    .collect::<Int64Array>(),
            ),
            "walk" => Arc::new(
                texts
                    .iter()
                    .map(|walk| match walk?.split_once('/') {
                        Some((walk, value)) => Some(format!("{walk}/{}", value.parse::<i64>().ok()? + copy * span)),
                        None => walk.map(str::to_owned),
                    })
                    .collect::<StringArray>(),
            ),
            "creator_username" | "username" | "tag" => {
                Arc::new(texts.iter().map(|text| Some(format!("{}{copy}", text?))).collect::<StringArray>())
            }
            _ => return None,
        })
    };
    let schema = rows.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, same)| column(field.name()).unwrap_or_else(|| Arc::clone(same)));
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("the same columns")
}
