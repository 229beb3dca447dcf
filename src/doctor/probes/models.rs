//! Parameters of models: C.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Page;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::Request;
use super::asked::{NO_MODEL, list, sample};
use super::beginning::{self, Oldest, more_of_oldest, sent};
use super::confirmed::{absent, confirmed};

/// Newest models that are looked at for one above PG13, if none of the first [`sample`] is.
const FURTHER: u32 = 100;
/// Fewer show nothing: a fifth to a tenth of all models are such.
const SAMPLE_MIN: usize = 30;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "C1",
        fact: "pages of models are not numbered",
        relied_on: &["api/models_params.rs"],
        remedy: "None is needed: a crawl walks by cursor.",
        needs: Needs::Nothing,
        judge: unnumbered,
    },
    Probe {
        id: "C2",
        fact: "without `nsfw` only models that show PG are listed",
        relied_on: &["engine/writer/clamp.rs"],
        remedy: "None is needed: the second walk of crawls/models.toml reads more than it has to.",
        needs: Needs::Nothing,
        judge: mild_by_default,
    },
    Probe {
        id: "C3",
        fact: "with `nsfw=true` models above PG13 are listed",
        relied_on: &["engine/writer/clamp.rs", "engine/report/completeness.rs"],
        remedy: "Crawl from a network in another country: the server hides these models in this one, and a crawl lacks them.",
        needs: Needs::Nothing,
        judge: mature,
    },
    Probe {
        id: "C4",
        fact: "`ids` answers the models asked for and no others",
        relied_on: &["api/models_params.rs", "engine/walk/missing.rs"],
        remedy: "Leave out the walks by `ids` of crawls/everything.toml: they read other models than they ask for.",
        needs: Needs::Nothing,
        judge: asked_for,
    },
    Probe {
        id: "C5",
        fact: "`ids` shows every version that the list shows",
        relied_on: &["api/model.rs", "engine/walk/missing.rs"],
        remedy: "Leave out the walks by `ids` of crawls/everything.toml: they show fewer versions than the list.",
        needs: Needs::Nothing,
        judge: all_versions,
    },
    Probe {
        id: "C6",
        fact: "an unknown `tag` is no filter",
        relied_on: &["api/models_params.rs"],
        remedy: "None is needed: a walk of an unknown tag is empty.",
        needs: Needs::Nothing,
        judge: unknown_tag,
    },
    Probe {
        id: "C7",
        fact: "an unknown `username` is not found",
        relied_on: &["fetch/verdict.rs"],
        remedy: "Leave out walks of models by `username`, or compare the creators of their rows.",
        needs: Needs::Nothing,
        judge: unknown_user,
    },
    Probe {
        id: "C8",
        fact: "more than 100 models a page are refused with a reason",
        relied_on: &["api/models_params.rs", "fetch/message.rs"],
        remedy: "Report the answer: another limit may be better.",
        needs: Needs::Nothing,
        judge: limits,
    },
];

/// Returns the masks of levels that the items of a page have.
fn masks(page: Page<'_>) -> Vec<i64> {
    page.items.iter().filter_map(|item| item["nsfwLevel"].as_i64()).collect()
}

fn unnumbered(answers: &Answers) -> Judged {
    let oldest = more_of_oldest(answers)?;
    let first = oldest.beginning.first.ids();
    let second = oldest.second?.page()?.ids();
    let again = second.iter().filter(|row| first.contains(row)).count();
    Ok(match (second.len(), again) {
        (0, _) => Finding::untold("page 2 is empty"),
        (_, 0) => Finding::handled("page 2 has other models than page 1; a crawl walks by cursor"),
        (all, again) => Finding::holds(format!("{again} of the {all} models on page 2 are on page 1 too")),
    })
}

