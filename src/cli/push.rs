//! `civitrawl push DATASET PLACE`: copies a dataset to a place.

use std::path::PathBuf;

use super::copies::copy;
use super::exit::Exit;
use crate::dataset::layout::Layout;
use crate::dataset::place::push;
use crate::storage::Disk;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
    /// The place: a directory, as a path or a `file:///` URL, or `s3://bucket/prefix` or `az://container/prefix`
    place: String,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let layout = Layout::new(&arguments.dataset);
    copy(&arguments.place, "pushed", None, |place, cancel| push(&layout, &Disk, place, cancel))
}
