//! Checks everything a dataset promises, from the chain of records down to each row's key, and names each fault. Reads only.
//!
//! It may run beside a crawl. Memory is bounded by one commit, time by the size of the dataset.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::{Array as _, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use arrow::row::{Row, RowConverter, Rows, SortField};
use bytes::Bytes;

use super::commit::{Part, PrunedPart};
use super::damage::Damage;
use super::error::{During, Error};
use super::layout::Layout;
use super::manifest::PassSummary;
use super::part::{read_rows, sort_columns};
use super::read::{list_parts, read_manifest, read_records, record_numbers};
use super::recovery::{check_chain, plan_recovery};
use super::snapshot::check::check as check_snapshots;
use crate::storage::Storage;
use crate::table::{self, Table};

/// What was checked, and what was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Records read.
    pub records: u64,
    /// Parts read.
    pub parts: u64,
    /// Rows read.
    pub rows: u64,
    /// Snapshots read.
    pub snapshots: u64,
    /// Every fault, a sentence each.
    pub faults: Vec<String>,
}

/// Checks a dataset. Faults are findings, not errors.
///
/// # Errors
/// [`Error::Absent`], or [`Error::Disk`] when the disk refuses to be read.
pub fn verify(layout: &Layout, storage: &dyn Storage) -> Result<Findings, Error> {
    let (records, (manifest, damages), recovery) = loop {
        let files = read_records(layout, storage)?;
        let parts = list_parts(layout, storage)?;
        let (manifest, damages) = check_chain(&files);
        let recovery = plan_recovery(&manifest, &parts);
        // A crawl that committed meanwhile has made the comparison stale.
        if record_numbers(layout, storage)?.last() == files.last().map(|(commit, _)| commit) {
            break (files.len(), (manifest, damages), recovery);
        }
    };
    if records == 0 && storage.list(layout.root()).during("list", layout.root())?.is_empty() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    let mut findings = Findings { records: records as u64, ..Findings::default() };
    findings.faults.extend(damages.iter().map(ToString::to_string));
    let mut stray_or_missing = recovery.err().unwrap_or_default();
    // With a record missing or unreadable nobody can tell which parts it named.
    stray_or_missing.retain(|damage| damages.is_empty() || !matches!(damage, Damage::StrayPart { .. }));
    findings.faults.extend(stray_or_missing.iter().map(ToString::to_string));
    let mut pages = Pages::default();
    for (commit, parts) in &manifest.history.parts {
        let is_there = |part: &&Part| !stray_or_missing.iter().any(|damage| damage.is_missing(part));
        let parts: Vec<&Part> = parts.iter().filter(is_there).collect();
        check_commit(layout, storage, *commit, &parts, &mut pages, &mut findings)?;
    }
    pages.check(&manifest.history.passes, &mut findings.faults);
    let (snapshots, faults) = check_snapshots(layout, storage)?;
    findings.snapshots = snapshots;
    findings.faults.extend(faults);
    Ok(findings)
}

/// Checks the parts of one commit, and that rows of child tables have their parents on the same page.
fn check_commit(
    layout: &Layout,
    storage: &dyn Storage,
    commit: u64,
    parts: &[&Part],
    pages: &mut Pages,
    findings: &mut Findings,
) -> Result<(), Error> {
    let mut contents: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
    for part in parts {
        let Some(table) = table::named(&part.table) else { continue };
        let Some(read) = read_part(layout, storage, table, part)? else {
            // A commit may have removed it meanwhile, and others of this one.
            let now = read_manifest(layout, storage)?;
            if now.has(&PrunedPart::from(*part)) {
                findings.faults.push(Damage::missing(part, commit).to_string());
                continue;
            }
            return Ok(());
        };
        match read {
            Ok(batches) => {
                findings.parts += 1;
                findings.rows += part.rows;
                if let Err(fault) = check_rows(table, part, &batches, pages) {
                    findings.faults.push(fault);
                }
                contents.insert(table.name, batches);
            }
            Err(fault) => findings.faults.push(fault),
        }
    }
    for table in table::ALL {
        if let Err(fault) = check_parents(table, &contents, commit) {
            findings.faults.push(fault);
        }
    }
    Ok(())
}

/// Reads a part whose bytes are those that were committed, if it is there; the inner error is the fault.
fn read_part(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    part: &Part,
) -> Result<Option<Result<Vec<RecordBatch>, String>>, Error> {
    let fault = |what: &str| format!("part `{}/{}` {what}", part.table, part.name);
    let (path, staged) = (layout.part(table, &part.name), layout.staged(table, &part.name));
    // The last commit of an interrupted run may still be waiting to be published.
    let content = match storage.read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => storage.read(&staged),
        other => other,
    };
    let content = match content {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => Bytes::from(other.during("read", &path)?),
    };
    if blake3::hash(&content).to_string() != part.hash {
        return Ok(Some(Err(fault("is not what was committed: its hash is another"))));
    }
    let read = read_rows(table, content);
    Ok(Some(read.map_err(|error| fault(&format!("cannot be read: {error}"))).and_then(|batches| {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows as u64 == part.rows {
            Ok(batches)
        } else {
            Err(fault(&format!("holds {rows} rows; {} were committed", part.rows)))
        }
    })))
}

