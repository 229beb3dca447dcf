//! The items of all answers, as the decoders see them: S.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Exchange;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use crate::api::ENDPOINTS;
use crate::api::endpoint::{Endpoint, Paging};
use crate::api::page::{Page, Query};
use crate::table::{Provenance, Tables};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "S1",
        fact: "licences are lists",
        relied_on: &["api/model.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: licences,
    },
    Probe {
        id: "S2",
        fact: "no counter is hidden",
        relied_on: &["api/model.rs", "api/version.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: counters,
    },
    Probe {
        id: "S3",
        fact: "names of users are texts",
        relied_on: &["api/value.rs", "api/username.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: names,
    },
    Probe {
        id: "S4",
        fact: "every model has a creator, and every creator a name",
        relied_on: &["api/model.rs", "api/creators.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: creators,
    },
    Probe {
        id: "S5",
        fact: "every key of an item is known, and has a value of its type",
        relied_on: &["api/item.rs", "api/unknown.rs", "table/unknown.rs"],
        remedy: "Attach the file to a report: items of that form are in the table `rejects` only.",
        needs: Needs::Nothing,
        judge: keys,
    },
    Probe {
        id: "S6",
        fact: "answers have no raw control bytes, which JSON forbids",
        relied_on: &["api/repair.rs", "api/envelope.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: control_bytes,
    },
    Probe {
        id: "S7",
        fact: "no text is cut in the middle of a character",
        relied_on: &["api/repair.rs", "api/envelope.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: halves,
    },
];

/// Most keys that are named.
const NAMED_MAX: usize = 12;

/// Returns the endpoint of a path below the base URL.
fn endpoint_of(path: &str) -> Option<&'static Endpoint> {
    let fits = |endpoint: &Endpoint| match endpoint.path.strip_suffix("{}") {
        Some(stem) => path.strip_prefix(stem).is_some_and(|key| !key.is_empty() && !key.contains('/')),
        None => path == endpoint.path,
    };
    ENDPOINTS.iter().copied().find(|endpoint| fits(endpoint))
}

/// Returns every item that the server has shown, with its endpoint. The answer to a look-up is one itself.
fn items(answers: &Answers) -> impl Iterator<Item = (&'static Endpoint, &Value)> {
    let whole = answers.all().iter().filter(|exchange| exchange.status == 200 && exchange.skeleton.is_object());
    whole.flat_map(|Exchange { request, skeleton, cut, .. }| {
        let endpoint = endpoint_of(&request.path).filter(|_| !cut);
        let items = match endpoint.is_some_and(is_list) {
            true => skeleton["items"].as_array().map_or(&[][..], Vec::as_slice),
            false => std::slice::from_ref(skeleton),
        };
        endpoint.into_iter().flat_map(|endpoint| items.iter().map(move |item| (endpoint, item)))
    })
}

/// True if an answer of this endpoint has a list of items.
fn is_list(endpoint: &Endpoint) -> bool {
    !matches!(endpoint.paging, Paging::Lookup) && endpoint.limit_max > 0
}

/// Returns every value in a JSON value that an object has under this key.
fn under<'a>(key: &str, value: &'a Value) -> Vec<&'a Value> {
    let (mut found, mut left) = (Vec::new(), vec![value]);
    while let Some(value) = left.pop() {
        match value {
            Value::Array(elements) => left.extend(elements),
            Value::Object(fields) => {
                found.extend(fields.get(key));
                left.extend(fields.values());
            }
            _ => {}
        }
    }
    found
}

/// Returns the finding that some of all things have the other form, which is handled so.
fn share(all: usize, other: usize, things: &str, handled: &str) -> Judged {
    Ok(match other {
        _ if all == 0 => Finding::untold(format!("there are no {things}")),
        0 => Finding::holds(format!("all of {all} {things}")),
        other => Finding::handled(format!("{other} of {all} {things} {handled}")),
    })
}

fn licences(answers: &Answers) -> Judged {
    let licences: Vec<&Value> = items(answers).filter_map(|(_, item)| item.get("allowCommercialUse")).collect();
    let texts = licences.iter().filter(|licence| licence.is_string()).count();
    share(licences.len(), texts, "licences", "are texts, which are read as lists")
}

fn counters(answers: &Answers) -> Judged {
    let stats = items(answers).flat_map(|(_, item)| under("stats", item));
    let counters: Vec<&Value> = stats.filter_map(Value::as_object).flat_map(|stats| stats.values()).collect();
    let hidden = counters.iter().filter(|counter| counter.is_null()).count();
    share(counters.len(), hidden, "counters", "are null, and so are their columns")
}

fn names(answers: &Answers) -> Judged {
    let names: Vec<&Value> = items(answers).flat_map(|(_, item)| under("username", item)).collect();
    let numbers = names.iter().filter(|name| name.is_number()).count();
    share(names.len(), numbers, "names of users", "are numbers, which are read as texts; zeros before them are lost")
}

fn creators(answers: &Answers) -> Judged {
    let owner = |(endpoint, item): (&Endpoint, &'_ Value)| match endpoint.name {
        "models" | "model" => Some(item["creator"]["username"].is_null()),
        "creators" => Some(item["username"].is_null()),
        _ => None,
    };
    let owners: Vec<bool> = items(answers).filter_map(|(endpoint, item)| owner((endpoint, item))).collect();
    let nameless = owners.iter().filter(|is_nameless| **is_nameless).count();
    share(owners.len(), nameless, "models and creators", "have no name of a creator; the column is empty")
}

/// Reads an item as a crawl does; the error is its reason to take nothing.
fn read(endpoint: &Endpoint, item: &Value) -> Result<Page, String> {
    let body = if is_list(endpoint) { json!({ "items": [item], "metadata": {} }) } else { item.clone() };
    let at = Provenance { pass: 1, walk: "", page: 1, fetched_at: 0 };
    let query = Query::believed(at);
    let page = (endpoint.read)(&body.to_string(), &query, &mut Tables::default());
    page.map_err(|unreadable| unreadable.to_string())
}

fn keys(answers: &Answers) -> Judged {
    let (mut all, mut unknown, mut lost) = (0, BTreeMap::new(), Vec::new());
    for (endpoint, item) in items(answers) {
        all += 1;
        match read(endpoint, item) {
            Ok(page) if page.rejects == 0 => {
                for (table, key, times) in page.unknown.iter() {
                    *unknown.entry(format!("{table}.{key}")).or_insert(0) += times;
                }
            }
            Ok(_) => lost.push(format!("an item of `{}` becomes no row", endpoint.name)),
            Err(reason) => lost.push(format!("an item of `{}`: {reason}", endpoint.name)),
        }
    }
    let named = || unknown.iter().take(NAMED_MAX).map(|(key, times)| format!("`{key}` ({times})")).collect::<Vec<_>>();
    let more = unknown.len().saturating_sub(NAMED_MAX);
    Ok(match lost.first() {
        _ if all == 0 => Finding::untold("no answer has an item"),
        Some(first) => Finding::differs(format!("{} of {all} items cannot be taken; {first}", lost.len())),
        None if unknown.is_empty() => Finding::holds(format!("all keys of {all} items")),
        None => {
            let others = if more > 0 { format!(" and {more} more") } else { String::new() };
            Finding::handled(format!("kept in the columns `extra` of {all} items: {}{others}", named().join(", ")))
        }
    })
}

fn control_bytes(answers: &Answers) -> Judged {
    repaired(answers, |exchange| exchange.control_bytes, "raw control bytes, which are escaped")
}

fn halves(answers: &Answers) -> Judged {
    repaired(answers, |exchange| exchange.halves, "halves of a character, which are replaced")
}

/// Returns the finding that some answers had to be repaired so many times.
fn repaired(answers: &Answers, repairs: fn(&Exchange) -> u32, things: &str) -> Judged {
    let bodies: Vec<&Exchange> = answers.all().iter().filter(|exchange| !exchange.skeleton.is_null()).collect();
    let times: Vec<u32> = bodies.iter().map(|exchange| repairs(exchange)).filter(|times| *times > 0).collect();
    share(bodies.len(), times.len(), "answers", &format!("have {} {things}", times.iter().sum::<u32>()))
}

#[cfg(test)]
mod tests {
    use super::super::super::answers::Answers;
    use super::super::super::finding::Verdict::{self, Differs, Handled, Holds, Untold};
    use super::super::super::request::Request;
    use super::super::super::testing::{about, answer, page};
    use super::*;

    fn asked(path: &str) -> Request {
        Request::new::<&str>(path, &[])
    }

    fn model() -> Value {
        json!({
            "id": 1, "name": "…3~0000002a", "allowCommercialUse": ["Image"], "stats": { "downloadCount": 5 },
            "creator": { "username": "…3~0000002a" }, "tags": ["…3~0000002a", "…3~0000002b"],
            "modelVersions": [{ "id": 5, "stats": { "downloadCount": 5 }, "files": [{ "id": 7, "sizeKB": 1.5 }] }],
        })
    }

    /// Returns what the server has shown: the model in a list and by itself, an image, a creator, words, and an account, of
    /// which no table has rows.
    fn shown() -> Vec<Exchange> {
        vec![
            answer(&asked("models"), 200, page([model()], None)),
            answer(&asked("models/1"), 200, model()),
            answer(&asked("images"), 200, page([json!({ "id": 3, "username": "…4~0000002c" })], None)),
            answer(&asked("creators"), 200, page([json!({ "username": "…4~0000002c" })], None)),
            answer(&asked("users"), 200, json!({ "items": [{ "id": 4, "username": "…4~0000002c" }] })),
            answer(&asked("enums"), 200, json!({ "ModelType": ["LORA"] })),
            answer(&asked("me"), 200, json!({ "id": 9, "tier": "…4" })),
            answer(&asked("models/2"), 404, json!({ "error": "No model with id 2" })),
        ]
    }

    fn judged(probe: &Probe, exchanges: Vec<Exchange>) -> Finding {
        let mut answers = Answers::new(about());
        exchanges.into_iter().for_each(|exchange| answers.add(exchange));
        (probe.judge)(&answers).unwrap()
    }

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        type Moved = &'static [(&'static str, Verdict)];
        type Change = fn(&mut Vec<Exchange>);
        let cases: &[(&str, Change, Moved)] = &[
            ("as it should be", |_| (), &[]),
            (
                "a licence as text",
                |shown| shown[1].skeleton["allowCommercialUse"] = json!("{Image,Rent}"),
                &[("S1", Handled)],
            ),
            (
                "a hidden counter",
                |shown| shown[1].skeleton["modelVersions"][0]["stats"]["downloadCount"] = Value::Null,
                &[("S2", Handled)],
            ),
            ("a name of digits", |shown| shown[2].skeleton["items"][0]["username"] = json!(42), &[("S3", Handled)]),
            ("no creator", |shown| shown[1].skeleton["creator"] = Value::Null, &[("S4", Handled)]),
            ("no name", |shown| shown[3].skeleton["items"][0]["username"] = Value::Null, &[("S4", Handled)]),
            ("a new key", |shown| shown[0].skeleton["items"][0]["mood"] = json!("…4"), &[("S5", Handled)]),
            ("a new counter", |shown| shown[1].skeleton["stats"]["moodCount"] = json!(1), &[("S5", Handled)]),
            ("another type", |shown| shown[1].skeleton["nsfwLevel"] = json!("…2"), &[("S5", Handled)]),
            ("an item without an id", |shown| shown[2].skeleton["items"][0]["id"] = Value::Null, &[("S5", Differs)]),
            ("an item that is no object", |shown| shown[2].skeleton["items"][0] = json!(7), &[("S5", Differs)]),
            ("a look-up without an id", |shown| shown[1].skeleton["id"] = Value::Null, &[("S5", Differs)]),
            ("a cut answer", |shown| (shown[2].skeleton["items"][0], shown[2].cut) = (json!({}), true), &[]),
            ("a list without items", |shown| shown.push(answer(&asked("tags"), 200, json!({ "error": "…9" }))), &[]),
            ("control bytes", |shown| shown[1].control_bytes = 2, &[("S6", Handled)]),
            ("half a character", |shown| shown[1].halves = 1, &[("S7", Handled)]),
            (
                "nothing",
                Vec::clear,
                &[
                    ("S1", Untold),
                    ("S2", Untold),
                    ("S3", Untold),
                    ("S4", Untold),
                    ("S5", Untold),
                    ("S6", Untold),
                    ("S7", Untold),
                ],
            ),
        ];
        for (name, change, moved) in cases {
            for probe in PROBES {
                let mut exchanges = shown();
                change(&mut exchanges);
                let expected = moved.iter().find(|(id, _)| *id == probe.id).map_or(Holds, |(_, verdict)| *verdict);
                let finding = judged(probe, exchanges);
                assert_eq!(finding.verdict, expected, "{name}: {}: {}", probe.id, finding.evidence);
            }
        }
        let mut new = shown();
        new[0].skeleton["items"][0]["mood"] = json!("…4");
        new[1].skeleton["stats"]["moodCount"] = json!(1);
        let evidence = judged(&PROBES[4], new).evidence;
        assert!(evidence.contains("`models.mood` (1), `models.stats.moodCount` (1)"), "{evidence}");
    }

    #[test]
    fn paths_lead_to_their_endpoints() {
        for (path, name) in [
            ("models", Some("models")),
            ("models/7", Some("model")),
            ("model-versions/7", Some("model_version")),
            ("model-versions/by-hash/AB", Some("model_version_by_hash")),
            ("posts/7", Some("post")),
            ("enums", Some("enums")),
            ("me", None),
            ("models/7/8", None),
            ("7", None),
        ] {
            assert_eq!(endpoint_of(path).map(|endpoint| endpoint.name), name, "{path}");
        }
    }
}
