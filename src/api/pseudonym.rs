//! Replaces the names of people in an answer by keyed hashes, before anything is read from it.
//!
//! Each value of a key `username`, at any depth, becomes a pseudonym, and so does the same name as a part of any link in the same
//! answer. The text is scanned, not parsed, so names are hidden in broken answers too. Names in titles, descriptions and prompts
//! are not found.

use std::borrow::Cow;
use std::collections::HashSet;

use percent_encoding::percent_decode_str;

/// Context of the derived key, so that it serves for nothing else.
const CONTEXT: &str = "civitrawl 2026 pseudonyms of people";
/// Context of the key's digest.
const DIGEST_CONTEXT: &str = "civitrawl 2026 digest of the key of pseudonyms";
/// The hexadecimal digits of a pseudonym: 80 bits.
const DIGITS: usize = 20;
/// Characters between the parts of a link.
const BETWEEN: &[char] = &['/', '?', '&', '=', '#', ';', '+'];

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

    /// Returns the text with names replaced; borrowed if it has none.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = scan(text);
        if found.names.is_empty() {
            return Cow::Borrowed(text);
        }
        let names: HashSet<String> = found.names.iter().map(|name| folded(&name.text)).collect();
        let mut changes: Vec<(usize, usize, String)> =
            found.names.iter().map(|name| (name.from, name.to, format!("\"{}\"", self.of(&name.text)))).collect();
        for (from, to) in found.links {
            changes.extend(self.in_link(&text[from..to], &names).map(|link| (from, to, link)));
        }
        changes.sort_by_key(|(from, ..)| *from);
        let (mut out, mut kept) = (String::with_capacity(text.len()), 0);
        for (from, to, with) in changes {
            out.push_str(&text[kept..from]);
            out.push_str(&with);
            kept = to;
        }
        out.push_str(&text[kept..]);
        Cow::Owned(out)
    }

    /// Returns the link with each part that is one of the names replaced; `None` if no part is.
    fn in_link(&self, link: &str, names: &HashSet<String>) -> Option<String> {
        let (mut out, mut changed) = (String::with_capacity(link.len()), false);
        for part in link.split_inclusive(BETWEEN) {
            let (part, after) = match part.char_indices().next_back() {
                Some((at, c)) if BETWEEN.contains(&c) => part.split_at(at),
                _ => (part, ""),
            };
            // The name may be the stem of a file name.
            let stem = part.rsplit_once('.').map_or((part, ""), |(stem, _)| (stem, &part[stem.len()..]));
            let hit = [(part, ""), stem].into_iter().find_map(|(name, ending)| {
                let name = percent_decode_str(name).decode_utf8_lossy();
                names.contains(&folded(&name)).then(|| self.of(&name) + ending)
            });
            changed |= hit.is_some();
            out.push_str(hit.as_deref().unwrap_or(part));
            out.push_str(after);
        }
        changed.then_some(out)
    }
}

/// Returns a name as the site compares it: without case, and without the leading zeros that names of only digits may lose.
fn folded(name: &str) -> String {
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let name = if digits { name.trim_start_matches('0') } else { name };
    name.to_lowercase()
}

/// A value of the key `username`: its span, quotes included, and its text.
struct Name {
    from: usize,
    to: usize,
    text: String,
}

#[derive(Default)]
struct Found {
    names: Vec<Name>,
    /// Spans of links, without their quotes.
    links: Vec<(usize, usize)>,
}

/// Finds names and links in JSON, valid or not.
fn scan(text: &str) -> Found {
    let (mut found, mut at) = (Found::default(), 0);
    while let Some(open) = text[at..].find('"').map(|offset| at + offset) {
        let close = closing(text, open + 1);
        let inside = &text[open + 1..close];
        at = (close + 1).min(text.len());
        let value = blank(text, at);
        if inside == "username" && text[value..].starts_with(':') {
            let value = blank(text, value + 1);
            let (to, name) = named(text, value);
            found.names.extend(name.map(|text| Name { from: value, to, text }));
            at = to;
        } else if inside.contains("://") {
            found.links.push((open + 1, close));
        }
    }
    found
}

/// Returns the position of the quote that closes the string around `at`, or the end of the text.
fn closing(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Returns the position of the first character at or after `at` that is no white space.
fn blank(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| !c.is_ascii_whitespace()).map_or(text.len(), |offset| at + offset)
}

/// Returns the end of the value at `at`, and the name if it is text or a number.
fn named(text: &str, at: usize) -> (usize, Option<String>) {
    if text[at..].starts_with('"') {
        let close = closing(text, at + 1);
        let to = (close + 1).min(text.len());
        let name = serde_json::from_str(&text[at..to]).unwrap_or_else(|_| text[at + 1..close].to_owned());
        return (to, Some(name));
    }
    let number: &str = &text[at..][..text[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - at)];
    (at + number.len(), (!number.is_empty()).then(|| number.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::new("a key of sixteen characters").unwrap()
    }

    #[test]
    fn names_are_hidden_wherever_they_stand() {
        let hide = |text: &str| pseudonyms().hide(text).into_owned();
        let bob = pseudonyms().of("Bob_7");
        for (text, hidden) in [
            (r#"{"username":"Bob_7"}"#, format!(r#"{{"username":"{bob}"}}"#)),
            (
                r#"{"a":[{"username" : "bob_7"}],"x":"Bob_7"}"#,
                format!(r#"{{"a":[{{"username" : "{bob}"}}],"x":"Bob_7"}}"#),
            ),
            (
                r#"{"username":"Bob_7","image":"https://h/x/width=96/Bob_7.jpeg","link":"https://h/m?username=bob_7&x=1"}"#,
                format!(
                    r#"{{"username":"{bob}","image":"https://h/x/width=96/{bob}.jpeg","link":"https://h/m?username={bob}&x=1"}}"#
                ),
            ),
            (r#"{"username":"Bob\u005f7"}"#, format!(r#"{{"username":"{bob}"}}"#)),
            (r#"{"username":null,"user":"Bob_7"}"#, r#"{"username":null,"user":"Bob_7"}"#.to_owned()),
            (r#"{"t":"\"username\":\"x\"","u":"username"}"#, r#"{"t":"\"username\":\"x\"","u":"username"}"#.to_owned()),
            (r#"{"username":"Bob_7""#, format!(r#"{{"username":"{bob}""#)),
        ] {
            assert_eq!(hide(text), hidden);
        }
        assert_eq!(hide(r#"{"username":0042,"x":"https://h/42"}"#), hide(r#"{"username":"42","x":"https://h/42"}"#));
        assert_ne!(pseudonyms().of("a"), Pseudonyms::new("another key of sixteen").unwrap().of("a"));
        assert!(Pseudonyms::new("short").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_hidden_once(text in "\\PC*|[\"\\\\{}:, ]{0,12}(\"username\" ?: ?(\"[a-z\\\\é]{0,4}\"?|[0-9]{0,3}))?[\"\\\\{}:/é]{0,9}") {
            let hidden = pseudonyms().hide(&text).into_owned();
            prop_assert_eq!(hidden == text, matches!(pseudonyms().hide(&text), Cow::Borrowed(_)));
        }
    }
}
