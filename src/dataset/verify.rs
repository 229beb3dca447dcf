//! Checks everything a dataset promises, from the chain of records down to each row's key, and names each fault. Reads only.
//!
//! It may run beside a crawl. Memory grows with the keys of one commit and the list of parts, time with the size of the dataset.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{Row, RowConverter, Rows, SortField};

use super::cancel::Cancel;
use super::commit::{Part, PrunedPart};
use super::damage::Damage;
use super::error::Error;
use super::folder;
use super::history::History;
use super::layout::Layout;
use super::page_numbers::{Doubtful, PageNumbers};
use super::part::{fit, sort_columns};
use super::read::{list_parts, read_manifest, read_records, record_numbers};
use super::recorded_file::RecordedFile;
use super::recovery::{check_chain, plan_recovery};
use super::snapshot::check::{bytes_of_snapshots, check as check_snapshots};
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

/// Checks a dataset, and calls `progress` after each file with the bytes read so far and the bytes of all files. Faults are
/// findings, not errors.
///
/// # Errors
/// [`Error::Absent`] if there is no dataset; [`Error::Foreign`]; [`Error::Newer`]; [`Error::Disk`] if the disk cannot be read;
/// [`Error::Cancelled`].
pub fn verify(
    layout: &Layout,
    storage: &dyn Storage,
    cancel: Cancel<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Findings, Error> {
    folder::require(layout, storage)?;
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
    let history = &manifest.history;
    let in_snapshots = bytes_of_snapshots(layout, storage)?;
    let all = manifest.live_parts().map(|part| part.bytes).sum::<u64>() + in_snapshots;
    let mut read = 0;
    let mut done = |bytes: u64| {
        read += bytes;
        progress(read, all);
    };
    let pages = PageNumbers::of(&history.passes);
    let mut checked = Check { layout, storage, cancel, pages, findings: Findings::default() };
    checked.findings.records = records as u64;
    let mut stray_or_missing = recovery.err().unwrap_or_default();
    // A missing or unreadable record may have named any stray part.
    stray_or_missing.retain(|damage| damages.is_empty() || !matches!(damage, Damage::StrayPart { .. }));
    // From the last commit to the first, as the check of page numbers wants them.
    for (commit, parts) in history.parts.iter().rev() {
        let is_there = |part: &&Part| !stray_or_missing.iter().any(|damage| damage.is_missing(part));
        checked.commit(*commit, parts.iter().filter(is_there).collect())?;
        done(parts.iter().map(|part| part.bytes).sum());
    }
    let faults = checked.page_faults(history)?;
    let mut findings = checked.findings;
    findings.faults.reverse();
    let of_files = damages.iter().chain(&stray_or_missing).map(ToString::to_string);
    findings.faults.splice(..0, of_files);
    findings.faults.extend(faults);
    let (snapshots, faults) = check_snapshots(layout, storage, cancel, &mut done)?;
    findings.snapshots = snapshots;
    findings.faults.extend(faults);
    Ok(findings)
}

/// A check under way.
struct Check<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
    cancel: Cancel<'a>,
    pages: PageNumbers<'a>,
    findings: Findings,
}

/// The keys of the rows of a commit that others may belong to, by table.
type Parents = BTreeMap<&'static str, HashSet<Box<[u8]>>>;

impl Check<'_> {
    /// Checks the parts of one commit, and that rows of child tables have their parents on the same page.
    fn commit(&mut self, commit: u64, mut parts: Vec<&Part>) -> Result<(), Error> {
        let mut parents = Parents::new();
        // Rows are read once, so those that others belong to come first.
        parts.sort_by_key(|part| generation(part.table));
        for part in parts {
            match self.part(commit, part, &mut parents) {
                // A crawl may have removed it meanwhile, and other parts of this commit with it.
                Err(Error::Rotten { .. })
                    if !read_manifest(self.layout, self.storage)?.has(&PrunedPart::from(part)) =>
                {
                    return Ok(());
                }
                Err(Error::Rotten { reason, .. }) => {
                    drop(parents.remove(part.table.name));
                    self.findings.faults.push(format!("part `{}/{}` {reason}", part.table.name, part.name));
                }
                checked => checked?,
            }
            self.pages.end_part();
        }
        Ok(())
    }

    /// Checks a part, batch by batch: its bytes, its rows and their order, and their parents.
    fn part(&mut self, commit: u64, part: &Part, parents: &mut Parents) -> Result<(), Error> {
        let (table, file) = (part.table, RecordedFile::of_part(self.layout, part));
        let checked = file.open(self.storage, self.cancel)?;
        let reader = checked.parquet()?;
        let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or_default();
        if rows != part.rows {
            return Err(Error::rotten(file.path(), format!("holds {rows} rows; {} were committed", part.rows)));
        }
        let fault = |error: &dyn Display| checked.fault(error);
        let mut order = Order::of(table).map_err(|error| fault(&error))?;
        let mut family = Family::of(table).map_err(|error| fault(&error))?;
        for batch in reader.build().map_err(|error| fault(&error))? {
            let batch = fit(table, &batch.map_err(|error| fault(&error))?).map_err(|error| fault(&error))?;
            order.add(&batch).and_then(|()| family.add(&batch, parents)).map_err(|error| fault(&error))?;
            if table.name == "pages" {
                self.pages.add(&batch);
            }
        }
        self.findings.parts += 1;
        self.findings.rows += part.rows;
        let faults = &mut self.findings.faults;
        faults.extend(order.fault.map(|fault| format!("part `{}/{}` {fault}", table.name, part.name)));
        faults.extend(family.fault(commit));
        Ok(())
    }

    /// Returns the faults of page numbers.
    fn page_faults(&self, history: &History) -> Result<Vec<String>, Error> {
        let (doubtful, mut all) = (self.pages.doubtful(), Doubtful::default());
        let parts = history.parts.values().flatten().filter(|part| part.table.name == "pages" && !doubtful.is_empty());
        for part in parts {
            let file = match RecordedFile::of_part(self.layout, part).open(self.storage, self.cancel) {
                // That is a fault already.
                Err(Error::Rotten { .. }) => continue,
                file => file?,
            };
            let reader = file.parquet()?.build().map_err(|error| file.fault(&error))?;
            for batch in reader {
                all.add(&batch.map_err(|error| file.fault(&error))?, &doubtful);
            }
        }
        Ok(self.pages.faults(&all))
    }
}

