//! What must hold of any state of the disk, before and after the real store has opened it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use civitrawl::dataset::commit::{Record, check_chain, cursor_fingerprint};
use civitrawl::dataset::layout::record_number;
use civitrawl::dataset::storage::Storage;
use civitrawl::dataset::store::Standing;
use civitrawl::dataset::verify::verify;
use civitrawl::table;

use crate::crawl::{COMMITS, cursor, open, place, run, walks};
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
    let last = stands(&opened.1, moment.promised)?;
    drop(opened);
    machine.promise(last);
    let state = machine.state();
    is_tidy(&state, last)?;
    finals_are_committed(&state)?;
    let (_, again) = open(&storage).map_err(|error| format!("it cannot be opened twice: {error}"))?;
    if stands(&again, last)? != last || machine.state().image() != state.image() {
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
    if !findings.faults.is_empty() || findings.records != COMMITS {
        return Err(format!("{} records, {}", findings.records, findings.faults.join("; ")));
    }
    Ok(())
}

/// The records that are there, which must form a chain.
fn records(state: &State) -> Result<Vec<Record>, Violation> {
    let commits = place().commits();
    let numbers = state.list(&commits).into_iter().filter_map(|entry| record_number(&entry.name));
    let read = |n: u64| (n, state.read(&place().record(n)).expect("it was listed"));
    let (records, damages) = check_chain(&numbers.map(read).collect::<Vec<_>>());
    match damages.first() {
        None => Ok(records),
        Some(damage) => Err(damage.to_string()),
    }
}

/// The parts that the records name, by path, with the hash of each.
fn named(records: &[Record]) -> BTreeMap<PathBuf, String> {
    let parts = records.iter().flat_map(|record| &record.parts);
    let path = |name: &str| table::named(name).expect("only known tables are written");
    parts.map(|part| (place().part(path(&part.table), &part.name), part.hash.clone())).collect()
}

/// The files that count as parts.
fn parts(state: &State) -> BTreeMap<PathBuf, Arc<[u8]>> {
    state.image().into_iter().filter(|(path, _)| path.extension().is_some_and(|ending| ending == "parquet")).collect()
}

/// I1: a name ending in `.parquet` is complete and committed, at every instant.
fn finals_are_committed(state: &State) -> Result<(), Violation> {
    let named = named(&records(state)?);
    for (path, content) in parts(state) {
        match named.get(&path) {
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
fn stands(standing: &Standing, promised: u64) -> Result<u64, Violation> {
    let Some(record) = &standing.last else {
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
    let met: BTreeSet<String> = (1..=record.commit).map(|commit| cursor_fingerprint(&cursor(commit))).collect();
    let found = standing.met.get(&(String::from("tags"), String::new())).cloned().unwrap_or_default();
    if found.into_iter().collect::<BTreeSet<_>>() != met {
        return Err(String::from("cursors met were forgotten"));
    }
    Ok(record.commit)
}

/// I2: parts and records correspond one to one, rows and pages too, and nothing staged or drafted is left.
fn is_tidy(state: &State, last: u64) -> Result<(), Violation> {
    let records = records(state)?;
    if records.len() as u64 != last {
        return Err(format!("{} records where {last} were found", records.len()));
    }
    let expected: Vec<u64> = (1..=last).flat_map(rows).collect();
    let found: Vec<u64> = records.iter().flat_map(|record| &record.parts).map(|part| part.rows).collect();
    if expected != found {
        return Err(format!("parts of {found:?} rows; {expected:?} were committed"));
    }
    if !named(&records).keys().eq(parts(state).keys()) {
        return Err(String::from("parts and records differ"));
    }
    let left = state.image().into_keys().find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".staged") || name.ends_with(".tmp")
    });
    left.map_or(Ok(()), |path| Err(format!("`{}` is left", path.display())))
}

/// Rows of each part of a commit: tags, creators where there are some, pages.
fn rows(commit: u64) -> Vec<u64> {
    if commit.is_multiple_of(2) { vec![3, 3, 2] } else { vec![3, 1] }
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
