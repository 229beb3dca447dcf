//! What the passes say about an observation: which of two counts, and when what was observed had gone. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::dataset::commit::WalkState;
use crate::dataset::manifest::Manifest;

/// Every pass of a dataset, reduced to what a snapshot asks of it.
#[derive(Debug, Default)]
pub(super) struct Passes {
    passes: BTreeMap<u64, Pass>,
    /// Of each question the believed answers, the earliest first.
    answers: Vec<Vec<Answer>>,
}

#[derive(Debug, Default)]
struct Pass {
    /// The places of the walks in the definition: the first one counts most.
    ranks: HashMap<String, usize>,
    /// The question of each walk, as its place among the answers.
    questions: HashMap<String, usize>,
    /// True when all its walks are over, and one of them could find things gone.
    found_gone: bool,
}

/// A walk that went through all that its question names, and is believed.
#[derive(Debug)]
struct Answer {
    gone: Gone,
    /// Things that it does not find gone.
    withheld: BTreeSet<String>,
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
        let mut all = Self::default();
        let mut known: Vec<Question> = Vec::new();
        for (number, summary) in &manifest.history.passes {
            let mut pass = Pass::default();
            let asked = asked(manifest.definition(*number).unwrap_or(&Value::Null));
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
                // Under a region clamp a walk shows what its question does not ask for, which no later one shows.
                if !summary.walks.get(&walk).is_some_and(WalkState::is_clamped) {
                    pass.questions.insert(walk, place);
                }
            }
            all.passes.insert(*number, pass);
        }
        all
    }

    /// The place of the walk that rows of this name are from, in the definition of their pass.
    pub(super) fn rank(&self, pass: i64, walk: &str) -> usize {
        self.pass(pass).and_then(|pass| pass.ranks.get(walk_of(walk))).copied().unwrap_or(usize::MAX)
    }

    /// When what this walk met in this pass, and none met later, had gone; `None` when it may still be there. `thing` is the
    /// name of what the walk's list shows it with.
    pub(super) fn gone(&self, pass: i64, walk: &str, thing: impl Fn() -> String) -> Option<Gone> {
        let place = *self.pass(pass)?.questions.get(walk_of(walk))?;
        let answers = self.answers.get(place)?;
        let later = answers.partition_point(|answer| i64::try_from(answer.gone.pass).is_ok_and(|p| p <= pass));
        let finds = |answer: &&Answer| answer.withheld.is_empty() || !answer.withheld.contains(&thing());
        answers[later..].iter().find(finds).map(|answer| answer.gone)
    }

    /// Whether a walk that could find things gone has ended since this pass, itself included unless it was `over` before.
    pub(super) fn found_gone_since(&self, pass: u64, over: bool) -> bool {
        self.passes.range(pass + u64::from(over)..).any(|(_, pass)| pass.found_gone)
    }

    fn pass(&self, pass: i64) -> Option<&Pass> {
        self.passes.get(&u64::try_from(pass).ok()?)
    }
}

/// What a walk asks, wherever in the file it stands and in how many partitions it asks it.
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

/// The walk that rows of this name are from: behind a slash stands the partition.
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

    /// The walks of a pass, the second at which it ended, and how they did.
    type Told<'a> = (Vec<Value>, Option<i64>, Vec<(&'a str, WalkState)>);

    fn manifest(passes: Vec<Told<'_>>) -> Manifest {
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
            ("it met everything else", again(ended(Why::Complete)), Some(2000)),
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
