//! A Delta log beside the files of each table in a place: by it engines read the table under one name, switch to the next
//! snapshot at once, and find earlier ones.
//!
//! ```text
//! tables/models/HASH.parquet …                     the files, as a push sends them; none is ever removed
//! tables/models/_delta_log/00000000000000000007.json     version 7: what it adds and removes, and this program's note of it
//! ```
//! A version is written after the head was replaced, one for each snapshot pushed, and only if its number is free. Where a push
//! or a run was killed in between, the next push writes it, or the next run that opens the place. The note has the snapshot, by
//! which an older push gives way, and the files that readers see. Versions of others behind it are replayed, and what they did to
//! the files is undone by the next snapshot.
//! A log that does not show what readers see is left as it is.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::head::Head;
use super::kept::Place;
use super::several::several;
use crate::dataset::cancel::Cancel;
use crate::dataset::error::Error;
use crate::dataset::layout::PlaceName;
use crate::dataset::snapshot::inventory::{File, Inventory};
use crate::table::{Column, Table};

/// Most bytes of the versions of one table that are read, and most versions.
const READ_MAX: u64 = 64 << 20;
const VERSIONS_MAX: u64 = 100;
/// Most attempts to write a version.
const ATTEMPTS: usize = 5;
const CHECKSUM: &str = ",\"checksum\":\"";

/// This program's note of a version.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u64,
    /// The snapshot, and its last commit.
    snapshot: u64,
    commit: u64,
    /// The table's id, the same in all versions.
    id: String,
    /// The hash of the schema.
    schema: String,
    /// The files that readers of this version see.
    files: BTreeSet<String>,
}

/// A log as it is.
#[derive(Default)]
struct Log {
    next: u64,
    /// The last note; `None` of an empty log.
    note: Option<Note>,
    /// The files that readers see now.
    files: BTreeSet<String>,
    /// True if others described the table anew since the note.
    is_described_anew: bool,
}

/// A reason why a version was not written.
enum Fault {
    Failed(Error),
    /// The log is not this program's, as the rest of a sentence about it.
    Foreign(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Rotten { reason, .. } => Self::Foreign(format!("holds a file that {reason}")),
            Error::Disk { source, .. } if source.kind() == ErrorKind::NotADirectory => {
                Self::Foreign(String::from("is no directory"))
            }
            error => Self::Failed(error),
        }
    }
}

fn foreign<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Foreign(reason.into()))
}

/// Writes this snapshot to the log of each of its tables that does not know it yet. Returns the bytes of each version written, and
/// a sentence about each log that was left as it is.
///
/// # Errors
/// Errors of the place.
pub(super) fn log(
    place: &dyn Place,
    inventory: &Inventory,
    cancel: Cancel<'_>,
) -> Result<(Vec<u64>, Vec<String>), Error> {
    let tables: Vec<&[File]> = inventory.files.chunk_by(|file, next| file.name() == next.name()).collect();
    let (written, left) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    several(&tables, cancel, |files, _| {
        let table = files[0].table;
        match write(place, inventory, table, files) {
            Ok(bytes) => written.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes),
            Err(Fault::Failed(error)) => return Err(error),
            Err(Fault::Foreign(reason)) => {
                let folder = place.path(&PlaceName::delta(table, files[0].history, 0));
                let folder = folder.parent().unwrap_or(&folder).display();
                left.lock().unwrap_or_else(PoisonError::into_inner).push(format!("the Delta log `{folder}` {reason}"));
            }
        }
        Ok(())
    })?;
    let mut left = left.into_inner().unwrap_or_else(PoisonError::into_inner);
    left.sort();
    Ok((written.into_inner().unwrap_or_else(PoisonError::into_inner), left))
}

