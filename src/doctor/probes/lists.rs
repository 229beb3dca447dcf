//! Lists by number, and words: F.

use std::collections::HashSet;

use serde_json::Value;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Page;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::Request;
use super::confirmed::confirmed;
use crate::api::enums;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "F1",
        fact: "tags are listed page by page, all of them by the query `%`",
        relied_on: &["api/tags.rs", "engine/walk/by_number.rs"],
        remedy: "Do not rely on `query = \"%\"`: add walks of tags by first letters, and take the tags of the models too.",
        needs: Needs::Nothing,
        judge: tags,
    },
    Probe {
        id: "F2",
        fact: "the totals of tags are dummies, so only an empty page ends them",
        relied_on: &["api/tags.rs"],
        remedy: "Attach the file to a report: pages of tags cannot be read.",
        needs: Needs::Nothing,
        judge: totals_of_tags,
    },
    Probe {
        id: "F4",
        fact: "pages of creators report how many there are",
        relied_on: &["api/creators.rs", "api/envelope.rs", "engine/walk/by_number.rs"],
        remedy: "Leave out walks of creators, which would end early; the models name their creators.",
        needs: Needs::Nothing,
        judge: totals_of_creators,
    },
    Probe {
        id: "F5",
        fact: "the server has no type of model that is new",
        relied_on: &["api/enums.rs", "api/models_params.rs", "engine/walk/by_value.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: words,
    },
];

/// The order of a list shows itself by two answers that are some time apart, so this is judged later.
pub(super) const ORDER: &[Probe] = &[Probe {
    id: "F3",
    fact: "creators have no order, so a crawl walks them twice",
    relied_on: &["api/creators.rs"],
    remedy: "Attach the file to a report.",
    needs: Needs::Nothing,
    judge: order_of_creators,
}];

/// Tags of a page, and creators of a page.
const TAGS: usize = 20;
const CREATORS: usize = 100;

fn numbered(path: &str, limit: usize, page: u32, key: &str) -> Request {
    Request::new::<&str>(path, &[]).with("limit", limit).with("page", page).with("_", key)
}

/// Returns the request for a page of all tags.
fn all_tags(page: u32, key: &str) -> Request {
    numbered("tags", TAGS, page, key).with("query", "%")
}

fn names<'a>(page: Page<'a>, key: &str) -> Vec<&'a Value> {
    page.items.iter().map(|item| &item[key]).collect()
}

fn tags(answers: &Answers) -> Judged {
    let key = answers.fresh("tags");
    confirmed(
        answers,
        &key,
        |key| all_tags(1, key),
        |answer| {
            let first = answer.page()?;
            let all = first.items.len();
            if all < TAGS {
                let plain = answers.page(numbered("tags", TAGS, 1, &key))?.items.len();
                return Ok(match plain > all {
                    true => Finding::differs(format!("`%` finds {all} tags, and without a query there are {plain}")),
                    false => Finding::untold(format!("there are {all} tags, and they have one page")),
                });
            }
            let next = answers.page(all_tags(2, &key))?;
            let shown: HashSet<&Value> = names(first, "name").into_iter().collect();
            let (more, repeated) =
                (next.items.len(), names(next, "name").iter().filter(|name| shown.contains(*name)).count());
            Ok(match repeated {
                _ if more == 0 => Finding::untold(format!("there are {all} tags, and they have one page")),
                0 => Finding::holds(format!("{all} and {more} tags")),
                repeated if repeated < more => Finding::handled(format!(
                    "{repeated} of {more} tags repeat the page before; a crawl keeps each once"
                )),
                _ => Finding::differs(format!("the second page repeats all {more} tags of the first")),
            })
        },
    )
}

fn totals_of_tags(answers: &Answers) -> Judged {
    let metadata = answers.page(all_tags(1, &answers.fresh("tags")))?.metadata;
    let total = |key: &str| metadata[key].to_string();
    let totals = format!("`totalItems` {}, `totalPages` {}", total("totalItems"), total("totalPages"));
    Ok(match metadata["totalPages"].as_u64() {
        _ if !metadata.is_object() => Finding::differs("the page has no `metadata`"),
        Some(0 | 1) => Finding::holds(totals),
        _ => Finding::handled(format!("{totals}; a walk goes on to the empty page all the same")),
    })
}

