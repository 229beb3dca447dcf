//! Handles the failure of a page: ends the walk, stops the run, asks for fewer items, or gives the page up by name.
//!
//! An outage must not be taken for a page that always fails, so another page of the same list has to answer before one is
//! given up.

use std::sync::Arc;

use super::context::Context;
use super::partition::Finish;
use super::request::{Turn, Watch, address};
use crate::api::endpoint::Paging;
use crate::api::enums::ENUMS;
use crate::api::models::MODELS;
use crate::api::place::{Along, Place};
use crate::dataset::commit::{End, Why};
use crate::engine::events::Event;
use crate::engine::location::at_page_of;
use crate::engine::writer::decode::{Body, is_page, remains};
use crate::engine::writer::message::{Next, PageRequest};
use crate::fetch::{Answer, Encoding, FetchError, FetchErrorKind, head};

/// Most requests for a page that is only a test whether the server answers, and for each smaller page.
pub(crate) const FEW: u32 = 2;
/// Bytes that are read of an answer to such a test: more than the report of a failure or a notice has.
const NOTICE_MAX: usize = 64 << 10;
/// Steps beyond every date: about 140 years of milliseconds.
const KEY_STEPS_MAX: i64 = 1 << 42;
/// Steps beyond every id.
const ID_STEPS_MAX: i64 = 1 << 31;

/// The step after a page that failed.
pub(crate) enum AfterFailure {
    /// Continue like after a page that was taken.
    Next(Next),
    /// Ask for the same page with half its items.
    Smaller {
        /// True when one of its items makes it fail, not their number.
        fails: bool,
    },
    /// The partition leaves the run.
    Finish(Finish),
}

/// Handles the failure of a page. `forged` says that it would be the first behind a cursor made by this program, `seeking` that an item is being
/// sought that makes pages fail.
pub(crate) async fn handle_failure(
    request: &PageRequest,
    failure: FetchError,
    forged: bool,
    seeking: bool,
    context: Context<'_>,
) -> AfterFailure {
    use FetchErrorKind as Kind;
    let reason = failure.to_string();
    let answer = failure.answer.map(|answer| *answer);
    if forged
        && !seeking
        && answer.as_ref().is_some_and(|answer| answer.status == 500)
        && fails_by_cursor(request, context).await
    {
        return AfterFailure::Finish(Finish::ForgedRefused);
    }
    let why = match failure.kind {
        kind @ (Kind::TimedOut(_) | Kind::TooLarge(_) | Kind::AlwaysFails(_) | Kind::Unreadable(_)) => {
            return too_much(request, &kind, answer, seeking, context).await;
        }
        Kind::CursorRefused(_) | Kind::CursorLapsed(_) | Kind::BadRequest(_) if forged => {
            return AfterFailure::Finish(Finish::ForgedRefused);
        }
        // The server asks to begin the list again. An invalid cursor it would only send again.
        Kind::CursorLapsed(_) if request.cursor.is_some() => {
            return AfterFailure::Next(context.writer.begin_anew(request, reason));
        }
        Kind::NotFound(_)
            if !request.again && (request.cursor.is_some() || answer.as_ref().is_some_and(Answer::is_cached)) =>
        {
            return AfterFailure::Next(Next::Again(0));
        }
        // Whoever is absent is left out of its answers.
        Kind::NotFound(_) if request.endpoint.name == ENUMS.name => {
            return AfterFailure::Finish(Finish::Absent(String::from("the server has no `enums`")));
        }
        Kind::NotFound(_) if matches!(request.endpoint.paging, Paging::Single) => Why::Refused,
        // The list was there, since it named this page.
        Kind::NotFound(_) if request.cursor.is_some() => Why::CursorRefused,
        Kind::NotFound(_) => Why::NotFound,
        Kind::PagingCap => Why::PagingCap,
        Kind::CursorRefused(_) | Kind::CursorLapsed(_) => Why::CursorRefused,
        Kind::BadRequest(_) => Why::Refused,
        Kind::KeyRefused { .. } => {
            context.run.stop.ask("the server refused the API key");
            return AfterFailure::Finish(Finish::KeyRefused(stopped(request, &reason, context)));
        }
        Kind::KeyWanted { .. } => {
            context.run.stop.ask("the server wants an API key");
            return AfterFailure::Finish(Finish::KeyRefused(stopped(request, &reason, context)));
        }
        Kind::Unexpected { status: 404, .. } if is_absent(request, context).await => {
            let path = request.endpoint.path.replace("{}", "…");
            let detail =
                format!("the server has no `{path}`: it answers `404` with a page, and answers other requests");
            return AfterFailure::Finish(Finish::Absent(detail));
        }
        Kind::GaveUp(_) | Kind::Blocked(_) | Kind::RegionBlocked(_) | Kind::Redirected(_) | Kind::Unexpected { .. } => {
            return unfinished(request, &reason, context);
        }
    };
    // A 404 is an answer to a look-up: its page is kept like any other.
    let answer = answer.filter(|_| why == Why::NotFound);
    AfterFailure::Next(context.writer.end(request, answer, End { why, detail: Some(reason) }).await)
}