/// Writes a version of one table, unless its log has this snapshot or a later one. Returns its bytes.
fn write(place: &dyn Place, inventory: &Inventory, table: &Table, files: &[File]) -> Result<Option<u64>, Fault> {
    let history = files[0].history;
    let mut wanted = BTreeMap::new();
    for file in files {
        wanted.insert(PlaceName::table(table, history, &file.hash).split().1.to_owned(), file);
    }
    for _ in 0..ATTEMPTS {
        let log = Log::read(place, table, history)?;
        if let Some(note) = &log.note {
            match (note.commit, note.snapshot).cmp(&(inventory.commit, inventory.snapshot)) {
                // Another push went ahead of this one, or there was another dataset in this place.
                Ordering::Greater if Head::read(place)?.is_some_and(|(head, _)| head.commit >= note.commit) => {
                    return Ok(None);
                }
                Ordering::Greater => return foreign("has snapshots of commits that the place does not have"),
                Ordering::Equal if note.files.iter().eq(wanted.keys()) => return Ok(None),
                Ordering::Equal | Ordering::Less => {}
            }
        }
        let content = log.version(inventory, table, &wanted);
        if place.create(&PlaceName::delta(table, history, log.next), content.as_bytes())? {
            return Ok(Some(content.len() as u64));
        }
    }
    foreign("is written to by others all the time")
}

impl Log {
    fn read(place: &dyn Place, table: &Table, history: bool) -> Result<Self, Fault> {
        let names = place.list(PlaceName::delta(table, history, 0).split().0)?;
        let versions: BTreeMap<u64, u64> =
            names.iter().filter_map(|(name, bytes)| Some((PlaceName::delta_version(name)?, *bytes))).collect();
        let Some((&last, _)) = versions.last_key_value() else {
            // A killed push leaves a draft.
            return match names.keys().find(|name| !name.starts_with('.')) {
                Some(name) => foreign(format!("holds `{}`, and no version", name.escape_debug())),
                None => Ok(Self::default()),
            };
        };
        let (mut later, mut bytes) = (Vec::new(), 0_u64);
        for version in (last.saturating_sub(VERSIONS_MAX)..=last).rev() {
            // A list may say less than is there.
            let listed = versions.get(&version).copied().unwrap_or(0);
            if bytes.saturating_add(listed) > READ_MAX {
                return foreign(format!("holds versions of more than {} MiB", READ_MAX >> 20));
            }
            let Some(content) = place.read(&PlaceName::delta(table, history, version))? else {
                return foreign(format!("lacks version {version}"));
            };
            bytes += content.len() as u64;
            match Note::of(&content).filter(|note| note.version == version) {
                None => later.push((version, content)),
                Some(note) => {
                    let Some(next) = last.checked_add(1) else { return foreign("has a last version") };
                    let files = note.files.clone();
                    let log = Self { next, note: Some(note), files, is_described_anew: false };
                    return later.iter().rev().try_fold(log, |log, (version, content)| log.replay(*version, content));
                }
            }
        }
        foreign("has no version of this program that is whole")
    }

    /// Adds what another program's version did.
    fn replay(mut self, version: u64, content: &[u8]) -> Result<Self, Fault> {
        let content = String::from_utf8_lossy(content);
        for line in content.lines().filter(|line| !line.is_empty()) {
            let Ok(action) = serde_json::from_str::<Value>(line) else {
                return foreign(format!("has a version {version} that is no JSON"));
            };
            if let Some(path) = action["add"]["path"].as_str() {
                self.files.insert(path.to_owned());
            } else if let Some(path) = action["remove"]["path"].as_str() {
                self.files.remove(path);
            }
            if action.get("protocol").is_some_and(|asked| *asked != protocol()) {
                return foreign(format!(
                    "asks for abilities, since version {version}, that this program does not have"
                ));
            }
            self.is_described_anew |= action.get("metaData").is_some();
        }
        Ok(self)
    }