/// Rows of a part are in order, and no key occurs twice on one page.
fn check_rows(table: &Table, part: &Part, batches: &[RecordBatch], pages: &mut Pages) -> Result<(), String> {
    let fault = |what: &str| format!("part `{}/{}` {what}", part.table, part.name);
    let columns = sort_columns(table);
    let mut keys = Keys::new(table, &columns).map_err(|e| fault(&e.to_string()))?;
    let mut previous: Option<Box<[u8]>> = None;
    for batch in batches {
        let rows = keys.of(batch, &columns).map_err(|e| fault(&e.to_string()))?;
        for row in &rows {
            match previous.as_deref().map(|previous| previous.cmp(row.as_ref())) {
                Some(Ordering::Equal) => return Err(fault("holds the same key twice on one page")),
                Some(Ordering::Greater) => return Err(fault("is not sorted by its key")),
                Some(Ordering::Less) | None => previous = Some(row.as_ref().into()),
            }
        }
        if table.name == "pages" {
            pages.note(batch);
        }
    }
    Ok(())
}

/// Every row of a child table has its parent on the same page, but a version without a place among its model's: it was
/// looked up by itself.
fn check_parents(table: &Table, contents: &BTreeMap<&str, Vec<RecordBatch>>, commit: u64) -> Result<(), String> {
    let (Some((parent, link)), Some(children)) = (table.parent, contents.get(table.name)) else { return Ok(()) };
    let Some(parent) = table::named(parent) else { return Ok(()) };
    let fault = |error: ArrowError| format!("commit {commit}: `{}` cannot be compared: {error}", table.name);
    let on_page = |names: &[&'static str]| [names, &["walk", "page"][..]].concat();
    let (parent_columns, child_columns) = (on_page(parent.key), on_page(link));
    let mut keys = Keys::new(parent, &parent_columns).map_err(fault)?;
    let mut parents: HashSet<Box<[u8]>> = HashSet::new();
    for batch in contents.get(parent.name).into_iter().flatten() {
        let rows = keys.of(batch, &parent_columns).map_err(fault)?;
        parents.extend(rows.iter().map(|row| Box::from(row.as_ref())));
    }
    let mut orphans = 0;
    for batch in children {
        let rows = keys.of(batch, &child_columns).map_err(fault)?;
        let alone = |row: usize| batch.column_by_name("position").is_some_and(|places| places.is_null(row));
        let orphaned = |(row, key): &(usize, Row<'_>)| !parents.contains(key.as_ref()) && !alone(*row);
        orphans += rows.iter().enumerate().filter(orphaned).count();
    }
    let told =
        format!("commit {commit}: {orphans} rows of `{}` have no row in `{}` on their page", table.name, parent.name);
    if orphans == 0 { Ok(()) } else { Err(told) }
}

/// Turns some columns of a table into comparable keys.
struct Keys(RowConverter);

impl Keys {
    fn new(table: &Table, columns: &[&str]) -> Result<Self, ArrowError> {
        let schema = table.schema();
        let field = |name: &&str| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone()));
        Ok(Self(RowConverter::new(columns.iter().map(field).collect::<Result<_, ArrowError>>()?)?))
    }

    fn of(&mut self, batch: &RecordBatch, columns: &[&str]) -> Result<Rows, ArrowError> {
        let schema = batch.schema();
        let column = |name: &&str| Ok(batch.column(schema.index_of(name)?).clone());
        self.0.convert_columns(&columns.iter().map(column).collect::<Result<Vec<ArrayRef>, ArrowError>>()?)
    }
}

/// The pages found, by pass and walk.
#[derive(Debug, Default)]
struct Pages(BTreeMap<(u64, String), BTreeSet<u64>>);

impl Pages {
    fn note(&mut self, batch: &RecordBatch) {
        let number = |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let walks = batch.column_by_name("walk").and_then(|column| column.as_string_opt::<i32>());
        let (Some(passes), Some(pages), Some(walks)) = (number("pass"), number("page"), walks) else { return };
        for row in 0..batch.num_rows() {
            let key = (passes.value(row).unsigned_abs(), walks.value(row).to_owned());
            self.0.entry(key).or_default().insert(pages.value(row).unsigned_abs());
        }
    }

    /// Each walk has exactly the pages that the last record of its pass counts, and no partition of it has a gap.
    fn check(&self, passes: &BTreeMap<u64, PassSummary>, faults: &mut Vec<String>) {
        for (pass, summary) in passes {
            for (name, walk) in &summary.walks {
                let partitions =
                    self.0.iter().filter(|((of, partition), _)| of == pass && is_partition(partition, name));
                let mut found = walk.given_up.len() as u64;
                for ((_, partition), pages) in partitions {
                    let lost = walk.given_up.iter().filter(|lost| is_named(partition, name, &lost.partition));
                    let lost: BTreeSet<u64> = lost.map(|lost| lost.page).collect();
                    found += pages.difference(&lost).count() as u64;
                    let ahead = walk.partitions.values().any(|partition| !partition.done_beyond.is_empty());
                    let last = pages.last().copied().unwrap_or(0);
                    let gap = (1..=last).find(|page| !pages.contains(page) && !lost.contains(page));
                    if let Some(gap) = gap.filter(|_| !ahead) {
                        faults.push(format!("pass {pass}, walk `{partition}`: page {gap} of {last} is missing"));
                    }
                }
                if found != walk.pages {
                    let counted = walk.pages;
                    faults.push(format!("pass {pass}, walk `{name}`: {found} pages are there; {counted} were counted"));
                }
            }
        }
    }
}

/// Whether rows of this name are a walk's: its own, or those of one of its partitions.
fn is_partition(name: &str, walk: &str) -> bool {
    name.strip_prefix(walk).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether this is the name of the walk's partition with this key.
fn is_named(name: &str, walk: &str, partition: &str) -> bool {
    name.strip_prefix(walk).is_some_and(|rest| rest.strip_prefix('/').unwrap_or(rest) == partition)
}