/// Checks that the rows of a part are in order, and that no key occurs twice on one page.
struct Order {
    keys: Keys,
    /// The key of the last row.
    previous: Box<[u8]>,
    fault: Option<&'static str>,
}

impl Order {
    fn of(table: &Table) -> Result<Self, ArrowError> {
        Ok(Self { keys: Keys::new(table, sort_columns(table))?, previous: Box::default(), fault: None })
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let rows = self.keys.of(batch)?;
        let mut previous = &*self.previous;
        for row in &rows {
            let found = match previous.cmp(row.data()) {
                Ordering::Less => None,
                Ordering::Equal => Some("holds the same key twice on one page"),
                Ordering::Greater => Some("is not sorted by its key"),
            };
            self.fault = self.fault.or(found);
            previous = row.data();
        }
        self.previous = previous.into();
        Ok(())
    }
}

/// Checks that every row of a child table has its parent on the same page. A version without a position is exempt: it was
/// looked up by itself.
struct Family {
    table: &'static Table,
    /// The keys of its rows, if others belong to them.
    own: Option<Keys>,
    /// The table to which its rows belong, and the keys that they name.
    parent: Option<(&'static Table, Keys)>,
    orphans: usize,
}

impl Family {
    fn of(table: &'static Table) -> Result<Self, ArrowError> {
        let on_page = |names: &[&'static str]| Keys::new(table, [names, &["walk", "page"]].concat());
        let is_parent = table::ALL.iter().any(|other| other.parent.is_some_and(|(parent, _)| parent == table.name));
        let parent = table.parent.and_then(|(parent, link)| Some((table::named(parent)?, link)));
        Ok(Self {
            table,
            own: is_parent.then(|| on_page(table.key)).transpose()?,
            parent: parent.map(|(parent, link)| Ok::<_, ArrowError>((parent, on_page(link)?))).transpose()?,
            orphans: 0,
        })
    }

    fn add(&mut self, batch: &RecordBatch, parents: &mut Parents) -> Result<(), ArrowError> {
        if let Some(keys) = &self.own {
            let rows = keys.of(batch)?;
            parents.entry(self.table.name).or_default().extend(rows.iter().map(|row| Box::from(row.data())));
        }
        if let Some((parent, keys)) = &self.parent {
            let known = parents.get(parent.name);
            let alone = |row: usize| batch.column_by_name("position").is_some_and(|positions| positions.is_null(row));
            let rows = keys.of(batch)?;
            let orphaned =
                |(row, key): &(usize, Row<'_>)| !known.is_some_and(|known| known.contains(key.data())) && !alone(*row);
            self.orphans += rows.iter().enumerate().filter(orphaned).count();
        }
        Ok(())
    }

    fn fault(&self, commit: u64) -> Option<String> {
        let (parent, _) = self.parent.as_ref().filter(|_| self.orphans > 0)?;
        let (orphans, table) = (self.orphans, self.table.name);
        Some(format!("commit {commit}: {orphans} rows of `{table}` have no row in `{}` on their page", parent.name))
    }
}

/// Returns the number of tables above a table.
fn generation(table: &Table) -> usize {
    table.parent.and_then(|(parent, _)| table::named(parent)).map_or(0, |parent| 1 + generation(parent))
}

/// Turns some columns of a table into comparable keys.
struct Keys {
    columns: Vec<&'static str>,
    converter: RowConverter,
}

impl Keys {
    fn new(table: &Table, columns: Vec<&'static str>) -> Result<Self, ArrowError> {
        let schema = table.schema();
        let field = |name: &&str| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone()));
        let fields = columns.iter().map(field).collect::<Result<_, ArrowError>>()?;
        Ok(Self { columns, converter: RowConverter::new(fields)? })
    }

    fn of(&self, batch: &RecordBatch) -> Result<Rows, ArrowError> {
        let schema = batch.schema();
        let column = |name: &&str| Ok(batch.column(schema.index_of(name)?).clone());
        self.converter.convert_columns(&self.columns.iter().map(column).collect::<Result<Vec<ArrayRef>, ArrowError>>()?)
    }
}
