//! `civitrawl pull PLACE DATASET`: copies a dataset from a place.

use std::path::PathBuf;
use std::sync::Arc;

use super::exit::Exit;
use super::output::usage;
use super::push::{ended, place};
use super::signals::attend;
use crate::dataset::layout::Layout;
use crate::dataset::place::pull;
use crate::stop::Stop;
use crate::storage::Disk;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The place to which the dataset was pushed: a directory, as a path or a `file:///` URL
    place: String,
    /// The directory of the copy: empty, or an earlier copy
    dataset: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let place = match place(&arguments.place) {
        Ok(place) => place,
        Err(fault) => return usage(&fault),
    };
    let layout = Layout::new(&arguments.dataset);
    let stop = Stop::new(None);
    attend(&stop, None);
    ended(pull(&place, &layout, Arc::new(Disk), &|| stop.is_asked()), "pulled", layout.root(), &stop)
}
