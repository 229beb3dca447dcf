//! Before a walk closes: what its list was to show, and nobody met in this pass, is asked for singly, a few by name or a draw of
//! many. What is shown becomes a row like any other; whether the rest is gone, the evidence says.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use super::absence::{Evidence, doubt};
use super::by_cursor::{self, Shared};
use super::partition::{Left, Thread};
use crate::api::images::IMAGES;
use crate::api::model_by_id::MODEL;
use crate::dataset::commit::Walk as State;
use crate::dataset::layout::Layout;
use crate::dataset::missing::{Asked, CONTROL, GONE, Unmet, met, unmet};
use crate::definition::{Crawl, Each, Later, Source, Strands, Walk};
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

/// Asks for what is missing, and tells the ledger what is not believed.
pub(crate) async fn settle(
    walk: &Walk,
    name: &Arc<str>,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    let list = table::named(walk.endpoint.name).zip(shared.earlier.lists.get(&walk.name));
    let Some((table, earlier)) = list.filter(|_| shows_all(walk) && !shared.trusted.contains(&walk.name)) else {
        return Ok(Left::Over);
    };
    let all_through = shared.lists.all_through(walk.endpoint.name).await;
    let _asking = shared.lists.asking.lock().await;
    let Some(came) = shared.ledger.came(name).await else { return Ok(Left::Over) };
    if !came.whole {
        // The row at the instant that the last pass reached was there, so that no overlap is empty.
        if came.items < shared.crawl.absence.least(earlier.items).max(1) {
            let (before, now) = (earlier.items.max(1), came.items);
            let detail = format!("of the rows that it began behind, {before} or more, the list shows {now}");
            shared.ledger.doubt(name, detail);
        }
        return Ok(Left::Over);
    }
    if !shared.ledger.flush().await {
        return Ok(Left::Halted);
    }
    let confirm = walk.later.confirm_gone;
    let asked = Asked {
        table,
        walk: &walk.name,
        pass: shared.earlier.pass,
        earlier: &earlier.walked,
        believed: &earlier.believed,
        doubtful: &earlier.doubtful,
        names: if confirm { usize::MAX } else { WITHHELD_MAX },
    };
    let unmet = unmet(dataset, &Disk, &asked)?;
    if unmet.missing == 0 && unmet.outside.is_empty() && unmet.unknown.is_empty() {
        return Ok(Left::Over);
    }
    if !all_through {
        return Ok(Left::Unfinished(String::from("the walks beside it are unfinished")));
    }
    let limits = shared.crawl.absence;
    // What a lost page showed may be there: so much more is settled one by one.
    let hole = came.rejects + came.given_up * u64::from(walk.limit.max(1));
    let evidence = Evidence {
        came: came.items,
        expected: unmet.expected,
        missing: unmet.missing,
        few: u64::from(limits.sample) + hole,
        lately: unmet.lately,
        ..Evidence::default()
    };
    let singly = Singly { walk, name, dataset, table, workers, shared };
    singly.settle(unmet, evidence).await
}