/// Returns the request for the second page of creators.
fn creators(key: &str) -> Request {
    numbered("creators", CREATORS, 2, key)
}

fn order_of_creators(answers: &Answers) -> Judged {
    let first = names(answers.page(creators(&answers.fresh("creators")))?, "username");
    let then = names(answers.page(creators(&answers.fresh("order")))?, "username");
    let moved = first.iter().zip(&then).filter(|(name, then)| name != then).count();
    Ok(match moved {
        _ if first.is_empty() => Finding::untold("there is one page of creators"),
        0 => Finding::untold(format!("two answers have the same {} creators in the same order", first.len())),
        moved => Finding::holds(format!("{moved} of {} places changed between two answers", first.len())),
    })
}

fn totals_of_creators(answers: &Answers) -> Judged {
    let page = answers.page(creators(&answers.fresh("creators")))?;
    let total = |key: &str| &page.metadata[key];
    let (shown, totals) = (page.items.len(), [total("totalItems"), total("totalPages")]);
    if totals.iter().any(|total| total.is_string()) {
        return Ok(Finding::handled("the totals are texts, which are read as numbers"));
    }
    let [Some(items), Some(pages)] = totals.map(Value::as_u64) else {
        return Ok(Finding::handled("no totals; a walk goes on to an empty page"));
    };
    let totals = format!("{items} creators on {pages} pages");
    Ok(if shown > 0 && (pages < 2 || pages.saturating_mul(CREATORS as u64) < items) {
        Finding::differs(format!("{totals}, but the second, of {CREATORS}, shows {shown}"))
    } else {
        Finding::holds(totals)
    })
}

