//! `civitrawl report DATASET`: the newest snapshot and its crawl as one HTML file.

use std::path::PathBuf;

use super::exit::Exit;
use super::output::{complain, failure, print};
use super::reading::reading;
use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::read::read_manifest;
use crate::report;
use crate::storage::{self, Disk};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let bar = reading(true, "reading", None);
    let page = report::page(&Layout::new(&arguments.dataset), &Disk, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    match page {
        Ok(Some(page)) => match storage::replace_text(&arguments.output, &page) {
            Ok(()) => {
                print([arguments.output.display().to_string()]);
                Exit::Complete
            }
            Err(error) => {
                complain(&format!(
                    "cannot write `{}`: {error}; name another file with --output",
                    arguments.output.display()
                ));
                Exit::Disk
            }
        },
        Ok(None) if !has_records(&Layout::new(&arguments.dataset)) => {
            failure(&Error::Absent { dataset: arguments.dataset.clone() })
        }
        Ok(None) => {
            let dataset = arguments.dataset.display();
            complain(&format!("there is no snapshot in `{dataset}`; run `civitrawl snapshot {dataset}` first"));
            Exit::Usage
        }
        Err(error) => failure(&error),
    }
}

/// True if a crawl has written to the dataset, or may have: its records cannot be read.
fn has_records(layout: &Layout) -> bool {
    read_manifest(layout, &Disk).map_or(true, |manifest| manifest.last.is_some())
}
