//! The requests of a crawl before it runs: by what its dataset holds already, else by the size of the public catalog, or unknown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::endpoint::{Endpoint, Paging};
use crate::api::images::{IMAGES, is_of_one_side};
use crate::api::{CATALOG_BEGAN, CATALOG_COUNTED, NEWEST_MODEL, enums, values_in_catalog};
use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::manifest::Manifest;
use crate::dataset::read::read_manifest;
use crate::dataset::scan::Scan;
use crate::dataset::values::Column;
use crate::definition::{Crawl, Each, Partitioning, Server, Source, Walk, asks_the_same, fingerprint, identity};
use crate::storage::Disk;
use crate::table::choice::Choice;
use crate::table::{self, Table};

/// Bytes of parts that an item takes with all rows made of it, by the main table of its endpoint, as measured on the sandbox.
const BYTES_ON_SANDBOX: &[(&str, u64)] = &[
    ("models", 1_000),
    ("model_versions", 500),
    ("images", 330),
    ("posts", 2_000),
    ("creators", 40),
    ("users", 25),
    ("tags", 10),
    ("enums", 30),
];
/// A dataset with so many items of an endpoint says itself how many bytes one takes.
const MEASURED_ITEMS: u64 = 1_000;

/// The requests of one walk, apart from retries and rechecks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Estimate {
    /// At least so many.
    pub(super) least: u64,
    /// At most so many; `None` if that cannot be known before the walk.
    pub(super) most: Option<u64>,
    /// The most items on all pages; `None` if unknown.
    pub(super) items: Option<u64>,
    /// The reason for the numbers, or for their absence, in words that end a sentence; empty for the catalog's published size.
    pub(super) why: String,
}

impl Estimate {
    fn exactly(requests: u64, items: Option<u64>) -> Self {
        Self { least: requests, most: Some(requests), items, why: String::new() }
    }

    fn at_least(least: u64, why: &str) -> Self {
        Self { least, most: None, items: None, why: why.to_owned() }
    }

    fn at_most(most: u64, items: u64, why: &str) -> Self {
        Self { least: most.min(1), most: Some(most), items: Some(items), why: why.to_owned() }
    }
}

/// The estimates of all walks of a crawl.
#[derive(Debug)]
pub(super) struct Estimates {
    /// One for each walk, in the order of the file.
    pub(super) walks: Vec<Estimate>,
    /// Bytes of parts that an item of a walk takes, and true if the crawl's own dataset says so, in the same order.
    pub(super) bytes_an_item: Vec<(u64, bool)>,
    /// The number and pages of the last pass, if it is unfinished.
    pub(super) unfinished: Option<(u64, u64)>,
}

impl Estimates {
    /// Estimates a crawl; a dataset that cannot be read counts as none.
    pub(super) fn of(crawl: &Crawl) -> Self {
        let layout = Layout::new(&crawl.dataset);
        let manifest = read_manifest(&layout, &Disk).unwrap_or_default();
        let is_own =
            manifest.last.as_ref().is_some_and(|last| last.crawl == crawl.name && last.server == identity(crawl));
        let manifest = if is_own { manifest } else { Manifest::default() };
        let known = Known { crawl, layout, definition: fingerprint(crawl), manifest };
        let bytes = |walk: &Walk| known.bytes_an_item(walk.endpoint);
        Self {
            walks: (0..crawl.walks.len()).map(|index| known.estimate(index)).collect(),
            bytes_an_item: crawl.walks.iter().map(bytes).collect(),
            unfinished: known.unfinished(),
        }
    }

    /// Returns the pages of each walk, by name; `None` where they are not known.
    pub(super) fn pages(&self, crawl: &Crawl) -> BTreeMap<String, Option<u64>> {
        crawl.walks.iter().zip(&self.walks).map(|(walk, estimate)| (walk.name.clone(), estimate.most)).collect()
    }

    /// Returns the requests of all walks together.
    pub(super) fn total(&self) -> Estimate {
        let sum = |of: fn(&Estimate) -> Option<u64>| self.walks.iter().map(of).sum();
        let least = self.walks.iter().map(|walk| walk.least).sum();
        Estimate { least, most: sum(|walk| walk.most), items: sum(|walk| walk.items), why: String::new() }
    }
}

/// A crawl, and what its dataset holds.
struct Known<'a> {
    crawl: &'a Crawl,
    layout: Layout,
    definition: Value,
    manifest: Manifest,
}

