//! Look-ups: D.

use serde_json::Value;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Exchange;
use super::super::finding::{Finding, Judged, Pause};
use super::super::probe::Probe;
use super::super::request::Request;
use super::asked::{NO_MODEL, first_models, list, sample};
use super::confirmed::{absent, confirmed};

const EMPTY_COLUMNS: &str = "None is needed: the columns stay empty. Report it, so that they are read from elsewhere.";

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "D1",
        fact: "a model is looked up by its id, with the status and time of its versions",
        relied_on: &["api/model_by_id.rs", "api/version.rs"],
        remedy: "Leave out walks of the endpoint `model`, and report the answer.",
        needs: Needs::Nothing,
        judge: model,
    },
    Probe {
        id: "D2",
        fact: "a model that does not exist is not found",
        relied_on: &["fetch/verdict.rs", "engine/walk/failed_page.rs", "engine/walk/missing.rs"],
        remedy: "Report the answer: a crawl takes models that are gone for failures.",
        needs: Needs::Nothing,
        judge: no_model,
    },
    Probe {
        id: "D3",
        fact: "a version is looked up by its id, with columns that no list has",
        relied_on: &["api/version_by_id.rs", "api/version.rs", "api/value.rs"],
        remedy: EMPTY_COLUMNS,
        needs: Needs::Nothing,
        judge: version,
    },
    Probe {
        id: "D4",
        fact: "a version is looked up by the hash of its file",
        relied_on: &["api/version_by_hash.rs", "lookup/mod.rs"],
        remedy: "Do not trust `civitrawl get hash`: it shows another version than that of the file.",
        needs: Needs::Nothing,
        judge: hash,
    },
];

/// A version that a list shows with a file, and its model.
struct Known {
    model: i64,
    version: i64,
}

/// Returns a version to look up: of the first models, else of the newest.
///
/// # Errors
/// When an answer is not known yet or cannot be had, or no model fits.
fn known(answers: &Answers) -> Result<Known, Pause> {
    for request in [first_models(), sample()] {
        if let Some(known) = answers.page(request)?.items.iter().find_map(with_file) {
            return Ok(known);
        }
    }
    Err(Pause::Lost(String::from("no model of the lists has a version with a file and its SHA256")))
}

fn with_file(model: &Value) -> Option<Known> {
    let versions = model["modelVersions"].as_array().filter(|_| model["mode"].is_null())?;
    let version = versions.iter().find(|version| sha256(version).is_some())?;
    Some(Known { model: model["id"].as_i64()?, version: version["id"].as_i64()? })
}

/// Returns the SHA256 of a version's first file that has one.
fn sha256(version: &Value) -> Option<&str> {
    let hash = |file: &'_ Value| file["hashes"]["SHA256"].as_str().map(str::len) == Some(64);
    version["files"].as_array()?.iter().find(|file| hash(file))?["hashes"]["SHA256"].as_str()
}

/// An answer to a look-up.
enum LookedUp<'a> {
    /// The first answer, or that of a key which no cache has seen.
    Found(&'a Value, &'static str),
    /// It was not found either time.
    Absent(&'a Exchange),
}

/// Looks a thing up, with a fresh key once it is not found.
fn look_up(answers: &Answers, request: Request) -> Result<LookedUp<'_>, Pause> {
    let first = answers.get(request.clone())?;
    if first.status != 404 {
        return Ok(LookedUp::Found(first.json()?, ""));
    }
    let second = answers.get(request.with("_", answers.fresh("again")))?;
    match second.status {
        404 => Ok(LookedUp::Absent(second)),
        _ => Ok(LookedUp::Found(second.json()?, "404 from a cache first; a crawl asks again with a fresh key. ")),
    }
}

fn path(path: &str) -> Request {
    Request::new::<&str>(path, &[])
}

/// Returns the finding about a thing that a list shows and that is looked up in vain. It may be gone since.
fn in_vain(answers: &Answers, model: i64, answer: &Exchange) -> Judged {
    let listed = answers.page(list("Oldest", 1).with("ids", model).with("_", answers.fresh("listed")))?;
    Ok(match listed.ids().contains(&model) {
        true => {
            Finding::differs(format!("404 `{}` of `{}`, which the list shows", answer.message(), answer.request.path))
        }
        false => Finding::untold(format!("model {model} is gone since")),
    })
}

