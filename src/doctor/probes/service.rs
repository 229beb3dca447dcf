//! The service itself, its headers and its limits: A.

use std::collections::BTreeMap;

use url::Url;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Exchange;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::To;
use super::asked::first_models;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "A1",
        fact: "the server serves pages of models to this program",
        relied_on: &["fetch/client.rs", "fetch/inflate.rs", "fetch/verdict.rs"],
        remedy: "Open the address in a browser on the same machine: a page of HTML or a redirect there names who is in the way.",
        needs: Needs::Nothing,
        judge: served,
    },
    Probe {
        id: "A2",
        fact: "a cache in front of the server keeps answers for at most 450 seconds, and names itself",
        relied_on: &["fetch/answer.rs", "engine/walk/failed_page.rs"],
        remedy: "None is needed: a crawl rechecks with a key that no cache has seen. Rows are as old as the cache says.",
        needs: Needs::Nothing,
        judge: cached,
    },
    Probe {
        id: "A3",
        fact: "links to the next page name the server that was asked",
        relied_on: &["api/envelope.rs"],
        remedy: "None is needed: links are never followed.",
        needs: Needs::Nothing,
        judge: linked,
    },
    Probe {
        id: "A4",
        fact: "answers are compressed",
        relied_on: &["fetch/client.rs", "fetch/inflate.rs"],
        remedy: "None is needed: a crawl reads plain answers too, and more bytes of them.",
        needs: Needs::Nothing,
        judge: compressed,
    },
];

/// The probe about all answers, which is judged after the others.
pub(super) const LIMITS: &[Probe] = &[Probe {
    id: "A5",
    fact: "the server announces no limit of requests, and none was reached",
    relied_on: &["fetch/pace.rs", "fetch/adaptive_rate.rs", "fetch/verdict.rs"],
    remedy: "Set `requests_per_second` of the crawl below the limit.",
    needs: Needs::Nothing,
    judge: unlimited,
}];

/// Longest time (seconds) that a copy is expected to be kept.
const AGE_MAX: u64 = 450;

fn served(answers: &Answers) -> Judged {
    let answer = answers.get(first_models())?;
    let (status, message) = (answer.status, answer.message());
    let kind = answer.header("content-type").unwrap_or("nothing");
    let encoding = answer.header("content-encoding").unwrap_or("identity");
    Ok(match status {
        200 if !matches!(encoding, "gzip" | "identity") => {
            Finding::differs(format!("the answer is encoded as `{encoding}`, which was not asked for"))
        }
        200 if kind.contains("html") => Finding::differs(format!("`{kind}` instead of a page")),
        200 => match answer.page() {
            Ok(page) => Finding::holds(format!("{} models by {}, {encoding}", page.items.len(), answer.http)),
            Err(_) => Finding::differs(format!("`{kind}` of {} bytes without models", answer.bytes)),
        },
        300..400 => {
            let host = answer.location_host.as_deref().unwrap_or("no host");
            Finding::differs(format!("status {status} to {host}"))
        }
        429 | 500.. => Finding::untold(format!("status {status} `{message}`")),
        _ => Finding::differs(format!("status {status}, `{kind}` `{message}`")),
    })
}

fn cached(answers: &Answers) -> Judged {
    let answer = answers.get(first_models())?;
    if answers.about().key {
        return Ok(Finding::untold("with a key answers are private, and no cache keeps them"));
    }
    answer.page()?;
    let control = answer.header("cache-control").unwrap_or_default();
    let word = answer.header("cf-cache-status");
    let age = seconds(control, "s-maxage").map(|age| age + seconds(control, "stale-while-revalidate").unwrap_or(0));
    let evidence = format!("`{control}`, {}", word.unwrap_or("no word of a cache"));
    let is_expected = word.is_some() && age.is_some_and(|age| age <= AGE_MAX);
    Ok(if is_expected { Finding::holds(evidence) } else { Finding::handled(evidence) })
}

