//! `latest.json`: the last commit and snapshot of a place. A checksum closes the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kept::Place;
use crate::dataset::checksummed_json::{self, Fault};
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{FileHash, PlaceName, RunId};

const FORMAT: u32 = 1;

/// The state of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    version: String,
    /// The last commit.
    pub(super) commit: u64,
    /// The hash of its record.
    pub(super) record: FileHash,
    /// The newest snapshot.
    pub(super) snapshot: Option<Snapshot>,
    /// The run that goes on with this state, if the place is the truth: see [`super::truth`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<RunId>,
    /// True if a run has seen that the Delta logs have that snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) logged: bool,
    /// For readers: the files of each table of that snapshot, relative to the place.
    pub(super) tables: BTreeMap<String, Vec<String>>,
}

/// The inventory of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) number: u64,
    pub(super) inventory: FileHash,
}

impl Head {
    pub(super) fn new(
        commit: u64,
        record: FileHash,
        snapshot: Option<Snapshot>,
        tables: BTreeMap<String, Vec<String>>,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, commit, record, snapshot, run: None, logged: false, tables }
    }

    /// Returns the head of a place without commits.
    pub(super) fn empty() -> Self {
        Self::new(0, FileHash::of(b""), None, BTreeMap::new())
    }

    /// Returns the same state with the run that goes on with it.
    pub(super) fn by(self, run: &RunId) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), run: Some(run.clone()), ..self }
    }

    /// Returns the same state, of which the Delta logs have the snapshot, or may lack it.
    pub(super) fn logged(self, logged: bool) -> Self {
        Self { logged, ..self }
    }

    /// Returns the state after another commit of the same run.
    pub(super) fn with(&self, commit: u64, record: FileHash) -> Self {
        Self { commit, record, ..self.clone() }
    }

    /// Returns the head of a place, and its content; `None` before the end of its first push.
    ///
    /// # Errors
    /// [`Error::Rotten`]; [`Error::Newer`]; those of the place.
    pub(super) fn read(place: &dyn Place) -> Result<Option<(Self, Vec<u8>)>, Error> {
        let name = PlaceName::head();
        let Some(content) = place.read(&name)? else { return Ok(None) };
        match checksummed_json::decode(&content, FORMAT) {
            Ok(head) => Ok(Some((head, content))),
            Err(Fault::Damaged(reason)) => Err(Error::rotten(&place.path(&name), format!("is damaged: {reason}"))),
            Err(Fault::Newer(newer)) => Err(Error::Newer { dataset: place.root().to_owned(), newer }),
        }
    }

    /// Replaces the head of a place, which was `seen`. Returns its content.
    pub(super) fn replace(&self, seen: Option<&[u8]>, place: &dyn Place) -> Result<Vec<u8>, Error> {
        let path = place.path(&PlaceName::head());
        let content = checksummed_json::encode(self).map_err(std::io::Error::other).during("write", &path)?;
        place.replace_head(seen, content.as_bytes())?;
        Ok(content.into_bytes())
    }
}
