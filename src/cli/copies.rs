//! The places that `push` and `pull` name, and what both print at their end.

use std::path::Path;
use std::sync::Arc;

use super::exit::Exit;
use super::format::{several, size};
use super::output::{complain, failure, print, usage};
use super::signals::attend;
use crate::dataset::Error;
use crate::dataset::cancel::Cancel;
use crate::dataset::place::{Copied, Directory, Place};
use crate::definition::{Address, Location};
use crate::stop::Stop;
use crate::storage::Disk;

/// Runs a push or pull with this place, and prints what was copied `to` where; `None` is the place itself.
pub(super) fn copy(
    place: &str,
    verb: &str,
    to: Option<&Path>,
    work: impl FnOnce(&dyn Place, Cancel<'_>) -> Result<Copied, Error>,
) -> Exit {
    let stop = Stop::new(None);
    attend(&stop, None);
    let place = match place_of(place, &stop) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    match work(&*place, &|| stop.is_asked()) {
        Ok(copied) => {
            let snapshot = copied.snapshot.map(|number| format!(" and snapshot {number}")).unwrap_or_default();
            print([format!(
                "{verb}: {} holds everything up to commit {}{snapshot}; {} of {} sent, {} there already",
                to.unwrap_or(place.root()).display(),
                copied.commit,
                several(copied.files, "file"),
                size(copied.bytes),
                copied.present
            )]);
            logged(&copied.unlogged)
        }
        Err(Error::Cancelled) => {
            let reason = stop.reason().unwrap_or_default();
            complain(&format!("stopped early: {reason}; run it again to send the rest"));
            Exit::Stopped
        }
        Err(error) => failure(&error),
    }
}

/// Prints these sentences about Delta logs that were left as they are, with the remedy. Returns the exit code of a copy without them.
pub(super) fn logged(unlogged: &[String]) -> Exit {
    for log in unlogged {
        complain(&format!(
            "{log}; it was left as it is, and its readers see what they saw before. The copy is whole: remove that log and push \
             again, which begins a new one"
        ));
    }
    if unlogged.is_empty() { Exit::Complete } else { Exit::Doubtful }
}

/// Returns the place of a path or URL, or the exit code of a fault that was printed.
pub(super) fn place_of(text: &str, stop: &Stop) -> Result<Box<dyn Place + Send>, Exit> {
    match Location::parse(text).map_err(|fault| usage(&format!("the place {fault}")))? {
        Location::Directory(path) => Ok(Box::new(Directory::new(path, Arc::new(Disk)))),
        Location::Bucket(address) => bucket(address, stop),
    }
}

#[cfg(feature = "stores")]
fn bucket(address: Address, stop: &Stop) -> Result<Box<dyn Place + Send>, Exit> {
    match crate::bucket::Bucket::open(address, stop.clone()) {
        Ok(bucket) => Ok(Box::new(bucket)),
        Err(fault) => Err(usage(&fault)),
    }
}

#[cfg(not(feature = "stores"))]
fn bucket(_: Address, _: &Stop) -> Result<Box<dyn Place + Send>, Exit> {
    Err(usage(
        "the place is in an object store, which this build of civitrawl leaves out: use the wheel or the static binary, build it \
         with `--features stores`, or name a directory",
    ))
}
