//! `civitrawl pull PLACE DATASET`: copies a dataset from a place.

use std::path::PathBuf;
use std::sync::Arc;

use super::copies::copy;
use super::exit::Exit;
use crate::dataset::layout::Layout;
use crate::dataset::place::pull;
use crate::storage::Disk;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The place to which the dataset was pushed: a directory, as a path or a `file:///` URL, or `s3://…` or `az://…`
    place: String,
    /// The directory of the copy: empty, or an earlier copy
    dataset: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let layout = Layout::new(&arguments.dataset);
    copy(&arguments.place, "pulled", Some(&arguments.dataset), |place, cancel| {
        pull(place, &layout, Arc::new(Disk), cancel)
    })
}
