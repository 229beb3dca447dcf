//! `civitrawl status DATASET`: the state of a dataset, read from its records; works while a crawl runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::exit::Exit;
use super::format::{count, grid, several, size, span};
use super::output::{failure, print, print_own};
use crate::dataset;
use crate::dataset::commit::{PartitionState, Record, WalkState};
use crate::dataset::layout::Layout;
use crate::dataset::manifest::Manifest;
use crate::dataset::read::read_manifest;
use crate::dataset::snapshot_reader::SnapshotReader;
use crate::engine::report::completeness::{missing_from, waiting};
use crate::engine::report::notes::unknown_keys;
use crate::storage::{Disk, Storage as _};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
    /// Print the state again at every commit, until the pass and its run have ended
    #[arg(long)]
    watch: bool,
}

/// The interval at which a watched dataset is read.
const INTERVAL: Duration = Duration::from_secs(1);
/// Moves a terminal's cursor to the top and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(super) fn run(arguments: &Arguments) -> Exit {
    let layout = Layout::new(&arguments.dataset);
    let printed = if arguments.watch { watch(&layout) } else { status(&layout).map(|(lines, _)| _ = print(lines)) };
    match printed {
        Ok(()) => Exit::Complete,
        Err(error) => failure(&error),
    }
}

/// Prints the state at every commit and at the end of the run; on a terminal, over the previous one.
fn watch(layout: &Layout) -> Result<(), dataset::Error> {
    let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let mut seen = None;
    loop {
        let (mut lines, watched) = status(layout)?;
        let printed = match on_terminal {
            true => print_own(CLEAR) && print(lines),
            false => {
                lines.push(String::new());
                seen == Some(watched) || print(lines)
            }
        };
        if watched.is_over || !printed {
            return Ok(());
        }
        seen = Some(watched);
        std::thread::sleep(INTERVAL);
    }
}

/// The facts whose change makes `--watch` print again.
#[derive(Clone, Copy, PartialEq)]
struct Watched {
    commit: u64,
    /// True once the pass and its run have ended; the run ends after its snapshot.
    is_over: bool,
}

/// Returns the lines of the state, and the facts for `--watch`.
fn status(layout: &Layout) -> Result<(Vec<String>, Watched), dataset::Error> {
    let manifest = read_manifest(layout, &Disk)?;
    let dataset = layout.root().to_owned();
    let Some(last) = &manifest.last else { return Err(dataset::Error::Absent { dataset }) };
    let report = report(layout, last);
    let walks = [walks(last), full_pass(&manifest, last)].concat();
    let newest = vec![snapshot(layout, &manifest)];
    let last_run = last_run(last, &report).into_iter().collect();
    let texts = [vec![headline(layout, last)], walks, verdict(last, &report), tables(&manifest), newest, last_run];
    let texts = texts.into_iter().filter(|lines| !lines.is_empty());
    let lines = texts.flat_map(|lines| [vec![String::new()], lines].concat()).skip(1).collect();
    let is_over = last.is_pass_over() && report["state"] != "running";
    Ok((lines, Watched { commit: last.commit, is_over }))
}

fn headline(layout: &Layout, last: &Record) -> String {
    let state = if last.is_pass_over() { "over" } else { "unfinished" };
    let ago = span(Timestamp::now().duration_since(last.at).as_secs_f64().max(0.0));
    format!(
        "`{}` in {}: pass {} is {state}; commit {} of {} ({ago} ago)",
        last.crawl,
        layout.root().display(),
        last.pass,
        last.commit,
        last.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )
}

fn walks(last: &Record) -> Vec<String> {
    let rows: Vec<Vec<String>> = last
        .walks
        .iter()
        .map(|(name, walk)| {
            let numbers = [walk.pages, walk.items, walk.repeats, walk.rejects].map(count);
            let mut row = vec![name.clone()];
            row.extend(numbers);
            row.push(state(walk));
            row
        })
        .collect();
    grid(&["walk", "pages", "items", "repeats", "rejects", "state"], &rows)
}

