//! What the passes say about an observation: which of two counts, and when what was observed had gone. Pure.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::dataset::commit::Walk;
use crate::dataset::manifest::Manifest;

/// Every pass of a dataset, reduced to what a snapshot asks of it.
#[derive(Debug, Default)]
pub(super) struct Passes {
    passes: BTreeMap<u64, Pass>,
}

#[derive(Debug, Default)]
struct Pass {
    /// The places of the walks in the definition: the first one counts most.
    ranks: HashMap<String, usize>,
    /// Of each walk: when a later walk of the same question had ended, complete.
    gone: HashMap<String, Gone>,
    /// When the last walk ended, and which walks were complete.
    over: Option<Over>,
}

#[derive(Debug)]
struct Over {
    at: i64,
    complete: Vec<String>,
}

/// That things observed before are gone, unless a later walk met them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// The pass that did not meet them.
    pub(super) pass: u64,
    /// When it ended, in milliseconds since 1970.
    pub(super) at: i64,
}

impl Passes {
    /// The passes that the records tell of.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let (mut passes, mut questions) = (BTreeMap::new(), BTreeMap::new());
        for (number, summary) in &manifest.passes {
            let complete = summary.walks.iter().filter(|(_, walk)| is_complete(walk));
            let over = summary.ended_at.map(|ended_at| Over {
                at: ended_at.as_millisecond(),
                complete: complete.map(|(name, _)| name.clone()).collect(),
            });
            passes.insert(*number, Pass { over, ..Pass::default() });
            questions.insert(*number, asked(manifest.definition(*number).unwrap_or(&Value::Null)));
        }
        // From the last pass to the first: the latest answer to each question seen so far is the first one after this pass.
        let mut answered: Vec<(&Question, Gone)> = Vec::new();
        for (number, pass) in passes.iter_mut().rev() {
            let asked = &questions[number];
            for (place, question) in asked.iter().enumerate() {
                pass.ranks.insert(question.walk.clone(), place);
                // Under a region clamp a walk meets what its question does not ask for, which no later one meets.
                let clamped = manifest.passes[number].walks.get(&question.walk).is_some_and(Walk::is_clamped);
                if let Some((_, gone)) = answered.iter().find(|(other, _)| !clamped && *other == question) {
                    pass.gone.insert(question.walk.clone(), *gone);
                }
            }
            for question in asked.iter().filter(|question| question.whole) {
                if let Some(over) = pass.over.as_ref().filter(|over| over.complete.contains(&question.walk)) {
                    answered.retain(|(other, _)| *other != question);
                    answered.push((question, Gone { pass: *number, at: over.at }));
                }
            }
        }
        Self { passes }
    }

    /// The place of the walk that rows of this name are from, in the definition of their pass.
    pub(super) fn rank(&self, pass: i64, walk: &str) -> usize {
        self.pass(pass).and_then(|pass| pass.ranks.get(walk_of(walk))).copied().unwrap_or(usize::MAX)
    }

    /// When what this walk met in this pass, and none met later, had gone; `None` when it may still be there.
    pub(super) fn gone(&self, pass: i64, walk: &str) -> Option<Gone> {
        self.pass(pass).and_then(|pass| pass.gone.get(walk_of(walk))).copied()
    }

    /// Whether a walk that could find things gone has ended since this pass, itself included unless it was `over` before.
    pub(super) fn found_gone_since(&self, pass: u64, over: bool) -> bool {
        let mut ended = self.passes.range(pass + u64::from(over)..).filter_map(|(_, pass)| pass.over.as_ref());
        ended.any(|over| !over.complete.is_empty())
    }

    fn pass(&self, pass: i64) -> Option<&Pass> {
        self.passes.get(&u64::try_from(pass).ok()?)
    }
}

/// What a walk asks, wherever in the file it stands and in how many strands it asks it.
#[derive(Debug, PartialEq)]
struct Question {
    walk: String,
    asks: Value,
    /// Whether it is about everything that is there: a walk over what changed, or of a week, misses nothing by missing more.
    whole: bool,
}

/// The questions of a definition as records have it, in the order of the crawl file.
fn asked(definition: &Value) -> Vec<Question> {
    let walks = definition["walks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let question = |walk: &Value| Question {
        walk: walk["name"].as_str().unwrap_or_default().to_owned(),
        asks: json!([definition["server"], walk["endpoint"], walk["params"], walk["for_each"]]),
        whole: walk["for_each"]["only"].is_null() && walk["finds_gone"].is_null(),
    };
    walks.iter().map(question).collect()
}