/// Returns the finding about an answer that has everything but these, and a word about its cache.
fn complete(lacking: &[&str], evidence: String, cached: &str) -> Finding {
    match lacking {
        [] if cached.is_empty() => Finding::holds(evidence),
        [] => Finding::handled(format!("{cached}{evidence}")),
        lacking => Finding::handled(format!("{cached}{evidence}; without {}: columns stay empty", lacking.join(", "))),
    }
}

fn model(answers: &Answers) -> Judged {
    let Known { model, .. } = known(answers)?;
    let (found, cached) = match look_up(answers, path(&format!("models/{model}")))? {
        LookedUp::Found(found, cached) => (found, cached),
        LookedUp::Absent(answer) => return in_vain(answers, model, answer),
    };
    if found["id"].as_i64() != Some(model) {
        return Ok(Finding::differs(format!("model {} is shown for {model}", found["id"])));
    }
    let versions = found["modelVersions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lacks = |key: &&str| versions.iter().any(|version| version[*key].is_null());
    let lacking: Vec<&str> = ["status", "createdAt"].into_iter().filter(lacks).collect();
    Ok(complete(&lacking, format!("model {model} with {} versions", versions.len()), cached))
}

fn no_model(answers: &Answers) -> Judged {
    let request = |key: &str| path(&format!("models/{NO_MODEL}")).with("_", key);
    confirmed(answers, &answers.fresh("nothing"), request, |answer| {
        if let Some(finding) = absent(answer, "No model with id") {
            return Ok(finding);
        }
        Ok(match answer.status {
            500.. => Finding::untold(format!("status {}", answer.status)),
            status => Finding::differs(format!("status {status} `{}`", answer.message())),
        })
    })
}

fn version_path(version: i64) -> Request {
    path(&format!("model-versions/{version}"))
}

fn version(answers: &Answers) -> Judged {
    let Known { model, version } = known(answers)?;
    let (found, cached) = match look_up(answers, version_path(version))? {
        LookedUp::Found(found, cached) => (found, cached),
        LookedUp::Absent(answer) => return in_vain(answers, model, answer),
    };
    if found["id"].as_i64() != Some(version) {
        return Ok(Finding::differs(format!("version {} is shown for {version}", found["id"])));
    }
    let files = found["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lacking: Vec<&str> = ["air", "usageControl"].into_iter().filter(|key| found[*key].is_null()).collect();
    if !files.iter().all(|file| file["primary"].is_boolean()) {
        lacking.push("`primary` of each file");
    }
    let scans: Vec<&str> = files.iter().filter_map(|file| file["scannedAt"].as_str()).collect();
    let zoned = scans.iter().filter(|scan| scan.ends_with('Z') || scan.contains('+')).count();
    let evidence =
        format!("version {version} with {} files, scanned at {}", files.len(), scans.first().unwrap_or(&"no time"));
    Ok(match zoned {
        0 => complete(&lacking, evidence, cached),
        _ if lacking.is_empty() => Finding::handled(format!("{cached}{evidence}, with a zone; both forms are read")),
        _ => complete(&lacking, evidence, cached),
    })
}

fn hash(answers: &Answers) -> Judged {
    let Known { model, version } = known(answers)?;
    let LookedUp::Found(found, _) = look_up(answers, version_path(version))? else {
        return Ok(Finding::untold(format!("version {version} is not found")));
    };
    let Some(hash) = sha256(found) else {
        return Ok(Finding::untold(format!("no file of version {version} has a SHA256")));
    };
    let (other, cached) = match look_up(answers, path(&format!("model-versions/by-hash/{hash}")))? {
        LookedUp::Found(other, cached) => (other, cached),
        LookedUp::Absent(answer) => return in_vain(answers, model, answer),
    };
    let has_it = |file: &Value| file["hashes"]["SHA256"].as_str() == Some(hash);
    Ok(match other["files"].as_array().is_some_and(|files| files.iter().any(has_it)) {
        true => complete(&[], format!("version {} has the file of version {version}", other["id"]), cached),
        false => Finding::differs(format!("version {} is shown, without the file of version {version}", other["id"])),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::super::finding::Verdict::{Differs, Handled, Untold};
    use super::super::super::testing::{Case, answer, assert_moved, page, value};
    use super::*;

    /// The answers to each kind of request; the second one of a kind is that to a fresh key.
    struct Server {
        listed: Vec<Value>,
        model: [(u16, Value); 2],
        none: (u16, Value),
        version: [(u16, Value); 2],
        by_hash: [(u16, Value); 2],
        /// True if the list still shows the model at the end.
        stays: bool,
        html: bool,
    }

    fn file() -> Value {
        json!({ "primary": true, "scannedAt": "2024-01-02T03:04:05.678", "hashes": { "SHA256": "A".repeat(64) } })
    }

    fn missing() -> (u16, Value) {
        (404, json!({ "error": "No model with id 7" }))
    }

    impl Server {
        fn new() -> Self {
            let version = json!({ "id": 112, "air": "urn:air:sd1:lora:civitai:7@112", "usageControl": "Download", "files": [file()] });
            let model = json!({ "id": 7, "modelVersions": [{ "id": 112, "status": "Published", "createdAt": "2024-01-02T03:04:05.678Z" }] });
            Self {
                listed: vec![
                    json!({ "id": 6, "modelVersions": [] }),
                    json!({ "id": 7, "modelVersions": [{ "id": 112, "files": [file()] }] }),
                ],
                model: [(200, model), missing()],
                none: missing(),
                version: [(200, version.clone()), missing()],
                by_hash: [(200, version), missing()],
                stays: true,
                html: false,
            }
        }

        fn serve(&self, request: &Request) -> Exchange {
            let again = usize::from(value(request, "_").is_some());
            let (status, skeleton) = match request.path.as_str() {
                "models" if again == 1 => (200, page(self.listed.iter().filter(|_| self.stays).cloned(), None)),
                "models" => (200, page(self.listed.clone(), Some("2024-01-02 03:04:05.678|8"))),
                "models/7" => self.model[again].clone(),
                "models/2147483000" => self.none.clone(),
                path if path.contains("by-hash") => self.by_hash[again].clone(),
                _ => self.version[again].clone(),
            };
            let kind = if self.html { "text/html" } else { "application/json" };
            let headers = BTreeMap::from([(String::from("content-type"), String::from(kind))]);
            Exchange { headers, ..answer(request, status, skeleton) }
        }
    }

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        let cases: &[Case<Server>] = &[
            ("as today", |_| (), &[]),
            ("a cached 404 of a model", |server| server.model.reverse(), &[("D1", Handled)]),
            ("a model that cannot be looked up", |server| server.model[0] = missing(), &[("D1", Differs)]),
            (
                "a model that is gone since",
                |server| (server.model[0], server.stays) = (missing(), false),
                &[("D1", Untold)],
            ),
            ("another model", |server| server.model[0].1["id"] = json!(8), &[("D1", Differs)]),
            (
                "versions without a status",
                |server| server.model[0].1["modelVersions"][0]["status"] = Value::Null,
                &[("D1", Handled)],
            ),
            ("models fail", |server| server.model[0] = (500, Value::Null), &[("D1", Untold)]),
            ("other words", |server| server.none = (404, json!({ "error": "Gone" })), &[("D2", Handled)]),
            ("a 404 of HTML", |server| (server.none, server.html) = ((404, Value::Null), true), &[("D2", Differs)]),
            ("a model that cannot be", |server| server.none = (200, json!({ "id": 1 })), &[("D2", Differs)]),
            ("an id that is refused", |server| server.none = (400, json!({ "error": "id" })), &[("D2", Differs)]),
            ("absence fails", |server| server.none = (502, Value::Null), &[("D2", Untold)]),
            ("no usage control", |server| server.version[0].1["usageControl"] = Value::Null, &[("D3", Handled)]),
            (
                "times with a zone",
                |server| server.version[0].1["files"][0]["scannedAt"] = json!("2024-01-02T03:04:05.678Z"),
                &[("D3", Handled)],
            ),
            (
                "primary only if it is",
                |server| server.version[0].1["files"][0]["primary"] = Value::Null,
                &[("D3", Handled)],
            ),
            ("another version", |server| server.version[0].1["id"] = json!(113), &[("D3", Differs)]),
            ("no such version", |server| server.version[0] = missing(), &[("D3", Differs), ("D4", Untold)]),
            ("a version without files", |server| server.version[0].1["files"] = json!([]), &[("D4", Untold)]),
            ("an older version of that hash", |server| server.by_hash[0].1["id"] = json!(16), &[]),
            (
                "a version without that hash",
                |server| server.by_hash[0].1["files"][0]["hashes"] = json!({}),
                &[("D4", Differs)],
            ),
            ("no version of that hash", |server| server.by_hash[0] = missing(), &[("D4", Differs)]),
            (
                "no file in the lists",
                |server| server.listed.truncate(1),
                &[("D1", Untold), ("D3", Untold), ("D4", Untold)],
            ),
        ];
        assert_moved(&PROBES.iter().collect::<Vec<_>>(), Server::new, Server::serve, cases);
    }
}
