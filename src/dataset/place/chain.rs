//! The records of one copy of a dataset, and the comparison of two copies.

use super::head::Head;
use super::kept::Place;
use crate::dataset::commit::{Part, Record, chain_hash};
use crate::dataset::error::Error;
use crate::dataset::layout::{FileHash, Layout, PlaceName};
use crate::dataset::manifest::Manifest;
use crate::dataset::read::read_records;
use crate::dataset::recovery::{check_chain, is_full};
use crate::dataset::snapshot::inventory::Inventory;
use crate::dataset::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::Storage;

/// The records of a copy, from the last full one on.
pub(super) struct Chain {
    /// Number and content of each, in order.
    pub(super) records: Vec<(u64, Vec<u8>)>,
    pub(super) manifest: Manifest,
}

impl Chain {
    /// Returns the records of a dataset, even while a crawl writes to it.
    pub(super) fn of_dataset(layout: &Layout, storage: &dyn Storage) -> Result<Self, Error> {
        let records = read_records(layout, storage)?;
        let (manifest, damages) = check_chain(&records);
        if damages.is_empty() { Ok(Self { records, manifest }) } else { Err(Error::damaged(layout.root(), damages)) }
    }

    /// Returns the records that the head of a place names.
    pub(super) fn of_place(place: &dyn Place, head: &Head) -> Result<Self, Error> {
        let (mut records, mut commit, mut hash) = (Vec::new(), head.commit, head.record);
        while commit > 0 {
            let name = PlaceName::record(commit, &hash);
            let content = read_named(place, &name, &hash)?;
            let previous = previous_of(commit, &content).map_err(|reason| Error::rotten(&place.path(&name), reason))?;
            let begins = commit <= 1 || is_full(commit, &content);
            records.push((commit, content));
            match previous {
                Some(previous) if !begins => (commit, hash) = (commit - 1, previous),
                _ => break,
            }
        }
        records.reverse();
        let (manifest, damages) = check_chain(&records);
        if damages.is_empty() { Ok(Self { records, manifest }) } else { Err(Error::damaged(place.root(), damages)) }
    }

    /// Returns the newest whole snapshot of the dataset that these records of it know.
    pub(super) fn newest_snapshot(&self, layout: &Layout, storage: &dyn Storage) -> Result<Option<Inventory>, Error> {
        let snapshots = SnapshotDir::new(layout, storage);
        for number in snapshots.numbers()?.into_iter().rev() {
            let taken = snapshots.inventory(number)?.sound();
            if let Some(taken) = taken.filter(|taken| taken.commit <= self.manifest.last_commit()) {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Returns the hash of the last record; `None` in a dataset without commits.
    pub(super) fn last_hash(&self) -> Option<FileHash> {
        self.records.last().and_then(|(_, content)| FileHash::try_from(chain_hash(content)).ok())
    }

    /// Fails unless this copy is the other one, or the other one after more commits.
    ///
    /// # Errors
    /// The rest of a sentence about the other copy.
    pub(super) fn continues(&self, other: &Self) -> Result<(), String> {
        let (ours, theirs) = (self.manifest.last_commit(), other.manifest.last_commit());
        if theirs == 0 {
            return Ok(());
        }
        let elsewhere = || String::from("holds another dataset, or one that went another way; name a new directory");
        let (Some(our_last), Some(their_last)) = (&self.manifest.last, &other.manifest.last) else {
            return Err(elsewhere());
        };
        if (&our_last.crawl, &our_last.server) != (&their_last.crawl, &their_last.server) {
            return Err(elsewhere());
        }
        if theirs > ours && self.begins(other) {
            return Err(format!("is ahead: it holds commit {theirs}, and the other copy ends with commit {ours}"));
        }
        if other.begins(self) { Ok(()) } else { Err(elsewhere()) }
    }

    /// Returns true if the other copy has all commits of this one. The last record shows it; where that is gone, because a full
    /// one restates it, the parts that are left show it, and the hash of each.
    fn begins(&self, longer: &Self) -> bool {
        let last = self.manifest.last_commit();
        let at = |chain: &Self| chain.records.iter().find(|(n, _)| *n == last).map(|(_, content)| chain_hash(content));
        if let Some(hash) = at(longer) {
            return Some(hash) == at(self);
        }
        let mut shared = longer.manifest.live_parts().filter(|part| part.name.commit <= last).peekable();
        last < longer.manifest.last_commit() && shared.peek().is_some() && shared.all(|part| self.has(part))
    }

    /// Returns true if this copy has this part, byte for byte.
    pub(super) fn has(&self, part: &Part) -> bool {
        self.manifest.live_parts().any(|there| there == part)
    }
}

/// Returns the hash of the record before this one; `None` in the first record.
fn previous_of(commit: u64, content: &[u8]) -> Result<Option<FileHash>, String> {
    let record = Record::decode(commit, content).map_err(|damage| format!("is damaged: {damage}"))?;
    if record.previous.is_empty() { Ok(None) } else { FileHash::try_from(record.previous).map(Some) }
}

/// Returns the content of a file of a place that is named by its hash.
pub(super) fn read_named(place: &dyn Place, name: &PlaceName, hash: &FileHash) -> Result<Vec<u8>, Error> {
    match place.read(name)? {
        None => Err(Error::rotten(&place.path(name), "is missing")),
        Some(content) if chain_hash(&content) == hash.to_string() => Ok(content),
        Some(_) => Err(Error::other_hash(&place.path(name))),
    }
}