fn mild_by_default(answers: &Answers) -> Judged {
    let query =
        [("sort", "Newest"), ("limit", "20"), ("period", "AllTime"), ("archived", "true"), ("primaryFileOnly", "true")];
    let masks = masks(answers.page(Request::new("models", &query))?);
    let others = masks.iter().filter(|mask| **mask & 1 == 0).count();
    Ok(match (masks.len(), others) {
        (0..5, 0) => Finding::untold(format!("only {} models have levels", masks.len())),
        (all, 0) => Finding::holds(format!("{all} of {all} show PG")),
        (all, others) => Finding::handled(format!("{others} of {all} do not show PG; `latest/` has each model once")),
    })
}

fn mature(answers: &Answers) -> Judged {
    let first = answers.page(sample())?;
    let mut masks = masks(first);
    let are_mature = |masks: &[i64]| masks.iter().filter(|mask| **mask & 3 == 0).count();
    if are_mature(&masks) == 0
        && let Some(cursor) = first.cursor
    {
        let further = list("Newest", FURTHER).with("primaryFileOnly", true).with("cursor", sent("Newest", cursor));
        masks.extend(self::masks(answers.page(further)?));
    }
    Ok(match (masks.len(), are_mature(&masks)) {
        (all, 0) if all < SAMPLE_MIN => Finding::untold(format!("only {all} models have levels")),
        (all, 0) => Finding::differs(format!("all of the {all} newest show PG or PG13")),
        (all, mature) => Finding::holds(format!("{mature} of {all} show neither PG nor PG13")),
    })
}

