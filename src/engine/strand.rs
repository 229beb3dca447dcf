//! A strand's life: page after page along the server's cursors, until the end, an obstacle, or a stop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use super::Error;
use super::gone::Lists;
use super::job::{AGAIN, Asked, Step, strand_name};
use super::ledger::Ledger;
use super::monitor::{Event, Monitor};
use super::pass::Earlier;
use super::stop::Stop;
use super::thread::{Left, Thread};
use super::unheeded::{self, Unfiltered};
use crate::api::endpoint::Paging;
use crate::dataset::commit::{End, Why};
use crate::definition::{Crawl, Source, Strands, Walk};
use crate::fetch::{self, Answer, Cause, Excess, Failure, Fetched, Fetcher, PageUrl, Unreadable};

/// What every walk of a run shares.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) base: &'a Url,
    /// Values that the crawl file lists and the server shows nothing of are noted.
    pub(super) tells_unknown: bool,
    pub(super) fetcher: &'a Fetcher,
    pub(super) ledger: &'a Ledger,
    pub(super) stop: &'a Stop,
    pub(super) monitor: &'a dyn Monitor,
    pub(super) earlier: &'a Earlier,
    pub(super) unfiltered: &'a Unfiltered,
    pub(super) lists: &'a Lists,
    pub(super) crawl: &'a Crawl,
    /// The walks whose lists the user says to be as short as the server shows them.
    pub(super) trusted: &'a BTreeSet<String>,
}

/// Walks a strand until nothing more can be had in this run; `on_page` hears each cursor.
pub(super) async fn run(
    definition: &Walk,
    thread: Thread,
    shared: Shared<'_>,
    mut on_page: impl FnMut(&str),
) -> Result<Left, Error> {
    let (usual, largest) = (definition.limit, definition.endpoint.limit_max);
    let mut limit = if thread.larger { largest } else { usual };
    let (mut cursor, mut page, mut again) = (thread.cursor.clone(), thread.pages + 1, thread.again);
    let mut once_more = false;
    while shared.stop.may_ask(once_more) {
        let asked = ask(definition, &thread, page, cursor.clone(), limit, again, shared)?;
        let step = match fetch(&asked, shared).await {
            None => break,
            Some(Ok(step)) => step,
            Some(Err(failure)) => match meet(&asked, failure, thread.forged && page == 1, shared).await {
                Met::Step(step) => step,
                Met::Smaller => {
                    (limit, once_more) = (limit.div_ceil(2), true);
                    continue;
                }
                Met::Left(left) => return Ok(left),
            },
        };
        again = matches!(step, Step::Again | Step::Recount);
        once_more = again;
        match step {
            Step::Next(next) => {
                on_page(&next);
                (cursor, page, limit) = (Some(next), page + 1, limit.saturating_mul(2).min(usual));
            }
            Step::Larger(next) => (cursor, page, limit) = (Some(next), page + 1, largest),
            Step::Again => {}
            // Asked for one more, an honest last page is full no longer; asked for one less, it names the page of the last item.
            Step::Recount => limit = if limit < largest { limit + 1 } else { limit.saturating_sub(1).max(1) },
            Step::Taken { .. } | Step::Over | Step::Compare(_) => return Ok(Left::Over),
            Step::Halted => return Ok(Left::Halted),
        }
    }
    Ok(Left::Unfinished(shared.stop.reason().unwrap_or_default()))
}

/// The strand of an incremental walk whose first cursor was refused, to be walked from the list's beginning.
pub(super) fn whole(thread: Thread, shared: Shared<'_>) -> Thread {
    let walk = &*thread.walk;
    tracing::warn!(walk, "the server refuses the cursor at which this pass was to begin; walking the whole list");
    shared.ledger.whole(&thread.walk, &thread.strand);
    Thread { cursor: None, forged: false, ..thread }
}

/// The address of a page, and what the ledger must know of it.
pub(super) fn ask(
    definition: &Walk,
    thread: &Thread,
    page: u64,
    cursor: Option<String>,
    limit: u32,
    again: bool,
    shared: Shared<'_>,
) -> Result<Asked, Error> {
    let endpoint = definition.endpoint;
    let (limit_text, page_text, fresh) = (limit.to_string(), page.to_string(), fresh_key());
    let mut query: Vec<(&str, &str)> = thread.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    if limit > 0 {
        query.push(("limit", &limit_text));
    }
    if matches!(endpoint.paging, Paging::Number { .. }) {
        query.push(("page", &page_text));
    }
    query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
    if again {
        // The server ignores a key it does not know; the cache in front of it does not.
        query.push(("_", &fresh));
    }
    let key = thread.key.as_deref().unwrap_or_default();
    let path: Vec<&str> = endpoint.path.split('/').map(|segment| if segment == "{}" { key } else { segment }).collect();
    let url = PageUrl::new(shared.base, &path, query)?;
    let listed = matches!(&definition.strands, Strands::Each(each) if matches!(each.source, Source::List(_)));
    Ok(Asked {
        listed: listed && shared.tells_unknown && !thread.strand.starts_with(AGAIN),
        walk: Arc::clone(&thread.walk),
        strand: Arc::clone(&thread.strand),
        endpoint,
        params: Arc::clone(&thread.params),
        key: thread.key.clone(),
        page,
        cursor,
        limit,
        again,
        compared: false,
        url,
    })
}

