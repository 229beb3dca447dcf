//! `civitrawl status DATASET`: the state of a dataset, read from its lock and records; works while a crawl runs.

mod json;
mod standing;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use super::exit::Exit;
use super::output::{failure, print, print_json, print_own};
use crate::dataset;
use crate::dataset::layout::Layout;
use standing::{Lock, PassState, Standing};

/// Print the state of a dataset; works while a crawl runs
///
/// The exit code is 0 when the last pass is complete, 3 when the next run has work left, 4 when rows are missing, and 65 when the
/// dataset is damaged.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
    /// Print the state again at every commit, until no process writes to the dataset any more
    #[arg(long)]
    watch: bool,
    /// Print one JSON object a line, with stable names
    #[arg(long)]
    json: bool,
}

/// The interval at which a watched dataset is read.
const INTERVAL: Duration = Duration::from_secs(1);
/// Moves a terminal's cursor to the top and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(super) fn run(arguments: &Arguments) -> Exit {
    status(arguments).unwrap_or_else(|error| failure(&error))
}

/// Prints the state; with `--watch` at every commit and at the end of the run, on a terminal over the previous one.
fn status(arguments: &Arguments) -> Result<Exit, dataset::Error> {
    let layout = Layout::new(&arguments.dataset);
    let replaces = arguments.watch && !arguments.json && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let mut shown = None;
    loop {
        let standing = Standing::of(&layout)?;
        let is_left = !matches!(standing.lock, Lock::Held(_));
        let is_last = !arguments.watch || is_left;
        let now = Some((standing.last.commit, is_left));
        let printed = match arguments.json {
            _ if shown == now && !replaces => true,
            true => print_json(&json::object(&layout, &standing)),
            false => {
                let gap = (arguments.watch && !replaces).then(String::new);
                (!replaces || print_own(CLEAR)) && print(text::lines(&layout, &standing).into_iter().chain(gap))
            }
        };
        if is_last || !printed {
            return Ok(exit(&standing));
        }
        shown = now;
        std::thread::sleep(INTERVAL);
    }
}

fn exit(standing: &Standing) -> Exit {
    match &standing.snapshot {
        Err(error) => Exit::from(error),
        Ok(_) => match standing.pass_state() {
            PassState::Complete => Exit::Complete,
            PassState::Doubtful => Exit::Doubtful,
            PassState::Unfinished => Exit::Stopped,
        },
    }
}