/// Whether the list shows all there is of what it is asked for, so that what it does not show is missing. Images asked for one
/// by one are settled by that.
fn shows_all(walk: &Walk) -> bool {
    let Strands::Each(Each { source, param, .. }) = &walk.strands else { return walk.finds_gone() };
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
    async fn settle(&self, unmet: Unmet, evidence: Evidence) -> Result<Left, Error> {
        let limits = self.shared.crawl.absence;
        let Evidence { missing, few, came, .. } = evidence;
        let Some(way) = self.way().filter(|_| came > 0) else {
            return Ok(self.judge(limits, evidence).await);
        };
        let is_few = missing <= few;
        if is_few && missing > unmet.absent + unmet.unknown.len() as u64 + unmet.names.len() as u64 {
            // More than can be left open.
            return Ok(self.judge(limits, Evidence { few: 0, ..evidence }).await);
        }
        let at_once = if is_few { SINGLES_MAX } else { limits.sample as usize };
        let (now, rest) = unmet.names.split_at(at_once.min(unmet.names.len()));
        let (outside, others) = unmet.outside.split_at(SINGLES_MAX.min(unmet.outside.len()));

        let controlled = match unmet.controlled {
            true => true,
            false => match self.control(&way, &unmet.met).await? {
                Ok(controlled) => controlled,
                Err(left) => return Ok(left),
            },
        };
        let mut open: BTreeSet<String> = unmet.unknown.iter().chain(others).cloned().collect();
        let tried: Vec<String> = if controlled { [now, outside].concat() } else { Vec::new() };
        let left = self.ask(&way, GONE, &tried, &mut open).await?;
        if !matches!(left, Left::Over) {
            return Ok(left);
        }
        let shown = met(self.dataset, &Disk, self.table, self.shared.earlier.pass, &tried)?;
        open.retain(|name| !shown.contains(name));
        let answered = now.iter().filter(|name| controlled && !open.contains(*name)).count() as u64;
        let evidence = Evidence {
            asked: unmet.absent + answered,
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
            let left = self.ask(&way, GONE, rest, &mut open).await?;
            if !matches!(left, Left::Over) {
                return Ok(left);
            }
        }
        self.shared.ledger.withhold(self.name, open);
        Ok(self.judge(limits, evidence).await)
    }

    async fn judge(&self, limits: crate::definition::Absence, evidence: Evidence) -> Left {
        if let Some(detail) = doubt(limits, evidence) {
            self.shared.ledger.doubt(self.name, detail);
        }
        Left::Over
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
        let (name, strands, later) = (self.walk.name.clone(), Strands::One, Later::default());
        Some(Walk { name, endpoint, params, limit, strands, later })
    }

    /// True when one of these things, which a list did show, is shown when it is asked for singly.
    async fn control(&self, way: &Walk, met: &[String]) -> Result<Result<bool, Left>, Error> {
        for name in met {
            let mut failed = BTreeSet::new();
            let left = self.ask(way, CONTROL, std::slice::from_ref(name), &mut failed).await?;
            if !matches!(left, Left::Over) {
                return Ok(Err(left));
            }
            if self.shared.ledger.shown(self.name, &format!("{CONTROL}{name}")).await {
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
    ) -> Result<Left, Error> {
        let waiting = RefCell::new(names.iter());
        let failed = RefCell::new(BTreeSet::new());
        let worker = || async {
            loop {
                let Some(name) = waiting.borrow_mut().next() else { return Ok::<_, Error>(Left::Over) };
                match self.one(way, prefix, name).await? {
                    Left::Over => {}
                    // One that always fails is not to stop the others for ever.
                    Left::Unfinished(_) if self.shared.stop.reason().is_none() => {
                        failed.borrow_mut().insert(name.clone());
                    }
                    left => return Ok(left),
                }
            }
        };
        let left = Left::worst(futures_util::future::try_join_all((0..self.workers).map(|_| worker())).await?);
        open.append(&mut failed.borrow_mut());
        let lost = self.shared.ledger.rest(self.name).await.lost;
        open.extend(names.iter().filter(|name| lost.contains(&format!("{prefix}{name}"))).cloned());
        if matches!(left, Left::Over) && !self.shared.ledger.flush().await {
            return Ok(Left::Halted);
        }
        Ok(left)
    }

    /// Asks for one thing: an image at all levels and, where none of that is shown, at the lower ones.
    async fn one(&self, way: &Walk, prefix: &str, name: &str) -> Result<Left, Error> {
        let begun = Thread::new(way, self.name, &format!("{prefix}{name}"), &State::default());
        let with = |pairs: &[(&str, &str)]| -> Arc<[(String, String)]> {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            way.params.iter().cloned().chain(pairs).collect()
        };
        if way.endpoint.name == IMAGES.name {
            for (pages, levels) in (0..).zip(LEVELS) {
                let params = with(&[("imageId", name), ("browsingLevel", levels)]);
                let left = by_cursor::run(way, Thread { params, pages, ..begun.clone() }, self.shared, |_| {}).await?;
                if !matches!(left, Left::Over) || self.shared.ledger.shown(self.name, &begun.strand).await {
                    return Ok(left);
                }
            }
            return Ok(Left::Over);
        }
        let thread = match way.endpoint.name == MODEL.name {
            true => Thread { key: Some(name.into()), ..begun },
            false => Thread { params: with(&[("query", name)]), ..begun },
        };
        by_cursor::run(way, Thread { again: true, ..thread }, self.shared, |_| {}).await
    }
}
