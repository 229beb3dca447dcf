//! Masks the API key in all that a server sends, before any other part of the program reads it. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use reqwest::header::{HeaderMap, HeaderValue};

/// The text that replaces the key.
const MASK: &str = "*API-KEY*";

/// A shorter key is not masked, because ordinary text may contain it.
const KEY_MIN: usize = 8;
/// A shorter key than this is masked only if it has letters and digits, and so is no word and no number.
const KEY_LONG: usize = 16;
/// A key with fewer different characters is not masked: a row of dashes is no key.
const KINDS_MIN: usize = 5;
/// Least length at which the beginning of a long key counts as the key.
const BEGINNING_MIN: usize = 12;
/// Bytes of escapes beside hexadecimal digits: `%`, `\u`, `\x`, `&#`, `&amp;` and the like.
const ESCAPES: &[u8] = b"%\\&#;xXuUAMPLTGQOSamptlgqos";
/// Most times that an escape may have been escaped again.
const NESTED_MAX: usize = 8;

/// Finds a key in each of its forms.
pub(super) struct Mask {
    forms: Vec<Form>,
    /// Bytes that a form may begin with, and bytes that it may contain.
    starts: [bool; 256],
    holds: [bool; 256],
    /// Length of the shortest form.
    reach: usize,
}

/// One form of the key. Each of its characters may also be escaped.
struct Form {
    folded: Vec<u8>,
    /// Length at which its beginning counts as the whole form.
    least: usize,
    /// True for base64, where the digits around the form hold bits of the key too.
    base64: bool,
}

impl Mask {
    /// Returns the mask of a key, or `None` for a key that ordinary text may contain by chance.
    pub(super) fn of(key: &str) -> Option<Mask> {
        let has = |of: fn(&u8) -> bool| key.bytes().any(|byte| of(&byte));
        let odd = has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit);
        if key.len() < KEY_MIN || kinds(key.as_bytes()) < KINDS_MIN || (key.len() < KEY_LONG && !odd) {
            return None;
        }
        let hex = key.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let base64 = (0..3).map(|skip| Form::new(&base64(&key.as_bytes()[skip..]), true));
        let forms = [Form::new(key.as_bytes(), false), Form::new(hex.as_bytes(), false)];
        let forms: Vec<Form> = forms.into_iter().chain(base64).collect();
        let (mut starts, mut holds) = ([false; 256], [false; 256]);
        for (byte, (start, held)) in (0..=u8::MAX).zip(starts.iter_mut().zip(&mut holds)) {
            let begins = |form: &Form| form.folded.first() == Some(&fold(byte));
            let contains = |form: &Form| form.folded.contains(&fold(byte));
            *start = matches!(byte, b'%' | b'\\' | b'&') || forms.iter().any(begins);
            *held = byte.is_ascii_hexdigit() || ESCAPES.contains(&byte) || forms.iter().any(contains);
        }
        let reach = forms.iter().map(|form| form.least).min().unwrap_or(KEY_MIN);
        Some(Mask { forms, starts, holds, reach })
    }

    /// Returns the text with the key masked, or `None` if it does not contain the key.
    pub(super) fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut found = self.find(text, 0)?;
        let (mut clean, mut from) = (Vec::with_capacity(text.len()), 0);
        loop {
            clean.extend_from_slice(&text[from..found.start]);
            clean.extend_from_slice(MASK.as_bytes());
            from = found.end;
            match self.find(text, from) {
                Some(next) => found = next,
                None => break,
            }
        }
        clean.extend_from_slice(&text[from..]);
        Some(clean)
    }

    /// Masks the key in an answer's headers.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Some(clean) = self.masked(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static(MASK));
            }
        }
    }

    /// Returns the first place of the key from `from` on. Compares only where `reach` bytes in a row may belong to a form, and so
    /// skips most text.
    fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let (mut at, mut checked) = (from, from);
        while at + self.reach <= text.len() {
            let end = at + self.reach;
            let window = &text[at.max(checked)..end];
            if let Some(other) = window.iter().rposition(|byte| !self.holds[usize::from(*byte)]) {
                at = end - window.len() + other + 1;
                continue;
            }
            checked = end;
            if self.starts[usize::from(text[at])]
                && let Some((form, end)) = self.forms.iter().find_map(|form| Some((form, form.end(text, at)?)))
            {
                return Some(if form.base64 { whole_base64(text, from, at..end) } else { at..end });
            }
            at += 1;
        }
        None
    }
}

