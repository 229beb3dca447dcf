//! The state of a dataset in lines for people.

use jiff::Timestamp;
use serde_json::Value;

use super::super::format::{count, grid, several, size, span};
use super::standing::{Lock, Standing, Sum, sentences, sums};
use crate::dataset::commit::{PartitionState, WalkState};
use crate::dataset::layout::Layout;
use crate::dataset::manifest::Manifest;
use crate::engine::report::completeness::waiting;
use crate::engine::report::notes::unknown_keys;

/// Returns the lines.
pub(super) fn lines(layout: &Layout, standing: &Standing) -> Vec<String> {
    let beginnings = [vec![headline(layout, standing)], lock(standing).into_iter().collect()].concat();
    let walks = [walks(standing), full_pass(standing)].concat();
    let newest = vec![snapshot(standing)];
    let last_run = last_run(standing).into_iter().collect();
    let texts = [beginnings, walks, verdict(standing), tables(&standing.manifest), newest, last_run];
    let texts = texts.into_iter().filter(|lines| !lines.is_empty());
    texts.flat_map(|lines| [vec![String::new()], lines].concat()).skip(1).collect()
}

fn headline(layout: &Layout, standing: &Standing) -> String {
    let last = &standing.last;
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

/// A sentence about the process that writes to the dataset, and about a run that ended without a word.
fn lock(standing: &Standing) -> Option<String> {
    match &standing.lock {
        _ if standing.run_state() == Some("killed") => {
            Some(String::from("the last run was killed, or failed: run it again to continue from this commit"))
        }
        Lock::Free if standing.run_state() == Some("failed") => {
            let reason = standing.report["reason"].as_str().unwrap_or_default();
            Some(format!("the last run failed: {reason}"))
        }
        Lock::Free => None,
        Lock::Held(Some(holder)) => Some(format!("{holder} writes to it")),
        Lock::Held(None) => Some(String::from("a process writes to it")),
        Lock::Unknown(reason) => Some(format!("it cannot be known whether a process writes to it: {reason}")),
    }
}

fn walks(standing: &Standing) -> Vec<String> {
    let rows: Vec<Vec<String>> = standing
        .last
        .walks
        .iter()
        .map(|(name, walk)| {
            let numbers = [walk.pages, walk.items, walk.repeats, walk.rejects].map(count);
            let mut row = vec![name.clone()];
            row.extend(numbers);
            row.push(walk_state(walk));
            row
        })
        .collect();
    grid(&["walk", "pages", "items", "repeats", "rejects", "state"], &rows)
}

/// Sentences about the last run: its notes and doubts if it has ended, else the doubts of the record; then the walks that
/// stopped, the next run's work, new words, and keys that no column has.
fn verdict(standing: &Standing) -> Vec<String> {
    let (report, last) = (&standing.report, &standing.last);
    let mut lines = [sentences(report, "notes"), standing.doubts()].concat();
    let unfinished = |walk: &Value| walk["unfinished"].as_str().map(str::to_owned);
    let stopped = report["walks"].as_object().into_iter().flatten();
    lines.extend(stopped.filter_map(|(name, walk)| Some(format!("walk `{name}` stopped at {}", unfinished(walk)?))));
    lines.extend(waiting(&last.walks));
    lines.extend(sentences(report, "words"));
    lines.extend(unknown_keys(&last.walks));
    lines
}

/// Sentences about the beginning of walks within their lists and the last full pass; empty if the last pass is a full one.
fn full_pass(Standing { manifest, last, .. }: &Standing) -> Vec<String> {
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
pub(super) fn walk_state(walk: &WalkState) -> String {
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
    let row = |(table, sum): (&str, Sum)| vec![table.to_owned(), count(sum.rows), count(sum.parts), size(sum.bytes)];
    grid(&["table", "rows", "parts", "size"], &sums(manifest).into_iter().map(row).collect::<Vec<_>>())
}

/// A sentence about the newest snapshot and the commits it lacks.
fn snapshot(standing: &Standing) -> String {
    let taken = match &standing.snapshot {
        Ok(Some(taken)) => taken,
        Ok(None) => return String::from("no snapshot yet"),
        Err(error) => {
            return format!("the newest snapshot cannot be read: {error}; `civitrawl verify` names the damage");
        }
    };
    let newer = standing.newer_commits(taken);
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
fn last_run(standing: &Standing) -> Option<String> {
    let report = &standing.report;
    let (asked, took) = (report["rate"]["asked"].as_f64(), report["took_s"].as_f64());
    let (requests, asked, took) = (report["requests"].as_u64()?, asked?, took?);
    let reason = report["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!(
        "run {}: {}{reason}; {} in {}, {asked} per second allowed; {}",
        standing.run,
        standing.run_state().unwrap_or("running").replace('_', " "),
        several(requests, "request"),
        span(took),
        match report["retries"].as_u64().unwrap_or(0) {
            1 => String::from("1 retry"),
            retries => format!("{} retries", count(retries)),
        }
    ))
}