/// Leaves the partition to a later run.
fn unfinished(request: &PageRequest, reason: &str, context: Context<'_>) -> AfterFailure {
    AfterFailure::Finish(Finish::Unfinished(stopped(request, reason, context)))
}

/// Reports that a partition stopped; returns the reason with the place.
fn stopped(request: &PageRequest, reason: &str, context: Context<'_>) -> String {
    let place = at_page_of(&request.walk, &request.partition, request.page, request.cursor.as_deref());
    let reason = format!("{place}: {reason}");
    context.run.listener.event(&Event::WalkStopped { walk: &request.walk, reason: &reason });
    reason
}

/// Handles a page that is too much to ask for, or always fails: by fewer items, and at one item by giving it up.
async fn too_much(
    request: &PageRequest,
    kind: &FetchErrorKind,
    answer: Option<Answer>,
    seeking: bool,
    context: Context<'_>,
) -> AfterFailure {
    let paging = request.endpoint.paging;
    let by_cursor = matches!(paging, Paging::Cursor { .. });
    let is_smallest = !by_cursor || request.limit <= 1;
    let fails = matches!(kind, FetchErrorKind::AlwaysFails(_));
    let silent = fails || matches!(kind, FetchErrorKind::TimedOut(_));
    // A notice of maintenance may be JSON, too; where there is one answer only, no other is there to compare.
    let is_odd = matches!(kind, FetchErrorKind::Unreadable(_)) && !matches!(paging, Paging::Single);
    let later = || unfinished(request, &format!("{kind}; run again later to continue"), context);
    let in_doubt = if is_smallest { is_odd || (silent && !by_cursor) } else { fails && !seeking };
    if in_doubt && !something_else_answers(request, context).await {
        return later();
    }
    if !is_smallest {
        let (limit, reason) = (request.limit.div_ceil(2), kind.to_string());
        context.run.listener.event(&Event::Smaller { walk: &request.walk, limit, reason: &reason });
        return AfterFailure::Smaller { fails };
    }
    let remains = answer.as_ref().map(|answer| remains(Body { encoding: answer.encoding, bytes: &answer.body }, None));
    let names_next = remains.is_some_and(|remains| remains.next_cursor.is_some());
    let behind = if by_cursor && !names_next { way_on(request, context).await } else { None };
    if silent && by_cursor && behind.is_none() {
        return later();
    }
    AfterFailure::Next(context.writer.give_up(request, answer, kind.to_string(), behind).await)
}

/// Gives up the rows of one instant: their page fails, and the cursors of smaller pages lead back into it.
pub(crate) async fn pass_instant(request: &PageRequest, context: Context<'_>) -> Next {
    let next = place(request).and_then(|place| place.further(1, Along::Key));
    let reason = String::from("the rows of one instant cannot be had together, and no smaller page leads past them");
    context.writer.give_up(request, None, reason, next.map(|next| next.cursor())).await
}

fn place(request: &PageRequest) -> Option<Place> {
    let Paging::Cursor { place, .. } = request.endpoint.paging else { return None };
    place(&request.params, request.cursor.as_deref())
}

/// Returns true when the server answers the list without a cursor, and a cursor behind its end no better than this one.
async fn fails_by_cursor(request: &PageRequest, context: Context<'_>) -> bool {
    let Some(end) = place(request).and_then(|place| place.further(KEY_STEPS_MAX, Along::Key)) else { return false };
    let first = Turn { page: 1, cursor: None, limit: 1, again: true };
    !answers_at(request, Some(end), context).await && answers(request, None, &first, context).await
}

