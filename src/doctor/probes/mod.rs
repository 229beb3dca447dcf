//! Every probe, by group. A new one is an entry of its group's table, and the function that judges it.

use super::answers::Answers;
use super::exchange::Exchange;
use super::finding::{Finding, Judged, Verdict};
use super::probe::Probe;
use super::request::Request;

mod account;
mod beginning;
mod cursors;
mod files;
mod hosts;
mod images;
mod items;
mod lists;
mod lookups;
mod models;
mod service;
#[cfg(test)]
mod tests;

/// The probes by group, in the order in which they are judged.
pub static GROUPS: &[&[Probe]] = &[
    service::PROBES,
    cursors::PROBES,
    models::PROBES,
    lookups::PROBES,
    lists::PROBES,
    images::PROBES,
    lists::ORDER,
    account::PROBES,
    files::PROBES,
    hosts::PROBES,
    items::PROBES,
    service::LIMITS,
];

/// Returns every probe, in the order in which they are judged.
pub fn all() -> impl Iterator<Item = &'static Probe> {
    GROUPS.iter().copied().flatten()
}

/// Judges the answer to a request with this key. A passing fault may have spoiled one that differs, so it is believed only if a
/// second one, past every cache, differs too; a crawl asks twice as well.
fn confirmed(
    answers: &Answers,
    key: &str,
    request: impl Fn(&str) -> Request,
    judge: impl Fn(&Exchange) -> Judged,
) -> Judged {
    let first = judge(answers.get(request(key))?)?;
    if first.verdict != Verdict::Differs {
        return Ok(first);
    }
    let then = judge(answers.get(request(&second(key)))?)?;
    Ok(match then.verdict {
        Verdict::Holds => Finding::handled(format!("{}; at first {}", then.evidence, first.evidence)),
        _ => then,
    })
}

/// Returns the key of the second request.
fn second(key: &str) -> String {
    format!("{key}again")
}
