//! Datasets of many commits: `commits/` stays small, and a run still begins at once. `scripts/commits` makes 10,000.

use std::env;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Instant;

use bytes::Bytes;
use civitrawl::dataset::commit::fingerprint;
use civitrawl::dataset::part::read_rows;
use civitrawl::dataset::store::{Batch, RunInfo};

use crate::support::{Room, Sandbox, Server, assert_exit, open, printed};

const CRAWL: &str = r#"

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// Commits the rows of the only commit again and again, each time with a cursor more.
fn commit_again(dataset: &Path, times: u64) {
    let mut store = open(dataset);
    let last = store.manifest().last.clone().unwrap();
    let rows = |part: &civitrawl::dataset::commit::Part| {
        let content = std::fs::read(store.layout().part(part.table, &part.name)).unwrap();
        let batches = read_rows(part.table, Bytes::from(content)).unwrap();
        (part.table, arrow::compute::concat_batches(&part.table.schema(), &batches).unwrap())
    };
    let tables: Vec<_> = last.parts.iter().map(rows).collect();
    let info = RunInfo::of(&last);
    for n in 0..times {
        let mut walks = last.walks.clone();
        walks.get_mut("models").unwrap().partitions.get_mut("").unwrap().new_cursors =
            vec![fingerprint(&n.to_string())];
        store.commit(&info, Batch { tables: tables.clone(), pass: last.pass, walks, prune: Vec::new() }).unwrap();
    }
}

#[test]
fn after_many_commits_there_are_few_records_and_a_run_begins_at_once() {
    let commits = env::var("CIVITRAWL_COMMITS").map_or(120, |text| text.parse().unwrap());
    let sandbox = Sandbox::start(&["--models", "60"]);
    let (asked, heard) = channel();
    let asked = Mutex::new(asked);
    let base = Server::in_front_of(&sandbox, move |body| {
        asked.lock().unwrap().send(Instant::now()).unwrap();
        body
    })
    .base;
    let room = Room::new(CRAWL, &base);
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    heard.recv().unwrap();
    commit_again(&room.dataset(), commits - 1);

    let began = Instant::now();
    let resumed = room.run(&["--max-pages", "1"]);
    assert_exit(&resumed, 3);
    let first_request = heard.recv().unwrap() - began;
    let records: Vec<u64> = std::fs::read_dir(room.dataset().join("commits"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    println!(
        "{commits} commits: {} records of {:.1} MB in all; the first request {} ms after the start",
        records.len(),
        records.iter().sum::<u64>() as f64 / 1e6,
        first_request.as_millis()
    );
    assert!(records.len() as u64 <= 100.max(commits / 2), "{} records", records.len());
    let last = format!("commits/{:08}.json", commits + 1);
    assert!(room.dataset().join(last).exists(), "the run went on behind the last commit: {}", printed(&resumed));
}
