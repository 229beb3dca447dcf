//! The API key: G.

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Exchange;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::{Request, To};
use crate::api::me;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "G1",
        fact: "the server asks for a key where it checks one",
        relied_on: &["engine/walk/key_check.rs", "api/me.rs"],
        remedy: "Do not trust a key: the server says nothing when it does not know one, and answers as to a visitor.",
        needs: Needs::Nothing,
        judge: without_key,
    },
    Probe {
        id: "G2",
        fact: "the server knows the key",
        relied_on: &["engine/walk/key_check.rs", "fetch/secret.rs"],
        remedy: "Renew the key at the site, or go without one: a crawl with this one would not begin.",
        needs: Needs::Key,
        judge: with_key,
    },
];

const ABSENT: &str = "the server has no `/me`, so a key that it does not know would go unnoticed";

fn account() -> Request {
    Request::new::<&str>(me::PATH, &[])
}

fn without_key(answers: &Answers) -> Judged {
    let answer = answers.get(account().to(To::ServerWithoutKey))?;
    Ok(match answer.status {
        401 => Finding::holds(format!("status 401: `{}`", answer.message())),
        404 => Finding::handled(ABSENT),
        200 => Finding::differs("`me` is answered without a key"),
        _ => untold(answer),
    })
}

fn with_key(answers: &Answers) -> Judged {
    let answer = answers.get(account())?;
    Ok(match answer.status {
        200 => Finding::holds(format!(
            "`me` is answered, `{}`",
            answer.header("cache-control").unwrap_or("no cache-control")
        )),
        401 => Finding::differs(format!("status 401: `{}`", answer.message())),
        404 => Finding::handled(ABSENT),
        _ => untold(answer),
    })
}

fn untold(answer: &Exchange) -> Finding {
    Finding::untold(format!("`me` is answered with status {}: `{}`", answer.status, answer.message()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::finding::Verdict::{self, Differs, Handled, Holds, Untold};
    use super::super::super::testing::{answer, examine};
    use super::*;

    #[test]
    fn a_key_is_known_by_the_status() {
        let cases: &[(u16, [Verdict; 2])] = &[
            (200, [Differs, Holds]),
            (401, [Holds, Differs]),
            (403, [Untold, Untold]),
            (404, [Handled, Handled]),
            (500, [Untold, Untold]),
        ];
        for (status, verdicts) in cases {
            for (probe, verdict) in PROBES.iter().zip(verdicts) {
                let finding = examine(probe.id, |request| {
                    assert_eq!(request.to == To::ServerWithoutKey, probe.id == "G1");
                    answer(request, *status, json!({ "error": "Unauthorized" }))
                });
                assert_eq!(finding.verdict, *verdict, "{} {status}: {}", probe.id, finding.evidence);
            }
        }
    }
}