    /// Returns the next version: with it, readers see these files and no others.
    fn version(&self, inventory: &Inventory, table: &Table, wanted: &BTreeMap<String, &File>) -> String {
        let at = inventory.at.as_millisecond();
        let history = wanted.values().any(|file| file.history);
        let name = wanted.values().next().map(|file| file.name()).unwrap_or_default();
        let schema = schema(table, history);
        let note = Note {
            version: self.next,
            snapshot: inventory.snapshot,
            commit: inventory.commit,
            id: self.note.as_ref().map_or_else(|| id(&name, inventory), |note| note.id.clone()),
            schema: blake3::hash(schema.as_bytes()).to_string(),
            files: wanted.keys().cloned().collect(),
        };
        let mut actions = Vec::new();
        if self.note.is_none() {
            actions.push(json!({ "protocol": protocol() }));
        }
        if self.is_described_anew || self.note.as_ref().is_none_or(|before| before.schema != note.schema) {
            actions.push(json!({ "metaData": {
                "id": note.id,
                "name": name,
                "description": table.doc,
                "format": { "provider": "parquet", "options": {} },
                "schemaString": schema,
                "partitionColumns": [],
                "createdTime": at,
                // A century, so that a `VACUUM` without a time of its own removes nothing that `pull` or time travel needs.
                "configuration": {
                    "delta.deletedFileRetentionDuration": "interval 5200 weeks",
                    "delta.logRetentionDuration": "interval 5200 weeks",
                },
            }}));
        }
        for path in self.files.difference(&note.files) {
            actions.push(json!({ "remove": { "path": path, "deletionTimestamp": at, "dataChange": true } }));
        }
        for (path, file) in wanted.iter().filter(|(path, _)| !self.files.contains(*path)) {
            let rows = json!({ "numRecords": file.rows });
            actions.push(json!({ "add": {
                "path": path,
                "partitionValues": {},
                "size": file.bytes,
                "modificationTime": at,
                "dataChange": true,
                "stats": rows.to_string(),
            }}));
        }
        let commit = json!({ "commitInfo": {
            "timestamp": at,
            "operation": "WRITE",
            "operationParameters": {
                "mode": "Overwrite",
                "snapshot": inventory.snapshot.to_string(),
                "commit": inventory.commit.to_string(),
            },
            "engineInfo": concat!("civitrawl/", env!("CARGO_PKG_VERSION")),
            "civitrawl": note,
        }});
        let actions: String = actions.iter().map(|action| format!("{action}\n")).collect();
        let body = format!("{actions}{}", commit.to_string().strip_suffix("}}").unwrap_or_default());
        format!("{body}{CHECKSUM}{}\"}}}}\n", blake3::hash(body.as_bytes()))
    }
}

impl Note {
    /// Returns the note of a version; `None` if this program did not write it, or if it is no longer what was written.
    fn of(content: &[u8]) -> Option<Self> {
        let text = str::from_utf8(content).ok()?;
        let (body, end) = text.rsplit_once(CHECKSUM)?;
        let is_whole = end == format!("{}\"}}}}\n", blake3::hash(body.as_bytes()));
        let commit: Value = serde_json::from_str(text.lines().next_back()?).ok().filter(|_| is_whole)?;
        Self::deserialize(&commit["commitInfo"]["civitrawl"]).ok()
    }
}

/// Returns the abilities that the log asks of readers and writers: the least there are.
fn protocol() -> Value {
    json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
}

/// Returns the id of a table: one of its own, which the snapshot that is logged first decides.
fn id(name: &str, inventory: &Inventory) -> String {
    let hash = blake3::hash(format!("{name} {}", inventory.commit_hash).as_bytes()).to_hex();
    [&hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..32]].join("-")
}

/// Returns the schema of a table, or of its history, in the words of Delta.
fn schema(table: &Table, history: bool) -> String {
    let columns = if history { table.history_columns() } else { table.snapshot_columns() };
    let field = |column: &Column| {
        json!({
            "name": column.name,
            "type": type_of(&column.data_type),
            "nullable": column.nullable,
            "metadata": { "comment": column.doc },
        })
    };
    json!({ "type": "struct", "fields": columns.iter().map(field).collect::<Vec<_>>() }).to_string()
}