/// Sentences about the last run: its notes and doubts if it has ended, else the doubts of the record; then the walks that
/// stopped, the next run's work, new words, and keys that no column has.
fn verdict(last: &Record, report: &Value) -> Vec<String> {
    let sentences =
        |key: &str| report[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let mut lines: Vec<String> = sentences("notes").chain(sentences("doubts")).collect();
    if lines.is_empty() {
        lines = missing_from(&last.walks);
    }
    let unfinished = |walk: &Value| walk["unfinished"].as_str().map(str::to_owned);
    let stopped = report["walks"].as_object().into_iter().flatten();
    lines.extend(stopped.filter_map(|(name, walk)| Some(format!("walk `{name}` stopped at {}", unfinished(walk)?))));
    lines.extend(waiting(&last.walks));
    lines.extend(sentences("words"));
    lines.extend(unknown_keys(&last.walks));
    lines
}

/// Returns the last run's report; null if there is none, or it cannot be read.
fn report(layout: &Layout, last: &Record) -> Value {
    let content = Disk.read(&layout.report(&last.run)).unwrap_or_default();
    serde_json::from_slice(&content).unwrap_or_default()
}

/// Sentences about the beginning of walks within their lists and the last full pass; empty if the last pass is a full one.
fn full_pass(manifest: &Manifest, last: &Record) -> Vec<String> {
    let instant = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let began = last.walks.iter().filter_map(|(name, walk)| {
        let at = instant(Timestamp::from_millisecond(walk.since?).ok()?);
        Some(match walk.from {
            from if from == walk.since => format!("walk `{name}` begins with its `from`, at {at}"),
            _ => format!("walk `{name}` is incremental: it began at {at}"),
        })
    });
    let mut lines: Vec<String> = began.collect();
    let full = manifest.history.passes.iter().rev().find_map(|(number, pass)| {
        let ended_at = pass.ended_at.filter(|_| pass.walks.values().all(WalkState::is_of_all));
        Some((number, ended_at?))
    });
    if !lines.is_empty() {
        lines.push(match full {
            Some((number, at)) => format!("the last full pass was pass {number}, over at {}", instant(at)),
            None => String::from("no pass has read the whole list yet"),
        });
    }
    lines
}

/// The end code of a walk, or its progress.
fn state(walk: &WalkState) -> String {
    if let Some(end) = &walk.end {
        return end.why.as_str().to_owned();
    }
    // Keys with a slash belong to rechecks.
    let own = walk.partitions.keys().filter(|key| !key.contains('/')).count();
    match (walk.partitions.get(""), &walk.done_through, own) {
        (Some(PartitionState { cursor: Some(cursor), .. }), ..) => format!("at {}", place(cursor)),
        (Some(partition), ..) if partition.pages > 0 => format!("at page {}", partition.pages),
        (None, Some(through), _) => format!("done through {through}"),
        (None, None, open) if open > 0 => format!("in {}", several(open as u64, "window")),
        _ if walk.pages > 0 => String::from("rechecking"),
        _ => String::from("not started"),
    }
}

/// Shortens a cursor for people: to the second, or to the offset.
fn place(cursor: &str) -> &str {
    cursor.split(['|', '.']).next().unwrap_or(cursor)
}

fn tables(manifest: &Manifest) -> Vec<String> {
    let mut sums: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for part in manifest.live_parts() {
        let (parts, rows, bytes) = sums.entry(&part.table).or_default();
        (*parts, *rows, *bytes) = (*parts + 1, *rows + part.rows, *bytes + part.bytes);
    }
    let rows: Vec<Vec<String>> = sums
        .into_iter()
        .map(|(table, (parts, rows, bytes))| vec![table.to_owned(), count(rows), count(parts), size(bytes)])
        .collect();
    grid(&["table", "rows", "parts", "size"], &rows)
}

/// A sentence about the newest snapshot and the commits it lacks.
fn snapshot(layout: &Layout, manifest: &Manifest) -> String {
    let taken = match SnapshotReader::newest(layout, &Disk) {
        Ok(Some(taken)) => taken.inventory,
        Ok(None) => return String::from("no snapshot yet"),
        Err(error) => {
            return format!("the newest snapshot cannot be read: {error}; `civitrawl verify` names the damage");
        }
    };
    let newer = manifest.history.parts.range(taken.commit + 1..).count() as u64;
    let newer = if newer == 0 { String::new() } else { format!(", without {}", several(newer, "newer commit")) };
    format!(
        "snapshot {} of {}: {}, everything up to commit {}{newer}",
        taken.snapshot,
        taken.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        several(taken.tables().len() as u64, "table"),
        taken.commit
    )
}

/// A sentence about the last run's requests and time; `None` if it has no report.
fn last_run(last: &Record, report: &Value) -> Option<String> {
    let (asked, took) = (report["rate"]["asked"].as_f64(), report["took_s"].as_f64());
    let (requests, asked, took) = (report["requests"].as_u64()?, asked?, took?);
    let state = report["state"].as_str().unwrap_or("running").replace('_', " ");
    let reason = report["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!(
        "run {}: {state}{reason}; {} in {}, {asked} per second allowed; {}",
        last.run,
        several(requests, "request"),
        span(took),
        match report["retries"].as_u64().unwrap_or(0) {
            1 => String::from("1 retry"),
            retries => format!("{} retries", count(retries)),
        }
    ))
}