/// A query value that no cache has seen.
pub(super) fn fresh_key() -> String {
    jiff::Timestamp::now().as_nanosecond().to_string()
}

/// Fetches one page into the ledger; `None` when a stop came first.
pub(super) async fn fetch(asked: &Asked, shared: Shared<'_>) -> Option<Result<Step, Failure>> {
    let read = async |answer| shared.ledger.take(asked, answer).await;
    Some(match get(&asked.walk, &asked.url, read, shared).await? {
        Ok(Fetched { value: Step::Compare(unshown), answer }) => {
            Ok(unheeded::settle(asked, &unshown, answer, shared).await?)
        }
        fetched => fetched.map(|fetched| fetched.value),
    })
}

/// Fetches a page for a walk; `None` when a stop came first.
pub(super) async fn get<T>(
    walk: &str,
    url: &PageUrl,
    read: impl AsyncFnMut(Answer) -> Result<T, Unreadable>,
    shared: Shared<'_>,
) -> Option<Result<Fetched<T>, Failure>> {
    let under_way = AtomicBool::new(false);
    let notify = |event: fetch::Event| {
        match event {
            fetch::Event::Sent { .. } => under_way.store(true, Ordering::Relaxed),
            fetch::Event::Retrying { .. } => under_way.store(false, Ordering::Relaxed),
            fetch::Event::Answered { .. } | fetch::Event::Throttled { .. } | fetch::Event::Recovered { .. } => {}
        }
        shared.monitor.event(&Event::of(walk, &event));
    };
    let page = shared.fetcher.page(url, &notify, read);
    tokio::select! {
        biased;
        result = page => Some(result),
        () = shared.stop.must_drop(&under_way) => None,
    }
}

/// What a failure comes to.
pub(super) enum Met {
    /// A step after all.
    Step(Step),
    /// The same page, with half its items.
    Smaller,
    /// The strand leaves the run.
    Left(Left),
}

/// What becomes of a page that could not be had.
pub(super) async fn meet(asked: &Asked, failure: Failure, forged: bool, shared: Shared<'_>) -> Met {
    let reason = failure.to_string();
    let answer = failure.answer.map(|answer| *answer);
    let why = match failure.cause {
        Cause::Smaller(_) if asked.limit > 1 => {
            let limit = asked.limit.div_ceil(2);
            shared.monitor.event(&Event::Smaller { walk: &asked.walk, limit, reason: &reason });
            return Met::Smaller;
        }
        Cause::Smaller(Excess::Unreadable(_) | Excess::TooLarge(_)) => {
            return Met::Step(shared.ledger.give_up(asked, answer, reason).await);
        }
        Cause::Smaller(Excess::TimedOut(_)) | Cause::GaveUp { .. } => {
            return Met::Left(unfinished(asked, reason, shared));
        }
        Cause::Stop(stop) => match stop {
            fetch::Stop::CursorRefused { .. } if forged => return Met::Left(Left::ForgedRefused),
            fetch::Stop::NotFound { .. } if !asked.again && answer.as_ref().is_some_and(is_cached) => {
                return Met::Step(Step::Again);
            }
            fetch::Stop::NotFound { .. } => Why::NotFound,
            fetch::Stop::PagingCap => Why::PagingCap,
            fetch::Stop::CursorRefused { .. } => Why::CursorRefused,
            fetch::Stop::BadRequest { .. } => Why::Refused,
            fetch::Stop::KeyRefused { .. } => {
                shared.stop.ask("the server refused the API key");
                return Met::Left(Left::KeyRefused(reason));
            }
            fetch::Stop::Blocked { .. }
            | fetch::Stop::RegionBlocked { .. }
            | fetch::Stop::Redirected { .. }
            | fetch::Stop::Unexpected { .. } => return Met::Left(unfinished(asked, reason, shared)),
        },
    };
    // A 404 is an answer: its page is kept like any other.
    let answer = answer.filter(|_| why == Why::NotFound);
    Met::Step(shared.ledger.end(asked, answer, End { why, detail: Some(reason) }).await)
}

/// Whether a cache in front of the server gave the answer: it may be minutes old.
fn is_cached(answer: &Answer) -> bool {
    // All other words, `EXPIRED` and `BYPASS` among them, mean that the server itself was asked.
    const FROM_CACHE: [&str; 4] = ["HIT", "STALE", "UPDATING", "REVALIDATED"];
    let status = answer.cache_status.as_deref().unwrap_or_default().trim();
    FROM_CACHE.iter().any(|word| status.eq_ignore_ascii_case(word))
}

/// True when a cache gave the answer that is a failure.
pub(super) fn is_from_cache(failure: &Failure) -> bool {
    failure.answer.as_deref().is_some_and(is_cached)
}

fn unfinished(asked: &Asked, reason: String, shared: Shared<'_>) -> Left {
    let walk = strand_name(&asked.walk, &asked.strand);
    shared.monitor.event(&Event::WalkStopped { walk: &walk, reason: &reason });
    Left::Unfinished(reason)
}
