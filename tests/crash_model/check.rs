//! What must hold of any state of the disk, before and after the real store has opened it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use civitrawl::dataset::commit::{check_chain, fingerprint, is_full};
use civitrawl::dataset::layout::{PartName, record_number};
use civitrawl::dataset::manifest::Manifest;
use civitrawl::dataset::storage::Storage;
use civitrawl::dataset::verify::verify;
use civitrawl::table;

use crate::crawl::{COMMITS, FULL_EVERY, PRUNED, cursor, has_creators, open, place, run, walks};
use crate::disk::State;
use crate::machine::{Machine, Moment};
use crate::mutant::{Mutation, wrap};

/// What is wrong with a state.
pub(crate) type Violation = String;

/// Opens the dataset on this disk and checks what it finds and leaves; gives every moment of the opening.
pub(crate) fn recovers(moment: &Moment, mutation: Option<Mutation>) -> Result<Vec<Moment>, Violation> {
    finals_are_committed(&moment.state)?;
    let machine = Machine::start(moment.state.clone(), moment.promised, None);
    let storage = wrap(&machine, mutation);
    let opened = open(&storage).map_err(|error| format!("it cannot be opened: {error}"))?;
    let last = stands(opened.manifest(), moment.promised)?;
    drop(opened);
    machine.promise(last);
    let state = machine.state();
    is_tidy(&state, last)?;
    finals_are_committed(&state)?;
    let again = open(&storage).map_err(|error| format!("it cannot be opened twice: {error}"))?;
    if stands(again.manifest(), last)? != last || machine.state().image() != state.image() {
        return Err(String::from("a second opening changed it"));
    }
    Ok(machine.history())
}

/// The crawl goes on from here to its end, and `verify` finds nothing wrong; nor does a power loss right behind it.
pub(crate) fn goes_on(moment: &Moment, mutation: Option<Mutation>) -> Result<(), Violation> {
    let machine = Machine::start(moment.state.clone(), moment.promised, None);
    let storage = wrap(&machine, mutation);
    run(&storage, 2, &|commits| machine.promise(commits)).map_err(|error| format!("it cannot go on: {error}"))?;
    let findings = verify(&place(), &*storage).map_err(|error| format!("it cannot be verified: {error}"))?;
    if !findings.faults.is_empty() || findings.records != records_of(COMMITS).count() as u64 {
        return Err(format!("{} records, {}", findings.records, findings.faults.join("; ")));
    }
    Ok(())
}

/// The numbers of the records on disk.
fn numbers(state: &State) -> Vec<u64> {
    state.list(&place().commits()).into_iter().filter_map(|entry| record_number(&entry.name)).collect()
}

/// The records that count behind a commit: the last full one, and those behind it.
fn records_of(last: u64) -> RangeInclusive<u64> {
    (last - last % FULL_EVERY).max(1)..=last
}

/// What the records say that count, which must form a chain.
fn manifest(state: &State) -> Result<Manifest, Violation> {
    let read = |n: u64| (n, state.read(&place().record(n)).expect("it was listed"));
    let files: Vec<_> = numbers(state).into_iter().map(read).collect();
    let first = files.iter().rposition(|(n, content)| is_full(*n, content)).unwrap_or(0);
    let (manifest, damages) = check_chain(&files[first..]);
    match damages.first() {
        None => Ok(manifest),
        Some(damage) => Err(damage.to_string()),
    }
}

fn path(table: &str, name: &PartName) -> PathBuf {
    place().part(table::named(table).expect("only known tables are written"), name)
}

/// The parts that the records name, by path, with the hash of each.
fn named(manifest: &Manifest) -> BTreeMap<PathBuf, String> {
    manifest.live_parts().map(|part| (path(&part.table, &part.name), part.hash.clone())).collect()
}

/// The files that count as parts.
fn parts(state: &State) -> BTreeMap<PathBuf, Arc<[u8]>> {
    state.image().into_iter().filter(|(path, _)| path.extension().is_some_and(|ending| ending == "parquet")).collect()
}

