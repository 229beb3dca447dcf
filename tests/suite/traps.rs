//! One test per numbered trap of the server: what a client as people write it loses, and that nothing is lost here; or
//! that what cannot be had is refused or named.

mod ends;
mod images;
mod lookups;
mod models;
mod numbered;
mod refused;
mod service;
mod unknown;

use serde_json::Value;

use crate::support::{Room, Sandbox, Walk, assert_exit, crawl_file, get, printed, program};

/// The query of a full walk over the models.
const ALL: &str = "sort=Oldest&period=AllTime&nsfw=true&archived=true";
/// The same as a crawl file has it.
const ALL_PARAMS: &str = "sort = \"Oldest\", period = \"AllTime\", nsfw = true, archived = true";
const PICTURES: &str = "withMeta = true, flatMeta = true, withTags = true, sort = \"Newest\", period = \"AllTime\"";

/// Returns what `plan` prints for a crawl file with this walk, which it accepts or refuses with exit code 2.
fn plan(walk: Walk, accepted: bool) -> String {
    let room = Room::new(&crawl_file(&[walk]), "http://127.0.0.1:9/api/v1");
    let output = program().arg("plan").arg(room.file()).output().expect("the program runs");
    assert_exit(&output, if accepted { 0 } else { 2 });
    printed(&output)
}

/// The distinct values of a column, sorted by their texts.
fn column(room: &Room, table: &str, column: &str) -> Vec<String> {
    let mut values: Vec<String> =
        room.rows(&format!("SELECT DISTINCT {column} FROM {table}")).iter().map(|row| row[0].to_string()).collect();
    values.sort_unstable();
    values
}

/// The sandbox's log.
fn log(sandbox: &Sandbox) -> Vec<Value> {
    get(&sandbox.side("log")).lines().map(|line| serde_json::from_str(line).expect("the log is JSON lines")).collect()
}

/// Every value of a walk's rows against the truth of its query.
fn assert_values(room: &Room, sandbox: &Sandbox, walk: &str, query: &str) {
    room.read("truth.py", &[sandbox.side("").trim_end_matches('/'), &format!("{walk}={query}")]);
}

/// Returns the report's value under one word, of the dataset's only run.
fn reported(room: &Room, word: &str) -> String {
    let mut reports = std::fs::read_dir(room.dataset().join("runs")).expect("there are reports");
    let report = reports.next().expect("there is a report").expect("it can be listed").path();
    let report: Value = serde_json::from_slice(&std::fs::read(report).expect("it can be read")).expect("it is JSON");
    report[word].to_string()
}

/// The doubts of the dataset's only run.
fn doubts(room: &Room) -> String {
    reported(room, "doubts")
}

/// Switches of the sandbox that `all` alone throws.
const THROWN_BY_ALL: [&str; 3] = ["feed-restarts", "null-dates", "posts-limit"];

pub fn sources(folder: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).expect("there are tests").map(|file| file.expect("it can be listed").path());
    files.filter(|file| file.is_file()).map(|file| std::fs::read_to_string(file).expect("it is text")).collect()
}

#[test]
fn every_trap_number_has_its_test() {
    let traps = sources("tests/suite/traps");
    let numbers = traps.split("fn trap_").skip(1).map(|name| name[..2].parse().expect("a trap has two digits"));
    let numbers: std::collections::BTreeSet<u32> = numbers.collect();
    assert!(numbers.len() >= 24 && numbers.iter().copied().eq(1..=numbers.len() as u32), "one is missing: {numbers:?}");
}

#[test]
fn every_switch_of_the_sandbox_is_thrown_by_name() {
    let tests = sources("tests/suite") + &sources("tests/suite/traps");
    for (switch, _) in civitrawl::sandbox::Traps::NAMES {
        let thrown = ["\"", ","].iter().any(|before| tests.contains(&format!("{before}{switch}")));
        assert!(thrown || THROWN_BY_ALL.contains(switch), "no test throws `{switch}`");
    }
}
