//! The promises that hold for any state of the disk, before and after the real store has opened it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;

use civitrawl::dataset::commit::fingerprint;
use civitrawl::dataset::layout::{FileHash, Layout, PartName, latest_number, record_number, snapshot_number};
use civitrawl::dataset::manifest::Manifest;
use civitrawl::dataset::recovery::{check_chain, is_full};
use civitrawl::dataset::verify::{Findings, verify};
use civitrawl::storage::Storage;
use civitrawl::table;
use civitrawl::table::Table;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use serde_json::Value;

use crate::crawl::{COMMITS, FULL_EVERY, PRUNED, PRUNING, cursor, has_users, open, pages, place, run, user_ids, walks};
use crate::disk::{Blob, State};
use crate::machine::{Machine, Moment, Promised};
use crate::mutant::{Mutation, wrap};

/// The fault of a state.
pub(crate) type Violation = String;

/// Opens the dataset on this disk and checks what it finds and leaves; gives every moment of the opening.
pub(crate) fn recovers(moment: &Moment, mutation: Option<Mutation>) -> Result<Vec<Moment>, Violation> {
    finals_are_committed(&moment.state)?;
    latest_is_whole(&moment.state, moment.promised)?;
    let machine = Machine::start(moment.state.clone(), moment.promised, None);
    let storage = wrap(&machine, mutation);
    let opened = open(&storage).map_err(|error| format!("it cannot be opened: {error}"))?;
    let last = stands(opened.manifest(), moment.promised.commit)?;
    let absorbed = opened.manifest().history.absorbed;
    drop(opened);
    machine.promise(Promised { commit: last, snapshot: 0 });
    let state = machine.state();
    is_tidy(&state, last)?;
    finals_are_committed(&state)?;
    match latest_is_whole(&state, moment.promised)? {
        Some(commit) if commit < absorbed => {
            return Err(format!("`latest` holds commits up to {commit} of {absorbed}"));
        }
        None if absorbed > 0 => return Err(format!("no snapshot holds the rows of commits up to {absorbed}")),
        _ => {}
    }
    let again = open(&storage).map_err(|error| format!("it cannot be opened twice: {error}"))?;
    if stands(again.manifest(), last)? != last || seen(&machine.state()) != seen(&state) {
        return Err(String::from("a second opening changed it"));
    }
    Ok(machine.history())
}

/// Crawls from here to the end; `verify` must find nothing wrong, and the snapshot have every row. Returns every moment
/// of it.
pub(crate) fn goes_on(moment: &Moment, mutation: Option<Mutation>) -> Result<Vec<Moment>, Violation> {
    let machine = Machine::start(moment.state.clone(), moment.promised, None);
    let storage = wrap(&machine, mutation);
    run(&storage, 2, 1, &|more| machine.promise(more)).map_err(|error| format!("it cannot continue: {error}"))?;
    let findings = verify(&place(), &*storage, &|| false, &mut |_, _| {})
        .map_err(|error| format!("it cannot be verified: {error}"))?;
    if !findings.faults.is_empty() || findings.records != records_of(COMMITS).count() as u64 || findings.snapshots != 1
    {
        let Findings { records, snapshots, faults, .. } = findings;
        return Err(format!("{records} records, {snapshots} snapshots, {}", faults.join("; ")));
    }
    has_every_row(&machine.state())?;
    Ok(machine.history())
}

/// Everything on a disk, as it is seen.
fn seen(state: &State) -> impl PartialEq {
    let snapshots: Vec<String> = state.list(&place().snapshots()).into_iter().map(|entry| entry.name).collect();
    (state.image(Path::new("/")), snapshots, state.read_symlink(&place().latest()).ok())
}

/// The numbers of the records on disk.
fn numbers(state: &State) -> Vec<u64> {
    state.list(&place().commits()).into_iter().filter_map(|entry| record_number(&entry.name)).collect()
}

/// The records that count behind a commit: the last full one, and those behind it.
fn records_of(last: u64) -> RangeInclusive<u64> {
    (last - last % FULL_EVERY).max(1)..=last
}