/// I1: a name ending in `.parquet` is complete and committed, at every instant; or the last commit has removed it.
fn finals_are_committed(state: &State) -> Result<(), Violation> {
    let manifest = manifest(state)?;
    let named = named(&manifest);
    let pruned: BTreeSet<PathBuf> =
        manifest.last.iter().flat_map(|last| &last.pruned).map(|part| path(&part.table, &part.name)).collect();
    for (path, content) in parts(state) {
        match named.get(&path) {
            None if pruned.contains(&path) => {}
            None => return Err(format!("`{}` is committed by no record", path.display())),
            Some(hash) if *hash != blake3::hash(&content).to_string() => {
                return Err(format!("`{}` is not whole", path.display()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// I3 and I4: everything promised is there, and the cursors are those of the last commit.
fn stands(manifest: &Manifest, promised: u64) -> Result<u64, Violation> {
    let Some(record) = &manifest.last else {
        return if promised == 0 {
            Ok(0)
        } else {
            Err(format!("commit {promised} had returned, and nothing is there"))
        };
    };
    if record.commit < promised {
        return Err(format!("commit {promised} had returned, and {} is the last", record.commit));
    }
    if record.walks != walks(record.commit) {
        return Err(format!("the walks do not stand where commit {} left them", record.commit));
    }
    let met: BTreeSet<String> = (1..=record.commit).map(|commit| fingerprint(&cursor(commit))).collect();
    if manifest.met["tags"][""] != met {
        return Err(String::from("cursors met were forgotten"));
    }
    let pages = |walk: &str| manifest.passes[&1].walks.get(walk).map(|walk| walk.pages);
    if pages("tags") != Some(record.commit) || manifest.definition(1) != Some(&record.definition) {
        return Err(String::from("the pass was forgotten"));
    }
    Ok(record.commit)
}

/// I2: parts and records correspond one to one, rows too, and nothing staged, drafted or redundant is left.
fn is_tidy(state: &State, last: u64) -> Result<(), Violation> {
    let (manifest, numbers) = (manifest(state)?, numbers(state));
    if last > 0 && !records_of(last).eq(numbers.iter().copied()) {
        return Err(format!("records {numbers:?} behind commit {last}"));
    }
    let is_there =
        |table: &str, added: u64| !PRUNED.iter().any(|pruned| pruned.0 <= last && *pruned == (pruned.0, table, added));
    let parts_of = |commit| rows(commit).into_iter().filter(move |(table, _)| is_there(table, commit));
    let expected: Vec<u64> = (1..=last).flat_map(parts_of).map(|(_, rows)| rows).collect();
    let found: Vec<u64> = manifest.live_parts().map(|part| part.rows).collect();
    if expected != found {
        return Err(format!("parts of {found:?} rows; {expected:?} were committed"));
    }
    if !named(&manifest).keys().eq(parts(state).keys()) {
        return Err(String::from("parts and records differ"));
    }
    let left = state.image().into_keys().find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".staged") || name.ends_with(".tmp")
    });
    left.map_or(Ok(()), |path| Err(format!("`{}` is left", path.display())))
}

/// The rows that a commit adds, by table.
fn rows(commit: u64) -> Vec<(&'static str, u64)> {
    if has_creators(commit) {
        vec![("tags", 3), ("creators", 3), ("pages", 2)]
    } else {
        vec![("tags", 3), ("pages", 1)]
    }
}

/// Opens a second store while the first one is open: it must be refused.
pub(crate) fn has_one_writer(storage: &Arc<dyn Storage>) -> Result<(), Violation> {
    let first = open(storage).map_err(|error| error.to_string())?;
    let second = open(storage);
    drop(first);
    match second {
        Err(civitrawl::dataset::Error::Held { .. }) => Ok(()),
        Err(error) => Err(format!("a second writer met another error: {error}")),
        Ok(_) => Err(String::from("a second writer was let in")),
    }
}
