//! Finds people's names, their ids and the strings that may hold links in JSON, valid or not.

use std::ops::Range;

use super::letters::letters;

/// The key of a name.
const NAME: &str = "username";
/// The key of a person, and of the id inside.
const PERSON: &str = "user";
const ID: &str = "id";

/// A finding in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'t> {
    /// A value under the key of names: its place, with its quotes, and the value as written, without them.
    Name(Range<usize>, &'t str),
    /// The place, with its quotes, of an id inside the value of the key of a person.
    Id(Range<usize>),
    /// The place of a string that may hold links, without its quotes. It is no name.
    String(Range<usize>),
}

/// The keys whose values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Name,
    Person,
    Id,
}

/// Lists and objects open since the one that is the value of a key.
#[derive(Default)]
struct Inside(usize);

impl Inside {
    fn open(&mut self, begins: bool) {
        self.0 += usize::from(begins || self.0 > 0);
    }

    fn close(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    fn is_open(&self) -> bool {
        self.0 > 0
    }
}

/// Shows, in order, the strings that may hold links, and the names: every string, number and bool that is the value of the key,
/// or anywhere in a list or object that is; and the ids of people in the same way.
pub(super) fn scan<'t>(text: &'t str, show: &mut dyn FnMut(Found<'t>)) {
    let (bytes, mut at) = (text.as_bytes(), 0);
    // The key whose value comes next, unless it is any other.
    let mut key = None;
    let (mut name, mut person) = (Inside::default(), Inside::default());
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let close = closing(bytes, at + 1);
                let (inside, end) = (at + 1..close, (close + 1).min(bytes.len()));
                let is_key = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_key {
                    key = known(&text[inside.clone()]);
                }
                if !is_key && (key == Some(Key::Name) || name.is_open()) {
                    show(Found::Name(at..end, &text[inside]));
                    key = None;
                } else if !is_key && key == Some(Key::Id) && person.is_open() {
                    show(Found::Id(at..end));
                    key = None;
                } else if bytes[inside.clone()].iter().any(|byte| matches!(byte, b'/' | b'\\' | b'?')) {
                    show(Found::String(inside));
                }
                at = end;
            }
            b'{' | b'[' => {
                name.open(key == Some(Key::Name));
                person.open(key == Some(Key::Person));
                key = None;
                at += 1;
            }
            b'}' | b']' => {
                name.close();
                person.close();
                key = None;
                at += 1;
            }
            b',' => {
                key = None;
                at += 1;
            }
            byte if byte == b':' || byte.is_ascii_whitespace() => at += 1,
            _ => {
                let ends = |byte: &u8| b"{}[],:\"".contains(byte) || byte.is_ascii_whitespace();
                let end = bytes[at..].iter().position(ends).map_or(bytes.len(), |length| at + length);
                let is_key = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if !is_key && text[at..end] != *"null" {
                    if key == Some(Key::Name) || name.is_open() {
                        show(Found::Name(at..end, &text[at..end]));
                    } else if key == Some(Key::Id) && person.is_open() {
                        show(Found::Id(at..end));
                    }
                }
                key = key.filter(|_| is_key);
                at = end;
            }
        }
    }
}

fn known(raw: &str) -> Option<Key> {
    let is = |key: &str| raw == key || (raw.contains('\\') && letters(raw).map(|letter| letter.char).eq(key.chars()));
    [(NAME, Key::Name), (PERSON, Key::Person), (ID, Key::Id)].into_iter().find(|(key, _)| is(key)).map(|(_, key)| key)
}

/// Returns the position of the quote that closes the string around `at`, or the end of the text.
fn closing(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::super::letters::decoded;
    use super::*;

    #[test]
    fn ids_are_the_scalars_below_the_key_of_a_person() {
        for (text, expected) in [
            (r#"{"id":1,"user":{"id":2,"username":"a"},"x":{"id":3}}"#, &["2"][..]),
            (r#"{"\u0075ser" : {"\u0069d" : "2"}}"#, &["\"2\""]),
            (r#"{"user":[{"id":1},{"a":{"id":2.5}}],"id":3}"#, &["1", "2.5"]),
            (r#"{"user":{"id":null,"a":4},"users":{"id":5}}"#, &[]),
            (r#"{"user":{"id":7"#, &["7"]),
            (r#"{"user":7,"id":8}"#, &[]),
            (r#"{"username":{"user":{"id":1}}}"#, &[]),
        ] {
            let mut ids = Vec::new();
            scan(text, &mut |found| {
                if let Found::Id(at) = found {
                    ids.push(&text[at]);
                }
            });
            assert_eq!(ids, expected, "{text}");
        }
    }

    #[test]
    fn names_are_the_scalars_below_their_key() {
        for (text, expected) in [
            (r#"{"username":"Bob"}"#, &["Bob"][..]),
            (r#"{"user\u006eame" : "B\u006Fb\/"}"#, &["Bob/"]),
            (r#"{"username":-12.5e+3,"x":7}"#, &["-12.5e+3"]),
            (r#"{"username":true,"x":false}"#, &["true"]),
            (r#"{"username":null,"x":"a"}"#, &[]),
            (r#"{"username":["a",1,[null,{"b":"c"}]],"x":"d"}"#, &["a", "1", "c"]),
            (r#"{"username":{"b":"a","c":2},"x":[3]}"#, &["a", "2"]),
            (r#"{"username":{},"x":"a"}"#, &[]),
            (r#"{"x":"username","y":"a"}"#, &[]),
            (r#"{"t":"\"username\":\"x\""}"#, &[]),
            (r#"["username",{"username":"a"}]"#, &["a"]),
            (r#"{"username":"a"#, &["a"]),
            (r#"{"username":,"x":"a"}"#, &[]),
            (r#"{"username":}"#, &[]),
        ] {
            let mut names = Vec::new();
            scan(text, &mut |found| {
                if let Found::Name(_, name) = found {
                    names.push(decoded(name));
                }
            });
            assert_eq!(names, expected, "{text}");
        }
    }
}
