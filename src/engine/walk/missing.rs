//! Before a walk closes: what its list was to show, and nobody met in this pass, is asked for singly, a few by name or a draw of
//! many. What is shown becomes a row like any other; whether the rest is gone, the evidence says.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use super::absence::{Evidence, doubt};
use super::by_cursor;
use super::context::Shared;
use super::partition::{Finish, Partition};
use crate::api::images::IMAGES;
use crate::api::model_by_id::MODEL;
use crate::dataset::commit::WalkState;
use crate::dataset::layout::Layout;
use crate::dataset::missing::{CONTROL, GONE, Missing, MissingQuery, missing, seen};
use crate::definition::{Crawl, Each, Later, Partitioning, Source, Walk};
use crate::engine::Error;
use crate::storage::Disk;
use crate::table;

/// The most things that are asked for singly because a page was lost, beside those that the user wants confirmed.
const SINGLES_MAX: usize = 300;
/// The most things that one pass leaves open.
const WITHHELD_MAX: usize = 5000;
/// So many look-ups say beforehand how long they take.
const MANY: usize = 1000;
/// The levels at which an image is asked for: all, and those that are shown whatever tags it has.
const LEVELS: [&str; 2] = ["31", "3"];

/// What the walks of a run know of each other before they look for what is missing.
pub(crate) struct Lists {
    /// Walks of each endpoint that are not through with their lists, those left out that wait for other walks to be over.
    open: RefCell<BTreeMap<&'static str, usize>>,
    /// Endpoints of which a list was left unfinished.
    cut: RefCell<BTreeSet<&'static str>>,
    left: Notify,
    /// Held by the walk that asks singly: the next one need not ask again.
    asking: Mutex<()>,
}

impl Lists {
    pub(crate) fn of(crawl: &Crawl) -> Self {
        let mut open: BTreeMap<&'static str, usize> = BTreeMap::new();
        for walk in crawl.walks.iter().filter(|walk| !walk.needs_rows()) {
            *open.entry(walk.endpoint.name).or_default() += 1;
        }
        Self { open: open.into(), cut: RefCell::default(), left: Notify::new(), asking: Mutex::new(()) }
    }

    /// A walk is through with its list, or leaves it to a later run.
    pub(crate) fn leave(&self, walk: &Walk, through: bool) {
        if !walk.needs_rows() {
            self.open.borrow_mut().entry(walk.endpoint.name).and_modify(|open| *open = open.saturating_sub(1));
        }
        if !through {
            self.cut.borrow_mut().insert(walk.endpoint.name);
        }
        self.left.notify_waiters();
    }

    /// Waits until all walks of an endpoint have left; false when one of them goes on in a later run.
    async fn all_through(&self, endpoint: &str) -> bool {
        loop {
            let left = self.left.notified();
            if self.open.borrow().get(endpoint).is_none_or(|open| *open == 0) {
                return !self.cut.borrow().contains(endpoint);
            }
            left.await;
        }
    }
}

/// Asks for what is missing, and tells the writer what is not believed.
pub(crate) async fn settle(
    walk: &Walk,
    name: &Arc<str>,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    let list = table::named(walk.endpoint.name).zip(shared.earlier.lists.get(&walk.name));
    let Some((table, earlier)) = list.filter(|_| shows_all(walk) && !shared.trusted.contains(&walk.name)) else {
        return Ok(Finish::Done);
    };
    let all_through = shared.lists.all_through(walk.endpoint.name).await;
    let _asking = shared.lists.asking.lock().await;
    let Some(came) = shared.writer.came(name).await else { return Ok(Finish::Done) };
    if !came.whole {
        // The row at the instant that the last pass reached was there, so that no overlap is empty.
        if came.items < shared.crawl.absence.least(earlier.items).max(1) {
            let (before, now) = (earlier.items.max(1), came.items);
            let detail = format!("of the rows that it began behind, {before} or more, the list shows {now}");
            shared.writer.doubt(name, detail);
        }
        return Ok(Finish::Done);
    }
    if !shared.writer.flush().await {
        return Ok(Finish::Halted);
    }
    let confirm = walk.later.confirm_gone;
    let query = MissingQuery {
        table,
        walk: &walk.name,
        pass: shared.earlier.pass,
        earlier: &earlier.walked,
        believed: &earlier.believed,
        doubtful: &earlier.doubtful,
        names: if confirm { usize::MAX } else { WITHHELD_MAX },
    };
    let missing = missing(dataset, &Disk, &query)?;
    if missing.missing == 0 && missing.outside.is_empty() && missing.unknown.is_empty() {
        return Ok(Finish::Done);
    }
    if !all_through {
        return Ok(Finish::Unfinished(String::from("the walks beside it are unfinished")));
    }
    let limits = shared.crawl.absence;
    // What a lost page showed may be there: so much more is settled one by one.
    let hole = came.rejects + came.given_up * u64::from(walk.limit.max(1));
    let evidence = Evidence {
        came: came.items,
        expected: missing.expected,
        missing: missing.missing,
        few: u64::from(limits.sample) + hole,
        lately: missing.lately,
        ..Evidence::default()
    };
    let singly = Singly { walk, name, dataset, table, workers, shared };
    singly.settle(missing, evidence).await
}

