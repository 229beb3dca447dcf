//! Watching a crawl: silence where nobody looks, log lines with the fields that are documented, numbers for Prometheus,
//! `status --watch`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use prometheus_parse::{Scrape, Value};

use crate::support::{Room, SMALL, Sandbox, TWO_WALKS, assert_exit, printed, program};

/// The messages that the README documents, with their fields.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split("| message | fields |").nth(1).expect("the README documents log lines");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].to_owned(), cells[1].split(", ").map(|field| field.trim_matches('`').to_owned()).collect())
    })
    .collect()
}

/// The source of what crawls and of what logs.
fn source() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let engine = files_below(&source.join("engine"));
    let files = engine.into_iter().chain([source.join("cli/logging.rs")]);
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn log_lines_have_the_fields_that_are_documented() {
    let documented = documented();
    let mut seen = BTreeSet::new();
    for faults in [
        &["kind=status,code=503,nth=2", "kind=status,code=429,retry_after=0,nth=4", "kind=invalid-json,page=5,times=0"]
            [..],
        &["kind=status,code=451,nth=2,times=0"],
    ] {
        let mut arguments = vec!["--models", "240", "--traps", "odd-fields"];
        faults.iter().for_each(|fault| arguments.extend(["--fault", fault]));
        let sandbox = Sandbox::start(&arguments);
        let output = Room::new(SMALL, &sandbox.base).run(&["-v", "-v", "--log-format", "json"]);
        for line in String::from_utf8_lossy(&output.stderr).lines().filter(|line| !line.starts_with("civitrawl: ")) {
            let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
            let mut fields: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
            for always in ["timestamp", "level", "message"] {
                assert!(fields.remove(always), "{line}");
            }
            let message = line["message"].as_str().unwrap();
            let known = documented.get(message).unwrap_or_else(|| panic!("`{message}` is not documented"));
            assert!(fields.is_subset(known), "{line}");
            // What has no value, such as a first page's cursor, is left out.
            let left_out: Vec<_> =
                known.difference(&fields).filter(|field| !["cursor", "detail"].contains(&field.as_str())).collect();
            assert!(left_out.is_empty(), "{line} lacks {left_out:?}");
            seen.insert(message.to_owned());
        }
    }
    // Of those that need a server of their own, the words in the source must do.
    let source = source();
    let missing: Vec<_> = documented.keys().filter(|message| !seen.contains(*message)).collect();
    assert!(missing.iter().all(|message| source.contains(&format!("\"{message}\""))), "never seen: {missing:?}");
    assert!(seen.len() > 14, "seen: {seen:?}");
}

#[test]
fn on_a_pipe_a_crawl_is_silent_until_something_is_wrong() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let output = Room::new(TWO_WALKS, &sandbox.base).run(&[]);
    assert_exit(&output, 0);
    assert!(output.stderr.is_empty(), "{}", printed(&output));
    assert!(!output.stdout.contains(&0x1b), "{}", printed(&output));
}

/// A sample's value.
fn sample(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&prometheus_parse::Sample| {
        sample.metric == name && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
    };
    match scrape.samples.iter().find(fits).map(|sample| &sample.value) {
        Some(Value::Counter(value) | Value::Gauge(value)) => *value,
        other => panic!("{name} {labels:?}: {other:?}"),
    }
}

fn scrape(file: &Path) -> Scrape {
    let text = std::fs::read_to_string(file).expect("it is written");
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("it is Prometheus text")
}

#[test]
fn the_metrics_are_those_of_the_run() {
    let sandbox = Sandbox::start(&["--models", "120", "--fault", "kind=status,code=503,nth=2"]);
    let room = Room::new(SMALL, &sandbox.base);
    let file = room.file().with_file_name("civitrawl.prom");
    let name = file.display().to_string();
    assert_exit(&room.run(&["--metrics-file", &name, "--max-pages", "3"]), 3);
    let stopped = scrape(&file);
    assert_eq!(sample(&stopped, "civitrawl_running", &[("crawl", "crawl")]), 0.0);
    assert_eq!(sample(&stopped, "civitrawl_complete", &[]), 0.0);
    assert_eq!(sample(&stopped, "civitrawl_walk_pages", &[("walk", "models")]), 3.0);
    assert_eq!(sample(&stopped, "civitrawl_walk_over", &[("walk", "models")]), 0.0);
    assert_eq!(sample(&stopped, "civitrawl_answers_total", &[("status", "503")]), 1.0);
    assert_eq!(sample(&stopped, "civitrawl_retries_total", &[]), 1.0);

    assert_exit(&room.run(&["--metrics-file", &name]), 0);
    let over = scrape(&file);
    assert_eq!(sample(&over, "civitrawl_complete", &[]), 1.0);
    assert_eq!(sample(&over, "civitrawl_walk_over", &[("walk", "models")]), 1.0);
    let requests = crate::support::requests(&sandbox).len() as f64;
    let both = sample(&stopped, "civitrawl_requests_total", &[]) + sample(&over, "civitrawl_requests_total", &[]);
    assert_eq!(both, requests);
    let rows = sample(&stopped, "civitrawl_rows_total", &[("table", "pages")])
        + sample(&over, "civitrawl_rows_total", &[("table", "pages")]);
    assert_eq!(rows, sample(&over, "civitrawl_walk_pages", &[("walk", "models")]));
    // Nothing is left beside it, and a place that cannot be written to stops no crawl.
    assert!(!file.with_file_name(".civitrawl.prom.tmp").exists());
    let nowhere = room.run(&["--metrics-file", "/nowhere/civitrawl.prom"]);
    assert_exit(&nowhere, 0);
    assert!(printed(&nowhere).contains("the metrics cannot be written"), "{}", printed(&nowhere));
}

#[test]
fn a_watched_dataset_is_reported_until_its_pass_is_over() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "150"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    let mut crawl = room.crawl().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let output = program().arg("status").arg("--watch").arg(room.dataset()).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(crawl.wait().unwrap().code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let standings: Vec<&str> = text.lines().filter(|line| line.contains(": pass 1 is ")).collect();
    assert!(standings.len() >= 2, "{text}");
    assert!(standings[0].contains("unfinished") && standings.last().unwrap().contains("pass 1 is over"), "{text}");
    let last = &text[text.rfind(": pass 1 is ").unwrap()..];
    assert!(last.contains("\nsnapshot 1 of ") && last.contains(": complete; "), "it is watched to its end: {last}");
    assert!(!text.contains('\u{1b}'), "no terminal, no codes");
}
