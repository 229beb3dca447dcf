//! The service itself, its headers and its limits: A.

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::Request;

pub(super) const PROBES: &[Probe] = &[Probe {
    id: "A1",
    fact: "the server serves pages of models to this program",
    relied_on: &["fetch/client.rs", "fetch/inflate.rs", "fetch/verdict.rs"],
    remedy: "Open the address in a browser on the same machine: a page of HTML or a redirect there names who is in the way.",
    needs: Needs::Nothing,
    judge: served,
}];

/// Returns the request for the first models, every kind and level of them.
pub(super) fn first_models() -> Request {
    Request::new(
        "models",
        &[("sort", "Oldest"), ("limit", "3"), ("period", "AllTime"), ("nsfw", "true"), ("archived", "true")],
    )
}

fn served(answers: &Answers) -> Judged {
    let answer = answers.get(first_models())?;
    let page = answer.page()?;
    let encoding = answer.header("content-encoding").unwrap_or("identity");
    Ok(Finding::holds(format!("{} models by {}, {encoding}", page.items.len(), answer.http)))
}
