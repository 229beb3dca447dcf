//! A walk's life: page after page along the server's cursors, until the end, an obstacle, or a stop.

use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use super::Error;
use super::ledger::{Asked, Ledger, Step};
use super::monitor::{Event, Monitor};
use super::stop::Stop;
use crate::dataset::commit::{End, Walk as State, Why};
use crate::definition::Walk;
use crate::fetch::{self, Cause, Excess, Failure, Fetcher, PageUrl};

/// What every walk of a run shares.
pub(super) struct Shared<'a> {
    pub(super) base: &'a Url,
    pub(super) fetcher: &'a Fetcher,
    pub(super) ledger: &'a Ledger,
    pub(super) stop: &'a Stop,
    pub(super) monitor: &'a dyn Monitor,
}

/// How a walk left a run.
#[derive(Debug)]
pub(super) enum Left {
    /// It is over; the ledger has the reason.
    Over,
    /// It goes on in a later run, for this reason.
    Unfinished(String),
    /// The server wants another key.
    KeyRefused(String),
    /// The ledger cannot write any more; it has the reason.
    Halted,
}

/// Walks until nothing more can be had in this run.
pub(super) async fn run(walk: &Walk, state: &State, shared: &Shared<'_>) -> Result<Left, Error> {
    if state.end.is_some() {
        return Ok(Left::Over);
    }
    shared.monitor.event(&Event::WalkStarted { walk: &walk.name, pages: state.pages, items: state.items });
    let mut cursor = state.cursor.clone();
    let mut page = state.pages + 1;
    let mut limit = walk.limit;
    while shared.stop.may_begin_page() {
        let asked = ask(walk, page, cursor.clone(), limit, shared)?;
        let step = match fetch(&asked, shared).await {
            None => break,
            Some(Ok(step)) => {
                limit = limit.saturating_mul(2).min(walk.limit);
                step
            }
            Some(Err(Failure { cause: Cause::Smaller(excess), .. })) if limit > 1 => {
                limit = limit.div_ceil(2);
                shared.monitor.event(&Event::Smaller { walk: &walk.name, limit, reason: &excess.to_string() });
                continue;
            }
            Some(Err(failure)) => match obstacle(&asked, failure, shared).await {
                Ok(step) => step,
                Err(left) => return Ok(left),
            },
        };
        match step {
            Step::Next(next) => (cursor, page) = (Some(next), page + 1),
            Step::Over => return Ok(Left::Over),
            Step::Halted => return Ok(Left::Halted),
        }
    }
    Ok(Left::Unfinished(shared.stop.reason().unwrap_or_default()))
}

/// The next page's address, and what the ledger must know of it.
fn ask(walk: &Walk, page: u64, cursor: Option<String>, limit: u32, shared: &Shared<'_>) -> Result<Asked, Error> {
    let mut query: Vec<(&str, &str)> = walk.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let limit = limit.to_string();
    query.push(("limit", &limit));
    query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
    let path: Vec<&str> = walk.endpoint.path.split('/').collect();
    let url = PageUrl::new(shared.base, &path, query)?;
    Ok(Asked { walk: walk.name.clone(), page, cursor, url })
}

/// Fetches one page into the ledger; `None` when a stop came first.
async fn fetch(asked: &Asked, shared: &Shared<'_>) -> Option<Result<Step, Failure>> {
    let under_way = AtomicBool::new(false);
    let walk = asked.walk.as_str();
    let notify = |event: fetch::Event| {
        let event = match &event {
            fetch::Event::Sent { attempt } => {
                under_way.store(true, Ordering::Relaxed);
                Event::Sent { walk, attempt: *attempt }
            }
            fetch::Event::Answered { status, bytes, latency } => {
                Event::Answered { walk, status: *status, bytes: *bytes, latency: *latency }
            }
            fetch::Event::Retrying { attempt, wait, reason } => {
                under_way.store(false, Ordering::Relaxed);
                Event::Retrying { walk, attempt: *attempt, wait: *wait, reason }
            }
            fetch::Event::Throttled { pause, rate } => Event::Throttled { pause: *pause, rate: *rate },
        };
        shared.monitor.event(&event);
    };
    let page = shared.fetcher.page(&asked.url, &notify, async |answer| shared.ledger.take(asked, answer).await);
    tokio::select! {
        biased;
        result = page => Some(result.map(|fetched| fetched.value)),
        () = shared.stop.must_drop(&under_way) => None,
    }
}

/// What becomes of a walk whose page cannot be had: another step, or how it leaves the run.
async fn obstacle(asked: &Asked, failure: Failure, shared: &Shared<'_>) -> Result<Step, Left> {
    let reason = failure.to_string();
    let why = match failure.cause {
        Cause::Smaller(Excess::Unreadable(_) | Excess::TooLarge(_)) => {
            return Ok(shared.ledger.give_up(asked, failure.answer.map(|answer| *answer), reason).await);
        }
        Cause::Smaller(Excess::TimedOut(_)) | Cause::GaveUp { .. } => return Err(unfinished(asked, reason, shared)),
        Cause::Stop(stop) => match stop {
            fetch::Stop::PagingCap => Why::PagingCap,
            fetch::Stop::CursorRefused { .. } => Why::CursorRefused,
            fetch::Stop::BadRequest { .. } => Why::Refused,
            fetch::Stop::NotFound { .. } => Why::NotFound,
            fetch::Stop::KeyRefused { .. } => {
                shared.stop.ask("the server refused the API key");
                return Err(Left::KeyRefused(reason));
            }
            fetch::Stop::Blocked { .. }
            | fetch::Stop::RegionBlocked { .. }
            | fetch::Stop::Redirected { .. }
            | fetch::Stop::Unexpected { .. } => return Err(unfinished(asked, reason, shared)),
        },
    };
    Ok(shared.ledger.end(asked, End { why, detail: Some(reason) }).await)
}

fn unfinished(asked: &Asked, reason: String, shared: &Shared<'_>) -> Left {
    shared.monitor.event(&Event::WalkStopped { walk: &asked.walk, reason: &reason });
    Left::Unfinished(reason)
}