/// Whether the list shows all there is of what it is asked for, so that what it does not show is missing. Images asked for one
/// by one are settled by that.
fn shows_all(walk: &Walk) -> bool {
    let Partitioning::Each(Each { source, param, .. }) = &walk.partitioning else { return walk.finds_gone() };
    walk.finds_gone() && !matches!(source, Source::Changed { .. }) && param.as_deref() != Some("imageId")
}

/// Things of one list asked for one at a time.
struct Singly<'a> {
    walk: &'a Walk,
    name: &'a Arc<str>,
    dataset: &'a Layout,
    table: &'static table::Table,
    workers: u32,
    shared: Shared<'a>,
}

impl Singly<'_> {
    async fn settle(&self, found: Missing, evidence: Evidence) -> Result<Finish, Error> {
        let limits = self.shared.crawl.absence;
        let Evidence { missing, few, came, .. } = evidence;
        let Some(way) = self.way().filter(|_| came > 0) else {
            return Ok(self.judge(limits, evidence).await);
        };
        let is_few = missing <= few;
        if is_few && missing > found.absent + found.unknown.len() as u64 + found.names.len() as u64 {
            // More than can be left open.
            return Ok(self.judge(limits, Evidence { few: 0, ..evidence }).await);
        }
        let at_once = if is_few { SINGLES_MAX } else { limits.sample as usize };
        let (now, rest) = found.names.split_at(at_once.min(found.names.len()));
        let (outside, others) = found.outside.split_at(SINGLES_MAX.min(found.outside.len()));

        let controlled = match found.controlled {
            true => true,
            false => match self.control(&way, &found.seen).await? {
                Ok(controlled) => controlled,
                Err(finish) => return Ok(finish),
            },
        };
        let mut open: BTreeSet<String> = found.unknown.iter().chain(others).cloned().collect();
        let tried: Vec<String> = if controlled { [now, outside].concat() } else { Vec::new() };
        let finish = self.ask(&way, GONE, &tried, &mut open).await?;
        if !matches!(finish, Finish::Done) {
            return Ok(finish);
        }
        let shown = seen(self.dataset, &Disk, self.table, self.shared.earlier.pass, &tried)?;
        open.retain(|name| !shown.contains(name));
        let answered = now.iter().filter(|name| controlled && !open.contains(*name)).count() as u64;
        let evidence = Evidence {
            asked: found.absent + answered,
            shown: now.iter().filter(|name| shown.contains(*name)).count() as u64,
            controlled,
            ..evidence
        };
        if !controlled {
            open.extend([now, outside].concat());
        }
        if is_few {
            open.extend(rest.iter().cloned());
        }
        if doubt(limits, evidence).is_none() && self.walk.later.confirm_gone && controlled {
            for name in rest {
                open.remove(name);
            }
            self.say_how_long(rest.len());
            let finish = self.ask(&way, GONE, rest, &mut open).await?;
            if !matches!(finish, Finish::Done) {
                return Ok(finish);
            }
        }
        self.shared.writer.withhold(self.name, open);
        Ok(self.judge(limits, evidence).await)
    }

    async fn judge(&self, limits: crate::definition::Absence, evidence: Evidence) -> Finish {
        if let Some(detail) = doubt(limits, evidence) {
            self.shared.writer.doubt(self.name, detail);
        }
        Finish::Done
    }

    fn say_how_long(&self, count: usize) {
        if count >= MANY {
            let seconds = count as f64 / self.shared.crawl.pace.requests_per_second;
            let hours = format!("{:.1}", seconds / 3600.0);
            tracing::warn!(walk = %self.name, count, hours, "so many models are looked up, because `confirm_gone` is set");
        }
    }

    /// The question for one thing; `None` where things of this kind, or by the names that are kept of them, cannot be asked for.
    fn way(&self) -> Option<Walk> {
        let by_name = |name: &str| name == "creators" && !self.shared.crawl.pseudonymize.is_empty();
        let kept = |name: &str| name.starts_with("with") || name == "flatMeta";
        let (endpoint, params, limit) = match self.walk.endpoint.name {
            "models" => (&MODEL, Vec::new(), 0),
            "images" => {
                let params = self.walk.params.iter().filter(|(name, _)| kept(name)).cloned().collect();
                (&IMAGES, params, 0)
            }
            "tags" | "creators" if !by_name(self.walk.endpoint.name) => {
                (self.walk.endpoint, Vec::new(), self.walk.endpoint.limit_max)
            }
            _ => return None,
        };
        let (name, partitioning, later) = (self.walk.name.clone(), Partitioning::One, Later::default());
        Some(Walk { name, endpoint, params, limit, partitioning, later })
    }

    /// True when one of these things, which a list did show, is shown when it is asked for singly.
    async fn control(&self, way: &Walk, met: &[String]) -> Result<Result<bool, Finish>, Error> {
        for name in met {
            let mut failed = BTreeSet::new();
            let finish = self.ask(way, CONTROL, std::slice::from_ref(name), &mut failed).await?;
            if !matches!(finish, Finish::Done) {
                return Ok(Err(finish));
            }
            if self.shared.writer.shown(self.name, &format!("{CONTROL}{name}")).await {
                return Ok(Ok(true));
            }
        }
        Ok(Ok(false))
    }

    /// Asks for these things, several at once; those of which nothing was learnt are added to `open`.
    async fn ask(
        &self,
        way: &Walk,
        prefix: &str,
        names: &[String],
        open: &mut BTreeSet<String>,
    ) -> Result<Finish, Error> {
        let waiting = RefCell::new(names.iter());
        let failed = RefCell::new(BTreeSet::new());
        let worker = || async {
            loop {
                let Some(name) = waiting.borrow_mut().next() else { return Ok::<_, Error>(Finish::Done) };
                match self.one(way, prefix, name).await? {
                    Finish::Done => {}
                    // One that always fails is not to stop the others for ever.
                    Finish::Unfinished(_) if self.shared.stop.reason().is_none() => {
                        failed.borrow_mut().insert(name.clone());
                    }
                    finish => return Ok(finish),
                }
            }
        };
        let finish = Finish::worst(futures_util::future::try_join_all((0..self.workers).map(|_| worker())).await?);
        open.append(&mut failed.borrow_mut());
        let lost = self.shared.writer.recheck(self.name).await.lost;
        open.extend(names.iter().filter(|name| lost.contains(&format!("{prefix}{name}"))).cloned());
        if matches!(finish, Finish::Done) && !self.shared.writer.flush().await {
            return Ok(Finish::Halted);
        }
        Ok(finish)
    }

    /// Asks for one thing: an image at all levels and, where none of that is shown, at the lower ones.
    async fn one(&self, way: &Walk, prefix: &str, name: &str) -> Result<Finish, Error> {
        let begun = Partition::new(way, self.name, &format!("{prefix}{name}"), &WalkState::default());
        let with = |pairs: &[(&str, &str)]| -> Arc<[(String, String)]> {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            way.params.iter().cloned().chain(pairs).collect()
        };
        if way.endpoint.name == IMAGES.name {
            for (pages, levels) in (0..).zip(LEVELS) {
                let params = with(&[("imageId", name), ("browsingLevel", levels)]);
                let finish =
                    by_cursor::run(way, Partition { params, pages, ..begun.clone() }, self.shared, |_| {}).await?;
                if !matches!(finish, Finish::Done) || self.shared.writer.shown(self.name, &begun.partition).await {
                    return Ok(finish);
                }
            }
            return Ok(Finish::Done);
        }
        let partition = match way.endpoint.name == MODEL.name {
            true => Partition { key: Some(name.into()), ..begun },
            false => Partition { params: with(&[("query", name)]), ..begun },
        };
        by_cursor::run(way, Partition { again: true, ..partition }, self.shared, |_| {}).await
    }
}