impl Form {
    fn new(text: &[u8], base64: bool) -> Form {
        let folded: Vec<u8> = text.iter().map(|byte| fold(*byte)).collect();
        let beginning = BEGINNING_MIN.max(folded.len() / 2);
        let is_distinct = |length: &usize| kinds(&folded[..*length]) >= KINDS_MIN;
        let long = folded.len() >= KEY_LONG;
        let least = (beginning..folded.len()).filter(|_| long).find(is_distinct).unwrap_or(folded.len());
        Form { folded, least, base64 }
    }

    /// Returns the end of the form, if it begins here.
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        // A key that looks like an escape is found only when it is written plainly.
        let plain = text[at..].iter().map(|byte| fold(*byte)).take(self.folded.len());
        if plain.eq(self.folded.iter().copied()) {
            return Some(at + self.folded.len());
        }
        let (mut end, mut matched) = (at, 0);
        for wanted in &self.folded {
            let Some(taken) = step(&text[end..], *wanted) else { break };
            (end, matched) = (end + taken, matched + 1);
        }
        (matched >= self.least).then_some(end)
    }
}

/// Returns the length of this character at the beginning of the text: plain, or escaped as in URLs, JSON or HTML.
fn step(text: &[u8], wanted: u8) -> Option<usize> {
    let first = *text.first()?;
    let escaped = match first {
        b'%' => percent(text, wanted),
        b'\\' => backslash(text, wanted),
        b'&' => entity(text, wanted),
        _ => None,
    };
    escaped.or_else(|| (fold(first) == wanted).then_some(1))
}

/// Reads `%2B`, or encoded again `%252B`.
fn percent(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 1;
    for _ in 0..NESTED_MAX {
        let byte = number(text.get(at..at + 2)?, 16)?;
        at += 2;
        if is(byte, wanted) {
            return Some(at);
        }
        if !is(byte, b'%') {
            return None;
        }
    }
    None
}

/// Reads `\u002b`, `\x2b` or `\/`; JSON within JSON has more backslashes.
fn backslash(text: &[u8], wanted: u8) -> Option<usize> {
    if wanted == b'\\' && text.starts_with(b"\\\\") {
        return Some(2);
    }
    let slashes = text.iter().take(NESTED_MAX).take_while(|byte| **byte == b'\\').count();
    let (first, rest) = text.get(slashes..)?.split_first()?;
    let digits = match first {
        b'u' | b'U' => 4,
        b'x' | b'X' => 2,
        _ => return (first.is_ascii_punctuation() && fold(*first) == wanted).then_some(slashes + 1),
    };
    let code = number(rest.get(..digits)?, 16)?;
    is(code, wanted).then_some(slashes + 1 + digits)
}

/// Reads `&#43;`, `&#x2b;` or `&lt;`; escaped again `&amp;#43;`.
fn entity(text: &[u8], wanted: u8) -> Option<usize> {
    const NAMES: [(&[u8], u8); 5] = [(b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"quot", b'"'), (b"apos", b'\'')];
    let mut at = 1;
    for _ in 0..NESTED_MAX {
        let length = text.get(at..)?.iter().take(10).position(|byte| *byte == b';')?;
        let name = &text[at..at + length];
        at += length + 1;
        let code = match name {
            [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
            [b'#', digits @ ..] => number(digits, 10)?,
            _ => NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?.1.into(),
        };
        if is(code, wanted) {
            return Some(at);
        }
        if !is(code, b'&') {
            return None;
        }
    }
    None
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

fn is(code: u32, wanted: u8) -> bool {
    u8::try_from(code).is_ok_and(|byte| fold(byte) == wanted)
}

/// Folds case, and the digits of URL-safe base64 to those of base64.
fn fold(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte.to_ascii_lowercase(),
    }
}

fn kinds(text: &[u8]) -> usize {
    text.iter().map(u8::to_ascii_lowercase).collect::<BTreeSet<u8>>().len()
}

/// Extends a find in base64 to all of the base64 around it, but not into an escape before it.
fn whole_base64(text: &[u8], from: usize, found: Range<usize>) -> Range<usize> {
    let digit = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let mut start = found.start - text[from..found.start].iter().rev().take_while(digit).count();
    if start > from && text[start - 1] == b'\\' {
        start += if text[start] == b'u' { 5 } else { 1 };
    }
    let end = found.end + text[found.end..].iter().take_while(digit).count();
    start.min(found.start)..end
}

/// Encodes whole groups of three bytes in base64.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
    let digits = |bits: usize| [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63]);
    bytes.chunks_exact(3).flat_map(|three| digits(group(three))).collect()
}

/// Returns true when the server repeated the key in this text, which is useless then: a cursor with a mask leads nowhere.
pub fn is_masked(text: &str) -> bool {
    text.contains(MASK)
}

#[cfg(test)]
mod tests;
