//! Looks up missing things before a walk closes: those that its list showed before and no walk saw in this pass, all of a few
//! or a sample of many. Those shown become rows; the evidence decides if the rest is gone.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::absence::{Evidence, doubt};
use super::context::Context;
use super::partition::{Finish, Partition};
use super::{by_cursor, workers};
use crate::api::images::IMAGES;
use crate::api::model_by_id::MODEL;
use crate::dataset::missing::{CONTROL, GONE, Missing, MissingQuery, missing, seen};
use crate::definition::{Absence, Each, Later, Partitioning, Source, Walk};
use crate::engine::Error;
use crate::storage::Disk;
use crate::table;

/// The most things looked up because a page was lost, apart from those that the user wants confirmed.
const SINGLES_MAX: usize = 300;
/// The most things that one pass may leave open.
const WITHHELD_MAX: usize = 5000;
/// From so many look-ups on, the log says beforehand how long they take.
const MANY: usize = 1000;
/// The levels at which an image is requested: all, and those that are shown whatever tags it has.
const LEVELS: [&str; 2] = ["31", "3"];

/// Looks up missing things, and records the reason if the list is not believed.
pub(super) async fn settle(walk: &Walk, context: Context<'_>) -> Result<Finish, Error> {
    let list = table::named(walk.endpoint.name).zip(context.earlier.lists.get(&walk.name));
    let Some((table, earlier)) = list.filter(|_| shows_all(walk) && !context.options.believe.contains(&walk.name))
    else {
        return Ok(Finish::Done);
    };
    let all_read = context.lists.are_read(walk.endpoint.name).await;
    let _looking_up = context.lists.looking_up.lock().await;
    let (items, hole) = {
        let mut progress = context.writer.progress();
        let state = progress.walk(&walk.name).state();
        if !state.ends_are_believed() {
            return Ok(Finish::Done);
        }
        // A lost page may have shown as many as this: so many more are settled one by one.
        let hole = state.rejects + state.given_up.len() as u64 * u64::from(walk.limit.max(1));
        if state.is_of_all() {
            (state.items, hole)
        } else {
            // The row at the instant that the last pass reached was there, so that no overlap is empty.
            let one = u64::from(state.reached.is_some());
            let (before, now) = (earlier.items.max(one), state.items);
            if state.since.is_some() && now < context.crawl.absence.least(earlier.items).max(one) {
                let detail = format!("of the rows that it began behind, {before} or more, the list shows {now}");
                progress.change(&walk.name).doubt(detail);
            }
            return Ok(Finish::Done);
        }
    };
    if !context.writer.flush().await {
        return Ok(Finish::Halted);
    }
    let confirm = walk.later.confirm_gone;
    let query = MissingQuery {
        table,
        walk: &walk.name,
        pass: context.earlier.pass,
        earlier: &earlier.walked,
        believed: &earlier.believed,
        doubtful: &earlier.doubtful,
        names: if confirm { usize::MAX } else { WITHHELD_MAX },
    };
    let missing = missing(&context.options.dataset, &Disk, &query)?;
    if missing.missing == 0 && missing.outside.is_empty() && missing.unknown.is_empty() {
        return Ok(Finish::Done);
    }
    if !all_read {
        return Ok(Finish::Unfinished(String::from("the walks beside it are unfinished")));
    }
    let limits = context.crawl.absence;
    let evidence = Evidence {
        came: items,
        expected: missing.expected,
        missing: missing.missing,
        few: u64::from(limits.sample) + hole,
        beside: is_doubted_beside(walk, context),
        lately: missing.lately,
        ..Evidence::default()
    };
    Lookups { walk, table, context }.settle(missing, evidence).await
}

/// Returns true when another list of the endpoint, to which things may have moved, is not believed. Models move between lists when
/// they are flagged, images when their level changes.
fn is_doubted_beside(walk: &Walk, context: Context<'_>) -> bool {
    let mut progress = context.writer.progress();
    let mut others = context.crawl.walks.iter().filter(|other| {
        let is_list = !matches!(other.partitioning, Partitioning::Each(_));
        is_list && other.name != walk.name && other.endpoint.name == walk.endpoint.name
    });
    others.any(|other| !progress.walk(&other.name).state().ends_are_believed())
}

/// Returns true when the list shows everything that matches its request, so that things it does not show are missing. Images
/// requested one by one are settled by that.
fn shows_all(walk: &Walk) -> bool {
    let Partitioning::Each(Each { source, param, .. }) = &walk.partitioning else { return walk.finds_gone() };
    walk.finds_gone() && !matches!(source, Source::Changed { .. }) && param.as_deref() != Some("imageId")
}

/// Look-ups of single things of one list.
struct Lookups<'a> {
    walk: &'a Walk,
    table: &'static table::Table,
    context: Context<'a>,
}

