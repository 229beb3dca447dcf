//! "Did you mean …?": the nearest known word by edit distance.

/// Words longer than this get no suggestion: nobody mistyped them.
const LONGEST: usize = 64;

/// The known word nearest to `word`, letter case aside, if at most half of its letters differ; the first of several.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase();
    if word.len() > LONGEST {
        return None;
    }
    known
        .into_iter()
        .map(|other| (distance(&word, &other.to_lowercase()), other))
        .filter(|(distance, other)| distance * 2 <= word.chars().count().max(other.chars().count()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// ` Did you mean …?` for a near miss, otherwise the given sentence.
pub(super) fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>, otherwise: &str) -> String {
    match nearest(word, known) {
        Some(near) => format!(" Did you mean `{near}`?"),
        None => format!(" {otherwise}"),
    }
}

/// Words in backticks, separated by commas.
pub(super) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Levenshtein's distance, one row of its table at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{distance, nearest};

    #[test]
    fn distances() {
        let cases = [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("müll", "mull", 1)];
        for (a, b, expected) in cases {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn suggests_near_words_only() {
        let sorts = ["Highest Rated", "Newest", "Oldest"];
        assert_eq!(nearest("Latest", sorts), Some("Newest"));
        assert_eq!(nearest("oldest", sorts), Some("Oldest"));
        assert_eq!(nearest("Random", sorts), None);
        assert_eq!(nearest("", sorts), None);
        assert_eq!(nearest(&"Newest".repeat(1000), sorts), None);
    }

    proptest! {
        #[test]
        fn distance_is_a_metric(a in "[ab]{0,6}", b in "[ab]{0,6}", c in "[ab]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c));
        }
    }
}
