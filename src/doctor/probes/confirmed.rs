//! Judgements that several probes share.

use super::super::answers::Answers;
use super::super::exchange::{Exchange, Page};
use super::super::finding::{Finding, Judged, Pause, Verdict};
use super::super::request::Request;

/// Judges the answer to a request with this key, and if it differs to one past every cache: see [`twice`].
pub(super) fn confirmed(
    answers: &Answers,
    key: &str,
    request: impl Fn(&str) -> Request,
    judge: impl Fn(&Exchange) -> Judged,
) -> Judged {
    twice(key, |key| judge(settled(answers, key, &request)?))
}

/// Judges with this key. A passing fault may have spoiled an answer that differs, so it is believed only if the second one
/// differs too; a crawl asks twice as well.
pub(super) fn twice(key: &str, judge: impl Fn(&str) -> Judged) -> Judged {
    let first = judge(key)?;
    if first.verdict != Verdict::Differs {
        return Ok(first);
    }
    let then = judge(&second(key))?;
    Ok(match then.verdict {
        Verdict::Holds => Finding::handled(format!("{}; at first {}", then.evidence, first.evidence)),
        _ => then,
    })
}

/// Returns the answer to a request with this key; the second one if the first is an end behind a cursor without any item, which
/// a crawl does not believe either.
pub(super) fn settled<'a>(
    answers: &'a Answers,
    key: &str,
    request: impl Fn(&str) -> Request,
) -> Result<&'a Exchange, Pause> {
    let first = answers.get(request(key))?;
    let has_cursor = first.request.query.iter().any(|(name, _)| name == "cursor");
    let is_end = |page: Page<'_>| page.items.is_empty() && page.metadata["nextCursor"].is_null();
    match first.page() {
        Ok(page) if has_cursor && is_end(page) => answers.get(request(&second(key))),
        _ => Ok(first),
    }
}

/// Returns the key of the second request.
pub(super) fn second(key: &str) -> String {
    format!("{key}again")
}

/// Returns the finding about an answer of 404; `None` if it has another status.
pub(super) fn absent(answer: &Exchange, words: &str) -> Option<Finding> {
    let is_html = answer.header("content-type").is_some_and(|kind| kind.contains("html"));
    let cache = answer.header("cf-cache-status").map(|word| format!(", cache {word}")).unwrap_or_default();
    let message = answer.message();
    Some(match answer.status {
        404 if is_html => Finding::differs("404 with a page of HTML, which a crawl takes for a failure"),
        404 if message.contains(words) => Finding::holds(format!("404 `{message}`{cache}")),
        404 => Finding::handled(format!("404 `{message}`{cache}, instead of `{words}`; a crawl goes by the status")),
        _ => return None,
    })
}
