//! Recovery after a crash: checks the chain of records, and compares them with the files on disk. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::checksummed_json;
use super::commit::{FORMAT, Record, chain_hash};
use super::damage::Damage;
use super::history::Part;
use super::layout::PartName;
use super::manifest::Manifest;
use crate::storage::Entry;

/// True if this file is a full record: a chain may begin with it, and the records before it may be missing.
pub fn is_full(commit: u64, content: &[u8]) -> bool {
    /// The two fields that are needed here; a full record is large.
    #[derive(Deserialize)]
    struct Probe {
        commit: u64,
        before: Option<serde::de::IgnoredAny>,
    }
    checksummed_json::decode::<Probe>(content, FORMAT)
        .is_ok_and(|probe| probe.commit == commit && probe.before.is_some())
}

/// Reads a chain of record files, given as (number, content) in ascending order. Returns the manifest of the sound records and
/// every damage found in the others.
pub fn check_chain(files: &[(u64, Vec<u8>)]) -> (Manifest, Vec<Damage>) {
    let (mut manifest, mut damages) = (Manifest::default(), Vec::new());
    let mut previous = Some(String::new());
    let mut expected = 1;
    for (at, (commit, content)) in files.iter().enumerate() {
        let record = Record::decode(*commit, content);
        // A damaged first record may have been a full one.
        let begins = at == 0 && record.as_ref().map_or(true, |record| record.before.is_some());
        if expected < *commit {
            if !begins {
                damages.push(Damage::Gap { first: expected, last: commit - 1 });
            }
            previous = None;
        }
        match record {
            Ok(record) => {
                if previous.as_ref().is_some_and(|hash| *hash != record.previous) {
                    let reason = format!("it does not follow the record of commit {} that is here", commit - 1);
                    damages.push(Damage::Record { commit: *commit, reason });
                }
                manifest.add(record);
            }
            Err(damage) => damages.push(damage),
        }
        previous = Some(chain_hash(content));
        expected = commit + 1;
    }
    (manifest, damages)
}

/// The work that an interrupted run left to be done before the dataset may be written to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Parts of the last commit that are still to be published.
    pub publish: Vec<Part>,
    /// Staged files that no commit will publish, as (table, file name).
    pub sweep: Vec<(String, String)>,
}

/// Compares the records with the files of every table's parts directory.
///
/// # Errors
/// Every damage found; no crash of this program can cause one.
pub fn plan_recovery(manifest: &Manifest, files: &BTreeMap<&str, Vec<Entry>>) -> Result<Recovery, Vec<Damage>> {
    let mut recovery = Recovery::default();
    let mut damages = Vec::new();
    let mut unnamed = index(files);
    for (commit, part) in
        manifest.history.parts.iter().flat_map(|(commit, parts)| parts.iter().map(move |part| (*commit, part)))
    {
        let mut take = |name: String| unnamed.remove(&(part.table.name, name));
        let published = take(part.name.to_string());
        // The publish of the last commit can have been interrupted, and of all commits if they were pulled. Other staged files of
        // older commits are leftovers.
        let is_due = commit == manifest.last_commit() || published.is_none();
        let staged = if is_due { take(part.name.staged()) } else { None };
        let (table, name) = (part.table.name.to_owned(), part.name.to_string());
        match published.or(staged) {
            None => damages.push(Damage::missing(part, commit)),
            Some(found) if found != part.bytes => {
                damages.push(Damage::PartSize { table, name, found, expected: part.bytes });
            }
            Some(_) if staged.is_some() => recovery.publish.push(part.clone()),
            Some(_) => {}
        }
    }
    // Only the removals of the last commit can have been interrupted. The next open repeats them.
    let pruned =
        manifest.last.iter().flat_map(|last| &last.pruned).map(|part| (part.table.as_str(), part.name.to_string()));
    let pruned: BTreeSet<_> = pruned.collect();
    for (file, _) in unnamed {
        let (table, name) = (file.0.to_owned(), file.1.clone());
        if PartName::of_staged(&name).is_some() {
            recovery.sweep.push((table, name));
        } else if name.ends_with(".parquet") && !pruned.contains(&file) {
            damages.push(Damage::StrayPart { table, name });
        }
    }
    if damages.is_empty() { Ok(recovery) } else { Err(damages) }
}

/// Returns the sizes of the files by table and file name.
fn index<'a>(files: &BTreeMap<&'a str, Vec<Entry>>) -> BTreeMap<(&'a str, String), u64> {
    let entry = |table, entry: &Entry| ((table, entry.name.clone()), entry.bytes);
    files.iter().flat_map(|(table, entries)| entries.iter().map(move |e| entry(*table, e))).collect()
}

#[cfg(test)]
mod tests;
