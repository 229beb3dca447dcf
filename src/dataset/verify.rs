//! Checks everything a dataset promises, from the chain of records down to each row's key, and names each fault. Reads only.
//!
//! It may run beside a crawl. Memory is bounded by one commit, time by the size of the dataset.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{Row, RowConverter, Rows, SortField};
use bytes::Bytes;

use super::cancel::{Cancel, check};
use super::columns::Columns as _;
use super::commit::{Part, PrunedPart};
use super::damage::Damage;
use super::error::{During, Error};
use super::folder::{self, Folder};
use super::history::PassSummary;
use super::layout::Layout;
use super::part::{read_rows, sort_columns};
use super::read::{list_parts, read_manifest, read_records, record_numbers};
use super::recovery::{check_chain, plan_recovery};
use super::snapshot::check::check as check_snapshots;
use crate::storage::Storage;
use crate::table::{self, Table};

/// The extent of a check, and its findings.
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
    /// Every fault, one sentence each.
    pub faults: Vec<String>,
}

/// Checks a dataset. Faults are findings, not errors.
///
/// # Errors
/// [`Error::Absent`] if there is no dataset; [`Error::Foreign`]; [`Error::Newer`]; [`Error::Disk`] if the disk cannot be read;
/// [`Error::Cancelled`].
pub fn verify(layout: &Layout, storage: &dyn Storage, cancel: Cancel<'_>) -> Result<Findings, Error> {
    if folder::recognize(layout, storage)? == Folder::Empty {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    let (records, (manifest, damages), recovery) = loop {
        let files = read_records(layout, storage)?;
        let parts = list_parts(layout, storage)?;
        let (manifest, damages) = check_chain(&files);
        let recovery = plan_recovery(&manifest, &parts);
        // If a crawl has committed meanwhile, records and parts do not belong together: read them again.
        if record_numbers(layout, storage)?.last() == files.last().map(|(commit, _)| commit) {
            break (files.len(), (manifest, damages), recovery);
        }
    };
    if damages.iter().any(|damage| damage.newer().is_some()) {
        return Err(Error::damaged(layout.root(), damages));
    }
    let mut checked = Check { layout, storage, pages: Pages::default(), findings: Findings::default() };
    checked.findings.records = records as u64;
    checked.findings.faults.extend(damages.iter().map(ToString::to_string));
    let mut stray_or_missing = recovery.err().unwrap_or_default();
    // A missing or unreadable record may have named any stray part.
    stray_or_missing.retain(|damage| damages.is_empty() || !matches!(damage, Damage::StrayPart { .. }));
    checked.findings.faults.extend(stray_or_missing.iter().map(ToString::to_string));
    for (commit, parts) in &manifest.history.parts {
        let is_there = |part: &&Part| !stray_or_missing.iter().any(|damage| damage.is_missing(part));
        let parts: Vec<&Part> = parts.iter().filter(is_there).collect();
        check(cancel)?;
        checked.commit(*commit, &parts)?;
    }
    let Check { pages, mut findings, .. } = checked;
    pages.check(&manifest.history.passes, &mut findings.faults);
    let (snapshots, faults) = check_snapshots(layout, storage, cancel)?;
    findings.snapshots = snapshots;
    findings.faults.extend(faults);
    Ok(findings)
}

/// A check under way.
struct Check<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
    pages: Pages,
    findings: Findings,
}

/// The content of a part, as it was read.
enum Content {
    /// There is no such file.
    Missing,
    /// It is not what was committed, for this reason.
    Damaged(String),
    /// Its rows.
    Rows(Vec<RecordBatch>),
}