impl Known<'_> {
    fn unfinished(&self) -> Option<(u64, u64)> {
        let last = self.manifest.last.as_ref().filter(|last| !last.is_pass_over())?;
        Some((last.pass, last.walks.values().map(|walk| walk.pages).sum()))
    }

    /// Returns the estimate of a walk, which waits for those before it.
    fn estimate(&self, index: usize) -> Estimate {
        let walk = &self.crawl.walks[index];
        if let Some(estimate) = self.as_before(walk) {
            return estimate;
        }
        match &walk.partitioning {
            Partitioning::One | Partitioning::Windows { .. } => self.of_list(walk),
            Partitioning::Each(Each { source: Source::Types, .. }) => {
                // The list of each type has a last page of its own.
                let list = self.of_list(walk);
                let types = enums::model_types(None).len() as u64;
                Estimate { most: list.most.map(|most| most + types), ..list }
            }
            Partitioning::Each(each) => self.of_values(walk, each, &self.crawl.walks[..index]),
        }
    }

    /// Returns what the last pass took that walked the same list to its end; `None` if none did, or if nothing follows from it.
    fn as_before(&self, walk: &Walk) -> Option<Estimate> {
        let (pass, state) = self.manifest.history.passes.iter().rev().find_map(|(number, pass)| {
            let old = self.manifest.definition(*number)?;
            let state = pass.walks.get(&walk.name).filter(|state| state.end.is_some() && !state.is_doubtful())?;
            asks_the_same(old, &self.definition, &walk.name).then_some((*number, state))
        })?;
        let changed = matches!(&walk.partitioning, Partitioning::Each(Each { source: Source::Changed { .. }, .. }));
        if changed || walk.later.incremental.is_some() {
            let least = u64::from(!changed);
            return Some(Estimate::at_least(least, &format!("depends on what is new since pass {pass}")));
        }
        let why = format!("as in pass {pass}");
        Some(Estimate { why, ..Estimate::exactly(state.pages, Some(state.items)) })
    }

    /// True if the server is the public one, or a copy of it on another machine.
    fn is_public(&self) -> bool {
        self.crawl.server != Server::Sandbox && !self.crawl.server.is_local()
    }

    fn of_list(&self, walk: &Walk) -> Estimate {
        if matches!(walk.endpoint.paging, Paging::Single) {
            return Estimate::exactly(1, Some(u64::from(walk.endpoint.limit_max)));
        }
        if !self.is_public() {
            return Estimate::at_least(1, "depends on the size of this server's catalog");
        }
        let rows = rows_of_list(walk, walk.endpoint.catalog_rows, Timestamp::now().as_millisecond());
        let filters: Vec<&str> = walk.params.iter().filter(|param| narrows(param)).map(|(name, _)| &**name).collect();
        let why = match (filters.is_empty(), walk.later.from) {
            (false, _) => format!("fewer by `{}`", filters.join("`, `")),
            (true, Some(_)) => String::from("if rows came evenly"),
            (true, None) => String::new(),
        };
        Estimate::at_most(rows.div_ceil(u64::from(walk.limit.max(1))).max(1), rows, &why)
    }

    fn of_values(&self, walk: &Walk, each: &Each, before: &[Walk]) -> Estimate {
        let Values { least, most, why } = match self.values(each, before) {
            Ok(values) => values,
            Err(error) => Values { least: 0, most: None, why: format!("depends on rows that cannot be read: {error}") },
        };
        let requests = |values: u64| values.div_ceil(u64::from(each.batch.max(1)));
        // A list that is asked for by a hundred ids has one page.
        let by_ids = each.param.as_deref() == Some("ids") && each.batch <= walk.limit.max(1);
        let single = matches!(walk.endpoint.paging, Paging::Lookup | Paging::Single) || by_ids;
        let why = if why.is_empty() && !single { String::from("more where a list has several pages") } else { why };
        let most = most.filter(|most| single || *most == 0);
        Estimate { least: requests(least), most: most.map(requests), items: most, why }
    }

    /// Returns the number of values of a fan-out.
    fn values(&self, each: &Each, before: &[Walk]) -> Result<Values, Error> {
        Ok(match &each.source {
            Source::List(values) => Values::exactly(values.len() as u64),
            Source::Range { first, last } => Values::exactly(last.abs_diff(*first) + 1),
            Source::Newest { first } if self.is_public() => {
                Values::exactly(NEWEST_MODEL.saturating_sub(first.unsigned_abs()) + 1)
            }
            Source::Newest { .. } => Values::after("depends on the newest id there is"),
            // In the first pass nothing has changed.
            Source::Changed { .. } => Values::exactly(0),
            Source::Column { table, column, choice } => self.in_column(table, column, choice, before)?,
            Source::Types => Values::after("depends on the types that the server knows"),
        })
    }

    fn in_column(&self, table: &str, column: &'static str, choice: &Choice, before: &[Walk]) -> Result<Values, Error> {
        let there = self.there(table, column, choice)?;
        let filling = before.iter().find(|walk| walk.endpoint.tables.iter().any(|filled| fills(filled, table)));
        let Some(filling) = filling else { return Ok(there) };
        let why = format!("depends on walk `{}`", filling.name);
        let public = values_in_catalog(table, column).filter(|_| self.is_public() && choice.is_everything());
        let whole = !filling.params.iter().any(narrows) && !matches!(filling.partitioning, Partitioning::Each(_));
        Ok(match (&choice.top, public.filter(|_| whole)) {
            (Some(top), _) => Values { least: there.least, most: Some(top.count as u64), why },
            (None, Some(public)) => Values::exactly(public.max(there.least)),
            (None, None) => Values { least: there.least, most: None, why },
        })
    }

    /// Returns the number of values in the dataset's rows.
    fn there(&self, table: &str, column: &'static str, choice: &Choice) -> Result<Values, Error> {
        let Some(table) = table::named(table).filter(|_| self.manifest.last.is_some()) else {
            return Ok(Values::exactly(0));
        };
        let rows = Scan::open(&self.layout, &Disk, table)?;
        let window = Column::new(rows, column, choice.clone()).after(None, &|| false)?;
        let count = window.values.len() as u64;
        Ok(match window.more {
            true => Values { least: count, most: None, why: String::from("depends on the values behind these") },
            false => Values::exactly(count),
        })
    }

    /// Returns the bytes of parts that an item takes, and true if the dataset itself says so.
    fn bytes_an_item(&self, endpoint: &Endpoint) -> (u64, bool) {
        let Some(main) = endpoint.tables.first() else { return (0, false) };
        let (mut bytes, mut items) = (0, 0);
        for part in self.manifest.live_parts() {
            bytes += if endpoint.tables.iter().any(|filled| fills(filled, part.table.name)) { part.bytes } else { 0 };
            items += if part.table == *main { part.rows } else { 0 };
        }
        if items >= MEASURED_ITEMS {
            return (bytes.div_ceil(items), true);
        }
        let on_sandbox = BYTES_ON_SANDBOX.iter().find(|(name, _)| *name == main.name);
        (on_sandbox.map_or(0, |(_, bytes)| *bytes), false)
    }
}