fn words(answers: &Answers) -> Judged {
    let words = answers.get(Request::new::<&str>(enums::PATH, &[]))?.json()?;
    let known = enums::model_types(None);
    let Some(types) = words["ModelType"].as_array() else {
        return Ok(Finding::untold(format!(
            "no list `ModelType`; walks by type ask for the {} known ones",
            known.len()
        )));
    };
    let new: Vec<String> = types
        .iter()
        .filter_map(Value::as_str)
        .filter(|word| !known.iter().any(|known| known == word))
        .take(10)
        .map(|word| format!("`{word}`"))
        .collect();
    Ok(match new.len() {
        _ if types.is_empty() => Finding::untold("the list `ModelType` is empty"),
        0 => Finding::holds(format!("{} types of models, all known", types.len())),
        _ => Finding::handled(format!("{}; walks by type ask for them too", new.join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::exchange::Exchange;
    use super::super::super::finding::Verdict::{self, Differs, Handled, Untold};
    use super::super::super::testing::{answer, assert_moved, value};
    use super::*;

    /// Answers as the newest server does; creators change places between two answers.
    fn serve(request: &Request) -> Exchange {
        let page: usize = value(request, "page").map_or(0, |page| page.parse().unwrap());
        let limit: usize = value(request, "limit").map_or(0, |limit| limit.parse().unwrap());
        let mut names: Vec<usize> = (0..limit).map(|row| page * limit + row).collect();
        let skeleton = match request.path.as_str() {
            "enums" => json!({ "ModelType": ["LORA", "Checkpoint"], "BaseModel": ["SD 1.5"] }),
            "tags" => {
                let items: Vec<Value> = names.iter().map(|name| json!({ "name": format!("…3~{name:08x}") })).collect();
                json!({ "items": items, "metadata": { "totalItems": 0, "totalPages": 1 } })
            }
            _ => {
                if value(request, "_").is_some_and(|key| key.ends_with("order")) {
                    names.swap(0, 1);
                }
                let items: Vec<Value> =
                    names.iter().map(|name| json!({ "username": format!("…3~{name:08x}") })).collect();
                json!({ "items": items, "metadata": { "totalItems": 250, "totalPages": 3, "currentPage": 2 } })
            }
        };
        answer(request, 200, skeleton)
    }

    fn is_page(request: &Request, path: &str, page: &str) -> bool {
        request.path == path && value(request, "page") == Some(page)
    }

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        type Moved = &'static [(&'static str, Verdict)];
        type Change = fn(&Request, &mut Value);
        let cases: &[(&str, Change, Moved)] = &[
            ("as today", |_, _| (), &[]),
            (
                "`%` is a letter",
                |asked, json| {
                    if value(asked, "query").is_some() {
                        json["items"] = json!([]);
                    }
                },
                &[("F1", Differs)],
            ),
            (
                "few tags",
                |asked, json| {
                    if asked.path == "tags" {
                        json["items"] = json!([{ "name": "…1" }]);
                    }
                },
                &[("F1", Untold)],
            ),
            (
                "one page of tags",
                |asked, json| {
                    if is_page(asked, "tags", "2") {
                        json["items"] = json!([]);
                    }
                },
                &[("F1", Untold)],
            ),
            (
                "pages of tags are ignored",
                |asked, json| {
                    if is_page(asked, "tags", "2") {
                        json["items"] = serve(&all_tags(1, "")).skeleton["items"].clone();
                    }
                },
                &[("F1", Differs)],
            ),
            (
                "a tag repeats",
                |asked, json| {
                    if is_page(asked, "tags", "2") {
                        json["items"][0] = serve(&all_tags(1, "")).skeleton["items"][0].clone();
                    }
                },
                &[("F1", Handled)],
            ),
            (
                "true totals",
                |asked, json| {
                    if asked.path == "tags" {
                        json["metadata"] = json!({ "totalItems": 900, "totalPages": 45 });
                    }
                },
                &[("F2", Handled)],
            ),
            (
                "no metadata",
                |asked, json| {
                    if asked.path == "tags" {
                        json["metadata"] = Value::Null;
                    }
                },
                &[("F2", Differs)],
            ),
            (
                "creators in one order",
                |asked, json| {
                    if asked.path == "creators" {
                        json["items"] = json!([{ "username": "…3" }, {}]);
                    }
                },
                &[("F3", Untold)],
            ),
            (
                "one page of creators",
                |asked, json| {
                    if asked.path == "creators" {
                        *json = json!({ "items": [], "metadata": { "totalItems": 5, "totalPages": 1 } });
                    }
                },
                &[("F3", Untold)],
            ),
            (
                "totals as texts",
                |asked, json| {
                    if asked.path == "creators" {
                        json["metadata"] = json!({ "totalItems": "…3", "totalPages": 3 });
                    }
                },
                &[("F4", Handled)],
            ),
            (
                "no totals",
                |asked, json| {
                    if asked.path == "creators" {
                        json["metadata"] = json!({});
                    }
                },
                &[("F4", Handled)],
            ),
            (
                "dummy totals",
                |asked, json| {
                    if asked.path == "creators" {
                        json["metadata"] = json!({ "totalItems": 0, "totalPages": 1 });
                    }
                },
                &[("F4", Differs)],
            ),
            (
                "too few pages",
                |asked, json| {
                    if asked.path == "creators" {
                        json["metadata"]["totalItems"] = json!(301);
                    }
                },
                &[("F4", Differs)],
            ),
            (
                "a new word",
                |asked, json| {
                    if asked.path == "enums" {
                        json["ModelType"] = json!(["LORA", "Hologram"]);
                    }
                },
                &[("F5", Handled)],
            ),
            (
                "no words",
                |asked, json| {
                    if asked.path == "enums" {
                        json["ModelType"] = json!([]);
                    }
                },
                &[("F5", Untold)],
            ),
            (
                "another form of words",
                |asked, json| {
                    if asked.path == "enums" {
                        json["ModelType"] = json!({ "LORA": 1 });
                    }
                },
                &[("F5", Untold)],
            ),
        ];
        let probes: Vec<&Probe> = PROBES.iter().chain(ORDER).collect();
        for (name, change, moved) in cases {
            let serve = |(): &(), request: &Request| {
                let mut answer = serve(request);
                change(request, &mut answer.skeleton);
                answer
            };
            assert_moved(&probes, || (), serve, &[(name, |()| (), moved)]);
        }
    }
}