/// Judges the answer to a request for known models by their ids.
fn by_ids(answers: &Answers, judge: impl Fn(&[&Value], Page<'_>) -> Finding) -> Judged {
    let Oldest { known, key, .. } = more_of_oldest(answers)?;
    confirmed(answers, &key, |key| beginning::by_ids(&known, key), |answer| Ok(judge(&known, answer.page()?)))
}

fn id(model: &Value) -> i64 {
    model["id"].as_i64().unwrap_or_default()
}

fn asked_for(answers: &Answers) -> Judged {
    by_ids(answers, |known, page| {
        let (known, shown): (Vec<i64>, _) = (known.iter().map(|model| id(model)).collect(), page.ids());
        let foreign = shown.iter().filter(|id| **id != NO_MODEL && !known.contains(id)).count();
        let lacking = known.iter().filter(|id| !shown.contains(id)).count();
        match (foreign, lacking) {
            _ if known.is_empty() => Finding::untold("no model is known by its id"),
            (0, 0) => Finding::holds(format!("{} models asked for, and these {} shown", known.len(), shown.len())),
            (0, _) => {
                Finding::differs(format!("{lacking} of {} models that the list shows are not shown", known.len()))
            }
            _ => Finding::differs(format!("{foreign} of {} models shown were not asked for", shown.len())),
        }
    })
}

fn all_versions(answers: &Answers) -> Judged {
    let versions =
        |model: &Value| -> BTreeSet<i64> { model["modelVersions"].as_array().into_iter().flatten().map(id).collect() };
    by_ids(answers, |known, page| {
        let pairs = known.iter().filter_map(|listed| {
            let shown = page.items.iter().find(|shown| id(shown) == id(listed))?;
            Some((versions(listed), versions(shown)))
        });
        let pairs: Vec<_> = pairs.collect();
        let listed: usize = pairs.iter().map(|(listed, _)| listed.len()).sum();
        let shown: usize = pairs.iter().map(|(_, shown)| shown.len()).sum();
        let lacking: usize = pairs.iter().map(|(listed, shown)| listed.difference(shown).count()).sum();
        match (listed, lacking) {
            (0, _) => Finding::untold("the list shows no version of the models asked for"),
            (_, 0) => Finding::holds(format!("{shown} versions by ids, {listed} in the list")),
            _ => Finding::differs(format!("{lacking} of {listed} versions that the list shows are lacking")),
        }
    })
}

fn unknown_tag(answers: &Answers) -> Judged {
    let page = answers.page(list("Newest", 5).with("tag", "civitrawl-no-such-tag"))?;
    Ok(match page.items.len() {
        0 if page.cursor.is_none() => Finding::handled("it filters: no model is shown"),
        0 => Finding::untold("the page is empty, but the list goes on"),
        _ => Finding::holds("the whole list is shown; a crawl compares its rows"),
    })
}

fn unknown_user(answers: &Answers) -> Judged {
    let request = |key: &str| list("Newest", 1).with("username", "civitrawl_no_such_user").with("_", key);
    confirmed(answers, &answers.fresh("user"), request, |answer| {
        if let Some(finding) = absent(answer, "User not found") {
            return Ok(finding);
        }
        let page = answer.page()?;
        Ok(match page.items.len() {
            0 if page.cursor.is_none() => Finding::handled("it has an empty list, and a walk of it no rows"),
            0 => Finding::untold("the page is empty, but the list goes on"),
            _ => Finding::differs("models of others are shown"),
        })
    })
}

fn limits(answers: &Answers) -> Judged {
    let answer = answers.get(list("Newest", 101).with("primaryFileOnly", true))?;
    if answer.status == 400 {
        let message = answer.message();
        let issues: Value = serde_json::from_str(message).unwrap_or_default();
        return Ok(match issues[0]["message"].as_str().unwrap_or(message) {
            "" => Finding::handled("400 without a reason"),
            reason => Finding::holds(format!("400 `{reason}`")),
        });
    }
    Ok(Finding::handled(format!("{} models are shown; a crawl asks for 100", answer.page()?.items.len())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::exchange::Exchange;
    use super::super::super::finding::Verdict::{Differs, Handled, Untold};
    use super::super::super::testing::{Case, answer, assert_moved, page, value};
    use super::*;

    /// A server of models that differs in a few things.
    struct Server {
        /// The masks of levels, newest first, again and again.
        masks: &'static [i64],
        /// Number of models.
        models: i64,
        /// True if pages are numbered.
        numbered: bool,
        /// True if `nsfw` has no effect.
        all_levels: bool,
        /// Ids that `ids` shows beside those asked for, and does not show.
        foreign: &'static [i64],
        lacking: &'static [i64],
        /// Versions of each model in the list, and by ids.
        versions: (i64, i64),
        /// The answers to an unknown tag, an unknown user, and a limit too large.
        tag: fn(&Request) -> Exchange,
        user: fn(&Request) -> Exchange,
        limit: fn(&Request) -> Exchange,
    }

    impl Server {
        fn new() -> Self {
            Self {
                masks: &[1, 3, 28, 31],
                models: 1000,
                numbered: false,
                all_levels: false,
                foreign: &[],
                lacking: &[],
                versions: (2, 3),
                tag: |request| answer(request, 200, page([json!({ "id": 5 })], Some("5|5"))),
                user: |request| answer(request, 404, json!({ "message": "User not found" })),
                limit: |request| answer(request, 400, json!({ "message": "Too big" })),
            }
        }

        fn serve(&self, request: &Request) -> Exchange {
            let asked = |name| value(request, name);
            if asked("tag").is_some() {
                return (self.tag)(request);
            }
            if asked("username").is_some() {
                return (self.user)(request);
            }
            let limit: i64 = asked("limit").unwrap().parse().unwrap();
            if limit == 101 {
                return (self.limit)(request);
            }
            let model = |id: i64, versions: i64| {
                let mask = self.masks[usize::try_from(id).unwrap() % self.masks.len()];
                json!({ "id": id, "nsfwLevel": mask, "modelVersions": (0..versions).map(|at| json!({ "id": id * 16 + at })).collect::<Vec<_>>() })
            };
            if let Some(ids) = asked("ids") {
                let ids = ids.split(',').map(|id| id.parse().unwrap()).chain(self.foreign.iter().copied());
                let shown = ids.filter(|id| *id != NO_MODEL && !self.lacking.contains(id));
                return answer(request, 200, page(shown.map(|id| model(id, self.versions.1)), None));
            }
            let from = match (asked("cursor"), asked("page")) {
                (Some(cursor), _) => cursor.rsplit_once('|').unwrap().1.parse().unwrap(),
                (None, Some(_)) if self.numbered => 1 + limit,
                _ => 1,
            };
            let ids: Vec<i64> = (from..=self.models).take(usize::try_from(limit).unwrap()).collect();
            let next = ids.last().map(|last| last + 1).filter(|next| *next <= self.models);
            let cursor = next.map(|next| format!("2024-01-02 03:04:05.{next:0>3}|{next}"));
            let items = ids.into_iter().map(|id| model(id, self.versions.0));
            let is_listed = |model: &Value| {
                asked("nsfw").is_some() || self.all_levels || model["nsfwLevel"].as_i64().unwrap() & 1 == 1
            };
            answer(request, 200, page(items.filter(is_listed), cursor.as_deref()))
        }
    }

    const EMPTY: fn(&Request) -> Exchange = |request| answer(request, 200, page([], None));

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        let cases: &[Case<Server>] = &[
            ("as today", |_| (), &[]),
            ("numbered pages", |server| server.numbered = true, &[("C1", Handled)]),
            ("every level by default", |server| server.all_levels = true, &[("C2", Handled)]),
            ("a clamped region", |server| server.masks = &[1, 3, 31], &[("C3", Differs)]),
            (
                "a clean beginning",
                |server| {
                    server.masks = const {
                        &{
                            let mut masks = [1; 141];
                            masks[99] = 28;
                            masks
                        }
                    }
                },
                &[],
            ),
            ("a small catalog", |server| (server.models, server.masks) = (20, &[1]), &[("C3", Untold)]),
            ("no levels", |server| (server.masks, server.models) = (&[0], 20), &[("C2", Untold)]),
            (
                "hardly any model",
                |server| server.models = 2,
                &[("C1", Untold), ("C2", Untold), ("C4", Untold), ("C5", Untold)],
            ),
            ("others beside the ids", |server| server.foreign = &[8, 9], &[("C4", Differs)]),
            ("one of the ids lacks", |server| server.lacking = &[2], &[("C4", Differs)]),
            ("all of the ids lack", |server| server.lacking = &[1, 2, 3], &[("C4", Differs), ("C5", Untold)]),
            ("fewer versions by ids", |server| server.versions = (2, 1), &[("C5", Differs)]),
            ("no versions in the list", |server| server.versions = (0, 1), &[("C5", Untold)]),
            ("a tag filters", |server| server.tag = EMPTY, &[("C6", Handled)]),
            (
                "a page of a tag is empty",
                |server| server.tag = |request| answer(request, 200, page([], Some("5|5"))),
                &[("C6", Untold)],
            ),
            ("an unknown user has an empty list", |server| server.user = EMPTY, &[("C7", Handled)]),
            (
                "an unknown user is no filter",
                |server| server.user = |request| answer(request, 200, page([json!({ "id": 5 })], None)),
                &[("C7", Differs)],
            ),
            (
                "an unknown user in other words",
                |server| server.user = |request| answer(request, 404, json!({ "message": "Nobody" })),
                &[("C7", Handled)],
            ),
            (
                "users fail",
                |server| server.user = |request| answer(request, 500, json!({ "message": "User not found" })),
                &[("C7", Untold)],
            ),
            ("larger limits", |server| server.limit = EMPTY, &[("C8", Handled)]),
            (
                "a limit without a reason",
                |server| server.limit = |request| answer(request, 400, Value::Null),
                &[("C8", Handled)],
            ),
        ];
        assert_moved(&PROBES.iter().collect::<Vec<_>>(), Server::new, Server::serve, cases);
    }
}