/// Reads the records that count, which must form a chain.
fn manifest(state: &State) -> Result<Manifest, Violation> {
    let read = |n: u64| (n, state.read(&place().record(n)).expect("it was listed").to_vec());
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
fn named(manifest: &Manifest) -> BTreeMap<PathBuf, FileHash> {
    manifest.live_parts().map(|part| (place().part(part.table, &part.name), part.hash)).collect()
}

/// The files that count as parts.
fn parts(state: &State) -> BTreeMap<PathBuf, Blob> {
    let files = state.image(&place().root().join("parts")).into_iter();
    files.filter(|(path, _)| path.extension().is_some_and(|ending| ending == "parquet")).collect()
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
            Some(hash) if *hash != content.hash.into() => {
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
    let seen: BTreeSet<String> = (1..=pages(record.commit)).map(|page| fingerprint(&cursor(page))).collect();
    if manifest.history.seen_cursors["tags"][""] != seen {
        return Err(String::from("cursors seen were forgotten"));
    }
    let counted = manifest.history.passes[&1].walks.get("tags").map(|walk| walk.pages);
    if counted != Some(pages(record.commit)) || manifest.definition(1) != Some(&record.definition) {
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
    let files = state.image(place().root()).into_keys().map(|path| path.to_string_lossy().into_owned());
    let names =
        [place().root().to_owned(), place().snapshots()].into_iter().flat_map(|directory| state.list(&directory));
    let mut all = files.chain(names.map(|entry| entry.name));
    let left = all.find(|name| [".staged", ".tmp", ".run"].iter().any(|ending| name.ends_with(ending)));
    left.map_or(Ok(()), |name| Err(format!("`{name}` is left")))
}

/// Every snapshot that has its number is whole, and `latest` leads to one, at every instant, no older than was promised; gives
/// the last commit whose rows that one has.
fn latest_is_whole(state: &State, promised: Promised) -> Result<Option<u64>, Violation> {
    let mut commits = BTreeMap::new();
    for entry in state.list(&place().snapshots()) {
        if let Some(number) = snapshot_number(&entry.name) {
            commits.insert(number, whole(state, number)?);
        }
    }
    let Some(target) = state.read_symlink(&place().latest()).map_err(|error| format!("`latest`: {error}"))? else {
        return if promised.snapshot == 0 { Ok(None) } else { Err(String::from("there is no `latest`")) };
    };
    let number = latest_number(&target).ok_or_else(|| format!("`latest` leads to `{}`", target.display()))?;
    match commits.get(&number) {
        Some(_) if number < promised.snapshot => Err(format!("`latest` went back to {number}")),
        Some(commit) => Ok(Some(*commit)),
        None => Err(format!("`latest` leads to {number}; there are {:?}", commits.keys())),
    }
}

/// Fails unless a snapshot's files are as its inventory lists them, with as many rows as it must have; returns its last commit.
fn whole(state: &State, number: u64) -> Result<u64, Violation> {
    let directory = place().snapshot(number);
    let fault = |what: &str| format!("snapshot {number}: {what}");
    let content = state.read(&Layout::inventory(&directory)).map_err(|error| fault(&error.to_string()))?;
    let inventory: Value = serde_json::from_slice(&content).map_err(|error| fault(&error.to_string()))?;
    let commit = inventory["commit"].as_u64().ok_or_else(|| fault("it names no commit"))?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for file in inventory["files"].as_array().into_iter().flatten() {
        let table = file["table"].as_str().unwrap_or_default();
        let name = if file["history"] == true { format!("{table}_history") } else { table.to_owned() };
        let place = match file["range"].as_u64() {
            Some(range) => format!("{name}.parquet/{range:04}.parquet"),
            None => format!("{name}.parquet"),
        };
        let content = state.read(&directory.join(&place)).map_err(|_| fault(&format!("no {place}")))?;
        if file["hash"] != content.hash.to_string() {
            return Err(fault(&format!("`{place}` is not whole")));
        }
        *counts.entry(name).or_default() += file["rows"].as_u64().unwrap_or_default();
    }
    for (name, count) in &counts {
        let rows: u64 = absorbed(name.trim_end_matches("_history"), commit).map(|(_, rows)| rows).sum();
        if *count != rows {
            return Err(fault(&format!("`{name}` has {count} rows; {rows} were committed")));
        }
    }
    if counts.keys().eq(["pages", "tags", "tags_history", "users"]) {
        Ok(commit)
    } else {
        Err(fault(&format!("{counts:?}")))
    }
}

/// The rows of a table that a snapshot of this commit holds, by the commit that added them: all but those that commits removed
/// before one was taken.
fn absorbed(table: &str, commit: u64) -> impl Iterator<Item = (u64, u64)> {
    let gone = move |added: u64| PRUNED.iter().any(|(by, of, from)| *by < PRUNING && *of == table && *from == added);
    let added =
        (1..=commit).flat_map(|commit| rows(commit).into_iter().map(move |(table, rows)| (commit, table, rows)));
    added.filter(move |(commit, of, _)| *of == table && !gone(*commit)).map(|(commit, _, rows)| (commit, rows))
}

/// The newest snapshot has each row that was committed, once.
fn has_every_row(state: &State) -> Result<(), Violation> {
    let target = state.read_symlink(&place().latest()).ok().flatten().ok_or("there is no `latest`")?;
    let of_table = |table: &Table| Layout::snapshot_file(&place().root().join(&target), table, false);
    let read = |path: &Path| -> Result<Vec<RecordBatch>, Violation> {
        let content = Bytes::from(state.read(path).map_err(|error| error.to_string())?.to_vec());
        let reader = ParquetRecordBatchReader::try_new(content, 1024).map_err(|error| error.to_string())?;
        reader.collect::<Result<_, _>>().map_err(|error| error.to_string())
    };
    let tags = read(&of_table(&table::tags::TABLE))?;
    let names = tags.iter().filter_map(|batch| batch.column_by_name("name")?.as_string_opt::<i32>());
    let found: Vec<String> = names.flat_map(|names| names.iter().flatten().map(str::to_owned)).collect();
    let named = |(commit, rows): (u64, u64)| (0..rows).map(move |n| format!("{commit}-{n}"));
    if !absorbed("tags", COMMITS).flat_map(named).eq(found.iter().cloned()) {
        return Err(format!("`latest` has {found:?} in `tags`"));
    }
    let users = of_table(&table::users::TABLE);
    let ranges: Vec<_> =
        state.list(&users).iter().map(|entry| read(&users.join(&entry.name))).collect::<Result<_, _>>()?;
    let ids = ranges.iter().flatten().filter_map(|batch| batch.column_by_name("id")?.as_primitive_opt::<Int64Type>());
    let found: Vec<i64> = ids.flat_map(|ids| ids.iter().flatten()).collect();
    if !absorbed("users", COMMITS).flat_map(|(commit, _)| user_ids(commit)).eq(found.iter().copied()) {
        return Err(format!("`latest` has {found:?} in `users`"));
    }
    Ok(())
}

/// The rows that a commit adds, by table.
fn rows(commit: u64) -> Vec<(&'static str, u64)> {
    match commit {
        PRUNING => vec![],
        _ if has_users(commit) => vec![("tags", 3), ("users", 3), ("pages", 2)],
        _ => vec![("tags", 3), ("pages", 1)],
    }
}

/// Opens a second store while the first one is open: it must be refused.
pub(crate) fn has_one_writer(storage: &Arc<dyn Storage>) -> Result<(), Violation> {
    let first = open(storage).map_err(|error| error.to_string())?;
    let second = open(storage);
    drop(first);
    match second {
        Err(civitrawl::dataset::Error::Held { .. }) => Ok(()),
        Err(error) => Err(format!("a second writer had another error: {error}")),
        Ok(_) => Err(String::from("a second writer was let in")),
    }
}
