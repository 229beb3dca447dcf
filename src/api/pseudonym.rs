//! Replaces the names of people in an answer by keyed hashes, before anything is read from it.
//!
//! Each string, number and bool under a key `username`, at any depth, becomes a pseudonym, and so does the same name as a word of
//! any link in the same answer. The text is read token by token and not parsed, so names are hidden in broken answers too. Names
//! in titles, descriptions and prompts are not found.

use std::borrow::Cow;
use std::ops::Range;

use super::link_names::Names;
use super::name_scan::{Found, scan};
use super::username::folded;

/// Context of the derived key, so that it serves for nothing else.
const CONTEXT: &str = "civitrawl 2026 pseudonyms of people";
/// Context of the key's digest.
const DIGEST_CONTEXT: &str = "civitrawl 2026 digest of the key of pseudonyms";
/// The hexadecimal digits of a pseudonym: 80 bits.
const DIGITS: usize = 20;

/// Replaces names by keyed hashes.
#[derive(Clone)]
pub struct Pseudonyms([u8; 32]);

/// A key that is too short: it could be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of the pseudonyms is shorter than 16 characters, so it could be guessed; write a longer one")]
pub struct Guessable;

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Pseudonyms {
    /// Derives the pseudonyms' key.
    ///
    /// # Errors
    /// If the key has fewer than 16 characters.
    pub fn new(key: &str) -> Result<Self, Guessable> {
        let key = key.trim();
        if key.chars().count() < 16 { Err(Guessable) } else { Ok(Self(blake3::derive_key(CONTEXT, key.as_bytes()))) }
    }

    /// Returns a digest that identifies the key and reveals no more of it than its pseudonyms do.
    pub fn digest(&self) -> String {
        let digest = blake3::Hash::from_bytes(blake3::derive_key(DIGEST_CONTEXT, &self.0)).to_hex();
        digest[..DIGITS].to_owned()
    }

    /// Returns the pseudonym of a name: the same for every spelling of the same person.
    pub fn of(&self, name: &str) -> String {
        let hash = blake3::keyed_hash(&self.0, folded(name).as_bytes()).to_hex();
        format!("anon-{}", &hash[..DIGITS])
    }

    /// Returns the text with names replaced; borrowed if it has none. Valid JSON stays valid. The time is linear in the text.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Found { names, strings } = scan(text);
        if names.is_empty() {
            return Cow::Borrowed(text);
        }
        let known = Names::new(names.iter().map(|name| name.text.as_str()));
        let mut changes: Vec<(Range<usize>, String)> =
            names.into_iter().map(|name| (name.at, format!("\"{}\"", self.of(&name.text)))).collect();
        for string in strings {
            let hits = known.in_links(&text[string.clone()], string.start);
            changes.extend(hits.into_iter().map(|hit| (hit.at, self.of(&hit.name))));
        }
        changes.sort_by_key(|(at, _)| at.start);
        let (mut out, mut kept) = (String::with_capacity(text.len()), 0);
        for (at, with) in changes {
            out.push_str(&text[kept..at.start]);
            out.push_str(&with);
            kept = at.end;
        }
        out.push_str(&text[kept..]);
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests;
