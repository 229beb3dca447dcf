//! `civitrawl download ID… --into DIR`: the files of versions, each with one line saying what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::exit::{Exit, usage};
use super::get::stopped;
use super::given::{each, given};
use super::grid::size;
use super::heed::heeding;
use super::listen::{Watching, listener};
use super::service::Asking;
use super::{complain, print};
use crate::api::lookup::Kind;
use crate::dataset::layout::Layout;
use crate::dataset::primary::primary_files;
use crate::dataset::storage::Disk;
use crate::dataset::vault::{Expected, Vault};
use crate::engine::download::{Downloads, Outcome};
use crate::engine::lookup::Desk;
use crate::engine::stop::Stop;
use crate::fetch::{Barred, Fetcher};

/// Downloads the primary file of each version into a folder.
///
/// Each file is checked against the SHA256 that the server, or the dataset, tells of it. What is there already is not
/// fetched again, nothing is overwritten, and what was interrupted goes on where it stopped. One line on stdout says what
/// became of each; the exit code is 0 when all files are there, and 4 when some are not.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Version ids, or AIRs such as `urn:air:sdxl:lora:civitai:123@456`; `-` reads them from stdin, one a line, or the
    /// first field of each line of CSV
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
    #[command(flatten)]
    watching: Watching,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match download(arguments) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn download(arguments: &Arguments) -> Result<Exit, Exit> {
    let keys = each(&given(&arguments.ids)?, |word| Kind::Version.key(word))?;
    let mut met = BTreeSet::new();
    let versions: Vec<i64> = keys.iter().filter_map(|key| key.parse().ok()).filter(|id| met.insert(*id)).collect();
    let expected = known(arguments, &met)?;
    let vault = Vault::open(&arguments.into)
        .map_err(|error| usage(&format!("cannot make the folder `{}`: {error}", arguments.into.display())))?;
    let (service, key) = arguments.asking.service()?;
    let settings = arguments.asking.settings(service.base(), key);
    let fetcher = Fetcher::new(&settings).map_err(|error| usage(&error.to_string()))?;
    let (monitor, stop) = (listener(&arguments.watching, BTreeMap::new()), Stop::new(None));
    let bar = progress(arguments.watching.shows_progress(), versions.len());
    let desk = Desk {
        base: service.base(),
        fetcher: &fetcher,
        sha256: false,
        in_flight: settings.in_flight as usize,
        stop: &stop,
        monitor: &*monitor,
    };
    let arrived = |bytes| bar.inc(bytes);
    let downloads = Downloads { desk, vault: &vault, expected: &expected, arrived: &arrived };
    let (mut exit, mut done) = (Exit::Complete, 0);
    let tell = |version, outcome| {
        exit = worse(exit, &outcome);
        done += 1;
        bar.set_message(format!("{done} of {} files", versions.len()));
        bar.suspend(|| print(&format!("{version}: {}\n", told(&outcome))));
    };
    let run = heeding(&stop, None, downloads.run(&versions, tell))?;
    bar.finish_and_clear();
    run.map(|()| exit).map_err(|broken| stopped(&broken))
}

/// What the dataset knows of the files.
fn known(arguments: &Arguments, versions: &BTreeSet<i64>) -> Result<BTreeMap<i64, Expected>, Exit> {
    let Some(dataset) = &arguments.dataset else { return Ok(BTreeMap::new()) };
    primary_files(&Layout::new(dataset), &Disk, versions).map_err(|error| {
        complain(&error.to_string());
        Exit::from(&error)
    })
}

fn progress(shown: bool, files: usize) -> ProgressBar {
    let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    // The template is a constant that parses.
    let style = ProgressStyle::with_template("{spinner} {msg}  {bytes}  {bytes_per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(format!("0 of {files} files"));
    bar
}

/// One line of what became of a file.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Downloaded { name, bytes, checked } => {
            let checked = if *checked { "SHA256 checked" } else { "no SHA256 is known" };
            format!("downloaded as {name} ({}, {checked})", size(*bytes))
        }
        Outcome::AlreadyThere(name) => format!("already there as {name}"),
        Outcome::Barred(barred) => barred.to_string(),
        Outcome::Wrong(mismatch) => mismatch.to_string(),
        Outcome::NameTaken(name) => format!("another file is called {name}, and nothing is overwritten"),
    }
}

fn worse(exit: Exit, outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Downloaded { .. } | Outcome::AlreadyThere(_) => exit,
        Outcome::Barred(Barred::Disk(_)) => Exit::Disk,
        _ if exit == Exit::Disk => exit,
        _ => Exit::Doubtful,
    }
}
