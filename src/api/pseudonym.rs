//! Replaces the names of people in an answer by keyed hashes, before anything is read from it.
//!
//! Each string, number and bool under a key `username`, at any depth, becomes a pseudonym, and so does the same name as a word of
//! any link in the same answer. An `id` inside a key `user` becomes null: anyone can look its name up. The text is read token by token and not parsed, so names are hidden in broken answers too. Names
//! in titles, descriptions and prompts are not found.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::letters::decoded;
use super::link_names::Names;
use super::name_scan::{Found, scan};
use super::username::folded;

/// Context of the derived key, so that it serves for nothing else.
const CONTEXT: &str = "civitrawl 2026 pseudonyms of people";
/// Context of the key's digest.
const DIGEST_CONTEXT: &str = "civitrawl 2026 digest of the key of pseudonyms";
/// The hexadecimal digits of a pseudonym: 80 bits.
const DIGITS: usize = 20;

/// The most different names of a text.
const NAMES_MAX: usize = 50_000;
/// The most bytes of a name, as written, that is searched for in links. The site's names have far fewer.
const NAME_MAX: usize = 512;
/// The most bytes by which pseudonyms may be longer, in all, than the names they replace.
const GROWTH_MAX: usize = 32 << 20;

/// A text has more names, or a longer link, than any page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the page has more names, or a longer link, than can be searched for names")]
pub struct TooManyNames;

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

    /// Returns the text with names replaced; borrowed if it has none. Valid JSON stays valid. Time and memory are linear in the
    /// text.
    ///
    /// # Errors
    /// If the text has more names, or a longer link, than any page.
    pub fn hide<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, TooManyNames> {
        let (mut names, mut has_people) = (HashSet::new(), false);
        scan(text, &mut |found| {
            has_people |= matches!(found, Found::Name(..) | Found::Id(_));
            if let Found::Name(_, name) = found
                && name.len() <= NAME_MAX
                && names.len() <= NAMES_MAX
            {
                names.insert(name);
            }
        });
        if !has_people {
            return Ok(Cow::Borrowed(text));
        }
        if names.len() > NAMES_MAX {
            return Err(TooManyNames);
        }
        let known = Names::new(names.into_iter().map(decoded));
        let (mut out, mut kept, mut searched) = (String::with_capacity(text.len()), 0, Ok(()));
        let mut replace = |at: Range<usize>, by: &str| {
            if out.len() <= text.len() + GROWTH_MAX {
                out.extend([&text[kept..at.start], by]);
                kept = at.end;
            }
        };
        scan(text, &mut |found| match found {
            Found::Name(at, name) => replace(at, &format!("\"{}\"", self.of(&decoded(name)))),
            Found::Id(at) => replace(at, "null"),
            Found::String(at) if searched.is_ok() => {
                searched = known.in_links(&text[at.clone()], at.start, &mut |at, name| replace(at, &self.of(name)));
            }
            Found::String(_) => {}
        });
        if searched.is_err() || out.len() > text.len() + GROWTH_MAX {
            return Err(TooManyNames);
        }
        out.push_str(&text[kept..]);
        Ok(Cow::Owned(out))
    }
}

#[cfg(test)]
mod tests;
