//! The passes of a dataset: they decide which of two observations counts, and when an entity was gone. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::inventory::WalkOfPass;
use crate::dataset::commit::WalkState;
use crate::dataset::manifest::Manifest;

/// Every pass of a dataset, reduced to the data that a snapshot needs.
#[derive(Debug, Default)]
pub(super) struct Passes {
    passes: BTreeMap<u64, Pass>,
    /// The believed answers to each question, earliest first.
    answers: Vec<Vec<Answer>>,
}

#[derive(Debug, Default)]
struct Pass {
    /// The position of each walk in the definition: the first counts most.
    ranks: HashMap<String, usize>,
    /// The question of each walk, as an index into [`Passes::answers`].
    questions: HashMap<String, usize>,
    ended_at: Option<Timestamp>,
    /// True if all its walks have ended and one of them can find entities gone.
    found_gone: bool,
}

/// A believed walk through everything that its question names.
#[derive(Debug)]
struct Answer {
    gone: Gone,
    /// Entities that it does not find gone.
    withheld: BTreeSet<String>,
}

/// Entities seen before, and by no later walk, are gone since this pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// The pass that did not see them.
    pub(super) pass: u64,
    /// The end of that pass, in milliseconds since 1970.
    pub(super) at: i64,
}

impl Passes {
    /// Returns the passes of a manifest.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let mut all = Self::default();
        let mut known: Vec<Question> = Vec::new();
        for (number, summary) in &manifest.history.passes {
            let mut pass = Pass { ended_at: summary.ended_at, ..Pass::default() };
            let asked = questions(manifest.definition(*number).unwrap_or(&Value::Null));
            for (rank, question) in asked.into_iter().enumerate() {
                let (walk, whole) = (question.walk.clone(), question.whole);
                pass.ranks.insert(walk.clone(), rank);
                let place = known.iter().position(|other| *other == question).unwrap_or_else(|| {
                    known.push(question);
                    all.answers.push(Vec::new());
                    known.len() - 1
                });
                let state = summary.walks.get(&walk).filter(|state| whole && state.is_believed());
                if let Some((state, ended_at)) = state.zip(summary.ended_at) {
                    let gone = Gone { pass: *number, at: ended_at.as_millisecond() };
                    all.answers[place].push(Answer { gone, withheld: state.withheld.clone() });
                    pass.found_gone = true;
                }
                // Under a region clamp the server shows items that were not asked for, and no later walk shows them.
                if !summary.walks.get(&walk).is_some_and(WalkState::is_clamped) {
                    pass.questions.insert(walk, place);
                }
            }
            all.passes.insert(*number, pass);
        }
        all
    }

    /// Returns the walks of all passes, each pass in the order of its definition.
    pub(super) fn walks(&self) -> Vec<WalkOfPass> {
        let mut walks = Vec::new();
        for (number, pass) in &self.passes {
            let mut names: Vec<&String> = pass.ranks.keys().collect();
            names.sort_by_key(|name| pass.ranks[*name]);
            for walk in names {
                let question = pass.questions.get(walk).copied();
                let answers = question.and_then(|question| self.answers.get(question));
                let answer = answers.into_iter().flatten().find(|answer| answer.gone.pass == *number);
                walks.push(WalkOfPass {
                    pass: *number,
                    walk: walk.clone(),
                    rank: pass.ranks[walk] as u64,
                    question: question.map(|question| question as u64),
                    ended_at: pass.ended_at,
                    found_gone_at: answer.and_then(|answer| Timestamp::from_millisecond(answer.gone.at).ok()),
                    withheld: answer.map_or_else(BTreeSet::new, |answer| answer.withheld.clone()),
                });
            }
        }
        walks
    }

    /// Returns the position of a row's walk in the definition of its pass; `walk` is the name in the row.
    pub(super) fn rank(&self, pass: i64, walk: &str) -> usize {
        self.pass(pass).and_then(|pass| pass.ranks.get(walk_of(walk))).copied().unwrap_or(usize::MAX)
    }

    /// Returns when an entity was gone that this walk saw in this pass and no later one did; `None` if it may still be there.
    /// `entity` returns the name by which the walk's list shows it.
    pub(super) fn gone(&self, pass: i64, walk: &str, entity: impl Fn() -> String) -> Option<Gone> {
        let place = *self.pass(pass)?.questions.get(walk_of(walk))?;
        let answers = self.answers.get(place)?;
        let later = answers.partition_point(|answer| i64::try_from(answer.gone.pass).is_ok_and(|p| p <= pass));
        let finds = |answer: &&Answer| answer.withheld.is_empty() || !answer.withheld.contains(&entity());
        answers[later..].iter().find(finds).map(|answer| answer.gone)
    }

    /// True if a walk that can find entities gone has ended since this pass; the pass itself counts unless it was `over`.
    pub(super) fn found_gone_since(&self, pass: u64, over: bool) -> bool {
        self.passes.range(pass + u64::from(over)..).any(|(_, pass)| pass.found_gone)
    }

    fn pass(&self, pass: i64) -> Option<&Pass> {
        self.passes.get(&u64::try_from(pass).ok()?)
    }
}

/// The question of a walk, apart from its position in the crawl file and its partitioning.
#[derive(Debug, PartialEq)]
struct Question {
    walk: String,
    asks: Value,
    /// True if the walk covers everything: one over changes, or of a week, says nothing about the rest.
    whole: bool,
}

