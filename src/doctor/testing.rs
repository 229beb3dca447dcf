//! Answers made by hand, for the tests of probes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::about::About;
use super::answers::Answers;
use super::exchange::Exchange;
use super::finding::{Finding, Judged, Pause, Verdict};
use super::probe::Probe;
use super::probes;
use super::request::Request;

/// Returns that one server was asked, without a key or any other option.
pub(super) fn about() -> About {
    About {
        civitrawl: String::from("0.0.0"),
        platform: String::from("test"),
        server: String::from("https://civitai.com/api/v1"),
        other_host: None,
        began: 1_800_000_000_000,
        key: false,
        download: false,
    }
}

/// Returns an answer with a status and a skeleton.
pub(super) fn answer(request: &Request, status: u16, skeleton: Value) -> Exchange {
    Exchange {
        request: request.clone(),
        failure: None,
        status,
        http: String::from("HTTP/2.0"),
        ms: 100,
        headers: BTreeMap::from([(String::from("content-type"), String::from("application/json"))]),
        location_host: None,
        bytes: 1000,
        blake3: String::new(),
        control_bytes: 0,
        halves: 0,
        skeleton,
        cut: false,
        body: None,
    }
}

/// Returns the skeleton of a page; the last one has no cursor.
pub(super) fn page(items: impl IntoIterator<Item = Value>, cursor: Option<&str>) -> Value {
    let items: Vec<Value> = items.into_iter().collect();
    match cursor {
        Some(cursor) => json!({ "items": items, "metadata": { "nextCursor": cursor } }),
        None => json!({ "items": items, "metadata": {} }),
    }
}

/// Returns a value of a request's query.
pub(super) fn value<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Returns the finding of a probe, by its name, about a server that answers so.
pub(super) fn examine(id: &str, serve: impl FnMut(&Request) -> Exchange) -> Finding {
    let probe = probes::all().find(|probe| probe.id == id).unwrap_or_else(|| panic!("there is no probe {id}"));
    judge(probe.judge, &mut Answers::new(about()), serve)
}

/// Returns the finding of a judgement; `serve` gives each answer that it needs and that is not known.
pub(super) fn judge(
    judge: fn(&Answers) -> Judged,
    answers: &mut Answers,
    mut serve: impl FnMut(&Request) -> Exchange,
) -> Finding {
    loop {
        match judge(answers) {
            Ok(finding) => return finding,
            Err(Pause::Lost(why)) => return Finding::untold(why),
            Err(Pause::Wanted(_)) if answers.all().len() >= 60 => answers.end("60 requests were sent"),
            Err(Pause::Wanted(request)) => answers.add(serve(&request)),
        }
    }
}

/// A case: its name, its change of a server, and the probes that do not hold then, with their verdicts.
pub(super) type Case<S> = (&'static str, fn(&mut S), &'static [(&'static str, Verdict)]);

/// Asserts that each case moves its probes and no others of these, which share their answers as in an examination.
pub(super) fn assert_moved<S>(
    probes: &[&Probe],
    server: impl Fn() -> S,
    serve: impl Fn(&S, &Request) -> Exchange,
    cases: &[Case<S>],
) {
    for (name, change, moved) in cases {
        let mut server = server();
        change(&mut server);
        let mut answers = Answers::new(about());
        for probe in probes {
            let expected = moved.iter().find(|(id, _)| *id == probe.id).map_or(Verdict::Holds, |(_, verdict)| *verdict);
            let finding = judge(probe.judge, &mut answers, |request| serve(&server, request));
            assert_eq!(finding.verdict, expected, "{name}: {}: {}", probe.id, finding.evidence);
        }
    }
}
