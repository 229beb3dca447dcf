//! Replay: rebuilds every part from the answers kept in `pages`, without any request.
//!
//! Each commit of a crawl becomes one that adds its rows as they are read now and removes its old parts. A replay may die
//! anywhere and be run again: the names of the parts show which commits are left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use url::Url;

use super::writer::decode::{self, Body, Reading};
use crate::api::ENDPOINTS;
use crate::api::endpoint::{Endpoint, Paging};
use crate::api::page::Query;
use crate::dataset::Error;
use crate::dataset::commit::{Part, Record};
use crate::dataset::layout::{Layout, RunId};
use crate::dataset::manifest::Manifest;
use crate::dataset::snapshot::{SnapshotOptions, split, tables, take, threads};
use crate::dataset::store::{Batch, RunInfo, Store};
use crate::dataset::stored_pages::{StoredPage, StoredReject};
use crate::fetch::Encoding;
use crate::storage::Disk;
use crate::table::{Table, Tables, pages, rejects};

/// Prefix of the run of replayed parts, before the number of the last commit that is replayed.
const PREFIX: &str = "replay-";

/// The result of a replay.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Commits rebuilt.
    pub commits: u64,
    /// Answers read again.
    pub pages: u64,
    /// Rows decoded from them, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Pages without a kept answer, by walk. The rows of their commits stay as they are.
    pub without_body: BTreeMap<String, u64>,
}

/// Rebuilds every part of a dataset, and then its snapshot. Calls `heard` with each commit.
///
/// # Errors
/// [`Error::Held`], [`Error::Damaged`], [`Error::Absent`], [`Error::Pruned`] or [`Error::Disk`].
pub fn replay(layout: Layout, heard: &mut dyn FnMut(&Record)) -> Result<Replayed, Error> {
    let manifest = crate::dataset::read::read_manifest(&layout, &Disk)?;
    if manifest.last.is_none() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    if manifest.history.absorbed > 0 {
        return Err(Error::Pruned { dataset: layout.root().to_owned(), through: manifest.history.absorbed });
    }
    let mut store = Store::open(layout, Arc::new(Disk))?;
    store.check_symlinks()?;
    let mut replayed = Replayed::default();
    let interrupted = session(store.manifest());
    let mut through = interrupted.unwrap_or(store.manifest().last_commit());
    let mut left = commits_through(store.manifest(), through);
    if interrupted.is_some() && !rebuild(&mut store, through, &left, &mut replayed, heard)? {
        // The earlier replay was over: this one starts over.
        replayed = Replayed::default();
        through = store.manifest().last_commit();
        left = commits_through(store.manifest(), through);
    }
    if replayed.commits == 0 {
        rebuild(&mut store, through, &left, &mut replayed, heard)?;
    }
    store.settle()?;
    if replayed.commits > 0 {
        // The next snapshot is made of the replayed parts alone; older snapshots stay.
        let (tables, history) = (tables(&store, false)?, tables(&store, true)?);
        let (split, keep) = (split(&store)?, &|_, _| true);
        let options = SnapshotOptions {
            tables: &tables,
            history: &history,
            split: &split,
            keep,
            prune: false,
            threads: threads(),
        };
        take(&mut store, &options)?;
    }
    Ok(replayed)
}

/// Rebuilds these commits. Returns false when none of them kept its answers.
fn rebuild(
    store: &mut Store,
    through: u64,
    commits: &[u64],
    replayed: &mut Replayed,
    heard: &mut dyn FnMut(&Record),
) -> Result<bool, Error> {
    for commit in commits {
        let parts = store.manifest().history.parts.get(commit).cloned().unwrap_or_default();
        let Some(rows) = read_again(store, &parts, replayed)? else { continue };
        let Some(last) = store.manifest().last.clone() else { continue };
        let run = RunId::try_from(format!("{PREFIX}{through:08}")).unwrap_or_else(|_| last.run.clone());
        let info = RunInfo { run, ..RunInfo::of(&last) };
        let prune = parts.iter().map(Into::into).collect();
        let mut walks = last.walks;
        // The seen cursors are in the records already.
        walks
            .values_mut()
            .flat_map(|walk| walk.partitions.values_mut())
            .for_each(|partition| partition.new_cursors.clear());
        heard(&store.commit(&info, Batch { tables: rows, pass: last.pass, walks, prune })?);
        replayed.commits += 1;
    }
    Ok(replayed.commits > 0)
}

