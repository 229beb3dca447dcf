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

use crate::log::get;
use crate::support::{Room, Sandbox, assert_exit, program, read, told};

/// The query of a full walk over the models.
const ALL: &str = "sort=Oldest&period=AllTime&nsfw=true&archived=true";
/// The same as a crawl file has it.
const ALL_PARAMS: &str = "sort = \"Oldest\", period = \"AllTime\", nsfw = true, archived = true";
const PICTURES: &str = "withMeta = true, flatMeta = true, withTags = true, sort = \"Newest\", period = \"AllTime\"";

/// A crawl file's walk over an endpoint; `more` is further lines.
fn walk(name: &str, endpoint: &str, params: &str, more: &str) -> String {
    format!("\n[[walk]]\nname = \"{name}\"\nendpoint = \"{endpoint}\"\nparams = {{ {params} }}\n{more}\n")
}

/// A crawl file with these walks, as fast as the sandbox answers.
fn file(walks: &[String]) -> String {
    let head = "server = \"{base}\"\ndataset = \"{dataset}\"\n\
                pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }\n\
                retry = { attempts = 3, elapsed = \"5s\" }\n";
    format!("{head}{}", walks.concat())
}

/// Crawls these walks to the end, which has this exit code; gives the room and what was said.
fn crawl(sandbox: &Sandbox, walks: &[String], code: i32) -> (Room, String) {
    let room = Room::new(&file(walks), &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, code);
    room.assert_sound();
    let said = told(&output);
    (room, said)
}

/// What `plan` says of a crawl file with this walk, which it accepts or refuses with exit code 2.
fn plan(walk: String, accepted: bool) -> String {
    let room = Room::new(&file(&[walk]), "http://127.0.0.1:9/api/v1");
    let output = program().arg("plan").arg(room.file()).output().expect("the program runs");
    assert_exit(&output, if accepted { 0 } else { 2 });
    told(&output)
}

/// The rows of a query over the dataset.
fn rows(room: &Room, sql: &str) -> Vec<Value> {
    let lines = read("query.py", &[&room.dataset().display().to_string(), sql]);
    lines.lines().map(|line| serde_json::from_str(line).expect("rows are JSON")).collect()
}

/// The one value of a query over the dataset.
fn one(room: &Room, sql: &str) -> Value {
    rows(room, sql)[0][0].clone()
}

/// The distinct values of a column, sorted by their texts.
fn column(room: &Room, table: &str, column: &str) -> Vec<String> {
    let mut values: Vec<String> =
        rows(room, &format!("SELECT DISTINCT {column} FROM {table}")).iter().map(|row| row[0].to_string()).collect();
    values.sort_unstable();
    values
}

/// What a perfect client of a query gets.
fn truth(sandbox: &Sandbox, what: &str) -> Vec<Value> {
    let lines = get(&sandbox.side(&format!("truth/{what}")));
    lines.lines().map(|line| serde_json::from_str(line).expect("the truth is JSON lines")).collect()
}

/// The sandbox's log.
fn log(sandbox: &Sandbox) -> Vec<Value> {
    get(&sandbox.side("log")).lines().map(|line| serde_json::from_str(line).expect("the log is JSON lines")).collect()
}

/// Every value of a walk's rows against the truth of its query.
fn assert_values(room: &Room, sandbox: &Sandbox, walk: &str, query: &str) {
    let side = sandbox.side("").trim_end_matches('/').to_owned();
    read("truth.py", &[&room.dataset().display().to_string(), &side, &format!("{walk}={query}")]);
}

/// What the dataset's only run reports under one word.
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
