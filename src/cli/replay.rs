//! `civitrawl replay DATASET`: rebuilds every part from the answers kept in `pages`.

use std::path::PathBuf;

use super::exit::Exit;
use super::format::{count, grid, several};
use super::output::{complain, failure, print};
use crate::dataset::layout::Layout;
use crate::engine::replay::{Replayed, replay};
use crate::table;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let mut log = |record: &crate::dataset::commit::Record| tracing::info!(commit = record.commit, "rebuilt");
    match replay(Layout::new(&arguments.dataset), &mut log) {
        Ok(replayed) => {
            print(&summary(&replayed));
            if replayed.commits == 0 {
                complain(
                    "no answer is kept in this dataset; set `keep_bodies = true` in the crawl file to replay later crawls",
                );
                return Exit::Usage;
            }
            if replayed.without_body.is_empty() { Exit::Complete } else { Exit::Doubtful }
        }
        Err(error) => failure(&error),
    }
}

fn summary(replayed: &Replayed) -> String {
    let mut text =
        format!("{} of {} read again\n", several(replayed.pages, "page"), several(replayed.commits, "commit"));
    let rows: Vec<Vec<String>> = table::ALL
        .iter()
        .filter_map(|table| Some(vec![table.name.to_owned(), count(*replayed.rows.get(table.name)?)]))
        .collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", grid(&["table", "rows"], &rows)));
    }
    for (walk, pages) in &replayed.without_body {
        text.push_str(&format!(
            "\nwalk `{walk}`: no answer is kept of {}; the rows of those commits are unchanged\n",
            several(*pages, "page")
        ));
    }
    text
}
