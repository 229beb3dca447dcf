//! `civitrawl push DATASET PLACE`: copies a dataset to a place.

use std::path::PathBuf;

use super::exit::Exit;
use super::format::{several, size};
use super::output::{complain, failure, print, usage};
use super::signals::attend;
use crate::dataset::Error;
use crate::dataset::layout::{Layout, PlaceLayout};
use crate::dataset::place::{Copied, push};
use crate::stop::Stop;
use crate::storage::Disk;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
    /// The place: a directory, as a path or a `file:///` URL
    place: String,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let place = match place(&arguments.place) {
        Ok(place) => place,
        Err(fault) => return usage(&fault),
    };
    let layout = Layout::new(&arguments.dataset);
    let stop = Stop::new(None);
    attend(&stop, None);
    ended(push(&layout, &place, &Disk, &|| stop.is_asked()), "pushed", place.root(), &stop)
}

/// Returns the place of this path or `file:///` URL.
///
/// # Errors
/// A sentence about a URL that names no local directory.
pub(super) fn place(text: &str) -> Result<PlaceLayout, String> {
    let Some((scheme, _)) = text.split_once("://") else { return Ok(PlaceLayout::new(text)) };
    let wrong = |reason: &str| format!("the place is a URL that begins with `{scheme}://`: {reason}");
    if scheme != "file" {
        return Err(wrong("a place is a directory; name it by its path, and mount a store of another kind"));
    }
    let path = url::Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    path.map(PlaceLayout::new).ok_or_else(|| wrong("write `file:///` and the absolute path of a directory"))
}

/// Prints the outcome of a push or pull, and returns its exit code.
pub(super) fn ended(copied: Result<Copied, Error>, verb: &str, to: &std::path::Path, stop: &Stop) -> Exit {
    match copied {
        Ok(copied) => {
            let snapshot = copied.snapshot.map(|number| format!(" and snapshot {number}")).unwrap_or_default();
            print([format!(
                "{verb}: {} holds everything up to commit {}{snapshot}; {} of {} sent, {} there already",
                to.display(),
                copied.commit,
                several(copied.files, "file"),
                size(copied.bytes),
                copied.present
            )]);
            Exit::Complete
        }
        Err(Error::Cancelled) => {
            let reason = stop.reason().unwrap_or_default();
            complain(&format!("stopped early: {reason}; run it again to send the rest"));
            Exit::Stopped
        }
        Err(error) => failure(&error),
    }
}
