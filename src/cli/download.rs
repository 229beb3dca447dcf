//! `civitrawl download ID… --into DIR`: the files of versions, each with one line saying what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::connect::Asking;
use super::exit::Exit;
use super::format::{several, size};
use super::get::stopped;
use super::input::{parse_each, words};
use super::output::{failure, is_closed, print, usage};
use super::signals::run_until_stopped;
use crate::api::lookup::Kind;
use crate::dataset::layout::Layout;
use crate::download::expected::primary_files;
use crate::download::folder::{Expected, Vault};
use crate::download::status::Fate;
use crate::download::{Downloads, Outcome};
use crate::fetch::Barred;
use crate::storage::Disk;

/// Download the files of versions, each checked, into a folder
///
/// Of each version it is the primary file. Each is checked against the SHA256 that the server, or the dataset, tells of it. What is there already is not
/// fetched again, nothing is overwritten, and what was interrupted goes on where it stopped. One line on stdout says what
/// became of each; the exit code is 0 when all files are there, and 4 when some are not.
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
    let mut met = BTreeSet::new();
    let versions: Vec<i64> = keys.iter().filter_map(|key| key.parse().ok()).filter(|id| met.insert(*id)).collect();
    let expected = known(arguments, &met)?;
    let vault = Vault::open(&arguments.into)
        .map_err(|error| usage(&format!("cannot make the folder `{}`: {error}", arguments.into.display())))?;
    let means = arguments.asking.connect()?;
    let fetcher = means.fetcher()?;
    let bar = progress(arguments.asking.watching.shows_progress(), versions.len());
    let arrived = |bytes| bar.inc(bytes);
    let downloads =
        Downloads { desk: means.desk(&fetcher, false), vault: &vault, expected: &expected, arrived: &arrived };
    let (mut exit, mut done) = (Exit::Complete, 0);
    let tell = |version, outcome| {
        exit = worse(exit, &outcome);
        done += 1;
        bar.set_message(done_of(done, versions.len()));
        if !bar.suspend(|| print(&format!("{version}: {}\n", told(&outcome)))) {
            means.stop.ask("nobody reads on");
        }
    };
    let run = run_until_stopped(&means.stop, None, downloads.run(&versions, tell))?;
    bar.finish_and_clear();
    // Why stdout takes no more was told where it was met; of a reader that left there is nothing to tell.
    if is_closed() {
        return Err(Exit::Stopped);
    }
    run.map(|()| exit).map_err(|broken| stopped(&broken))
}

/// What the dataset knows of the files.
fn known(arguments: &Arguments, versions: &BTreeSet<i64>) -> Result<BTreeMap<i64, Expected>, Exit> {
    let Some(dataset) = &arguments.dataset else { return Ok(BTreeMap::new()) };
    primary_files(&Layout::new(dataset), &Disk, versions).map_err(|error| failure(&error))
}

fn progress(shown: bool, files: usize) -> ProgressBar {
    let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    // The template is a constant that parses.
    let style = ProgressStyle::with_template("{spinner} {msg}  {decimal_bytes}  {decimal_bytes_per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(done_of(0, files));
    bar
}

fn done_of(done: usize, files: usize) -> String {
    format!("{done} of {}", several(files as u64, "file"))
}

/// One line of what became of a file; it begins with the words that `explain` knows.
fn told(outcome: &Outcome) -> String {
    let fate = Fate::from(outcome).as_str();
    match outcome {
        Outcome::Downloaded { name, bytes, checked } => {
            let checked = if *checked { "SHA256 checked" } else { "no SHA256 is known" };
            format!("{fate} as {name} ({}, {checked})", size(*bytes))
        }
        Outcome::AlreadyThere(name) => format!("{fate} as {name}"),
        Outcome::Barred(barred) => barred.to_string(),
        Outcome::Wrong { mismatch, kept: Some(name) } => {
            format!("{mismatch}; it is kept as {name}, remove that to fetch it again")
        }
        Outcome::Wrong { mismatch, kept: None } => format!("{mismatch}; it was thrown away"),
        Outcome::NameTaken(name) => format!("{fate}: another file is called {name}, and nothing is overwritten"),
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::download::file_name::FileName;
    use crate::download::folder::Mismatch;

    #[test]
    fn every_line_begins_with_words_that_are_explained() {
        let (name, said, sha256) = (FileName::near("x.pt", 1), || String::from("why"), || String::from("AB"));
        let barred = [
            Barred::LoginNeeded(said()),
            Barred::EarlyAccess(said()),
            Barred::Disabled(said()),
            Barred::NoAccess(said()),
            Barred::Archived(said()),
            Barred::Gone(said()),
            Barred::Throttled(said()),
            Barred::Unfinished(said()),
            Barred::Redirect(said()),
            Barred::Disk(io::ErrorKind::StorageFull.into()),
        ];
        let mut all = vec![
            Outcome::Downloaded { name: name.clone(), bytes: 1, checked: true },
            Outcome::AlreadyThere(name.clone()),
            Outcome::Wrong {
                mismatch: Mismatch::Hash { found: sha256(), expected: sha256() },
                kept: Some(FileName::mismatched(1, "AB")),
            },
            Outcome::Wrong { mismatch: Mismatch::Size { found: 1, expected: 9_999 }, kept: None },
            Outcome::NameTaken(name),
        ];
        all.extend(barred.map(Outcome::Barred));
        for outcome in &all {
            let fate = Fate::from(outcome);
            assert!(told(outcome).starts_with(fate.as_str()) && Fate::ALL.contains(&fate), "{}", told(outcome));
        }
        let without = Fate::ALL.into_iter().filter(|fate| !all.iter().any(|outcome| Fate::from(outcome) == *fate));
        assert_eq!(without.collect::<Vec<_>>(), []);
    }
}
