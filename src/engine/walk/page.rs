//! Fetches one page into the writer, with all retries.

use std::sync::Arc;

use super::context::Context;
use super::ignored_filter;
use super::partition::Partition;
use super::request::{Turn, Watch, address};
use crate::dataset::commit::{End, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::writer::message::{Next, Other, PageRequest, RECHECK};
use crate::engine::writer::unknown_values;
use crate::fetch::{Answer, FetchError, FetchErrorKind};

/// Returns the request for a page of a partition, with all that the writer needs to know of it.
pub(crate) fn ask(
    definition: &Walk,
    partition: &Partition,
    turn: Turn,
    context: Context<'_>,
) -> Result<PageRequest, Error> {
    let endpoint = definition.endpoint;
    let url = address(&context.options.base, endpoint, &partition.params, partition.key.as_deref(), &turn)?;
    Ok(PageRequest {
        listed: unknown_values::is_listed(definition)
            && context.options.tells_unknown
            && !partition.partition.starts_with(RECHECK),
        walk: Arc::clone(&partition.walk),
        partition: Arc::clone(&partition.partition),
        endpoint,
        params: Arc::clone(&partition.params),
        key: partition.key.clone(),
        page: turn.page,
        cursor: turn.cursor,
        limit: turn.limit,
        again: turn.again,
        shown: 0,
        other: None,
        first_shown: false,
        compared: false,
        url,
    })
}

/// Longest address that servers take, in bytes.
const ADDRESS_MAX: usize = 32 << 10;

/// Fetches one page into the writer, with at most `requests` requests. Returns the next step, or `None` when a stop came first.
/// A doubtful answer stays in `before`, unless it is large; it is the one taken if the answer to the second request has fewer items.
pub(crate) async fn fetch(
    request: &PageRequest,
    requests: u32,
    before: &mut Option<Answer>,
    context: Context<'_>,
) -> Option<Result<Next, FetchError>> {
    let address = request.url.as_str().len();
    if address > ADDRESS_MAX {
        let detail = format!("its address would have {address} bytes, and servers take {ADDRESS_MAX} at most");
        return Some(Ok(context.writer.end(request, None, End { why: Why::Refused, detail: Some(detail) }).await));
    }
    let watch = Watch::new(&request.walk, context);
    let notify = |event| watch.event(&event);
    let attempts = context.fetcher.attempts(&request.url, &notify).at_most(requests);
    let mut attempts = attempts.limited(request.endpoint.name, request.endpoint.a_minute);
    let page = async {
        loop {
            let answer = attempts.next().await?;
            match context.writer.page(request, answer.clone()).await {
                Ok(next) => return Ok::<_, FetchError>((next, answer)),
                Err(unreadable) => attempts.unreadable(&unreadable)?,
            }
        }
    };
    Some(match watch.until_stop(page).await? {
        // The page to compare it with may be as large, and only one of them may be held.
        Ok((Next::Compare(_), answer)) if answer.is_large() => Err(FetchError {
            kind: FetchErrorKind::TooLarge(String::from("the page is too large to be compared")),
            attempts: answer.attempts,
            elapsed: answer.latency,
            answer: None,
        }),
        Ok((Next::Compare(unshown), answer)) => Ok(ignored_filter::settle(request, &unshown, answer, context).await?),
        Ok((Next::Fewer(items), answer)) => match before.take() {
            Some(before) => Ok(take_other(request, before, Other::Items(items), context).await?),
            None => Ok(take_other(request, answer, Other::Items(request.shown), context).await?),
        },
        Ok((next, answer)) => {
            *before = Some(answer).filter(|answer| matches!(next, Next::Again(_)) && !answer.is_large());
            Ok(next)
        }
        // A server may refuse the key that leads past its cache.
        Err(error) if matches!(error.kind, FetchErrorKind::BadRequest(_)) => match before.take() {
            Some(before) => Ok(take_other(request, before, Other::Refusal(error.to_string()), context).await?),
            None => Err(error),
        },
        Err(error) => Err(error),
    })
}

/// Takes one of two answers: the one before if this one had fewer items or was a refusal, because what it shows was there, or this
/// one where the one before was not kept. Returns `None` when a stop came first.
async fn take_other(request: &PageRequest, answer: Answer, other: Other, context: Context<'_>) -> Option<Next> {
    let request = PageRequest { shown: 0, other: Some(other), ..request.clone() };
    match context.writer.page(&request, answer.clone()).await {
        Ok(Next::Compare(unshown)) => ignored_filter::settle(&request, &unshown, answer, context).await,
        Ok(next) => Some(next),
        Err(unreadable) => Some(context.writer.give_up(&request, Some(answer), unreadable.to_string(), None).await),
    }
}