/// The number of values of a fan-out: at least and at most so many, and why.
struct Values {
    least: u64,
    most: Option<u64>,
    why: String,
}

impl Values {
    fn exactly(count: u64) -> Self {
        Self { least: count, most: Some(count), why: String::new() }
    }

    fn after(why: &str) -> Self {
        Self { least: 0, most: None, why: why.to_owned() }
    }
}

/// True if items that fill a table fill this one too: it is the same, or belongs to it.
fn fills(filled: &Table, name: &str) -> bool {
    let parent = |name: &str| table::named(name).and_then(|table| table.parent).map(|(parent, _)| parent);
    std::iter::successors(Some(name), |name| parent(name)).any(|name| name == filled.name)
}

/// True if a parameter makes a list show less than the catalog, by a share that nobody knows.
fn narrows((name, value): &(String, String)) -> bool {
    let whole_sides = |mask: u32| mask & 3 == 3 || mask & 28 == 28;
    match &**name {
        "sort" | "nsfw" | "archived" | "withMeta" | "flatMeta" | "withTags" => false,
        "browsingLevel" => !value.parse().is_ok_and(whole_sides),
        "period" => value != "AllTime",
        "query" => value != "%",
        _ => true,
    }
}

/// Returns about how many of the catalog's rows the list of a walk has at `now`. A walk with `from` shares them by time, as if they
/// had come evenly.
fn rows_of_list(walk: &Walk, catalog: u64, now: i64) -> u64 {
    let images = walk.endpoint.name == IMAGES.name && is_of_one_side(&walk.params);
    let rows = if images { catalog.div_ceil(2) } else { catalog };
    let Some(from) = walk.later.from else { return rows };
    let share = now.saturating_sub(from.at(now)) as f64 / (CATALOG_COUNTED - CATALOG_BEGAN) as f64;
    (rows as f64 * share.clamp(0.0, 1.0)).ceil() as u64
}