/// Returns the last commit that the last replay was to rebuild.
fn session(manifest: &Manifest) -> Option<u64> {
    let run = |part: &Part| part.name.run.to_string().strip_prefix(PREFIX)?.parse().ok();
    manifest.live_parts().filter_map(run).max()
}

/// Returns the commits up to this one whose parts are still there.
fn commits_through(manifest: &Manifest, through: u64) -> Vec<u64> {
    manifest.history.parts.range(..=through).map(|(commit, _)| *commit).collect()
}

type Rows = Vec<(&'static Table, RecordBatch)>;

/// Returns all rows of a commit, decoded from its answers; `None` unless it keeps all of them.
fn read_again(store: &Store, parts: &[Part], replayed: &mut Replayed) -> Result<Option<Rows>, Error> {
    let batches_of = |table: &Table| -> Result<Vec<RecordBatch>, Error> {
        let of_table = parts.iter().filter(|part| part.table == table);
        let batches: Vec<Vec<RecordBatch>> = of_table.map(|part| store.rows(part)).collect::<Result<_, _>>()?;
        Ok(batches.into_iter().flatten().collect())
    };
    let (pages, rejected) = (batches_of(&pages::TABLE)?, batches_of(&rejects::TABLE)?);
    let pages: Vec<StoredPage<'_>> = pages.iter().flat_map(StoredPage::all).collect();
    let without: Vec<&StoredPage<'_>> = pages.iter().filter(|page| page.row().body.is_none()).collect();
    if pages.is_empty() || !without.is_empty() {
        for page in without {
            let walk = page.at.walk.split('/').next().unwrap_or_default();
            *replayed.without_body.entry(walk.to_owned()).or_default() += 1;
        }
        return Ok(None);
    }
    let mut tables = Tables::default();
    let mut read = BTreeSet::new();
    for page in &pages {
        if push(page, &mut tables) {
            read.insert((page.at.walk, page.at.page));
            replayed.pages += 1;
        }
    }
    // The reject of a page that still cannot be read stays.
    let rejected: Vec<StoredReject<'_>> = rejected.iter().flat_map(StoredReject::whole_pages).collect();
    for reject in rejected.iter().filter(|reject| !read.contains(&(reject.at.walk, reject.at.page))) {
        tables.rejects.push(reject.row());
    }
    let mut rows = Vec::new();
    for builder in tables.builders_mut().into_iter().filter(|builder| builder.rows() > 0) {
        *replayed.rows.entry(builder.table().name).or_default() += builder.rows() as u64;
        let table = builder.table();
        rows.push((table, builder.finish().map_err(|error| Error::unfit(table, &error))?));
    }
    Ok(Some(rows))
}

/// Appends the rows of a page and the page itself. Returns false when its answer cannot be read.
fn push(page: &StoredPage<'_>, tables: &mut Tables) -> bool {
    let row = page.row();
    match read(page, &row, tables) {
        Some(Reading { page: found, bytes }) => {
            tables.pages.push(pages::Row {
                next_cursor: found.next_cursor.as_deref(),
                items: i64::try_from(found.items).ok(),
                bytes: i64::try_from(bytes).ok(),
                repairs: Some(found.repairs.into()),
                ..row
            });
            true
        }
        None => {
            tables.pages.push(row);
            false
        }
    }
}

/// Decodes a page's answer as the crawl did, with the request taken from its address.
fn read(page: &StoredPage<'_>, row: &pages::Row<'_>, tables: &mut Tables) -> Option<Reading> {
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.name == row.endpoint)?;
    let encoding = Encoding::parse(row.body_encoding?)?;
    let url = Url::parse(row.url).ok().filter(|_| row.status == Some(200))?;
    let params = parameters(endpoint, &url);
    let key = match endpoint.paging {
        Paging::Lookup => url.path_segments().and_then(|mut segments| segments.next_back()),
        Paging::Cursor { .. } | Paging::Number { .. } | Paging::Single => None,
    };
    // It was compared and believed before it was taken, whatever is doubted today.
    let query = Query { params: &params, cursor: row.cursor, key, ..Query::believed(page.at) };
    decode::read(endpoint, Body { encoding, bytes: row.body? }, &query, None, tables).ok()
}

/// Returns the walk's parameters in a page's address.
fn parameters(endpoint: &Endpoint, url: &Url) -> Vec<(String, String)> {
    let own = |name: &str| match name {
        "limit" | "cursor" | "_" => false,
        "page" => !matches!(endpoint.paging, Paging::Number { .. }),
        _ => true,
    };
    url.query_pairs().into_owned().filter(|(name, _)| own(name)).collect()
}