/// Returns a type in the words of Delta; null if it has none for it.
fn type_of(data_type: &DataType) -> Value {
    match data_type {
        DataType::Int64 => json!("long"),
        DataType::Float64 => json!("double"),
        DataType::Boolean => json!("boolean"),
        DataType::Utf8 => json!("string"),
        DataType::Binary => json!("binary"),
        DataType::Timestamp(_, Some(_)) => json!("timestamp"),
        DataType::List(element) => json!({
            "type": "array",
            "elementType": type_of(element.data_type()),
            "containsNull": element.is_nullable(),
        }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::thread;

    use proptest::prelude::*;

    use super::super::kept::Sink;
    use super::*;
    use crate::dataset::cancel::NEVER;
    use crate::table;

    /// A place in memory, of which only what logs need is there.
    #[derive(Default)]
    struct Memory {
        files: Mutex<BTreeMap<String, Vec<u8>>>,
        is_listed_as_empty: bool,
    }

    impl Place for Memory {
        fn root(&self) -> &Path {
            Path::new("memory")
        }

        fn path(&self, name: &PlaceName) -> PathBuf {
            name.path(self.root())
        }

        fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>, Error> {
            let files = self.files.lock().unwrap();
            let below = files.iter().filter_map(|(name, content)| {
                let name = name.strip_prefix(folder)?.strip_prefix('/')?;
                Some((name.to_owned(), if self.is_listed_as_empty { 0 } else { content.len() as u64 }))
            });
            Ok(below.collect())
        }

        fn read(&self, name: &PlaceName) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.files.lock().unwrap().get(name.as_str()).cloned())
        }

        fn fetch(&self, _: &PlaceName, _: u64, _: &mut Sink<'_>) -> Result<(), Error> {
            unreachable!("a log asks for no such thing")
        }

        fn put(&self, _: &PlaceName, _: &mut dyn Read) -> Result<(), Error> {
            unreachable!("a log asks for no such thing")
        }

        fn create(&self, name: &PlaceName, content: &[u8]) -> Result<bool, Error> {
            thread::yield_now();
            let mut files = self.files.lock().unwrap();
            Ok(files.entry(name.as_str().to_owned()).or_insert_with(|| content.to_vec()) == content)
        }

        fn probe(&self) -> Result<(), Error> {
            unreachable!("a log asks for no such thing")
        }

        fn hold(&self) -> Result<Box<dyn Send>, Error> {
            unreachable!("a log asks for no such thing")
        }

        fn replace_head(&self, _: Option<&[u8]>, content: &[u8]) -> Result<(), Error> {
            self.create(&PlaceName::head(), content).map(drop)
        }
    }

    impl Memory {
        /// A place whose head is at this commit.
        fn at(commit: u64) -> Self {
            let (place, hash) = (Self::default(), blake3::hash(b"").to_string());
            Head::new(commit, hash.try_into().unwrap(), None, BTreeMap::new()).replace(None, &place).unwrap();
            place
        }

        fn versions(&self) -> Vec<Vec<u8>> {
            let files = self.files.lock().unwrap();
            files.iter().filter(|(name, _)| name.contains("_delta_log")).map(|(_, content)| content.clone()).collect()
        }
    }

    /// A snapshot with one table of these files.
    fn inventory(snapshot: u64, files: &BTreeSet<u8>) -> Inventory {
        let file = |n: &u8| {
            let hash = blake3::hash(&[*n]).to_string();
            json!({ "table": "models", "history": false, "rows": n, "bytes": 100, "hash": hash, "rewritten": true, "range": n })
        };
        serde_json::from_value(json!({
            "format": 1, "snapshot": snapshot, "at": "2026-11-30T08:00:00Z", "version": "0", "crawl": "c", "pass": 1,
            "commit": snapshot / 2, "commit_hash": "h", "state": "complete", "from": null,
            "files": files.iter().map(file).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    fn names(files: &BTreeSet<u8>) -> BTreeSet<String> {
        files.iter().map(|n| format!("{}.parquet", blake3::hash(&[*n]))).collect()
    }

    /// The snapshot of each version, and the files that a reader of it finds by the words of Delta alone.
    fn read_as_others_do(place: &Memory) -> Vec<(u64, BTreeSet<String>)> {
        let (mut shown, mut versions) = (BTreeSet::new(), Vec::new());
        for (number, content) in place.versions().iter().enumerate() {
            let actions: Vec<Value> =
                str::from_utf8(content).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            for action in &actions {
                if let Some(path) = action["add"]["path"].as_str() {
                    assert!(shown.insert(path.to_owned()), "{path} is added twice");
                }
                if let Some(path) = action["remove"]["path"].as_str() {
                    assert!(shown.remove(path), "{path} is removed, and not there");
                }
            }
            let described = actions.iter().filter(|action| action.get("metaData").is_some()).count();
            assert_eq!(described, usize::from(number == 0));
            let snapshot = &actions.last().unwrap()["commitInfo"]["operationParameters"]["snapshot"];
            versions.push((snapshot.as_str().unwrap().parse().unwrap(), shown.clone()));
        }
        versions
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pushes_side_by_side_make_one_log_that_never_goes_back(
            snapshots in prop::collection::vec(prop::collection::btree_set(0..9_u8, 1..6), 1..6),
            pushers in prop::collection::vec(prop::collection::vec(0..6_usize, 1..5), 1..5),
        ) {
            let place = Memory::at(9);
            thread::scope(|scope| {
                for pusher in &pushers {
                    scope.spawn(|| {
                        for snapshot in pusher.iter().map(|n| n % snapshots.len()) {
                            // Those that are overtaken all the time are so by snapshots that they would give way to.
                            log(&place, &inventory(snapshot as u64, &snapshots[snapshot]), NEVER).unwrap();
                        }
                    });
                }
            });
            let versions = read_as_others_do(&place);
            prop_assert!(versions.is_sorted_by(|before, after| before.0 < after.0), "{versions:?}");
            let last = pushers.iter().flatten().map(|n| n % snapshots.len()).max();
            prop_assert_eq!(versions.last().map(|(snapshot, _)| *snapshot as usize), last);
            for (snapshot, shown) in versions {
                prop_assert_eq!(shown, names(&snapshots[snapshot as usize]));
            }
        }

        #[test]
        fn no_log_of_others_ends_a_push(contents in prop::collection::vec("\\PC{0,40}|[\\[\\]{}\":,a-z0-9]{0,40}", 1..4)) {
            let place = Memory::default();
            log(&place, &inventory(1, &BTreeSet::from([1])), NEVER).unwrap();
            for (version, content) in (1..).zip(&contents) {
                place.create(&PlaceName::delta(table::named("models").unwrap(), false, version), content.as_bytes()).unwrap();
            }
            let before = place.files.lock().unwrap().clone();
            let (written, left) = log(&place, &inventory(2, &BTreeSet::from([2])), NEVER).unwrap();
            prop_assert_eq!(written.len() + left.len(), 1);
            let after = place.files.lock().unwrap().clone();
            prop_assert!(before.iter().all(|(name, content)| after.get(name) == Some(content)));
        }
    }

    #[test]
    fn a_version_that_is_not_what_was_written_is_nobodys() {
        let place = Memory::default();
        log(&place, &inventory(1, &BTreeSet::from([1])), NEVER).unwrap();
        let content = place.versions().remove(0);
        assert!(Note::of(&content).is_some());
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            assert!(Note::of(&damaged).is_none(), "{at}");
            assert!(Note::of(&content[..at]).is_none(), "{at}");
        }
    }

    #[test]
    fn no_more_is_read_of_a_log_than_may_be_whatever_its_list_says() {
        let place = Memory { is_listed_as_empty: true, ..Memory::default() };
        log(&place, &inventory(1, &BTreeSet::from([1])), NEVER).unwrap();
        for version in 1..=9 {
            let name = PlaceName::delta(table::named("models").unwrap(), false, version);
            assert!(place.create(&name, &vec![b'\n'; 10 << 20]).unwrap());
        }
        let (_, left) = log(&place, &inventory(2, &BTreeSet::from([2])), NEVER).unwrap();
        assert!(left[0].contains("more than 64 MiB"), "{left:?}");
        assert_eq!(place.versions().len(), 10);
    }

    #[test]
    fn a_log_of_another_dataset_is_not_taken_for_one_that_is_ahead() {
        let of = |files: [u8; 2]| BTreeSet::from(files);
        for (commit, left) in [(8, 1), (9, 0)] {
            let place = Memory::at(commit);
            log(&place, &inventory(18, &of([1, 2])), NEVER).unwrap();
            let ended = log(&place, &inventory(2, &of([3, 4])), NEVER).unwrap();
            assert_eq!((ended.0.len(), ended.1.len()), (0, left), "{ended:?}");
        }
        // The same numbers, but another snapshot.
        let place = Memory::at(1);
        for files in [[1, 2], [3, 4], [3, 4]] {
            log(&place, &inventory(2, &of(files)), NEVER).unwrap();
        }
        let versions = read_as_others_do(&place);
        assert_eq!(versions, [(2, names(&of([1, 2]))), (2, names(&of([3, 4])))]);
    }

    #[test]
    fn every_column_has_a_type() {
        for table in table::ALL {
            for column in table.snapshot_columns().into_iter().chain(table.history_columns()) {
                let kind = type_of(&column.data_type);
                assert!(kind.is_string() || kind["elementType"].is_string(), "{}", column.name);
            }
        }
    }
}
