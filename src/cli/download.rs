//! `civitrawl download ID… --into DIR`: downloads the files of versions and prints one line for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::connect::Asking;
use super::exit::Exit;
use super::format::{several, size};
use super::get::stopped;
use super::input::{parse_each, words};
use super::output::{failure, is_closed, print, usage};
use super::screen::screen;
use super::signals::{attend, run_until_stopped};
use crate::api::lookup::Kind;
use crate::dataset::layout::Layout;
use crate::download::Downloads;
use crate::download::expected::{Expected, primary_files};
use crate::download::folder::DownloadFolder;
use crate::download::status::DownloadStatus;
use crate::storage::Disk;

/// Download the files of versions, each checked, into a folder
///
/// Downloads the primary file of each version and checks it against the SHA256 that the server or the dataset knows. A file
/// that is in the folder is not fetched again, nothing is overwritten, and an interrupted download continues where it stopped.
/// Prints one line for each version, beginning with a code that `civitrawl explain` knows. The exit code is 0 when all files are
/// there, and 4 when some are not.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Version ids, AIRs such as `urn:air:sdxl:lora:civitai:123@456` or `123@456`, or links to the site; `-` reads them from
    /// stdin, one a line, or the first field of each line of CSV
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// The folder they go to
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// A dataset that knows names, sizes and hashes, so that the server need not be asked for them
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match download(arguments) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn download(arguments: &Arguments) -> Result<Exit, Exit> {
    let keys = parse_each(&words(&arguments.ids)?, |word| Kind::Version.key(word))?;
    let mut distinct = BTreeSet::new();
    let versions: Vec<i64> = keys.iter().filter_map(|key| key.parse().ok()).filter(|id| distinct.insert(*id)).collect();
    let means = arguments.asking.connect("download")?;
    attend(&means.stop, arguments.asking.deadline);
    let expected = known(arguments, &distinct)?;
    let folder = DownloadFolder::open(&arguments.into)
        .map_err(|error| usage(&format!("cannot make the folder `{}`: {error}", arguments.into.display())))?;
    let fetcher = means.fetcher()?;
    let bar = progress(arguments.asking.watching.shows_progress(), versions.len());
    let arrived = |bytes| bar.inc(bytes);
    let downloads =
        Downloads { lookup: means.lookup(&fetcher, false), folder: &folder, expected: &expected, arrived: &arrived };
    let (mut exit, mut done) = (Exit::Complete, 0);
    let report = |version, status| {
        exit = worse(exit, &status);
        done += 1;
        bar.set_message(done_of(done, versions.len()));
        if !bar.suspend(|| print([format!("{version}: {}", line(&status))])) {
            means.stop.ask("nobody reads on");
        }
    };
    let run = run_until_stopped(&means.stop, arguments.asking.deadline, downloads.run(&versions, report))?;
    bar.finish_and_clear();
    // An error of stdout was reported where it occurred, and a reader that left needs no report.
    if is_closed() {
        return Err(Exit::Stopped);
    }
    run.map(|()| exit).map_err(|error| stopped(&error))
}

/// Returns the facts that the dataset has of the files.
fn known(arguments: &Arguments, versions: &BTreeSet<i64>) -> Result<BTreeMap<i64, Expected>, Exit> {
    let Some(dataset) = &arguments.dataset else { return Ok(BTreeMap::new()) };
    primary_files(&Layout::new(dataset), &Disk, versions).map_err(|error| failure(&error))
}

fn progress(shown: bool, files: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, screen(shown));
    // The template is a constant that parses.
    let style = ProgressStyle::with_template("{spinner} {msg}  {decimal_bytes}  {decimal_bytes_per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(done_of(0, files));
    bar
}

fn done_of(done: usize, files: usize) -> String {
    format!("{done} of {}", several(files as u64, "file"))
}

/// Returns the line of a version; it begins with a code that `explain` knows.
fn line(status: &DownloadStatus) -> String {
    match status {
        DownloadStatus::Downloaded { bytes, checked, .. } => {
            let checked = if *checked { "SHA256 checked" } else { "no SHA256 is known" };
            format!("{status} ({}, {checked})", size(*bytes))
        }
        DownloadStatus::Unchecked { bytes, .. } => {
            format!("{status} ({}, neither SHA256 nor size is known)", size(*bytes))
        }
        DownloadStatus::AlreadyThere { checked: false, .. } => {
            format!("{status} (of the same size; no SHA256 is known)")
        }
        _ => status.to_string(),
    }
}

fn worse(exit: Exit, status: &DownloadStatus) -> Exit {
    match status {
        DownloadStatus::Downloaded { .. } | DownloadStatus::Unchecked { .. } | DownloadStatus::AlreadyThere { .. } => {
            exit
        }
        DownloadStatus::DiskRefused(_) => Exit::Disk,
        _ if exit == Exit::Disk => exit,
        _ => Exit::Doubtful,
    }
}