/// Returns the seconds of a directive of `Cache-Control`.
fn seconds(control: &str, name: &str) -> Option<u64> {
    control.split(',').find_map(|directive| directive.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

fn linked(answers: &Answers) -> Judged {
    let page = answers.page(first_models())?;
    let host = |address: &str| Url::parse(address).ok()?.host_str().map(str::to_owned);
    let asked = host(&answers.about().server);
    let Some(link) = page.metadata["nextPage"].as_str() else {
        return Ok(Finding::untold("the page has no link"));
    };
    Ok(match host(link) {
        None => Finding::handled("the link names no host"),
        linked if linked == asked => Finding::holds(format!("`{}`", linked.unwrap_or_default())),
        linked => Finding::handled(format!("`{}`", linked.unwrap_or_default())),
    })
}

fn compressed(answers: &Answers) -> Judged {
    let usual = answers.get(first_models())?;
    let any = answers.get(first_models().to(To::ServerAnyEncoding))?;
    let encoding = |answer: &Exchange| answer.header("content-encoding").unwrap_or("identity").to_owned();
    let evidence = format!(
        "{} bytes as `{}`, and {} as `{}` if every encoding is asked for",
        usual.bytes,
        encoding(usual),
        any.bytes,
        encoding(any)
    );
    Ok(match (usual.status, any.status) {
        (200, 200) if encoding(usual) == "identity" => Finding::handled(evidence),
        (200, 200) => Finding::holds(evidence),
        _ => Finding::untold(format!("status {} and {}", usual.status, any.status)),
    })
}

fn unlimited(answers: &Answers) -> Judged {
    let all: Vec<&Exchange> = answers.all().iter().filter(|answer| answer.failure.is_none()).collect();
    let refusals = all.iter().filter(|answer| answer.status == 429).count();
    let is_limit = |name: &str| name.contains("ratelimit") || name == "retry-after";
    let headers = all.iter().flat_map(|answer| &answer.headers).filter(|(name, _)| is_limit(name));
    let headers: BTreeMap<&str, &str> = headers.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
    Ok(match (refusals, headers.as_slice()) {
        _ if all.is_empty() => Finding::untold("nothing was answered"),
        (0, []) => Finding::holds(format!("{} answers, none of 429", all.len())),
        _ => Finding::handled(format!(
            "{refusals} of {} answers are 429, {}; a crawl slows down by itself",
            all.len(),
            if headers.is_empty() { String::from("without a header") } else { headers.join(", ") }
        )),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::finding::Verdict::{self, Differs, Handled, Untold};
    use super::super::super::request::Request;
    use super::super::super::testing::{Case, about, answer, assert_moved, examine, judge, page};
    use super::*;

    fn served(request: &Request) -> Exchange {
        let mut page = page([json!({ "id": 1 })], Some("2024-01-02 03:04:05.678|2"));
        page["metadata"]["nextPage"] = json!("https://civitai.com/…");
        let mut answer = answer(request, 200, page);
        let headers = [
            ("content-encoding", "gzip"),
            ("cache-control", "public, s-maxage=300, stale-while-revalidate=150"),
            ("cf-cache-status", "MISS"),
        ];
        answer.headers.extend(headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        answer
    }

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        fn set(answer: &mut Exchange, name: &str, value: &str) {
            answer.headers.insert(name.to_owned(), value.to_owned());
        }
        const NO_PAGE: &[(&str, Verdict)] = &[("A1", Differs), ("A2", Untold), ("A3", Untold)];
        const REFUSED: &[(&str, Verdict)] = &[("A1", Differs), ("A2", Untold), ("A3", Untold), ("A4", Untold)];
        const DOWN: &[(&str, Verdict)] = &[("A1", Untold), ("A2", Untold), ("A3", Untold), ("A4", Untold)];
        const LIMITED: &[(&str, Verdict)] =
            &[("A1", Untold), ("A2", Untold), ("A3", Untold), ("A4", Untold), ("A5", Handled)];
        let cases: &[Case<Exchange>] = &[
            ("as today", |_| (), &[]),
            ("a strange encoding", |answer| set(answer, "content-encoding", "br"), &[("A1", Differs)]),
            ("plain answers", |answer| set(answer, "content-encoding", "identity"), &[("A4", Handled)]),
            ("blocked", |answer| (answer.status, answer.skeleton) = (403, Value::Null), REFUSED),
            ("moved", |answer| answer.status = 301, REFUSED),
            ("down", |answer| answer.status = 503, DOWN),
            ("too many", |answer| answer.status = 429, LIMITED),
            ("no page", |answer| answer.skeleton = json!({}), NO_PAGE),
            (
                "a page of HTML",
                |answer| {
                    answer.skeleton = Value::Null;
                    set(answer, "content-type", "text/html");
                },
                NO_PAGE,
            ),
            ("no cache", |answer| set(answer, "cache-control", "no-store"), &[("A2", Handled)]),
            ("a long cache", |answer| set(answer, "cache-control", "public, s-maxage=3600"), &[("A2", Handled)]),
            (
                "another cache",
                |answer| {
                    answer.headers.remove("cf-cache-status");
                },
                &[("A2", Handled)],
            ),
            (
                "links elsewhere",
                |answer| answer.skeleton["metadata"]["nextPage"] = json!("https://elsewhere.example/…"),
                &[("A3", Handled)],
            ),
            ("no link", |answer| answer.skeleton["metadata"] = json!({}), &[("A3", Untold)]),
            ("no address", |answer| answer.skeleton["metadata"]["nextPage"] = json!("…17"), &[("A3", Handled)]),
            ("a limit", |answer| set(answer, "ratelimit-remaining", "9"), &[("A5", Handled)]),
            ("a wait", |answer| set(answer, "retry-after", "2"), &[("A5", Handled)]),
        ];
        let all: Vec<&Probe> = PROBES.iter().chain(LIMITS).collect();
        let serve = |answer: &Exchange, request: &Request| Exchange { request: request.clone(), ..answer.clone() };
        assert_moved(&all, || served(&first_models()), serve, cases);
        assert_eq!(examine("A5", served).verdict, Untold);
        let mut keyed = Answers::new(super::super::super::about::About { key: true, ..about() });
        assert_eq!(judge(cached, &mut keyed, served).verdict, Untold);
    }
}
