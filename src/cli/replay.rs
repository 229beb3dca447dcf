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
            print(summary(&replayed));
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

fn summary(replayed: &Replayed) -> Vec<String> {
    let (pages, commits) = (several(replayed.pages, "page"), several(replayed.commits, "commit"));
    let mut lines = vec![format!("{pages} of {commits} read again")];
    let rows: Vec<Vec<String>> = table::ALL
        .iter()
        .filter_map(|table| Some(vec![table.name.to_owned(), count(*replayed.rows.get(table.name)?)]))
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        lines.extend(grid(&["table", "rows"], &rows));
    }
    for (walk, pages) in &replayed.without_body {
        let pages = several(*pages, "page");
        let line = format!("walk `{walk}`: no answer is kept of {pages}; the rows of those commits are unchanged");
        lines.extend([String::new(), line]);
    }
    lines
}
