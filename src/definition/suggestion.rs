//! "Did you mean …?": the known word with the smallest edit distance.

/// Longest word, in bytes, that gets a suggestion.
const LONGEST: usize = 64;

/// Returns the first known word with the smallest distance to `word`, ignoring case, if at most half of its letters differ. One that
/// contains `word` goes before all others: `versionId` is nearer to `modelVersionId` than to `postId`.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase();
    if word.len() > LONGEST {
        return None;
    }
    known
        .into_iter()
        .map(|other| (other.to_lowercase(), other))
        .map(|(lower, other)| (!lower.contains(&word), strsim::levenshtein(&word, &lower), other))
        .filter(|(_, distance, other)| distance * 2 <= word.chars().count().max(other.chars().count()))
        .min_by_key(|(differs, distance, _)| (*differs, *distance))
        .map(|(_, _, other)| other)
}

/// Returns ` Did you mean …?` if a known word is near, else the sentence `otherwise`.
pub(super) fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>, otherwise: &str) -> String {
    match nearest(word, known) {
        Some(near) => format!(" Did you mean `{near}`?"),
        None => format!(" {otherwise}"),
    }
}

/// Joins words in backticks with commas.
pub(super) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_near_words_only() {
        let sorts = ["Highest Rated", "Newest", "Oldest"];
        assert_eq!(nearest("Latest", sorts), Some("Newest"));
        assert_eq!(nearest("oldest", sorts), Some("Oldest"));
        assert_eq!(nearest("Random", sorts), None);
        assert_eq!(nearest("", sorts), None);
        assert_eq!(nearest("versionId", ["postId", "imageId", "modelVersionId"]), Some("modelVersionId"));
        assert_eq!(nearest(&"Newest".repeat(1000), sorts), None);
    }
}