/// Whether a walk has met everything that its question names.
fn is_complete(walk: &Walk) -> bool {
    walk.since.is_none() && !walk.is_doubtful()
}

/// The walk that rows of this name are from: behind a slash stands the strand.
fn walk_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(walk, _)| walk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::commit::{End, Why};
    use crate::dataset::manifest::PassSummary;

    fn walk(name: &str, level: u64) -> Value {
        json!({ "name": name, "endpoint": "images", "params": { "level": [level.to_string()] } })
    }

    fn ended(why: Why) -> Walk {
        Walk { end: Some(End { why, detail: None }), ..Walk::default() }
    }

    /// The walks of a pass, the second at which it ended, and how they did.
    type Told<'a> = (Vec<Value>, Option<i64>, Vec<(&'a str, Walk)>);

    fn manifest(passes: Vec<Told<'_>>) -> Manifest {
        let mut manifest = Manifest::default();
        for (number, (walks, second, states)) in (1..).zip(passes) {
            let ended_at = second.map(|second| jiff::Timestamp::from_second(second).unwrap());
            let walks_at = states.into_iter().map(|(name, walk)| (name.to_owned(), walk)).collect();
            manifest.definitions.insert(number.to_string(), json!({ "server": "s", "walks": walks }));
            manifest.passes.insert(number, PassSummary { definition: number.to_string(), ended_at, walks: walks_at });
        }
        manifest
    }

    #[test]
    fn the_walk_listed_first_counts_most_in_its_pass() {
        let first = vec![walk("a", 1), walk("b", 1)];
        let second = vec![walk("b", 1), walk("a", 1)];
        let passes = Passes::of(&manifest(vec![(first, None, vec![]), (second, None, vec![])]));
        assert!(passes.rank(1, "a") < passes.rank(1, "b/7"));
        assert!(passes.rank(2, "b/7") < passes.rank(2, "a"));
        assert_eq!(passes.rank(1, "c"), usize::MAX);
    }

    #[test]
    fn only_a_later_complete_whole_walk_of_the_same_question_finds_things_gone() {
        let one = || (vec![walk("a", 1)], Some(1), vec![("a", ended(Why::Complete))]);
        let again = |states: Walk| (vec![walk("a", 1)], Some(2), vec![("a", states)]);
        let changed = || {
            let mut only = walk("a", 1);
            only["for_each"] = json!({ "only": "changed" });
            only
        };
        let cases = [
            ("it met everything else", again(ended(Why::Complete)), Some(2000)),
            ("it has doubts", again(ended(Why::CursorLoop)), None),
            ("it has rejects", again(Walk { rejects: 1, ..ended(Why::Complete) }), None),
            ("it was clamped", again(Walk { unasked_mild: 1, ..ended(Why::Complete) }), None),
            ("it was incremental", again(Walk { since: Some(0), ..ended(Why::Complete) }), None),
            ("its pass is not over", (vec![walk("a", 1)], None, vec![("a", ended(Why::Complete))]), None),
            ("it asked otherwise", (vec![walk("a", 2)], Some(2), vec![("a", ended(Why::Complete))]), None),
            ("it was another", (vec![walk("b", 1)], Some(2), vec![("b", ended(Why::Complete))]), None),
        ];
        for (what, second, at) in cases {
            let passes = Passes::of(&manifest(vec![one(), second]));
            assert_eq!(passes.gone(1, "a/x").map(|gone| gone.at), at, "{what}");
            assert_eq!(passes.gone(2, "a"), None, "{what}");
        }
        let mut week = walk("a", 1);
        week["finds_gone"] = json!(false);
        for part in [changed(), week] {
            let pass = || (vec![part.clone()], Some(2), vec![("a", ended(Why::Complete))]);
            assert_eq!(Passes::of(&manifest(vec![pass(), pass()])).gone(1, "a"), None, "{part}");
        }
        let clamped = Walk { unasked_mild: 1, ..ended(Why::Complete) };
        let first = (vec![walk("a", 1)], Some(1), vec![("a", clamped)]);
        assert_eq!(Passes::of(&manifest(vec![first, again(ended(Why::Complete))])).gone(1, "a"), None);
        // The first of several says when.
        let passes = Passes::of(&manifest(vec![one(), again(ended(Why::Complete)), again(ended(Why::Complete))]));
        assert_eq!(passes.gone(1, "a"), Some(Gone { pass: 2, at: 2000 }));
        assert!(passes.found_gone_since(2, false) && !passes.found_gone_since(3, true));
    }
}