impl Lookups<'_> {
    async fn settle(&self, found: Missing, evidence: Evidence) -> Result<Finish, Error> {
        let limits = self.context.crawl.absence;
        let Evidence { missing, few, came, .. } = evidence;
        let Some(way) = self.way().filter(|_| came > 0) else {
            return Ok(self.judge(limits, evidence));
        };
        let is_few = missing <= few;
        if is_few && missing > found.absent + found.unknown.len() as u64 + found.names.len() as u64 {
            // Too many to be left open.
            return Ok(self.judge(limits, Evidence { few: 0, ..evidence }));
        }
        let at_once = if is_few { SINGLES_MAX } else { limits.sample as usize };
        let (now, rest) = found.names.split_at(at_once.min(found.names.len()));
        let (outside, others) = found.outside.split_at(SINGLES_MAX.min(found.outside.len()));

        // Look-ups count as evidence once one of them shows a thing that the list shows too.
        let mut controlled = found.controlled;
        for name in &found.seen {
            if controlled {
                break;
            }
            let finish = self.ask(&way, CONTROL, std::slice::from_ref(name), &mut BTreeSet::new()).await?;
            if !matches!(finish, Finish::Done) {
                return Ok(finish);
            }
            controlled = self.was_shown(&format!("{CONTROL}{name}"));
        }
        let mut open: BTreeSet<String> = found.unknown.iter().chain(others).cloned().collect();
        let tried: Vec<String> = if controlled { [now, outside].concat() } else { Vec::new() };
        let finish = self.ask(&way, GONE, &tried, &mut open).await?;
        if !matches!(finish, Finish::Done) {
            return Ok(finish);
        }
        let shown = seen(&self.context.options.dataset, &Disk, self.table, self.context.earlier.pass, &tried)?;
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
        self.context.writer.progress().change(&self.walk.name).withhold(open);
        Ok(self.judge(limits, evidence))
    }

    /// Records the reason if the list is not believed.
    fn judge(&self, limits: Absence, evidence: Evidence) -> Finish {
        if let Some(detail) = doubt(limits, evidence) {
            self.context.writer.progress().change(&self.walk.name).doubt(detail);
        }
        Finish::Done
    }

    fn was_shown(&self, partition: &str) -> bool {
        self.context.writer.progress().walk(&self.walk.name).was_shown(partition)
    }

    fn say_how_long(&self, count: usize) {
        if count >= MANY {
            let seconds = count as f64 / self.context.crawl.pace.requests_per_second;
            let hours = format!("{:.1}", seconds / 3600.0);
            tracing::warn!(walk = %self.walk.name, count, hours, "so many models are looked up, because `confirm_gone` is set");
        }
    }

    /// Returns the walk that looks up one thing; `None` where things of this kind, or by the names kept of them, cannot be looked
    /// up.
    fn way(&self) -> Option<Walk> {
        let by_name = |name: &str| name == "creators" && !self.context.crawl.pseudonymize.is_empty();
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

    /// Looks these things up, several at once. Those without an answer are added to `open`.
    async fn ask(
        &self,
        way: &Walk,
        prefix: &str,
        names: &[String],
        open: &mut BTreeSet<String>,
    ) -> Result<Finish, Error> {
        let waiting = RefCell::new(names.iter());
        let failed = RefCell::new(BTreeSet::new());
        let work = async |name: &String| match self.one(way, prefix, name).await? {
            // One that always fails must not stop the others for ever.
            Finish::Unfinished(_) | Finish::Absent(_) if self.context.run.stop.reason().is_none() => {
                failed.borrow_mut().insert(name.clone());
                Ok(Finish::Done)
            }
            finish => Ok(finish),
        };
        let finish =
            workers::run(self.context.crawl.pace.in_flight, async || waiting.borrow_mut().next(), work).await?;
        open.append(&mut failed.borrow_mut());
        {
            let mut progress = self.context.writer.progress();
            let lost = progress.walk(&self.walk.name).lost();
            open.extend(names.iter().filter(|name| lost.contains(&format!("{prefix}{name}"))).cloned());
        }
        if matches!(finish, Finish::Done) && !self.context.writer.flush().await {
            return Ok(Finish::Halted);
        }
        Ok(finish)
    }

    /// Looks one thing up; an image at all levels and, if it is not shown, at the lower ones.
    async fn one(&self, way: &Walk, prefix: &str, name: &str) -> Result<Finish, Error> {
        let begun = Partition::new(way, &format!("{prefix}{name}"));
        let with = |pairs: &[(&str, &str)]| -> Arc<[(String, String)]> {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            way.params.iter().cloned().chain(pairs).collect()
        };
        if way.endpoint.name == IMAGES.name {
            for (pages, levels) in (0..).zip(LEVELS) {
                let params = with(&[("imageId", name), ("browsingLevel", levels)]);
                let finish =
                    by_cursor::run(way, Partition { params, pages, ..begun.clone() }, self.context, || {}).await?;
                if !matches!(finish, Finish::Done) || self.was_shown(&begun.partition) {
                    return Ok(finish);
                }
            }
            return Ok(Finish::Done);
        }
        let partition = match way.endpoint.name == MODEL.name {
            true => Partition { key: Some(name.into()), ..begun },
            false => Partition { params: with(&[("query", name)]), ..begun },
        };
        by_cursor::run(way, Partition { again: true, ..partition }, self.context, || {}).await
    }
}
