//! One page: its request, its answer, and what a failure comes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use super::bad_page;
use super::context::Context;
use super::ignored_filter::{self};
use super::partition::{Finish, Partition};
use crate::api::endpoint::{Endpoint, Paging};
use crate::dataset::commit::{End, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::events::Event;
use crate::engine::location::at_page_of;
use crate::engine::writer::message::{Next, PageRequest, RECHECK};
use crate::engine::writer::unknown_values;
use crate::fetch::{self, Answer, Cause, Failure, Fetched, PageUrl, Unreadable, fresh_key};

/// The address of a page, and what the writer must know of it.
pub(crate) fn ask(
    definition: &Walk,
    partition: &Partition,
    page: u64,
    cursor: Option<String>,
    limit: u32,
    again: bool,
    shared: Context<'_>,
) -> Result<PageRequest, Error> {
    let endpoint = definition.endpoint;
    let turn = Turn { page, cursor, limit, again };
    let url = address(shared.base, endpoint, &partition.params, partition.key.as_deref(), &turn)?;
    Ok(PageRequest {
        listed: unknown_values::is_listed(definition)
            && shared.tells_unknown
            && !partition.partition.starts_with(RECHECK),
        walk: Arc::clone(&partition.walk),
        partition: Arc::clone(&partition.partition),
        endpoint,
        params: Arc::clone(&partition.params),
        key: partition.key.clone(),
        page,
        cursor: turn.cursor,
        limit,
        again,
        shown: 0,
        first_shown: false,
        compared: false,
        url,
    })
}

/// Which page of a question is asked for, and how.
pub(crate) struct Turn {
    pub(crate) page: u64,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: u32,
    /// True when what a cache kept of it will not do.
    pub(crate) again: bool,
}

/// The address of one page of a question.
pub(crate) fn address(
    base: &Url,
    endpoint: &Endpoint,
    params: &[(String, String)],
    key: Option<&str>,
    turn: &Turn,
) -> Result<PageUrl, fetch::Error> {
    let (limit, page, fresh) = (turn.limit.to_string(), turn.page.to_string(), fresh_key());
    let mut query: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    if turn.limit > 0 {
        query.push(("limit", &limit));
    }
    if matches!(endpoint.paging, Paging::Number { .. }) {
        query.push(("page", &page));
    }
    query.extend(turn.cursor.as_deref().map(|cursor| ("cursor", cursor)));
    if turn.again {
        // The server ignores a key it does not know; the cache in front of it does not.
        query.push(("_", &fresh));
    }
    let key = key.unwrap_or_default();
    let path: Vec<&str> = endpoint.path.split('/').map(|segment| if segment == "{}" { key } else { segment }).collect();
    PageUrl::new(base, &path, query)
}

/// Fetches one page into the writer, with at most so many requests; `None` when a stop came first.
pub(crate) async fn fetch(request: &PageRequest, attempts: u32, shared: Context<'_>) -> Option<Result<Next, Failure>> {
    let take = async |answer| shared.writer.page(request, answer).await;
    Some(match send(&request.walk, &request.url, attempts, take, shared).await? {
        Ok(Fetched { value: Next::Compare(unshown), answer }) => {
            Ok(ignored_filter::settle(request, &unshown, answer, shared).await?)
        }
        fetched => fetched.map(|fetched| fetched.value),
    })
}

/// Sends one question, with at most so many requests; `None` when a stop came first.
pub(crate) async fn send<T>(
    walk: &str,
    url: &PageUrl,
    attempts: u32,
    read: impl AsyncFnMut(Answer) -> Result<T, Unreadable>,
    shared: Context<'_>,
) -> Option<Result<Fetched<T>, Failure>> {
    let under_way = AtomicBool::new(false);
    let notify = |event: fetch::Event| {
        match event {
            fetch::Event::Sent { .. } => under_way.store(true, Ordering::Relaxed),
            fetch::Event::Retrying { .. } => under_way.store(false, Ordering::Relaxed),
            fetch::Event::Answered { .. } | fetch::Event::Throttled { .. } | fetch::Event::Recovered { .. } => {}
        }
        shared.listener.event(&Event::of(walk, &event));
    };
    let page = shared.fetcher.page_within(attempts, url, &notify, read);
    tokio::select! {
        biased;
        result = page => Some(result),
        () = shared.stop.must_drop(&under_way) => None,
    }
}

/// What a failure comes to.
pub(crate) enum AfterFailure {
    /// A step after all.
    Next(Next),
    /// The same page, with half its items.
    Smaller {
        /// True when one of them makes it fail, not their number.
        fails: bool,
    },
    /// The partition leaves the run.
    Finish(Finish),
}

/// What becomes of a page that could not be had; `seeking` says that an item is being sought that makes pages fail.
pub(crate) async fn handle_failure(
    request: &PageRequest,
    failure: Failure,
    forged: bool,
    seeking: bool,
    shared: Context<'_>,
) -> AfterFailure {
    let reason = failure.to_string();
    let answer = failure.answer.map(|answer| *answer);
    let why = match failure.cause {
        Cause::Smaller(excess) => return bad_page::handle_failure(request, &excess, answer, seeking, shared).await,
        Cause::GaveUp { .. } => return AfterFailure::Finish(unfinished(request, &reason, shared)),
        Cause::Stop(stop) => match stop {
            fetch::Stop::CursorRefused { .. } | fetch::Stop::CursorLapsed { .. } if forged => {
                return AfterFailure::Finish(Finish::ForgedRefused);
            }
            // Its server says that the list can be begun anew. A cursor it calls invalid it would name once more.
            fetch::Stop::CursorLapsed { .. } if request.cursor.is_some() => {
                return AfterFailure::Next(shared.writer.begin_anew(request, reason));
            }
            fetch::Stop::NotFound { .. } if !request.again && answer.as_ref().is_some_and(Answer::is_cached) => {
                return AfterFailure::Next(Next::Again(0));
            }
            fetch::Stop::NotFound { .. } => Why::NotFound,
            fetch::Stop::PagingCap => Why::PagingCap,
            fetch::Stop::CursorRefused { .. } | fetch::Stop::CursorLapsed { .. } => Why::CursorRefused,
            fetch::Stop::BadRequest { .. } => Why::Refused,
            fetch::Stop::KeyRefused { .. } | fetch::Stop::KeyWanted { .. } => {
                let refused = matches!(stop, fetch::Stop::KeyRefused { .. });
                shared.stop.ask(if refused { "the server refused the API key" } else { "the server wants an API key" });
                return AfterFailure::Finish(Finish::KeyRefused(stopped(request, &reason, shared)));
            }
            fetch::Stop::Blocked { .. }
            | fetch::Stop::RegionBlocked { .. }
            | fetch::Stop::Redirected { .. }
            | fetch::Stop::Unexpected { .. } => return AfterFailure::Finish(unfinished(request, &reason, shared)),
        },
    };
    // A 404 is an answer: its page is kept like any other.
    let answer = answer.filter(|_| why == Why::NotFound);
    AfterFailure::Next(shared.writer.end(request, answer, End { why, detail: Some(reason) }).await)
}

/// The partition goes on in a later run, for this reason; the words name where it stopped.
pub(crate) fn unfinished(request: &PageRequest, reason: &str, shared: Context<'_>) -> Finish {
    Finish::Unfinished(stopped(request, reason, shared))
}

/// Tells that a partition stopped, and where.
fn stopped(request: &PageRequest, reason: &str, shared: Context<'_>) -> String {
    let place = at_page_of(&request.walk, &request.partition, request.page, request.cursor.as_deref());
    let reason = format!("{place}: {reason}");
    shared.listener.event(&Event::WalkStopped { walk: &request.walk, reason: &reason });
    reason
}
