//! The eras of the real server that the sandbox can play, each with its own shapes, cursors and errors.

use std::fmt;
use std::str::FromStr;

use super::error::Error;

/// A time and the server's behaviour at it; ordered by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// Summer 2023: ratings, version times, images with meta.
    Y2023,
    /// August 2026: the last server whose complete source is known.
    Aug2026,
    /// September 2026: images from a feed service, exact date cursors, errors without a reason.
    #[default]
    Sep2026,
}

impl Era {
    /// Each era with its word.
    pub const WORDS: &[(&str, Era)] = &[("2023", Era::Y2023), ("2026-08", Era::Aug2026), ("2026-09", Era::Sep2026)];
}

impl FromStr for Era {
    type Err = Error;

    fn from_str(text: &str) -> Result<Era, Error> {
        let found = Era::WORDS.iter().find(|(word, _)| *word == text).map(|(_, era)| *era);
        found.ok_or_else(|| {
            let known = Era::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            Error::Era { word: text.to_owned(), known }
        })
    }
}

impl fmt::Display for Era {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Era::WORDS.iter().find(|(_, era)| era == self).map_or("", |(word, _)| word);
        to.write_str(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_are_read_from_their_words_and_others_are_named() {
        for (word, era) in Era::WORDS {
            assert_eq!(word.parse::<Era>().unwrap(), *era);
            assert_eq!(era.to_string(), *word);
        }
        let error = "today".parse::<Era>().unwrap_err().to_string();
        assert_eq!(error, "`today` is no era; known are 2023, 2026-08, 2026-09");
    }
}
