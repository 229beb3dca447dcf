//! Compares the words that the server lists in this pass with those of earlier passes: model types, base models, file types.

use std::collections::{BTreeMap, BTreeSet};

use super::completeness::several;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::layout::Layout;
use crate::dataset::scan::each_batch;
use crate::fetch::printable;
use crate::storage::Disk;
use crate::table::enums;

/// The passes that listed a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Listed {
    /// True for this pass.
    now: bool,
    /// True for some earlier pass.
    before: bool,
    /// The last earlier pass whose row is kept.
    last: Option<i64>,
}

/// The words by the name of their list and themselves.
type Words = BTreeMap<(String, String), Listed>;

/// Returns a sentence for each list that got or lost words since the earlier passes. `began` is the first answer of this pass,
/// in milliseconds since 1970.
///
/// # Errors
/// As [`each_batch`].
pub(super) fn changes(dataset: &Layout, pass: u64, began: i64) -> Result<Vec<String>, Error> {
    let pass = i64::try_from(pass).unwrap_or(i64::MAX);
    let mut words = Words::new();
    each_batch(dataset, &Disk, &enums::TABLE, &["kind", "value", "pass", "first_seen_at"], &mut |batch| {
        let (kinds, values, passes) = (batch.texts("kind"), batch.texts("value"), batch.numbers("pass"));
        let first_seen = batch.instants("first_seen_at");
        for row in 0..batch.num_rows() {
            let (Some(kind), Some(value), Some(of)) = (kinds.get(row), values.get(row), passes.get(row)) else {
                continue;
            };
            let listed = words.entry((kind.to_owned(), value.to_owned())).or_default();
            match of == pass {
                true => listed.now = true,
                false => (listed.before, listed.last) = (true, listed.last.max(Some(of))),
            }
            // After a pruning only the newest row of a word is left, and the time of the first.
            listed.before |= first_seen.get(row).is_some_and(|first| first < began);
        }
    })?;
    Ok(sentences(&words))
}

/// Most words that a sentence names.
const NAMED_MAX: usize = 20;

fn sentences(words: &Words) -> Vec<String> {
    let kinds_now: BTreeSet<&str> =
        words.iter().filter(|(_, listed)| listed.now).map(|((kind, _), _)| &**kind).collect();
    let last = words.values().filter(|listed| listed.now).filter_map(|listed| listed.last).max();
    let mut all = Vec::new();
    for kind in kinds_now {
        let of_kind = words.iter().filter(|((of, _), _)| of == kind);
        let those = |fits: &dyn Fn(&Listed) -> bool| -> Vec<&str> {
            of_kind.clone().filter(|(_, listed)| fits(listed)).map(|((_, word), _)| &**word).collect()
        };
        if those(&|listed| listed.before).is_empty() {
            continue;
        }
        let list = printable(kind);
        let new = those(&|listed| listed.now && !listed.before);
        if !new.is_empty() {
            all.push(format!("{list}: the server lists {}: {}", several(new.len() as u64, "new word"), named(&new)));
        }
        let lost = those(&|listed| !listed.now && last.is_some() && listed.last == last);
        if !lost.is_empty() {
            all.push(format!("{list}: the server no longer lists {}", named(&lost)));
        }
    }
    all
}

fn named(words: &[&str]) -> String {
    let shown: Vec<String> = words.iter().take(NAMED_MAX).map(|word| format!("`{}`", printable(word))).collect();
    let more = words.len() - shown.len();
    if more == 0 { shown.join(", ") } else { format!("{}, and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_new_against_all_earlier_passes_and_lost_since_the_last() {
        let (new, known) = (Listed { now: true, ..Listed::default() }, |now, last| Listed { now, before: true, last });
        let words = |rows: &[(&str, &str, Listed)]| -> Words {
            rows.iter().map(|(kind, word, listed)| (((*kind).to_owned(), (*word).to_owned()), *listed)).collect()
        };
        let cases = [
            ("the first pass", vec![("A", "x", new), ("A", "y", new)], vec![]),
            ("nothing changed", vec![("A", "x", known(true, Some(1)))], vec![]),
            (
                "a new word and a lost one",
                vec![("A", "x", known(true, Some(2))), ("A", "y", new), ("A", "z", known(false, Some(2)))],
                vec!["A: the server lists 1 new word: `y`", "A: the server no longer lists `z`"],
            ),
            ("it was lost long ago", vec![("A", "x", known(true, Some(2))), ("A", "z", known(false, Some(1)))], vec![]),
            ("a list that no pass had", vec![("A", "x", known(true, Some(1))), ("B", "y", new)], vec![]),
            (
                "a list that this pass lacks",
                vec![("A", "x", known(true, Some(1))), ("B", "y", known(false, Some(1)))],
                vec![],
            ),
            (
                "rows of earlier passes were pruned",
                vec![("A", "x", known(true, None)), ("A", "y", new)],
                vec!["A: the server lists 1 new word: `y`"],
            ),
        ];
        let foreign =
            sentences(&words(&[("A\u{1b}[2J", "x\u{202e}", new), ("A\u{1b}[2J", "y", known(true, None))])).join("");
        assert!(foreign.starts_with('A') && !foreign.contains(['\u{1b}', '\u{202e}']), "{foreign:?}");
        for (what, rows, expected) in cases {
            assert_eq!(sentences(&words(&rows)), expected, "{what}");
        }
        let many: Vec<String> = (0..25).map(|n| format!("w{n:02}")).collect();
        let named = named(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(named.ends_with("`w19`, and 5 more"), "{named}");
    }
}