/// Returns the questions of a record's definition, in the order of the crawl file.
fn questions(definition: &Value) -> Vec<Question> {
    let walks = definition["walks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let question = |walk: &Value| Question {
        walk: walk["name"].as_str().unwrap_or_default().to_owned(),
        asks: json!([definition["server"], walk["endpoint"], walk["params"], walk["for_each"]]),
        whole: walk["for_each"]["only"].is_null() && walk["finds_gone"].is_null(),
    };
    walks.iter().map(question).collect()
}

/// Returns the walk of a row's `walk` column, without the partition behind the slash.
fn walk_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(walk, _)| walk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::commit::{End, WalkState, Why};
    use crate::dataset::manifest::PassSummary;

    fn walk(name: &str, level: u64) -> Value {
        json!({ "name": name, "endpoint": "images", "params": { "level": [level.to_string()] } })
    }

    fn ended(why: Why) -> WalkState {
        WalkState { end: Some(End { why, detail: None }), ..WalkState::default() }
    }

    /// The walks of a pass, the second at which it ended, and their states.
    type PassCase<'a> = (Vec<Value>, Option<i64>, Vec<(&'a str, WalkState)>);

    fn manifest(passes: Vec<PassCase<'_>>) -> Manifest {
        let mut manifest = Manifest::default();
        for (number, (walks, second, states)) in (1..).zip(passes) {
            let ended_at = second.map(|second| jiff::Timestamp::from_second(second).unwrap());
            let walks_at = states.into_iter().map(|(name, walk)| (name.to_owned(), walk)).collect();
            manifest.history.definitions.insert(number.to_string(), json!({ "server": "s", "walks": walks }));
            manifest
                .history
                .passes
                .insert(number, PassSummary { definition: number.to_string(), ended_at, walks: walks_at });
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
        let thing = || String::from("7");
        let one = || (vec![walk("a", 1)], Some(1), vec![("a", ended(Why::Complete))]);
        let again = |states: WalkState| (vec![walk("a", 1)], Some(2), vec![("a", states)]);
        let changed = || {
            let mut only = walk("a", 1);
            only["for_each"] = json!({ "only": "changed" });
            only
        };
        let cases = [
            ("it saw everything else", again(ended(Why::Complete)), Some(2000)),
            ("it has doubts", again(ended(Why::CursorLoop)), None),
            ("it is not believed", again(ended(Why::Doubtful)), None),
            ("it has rejects", again(WalkState { rejects: 1, ..ended(Why::Complete) }), Some(2000)),
            ("some of it cannot be listed", again(ended(Why::Unlistable)), Some(2000)),
            ("it was clamped", again(WalkState { unasked_mild: 1, ..ended(Why::Complete) }), None),
            ("it was incremental", again(WalkState { since: Some(0), ..ended(Why::Complete) }), None),
            ("its pass is not over", (vec![walk("a", 1)], None, vec![("a", ended(Why::Complete))]), None),
            ("it asked otherwise", (vec![walk("a", 2)], Some(2), vec![("a", ended(Why::Complete))]), None),
            ("it was another", (vec![walk("b", 1)], Some(2), vec![("b", ended(Why::Complete))]), None),
        ];
        for (what, second, at) in cases {
            let passes = Passes::of(&manifest(vec![one(), second]));
            assert_eq!(passes.gone(1, "a/x", thing).map(|gone| gone.at), at, "{what}");
            assert_eq!(passes.gone(2, "a", thing), None, "{what}");
        }
        let mut week = walk("a", 1);
        week["finds_gone"] = json!(false);
        for part in [changed(), week] {
            let pass = || (vec![part.clone()], Some(2), vec![("a", ended(Why::Complete))]);
            assert_eq!(Passes::of(&manifest(vec![pass(), pass()])).gone(1, "a", thing), None, "{part}");
        }
        let clamped = WalkState { unasked_mild: 1, ..ended(Why::Complete) };
        let first = (vec![walk("a", 1)], Some(1), vec![("a", clamped)]);
        assert_eq!(Passes::of(&manifest(vec![first, again(ended(Why::Complete))])).gone(1, "a", thing), None);
        // The first of several says when.
        let passes = Passes::of(&manifest(vec![one(), again(ended(Why::Complete)), again(ended(Why::Complete))]));
        assert_eq!(passes.gone(1, "a", thing), Some(Gone { pass: 2, at: 2000 }));
        assert!(passes.found_gone_since(2, false) && !passes.found_gone_since(3, true));
    }

    #[test]
    fn what_could_not_be_asked_for_singly_is_not_gone_before_a_later_pass_finds_it_so() {
        let pass = |second: i64, withheld: &[&str]| {
            let withheld = withheld.iter().map(|thing| (*thing).to_owned()).collect();
            (vec![walk("a", 1)], Some(second), vec![("a", WalkState { withheld, ..ended(Why::Complete) })])
        };
        let passes = Passes::of(&manifest(vec![pass(1, &[]), pass(2, &["7"]), pass(3, &["8"])]));
        let gone = |thing: &str| passes.gone(1, "a", || thing.to_owned()).map(|gone| gone.at);
        assert_eq!((gone("7"), gone("8"), gone("9")), (Some(3000), Some(2000), Some(2000)));
    }
}