impl Check<'_> {
    /// Checks the parts of one commit, and that rows of child tables have their parents on the same page.
    fn commit(&mut self, commit: u64, parts: &[&Part]) -> Result<(), Error> {
        let mut contents: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
        for part in parts {
            let Some(table) = table::named(&part.table) else { continue };
            match self.read(table, part)? {
                Content::Missing => {
                    // A crawl may have removed it meanwhile, and other parts of this commit with it.
                    if !read_manifest(self.layout, self.storage)?.has(&PrunedPart::from(*part)) {
                        return Ok(());
                    }
                    self.findings.faults.push(Damage::missing(part, commit).to_string());
                }
                Content::Damaged(fault) => self.findings.faults.push(fault),
                Content::Rows(batches) => {
                    self.findings.parts += 1;
                    self.findings.rows += part.rows;
                    self.findings.faults.extend(check_rows(table, part, &batches).err());
                    if table.name == "pages" {
                        batches.iter().for_each(|batch| self.pages.note(batch));
                    }
                    contents.insert(table.name, batches);
                }
            }
        }
        let orphans = table::ALL.iter().filter_map(|table| check_parents(table, &contents, commit).err());
        self.findings.faults.extend(orphans);
        Ok(())
    }

    /// Reads a part and compares it with its record.
    fn read(&self, table: &Table, part: &Part) -> Result<Content, Error> {
        let fault = |what: &str| Ok(Content::Damaged(format!("part `{}/{}` {what}", part.table, part.name)));
        let (path, staged) = (self.layout.part(table, &part.name), self.layout.staged(table, &part.name));
        // The last commit of an interrupted run may not be published yet.
        let content = match self.storage.read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.storage.read(&staged),
            other => other,
        };
        let content = match content {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::Missing),
            Err(error) if error.kind() == ErrorKind::InvalidData => return fault(&format!("cannot be read: {error}")),
            other => Bytes::from(other.during("read", &path)?),
        };
        if blake3::hash(&content).to_string() != part.hash {
            return fault("is not what was committed: its hash is another");
        }
        let batches = match read_rows(table, content) {
            Ok(batches) => batches,
            Err(error) => return fault(&format!("cannot be read: {error}")),
        };
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows as u64 != part.rows {
            return fault(&format!("holds {rows} rows; {} were committed", part.rows));
        }
        Ok(Content::Rows(batches))
    }
}

/// Checks that the rows of a part are in order, and that no key occurs twice on one page.
fn check_rows(table: &Table, part: &Part, batches: &[RecordBatch]) -> Result<(), String> {
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
    }
    Ok(())
}

/// Checks that every row of a child table has its parent on the same page. A version without a position is exempt: it was
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
        let alone = |row: usize| batch.column_by_name("position").is_some_and(|positions| positions.is_null(row));
        let orphaned = |(row, key): &(usize, Row<'_>)| !parents.contains(key.as_ref()) && !alone(*row);
        orphans += rows.iter().enumerate().filter(orphaned).count();
    }
    match orphans {
        0 => Ok(()),
        _ => Err(format!(
            "commit {commit}: {orphans} rows of `{}` have no row in `{}` on their page",
            table.name, parent.name
        )),
    }
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

/// The page numbers found, by pass and partition.
#[derive(Debug, Default)]
struct Pages(BTreeMap<(u64, String), BTreeSet<u64>>);

impl Pages {
    fn note(&mut self, batch: &RecordBatch) {
        let (passes, walks, pages) = (batch.numbers("pass"), batch.texts("walk"), batch.numbers("page"));
        for row in 0..batch.num_rows() {
            if let (Some(pass), Some(walk), Some(page)) = (passes.get(row), walks.get(row), pages.get(row)) {
                self.0.entry((pass.unsigned_abs(), walk.to_owned())).or_default().insert(page.unsigned_abs());
            }
        }
    }

    /// Checks that each walk has exactly the pages that the last record of its pass counts, and that no partition has a gap.
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

/// True if the `walk` column of a row names a walk, or one of its partitions.
fn is_partition(name: &str, walk: &str) -> bool {
    name.strip_prefix(walk).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// True if the `walk` column of a row names the partition of a walk with this key.
fn is_named(name: &str, walk: &str, partition: &str) -> bool {
    name.strip_prefix(walk).is_some_and(|rest| rest.strip_prefix('/').unwrap_or(rest) == partition)
}