/// Returns true when the server answers another page of the same list.
async fn something_else_answers(request: &PageRequest, context: Context<'_>) -> bool {
    let other = |page| Turn { page, cursor: None, limit: request.limit.min(1), again: true };
    match request.endpoint.paging {
        Paging::Cursor { .. } => {
            let end = place(request).and_then(|place| place.further(KEY_STEPS_MAX, Along::Key));
            answers(request, None, &other(1), context).await || answers_at(request, end, context).await
        }
        Paging::Number { .. } => answers(request, None, &other(if request.page == 1 { 2 } else { 1 }), context).await,
        Paging::Single => {
            // Of words there is no other question.
            let params = request.params.iter().map(|(name, ids)| (name.clone(), another(ids).to_owned()));
            let request = PageRequest { params: params.collect(), ..request.clone() };
            !request.params.is_empty() && answers(&request, None, &other(1), context).await
        }
        Paging::Lookup => {
            let key = another(request.key.as_deref().unwrap_or_default());
            answers(request, Some(key), &other(1), context).await
        }
    }
}

/// Returns true if the server has no endpoint of this path: what was asked for in another way is not there either, while models
/// are. A list is left to a later run, since the server always had all of them.
async fn is_absent(request: &PageRequest, context: Context<'_>) -> bool {
    if !matches!(request.endpoint.paging, Paging::Lookup | Paging::Single) {
        return false;
    }
    let models = PageRequest { endpoint: &MODELS, params: Arc::default(), key: None, ..request.clone() };
    let turn = Turn { page: 1, cursor: None, limit: 1, again: true };
    !something_else_answers(request, context).await && answers(&models, None, &turn, context).await
}

/// Returns an id that is not this one.
fn another(id: &str) -> &'static str {
    if id == "1" { "2" } else { "1" }
}

/// Returns the nearest cursor behind the first row of a failing page at which the list answers.
///
/// A cursor names the row it begins with or the one before it, depending on the server, so the next two ids are tried. If
/// neither answers, the row may be anywhere behind the cursor: its instant is searched first, then its id.
async fn way_on(request: &PageRequest, context: Context<'_>) -> Option<String> {
    let mut from = place(request)?;
    for steps in [1, 2] {
        let near = from.further(steps, Along::Id);
        if near.is_some() && answers_at(request, near.clone(), context).await {
            return near.map(|near| near.cursor());
        }
    }
    if let Some(next) = from.further(1, Along::Key)
        && !answers_at(request, Some(next), context).await
    {
        let at = |steps| answers_at(request, from.further(steps, Along::Key), context);
        if !at(KEY_STEPS_MAX).await {
            return None;
        }
        let steps = fewest(KEY_STEPS_MAX, at).await?;
        from = from.further(steps - 1, Along::Key)?;
    }
    let by_id = fewest(ID_STEPS_MAX, |steps| answers_at(request, from.further(steps, Along::Id), context)).await;
    let behind = match by_id {
        Some(steps) => from.further(steps, Along::Id),
        None => from.further(1, Along::Key),
    };
    behind.map(|behind| behind.cursor())
}

/// Returns the fewest steps after which the list answers, found by doubling and then halving.
async fn fewest(most: i64, answers: impl AsyncFn(i64) -> bool) -> Option<i64> {
    let (mut low, mut high) = (0, 1);
    while !answers(high).await {
        (low, high) = (high, high * 2);
        if low >= most {
            return None;
        }
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if answers(middle).await {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

async fn answers_at(request: &PageRequest, place: Option<Place>, context: Context<'_>) -> bool {
    let Some(cursor) = place.map(|place| place.cursor()) else { return false };
    let turn = Turn { page: request.page, cursor: Some(cursor), limit: 1, again: true };
    answers(request, None, &turn, context).await
}

/// Returns true when the server answers a page, if only with 404; its rows are not taken.
async fn answers(request: &PageRequest, key: Option<&str>, turn: &Turn, context: Context<'_>) -> bool {
    let key = key.or(request.key.as_deref());
    let Ok(url) = address(&context.options.base, request.endpoint, &request.params, key, turn) else { return false };
    let watch = Watch::new(&request.walk, context);
    let notify = |event| watch.event(&event);
    let attempts = context.fetcher.attempts(&url, &notify).at_most(FEW);
    let mut attempts = attempts.limited(request.endpoint.name, request.endpoint.a_minute);
    match watch.until_stop(attempts.next()).await {
        Some(Ok(answer)) => {
            let body = head(answer.encoding, &answer.body, NOTICE_MAX);
            body.len() == NOTICE_MAX || is_page(request.endpoint, Body { encoding: Encoding::Identity, bytes: &body })
        }
        Some(Err(error)) => matches!(error.kind, FetchErrorKind::NotFound(_)),
        None => false,
    }
}
