//! Pages that cannot be had however often they are asked for: isolated, given up by name, and passed by.
//!
//! An outage must not be taken for such a page, so something else of the same list has to answer first.

use super::context::Context;
use super::page::{AfterFailure, Turn, address, send, unfinished};
use crate::api::endpoint::Paging;
use crate::api::envelope::salvage_cursor;
use crate::api::place::{Along, Place};
use crate::engine::events::Event;
use crate::engine::writer::decode::lossy_text;
use crate::engine::writer::message::{Next, PageRequest};
use crate::fetch::{Answer, Cause, Excess, Failure, Stop};

/// Requests that a question may take which is asked only to learn whether it is answered, and each smaller page.
pub(crate) const FEW: u32 = 2;
/// Steps beyond every date: about 140 years of milliseconds.
const KEY_STEPS_MAX: i64 = 1 << 42;
/// Steps beyond every id.
const ID_STEPS_MAX: i64 = 1 << 31;

/// What becomes of a page that is too much to ask for, or always fails.
pub(crate) async fn handle_failure(
    request: &PageRequest,
    excess: &Excess,
    answer: Option<Answer>,
    seeking: bool,
    shared: Context<'_>,
) -> AfterFailure {
    let by_cursor = matches!(request.endpoint.paging, Paging::Cursor { .. });
    let is_smallest = !by_cursor || request.limit <= 1;
    let fails = matches!(excess, Excess::Failing(_));
    // An answer that arrived proves that the server is there.
    let silent = fails || matches!(excess, Excess::TimedOut(_));
    let in_doubt = if is_smallest { silent && !by_cursor } else { fails && !seeking };
    if in_doubt && !something_else_answers(request, shared).await {
        return AfterFailure::Finish(unfinished(request, &format!("{excess}; run again later to go on"), shared));
    }
    if !is_smallest {
        let (limit, reason) = (request.limit.div_ceil(2), excess.to_string());
        shared.listener.event(&Event::Smaller { walk: &request.walk, limit, reason: &reason });
        return AfterFailure::Smaller { fails };
    }
    let text = answer.as_ref().map(|answer| lossy_text(answer.encoding, &answer.body, None));
    let names_next = text.is_some_and(|text| salvage_cursor(&text).is_some());
    let behind = if by_cursor && !names_next { way_on(request, shared).await } else { None };
    if silent && by_cursor && behind.is_none() {
        return AfterFailure::Finish(unfinished(request, &format!("{excess}; run again later to go on"), shared));
    }
    AfterFailure::Next(shared.writer.give_up(request, answer, excess.to_string(), behind).await)
}

/// Gives up the rest of an instant: the page that shows all its rows fails, and smaller ones lead back among them.
pub(crate) async fn pass_instant(request: &PageRequest, shared: Context<'_>) -> Next {
    let next = place(request).and_then(|place| place.further(1, Along::Key));
    let reason = String::from("the rows of one instant cannot be had together, and no smaller page leads past them");
    shared.writer.give_up(request, None, reason, next.map(|next| next.cursor())).await
}

fn place(request: &PageRequest) -> Option<Place> {
    let Paging::Cursor { place, .. } = request.endpoint.paging else { return None };
    place(&request.params, request.cursor.as_deref())
}

/// True when the server answers another question of the same list.
async fn something_else_answers(request: &PageRequest, shared: Context<'_>) -> bool {
    let other = |page| Turn { page, cursor: None, limit: request.limit.min(1), again: true };
    match request.endpoint.paging {
        Paging::Cursor { .. } => {
            let end = place(request).and_then(|place| place.further(KEY_STEPS_MAX, Along::Key));
            answers(request, None, &other(1), shared).await || answers_at(request, end, shared).await
        }
        Paging::Number { .. } => answers(request, None, &other(if request.page == 1 { 2 } else { 1 }), shared).await,
        Paging::Lookup => {
            let key = if request.key.as_deref() == Some("1") { "2" } else { "1" };
            answers(request, Some(key), &other(1), shared).await
        }
    }
}

/// The nearest cursor behind the first row of a page that answers.
///
/// Servers differ in whether a cursor names the row it begins with or the one before it, so the next two ids are tried. Where
/// neither answers, the row may be anywhere behind the cursor: its instant is sought first, then its id.
async fn way_on(request: &PageRequest, shared: Context<'_>) -> Option<String> {
    let mut from = place(request)?;
    for steps in [1, 2] {
        let near = from.further(steps, Along::Id);
        if near.is_some() && answers_at(request, near.clone(), shared).await {
            return near.map(|near| near.cursor());
        }
    }
    if let Some(next) = from.further(1, Along::Key)
        && !answers_at(request, Some(next), shared).await
    {
        let at = |steps| answers_at(request, from.further(steps, Along::Key), shared);
        if !at(KEY_STEPS_MAX).await {
            return None;
        }
        let steps = fewest(KEY_STEPS_MAX, at).await?;
        from = from.further(steps - 1, Along::Key)?;
    }
    let by_id = fewest(ID_STEPS_MAX, |steps| answers_at(request, from.further(steps, Along::Id), shared)).await;
    let behind = match by_id {
        Some(steps) => from.further(steps, Along::Id),
        None => from.further(1, Along::Key),
    };
    behind.map(|behind| behind.cursor())
}

/// The fewest steps after which the list answers: by doubling them, then by halving what lies between.
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

async fn answers_at(request: &PageRequest, place: Option<Place>, shared: Context<'_>) -> bool {
    let Some(cursor) = place.map(|place| place.cursor()) else { return false };
    let turn = Turn { page: request.page, cursor: Some(cursor), limit: 1, again: true };
    answers(request, None, &turn, shared).await
}

/// True when a question is answered; its rows are not taken.
async fn answers(request: &PageRequest, key: Option<&str>, turn: &Turn, shared: Context<'_>) -> bool {
    let key = key.or(request.key.as_deref());
    let Ok(url) = address(shared.base, request.endpoint, &request.params, key, turn) else { return false };
    match send(&request.walk, &url, FEW, async |_| Ok(()), shared).await {
        Some(Ok(_)) => true,
        Some(Err(Failure { cause: Cause::Stop(Stop::NotFound { .. }), .. })) => true,
        Some(Err(_)) | None => false,
    }
}
