//! The API key, masked in all that a server repeats of it before anything else of the program sees it. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use reqwest::header::{HeaderMap, HeaderValue};

/// Stands where the server repeated the key.
const MASK: &str = "*API-KEY*";

/// A shorter key is not masked: too much that is no key would look like it.
const KEY_MIN: usize = 8;
/// A shorter key than this must have letters and digits, so that it is no word and no number.
const KEY_LONG: usize = 16;
/// The least number of different characters: a row of dashes is no key.
const KINDS_MIN: usize = 5;
/// The least number of characters at which the beginning of a long key counts as the key.
const BEGINNING_MIN: usize = 12;
/// What escapes are written with beside hexadecimal digits: `%`, `\u`, `\x`, `&#`, `&amp;` and the like.
const ESCAPES: &[u8] = b"%\\&#;xXuUAMPLTGQOSamptlgqos";
/// An escape may have been escaped again so often.
const NESTED_MAX: usize = 8;

/// Finds a key however it is written.
pub(super) struct Mask {
    forms: Vec<Form>,
    /// The bytes that a form may begin with, and those that it may hold.
    starts: [bool; 256],
    holds: [bool; 256],
    /// No form has fewer bytes.
    reach: usize,
}

/// One way to write the key. Each of its characters may be escaped besides.
struct Form {
    folded: Vec<u8>,
    /// So many characters of it, from its beginning, count as all of it.
    least: usize,
    /// It is in base64: what stands around in the same text holds bits of the key too.
    base64: bool,
}

impl Mask {
    /// The mask of a key; none for a key that ordinary text may hold by chance.
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

    /// The text without the key; none when it does not hold it.
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

    /// Takes the key out of an answer's headers.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Some(clean) = self.masked(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static(MASK));
            }
        }
    }

    /// The first place from `from` on that holds the key. Only where so many bytes in a row may belong to a form, it is
    /// looked for: most text is skipped.
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
        let tells = |length: &usize| kinds(&folded[..*length]) >= KINDS_MIN;
        let long = folded.len() >= KEY_LONG;
        let least = (beginning..folded.len()).filter(|_| long).find(tells).unwrap_or(folded.len());
        Form { folded, least, base64 }
    }

    /// The end of the form that begins here, should it.
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        // Of a key that looks like an escape itself, only this is certain.
        let plain = text[at..].iter().map(|byte| fold(*byte)).take(self.folded.len());
        if plain.eq(self.folded.iter().copied()) {
            return Some(at + self.folded.len());
        }
        let (mut end, mut met) = (at, 0);
        for wanted in &self.folded {
            let Some(taken) = step(&text[end..], *wanted) else { break };
            (end, met) = (end + taken, met + 1);
        }
        (met >= self.least).then_some(end)
    }
}

/// The bytes by which the text writes this character, should it begin with it: plain, or escaped as in URLs, JSON or HTML.
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

/// `%2B`, or encoded once more `%252B`.
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

/// `\u002b`, `\x2b` or `\/`; in JSON within JSON with more backslashes.
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

/// `&#43;`, `&#x2b;` or `&lt;`; escaped once more `&amp;#43;`.
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

/// A byte without its case; the digits of base64 in URLs are those of base64.
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

/// All of the base64 text around what was found in it, but no piece of an escape before it.
fn whole_base64(text: &[u8], from: usize, found: Range<usize>) -> Range<usize> {
    let digit = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let mut start = found.start - text[from..found.start].iter().rev().take_while(digit).count();
    if start > from && text[start - 1] == b'\\' {
        start += if text[start] == b'u' { 5 } else { 1 };
    }
    let end = found.end + text[found.end..].iter().take_while(digit).count();
    start.min(found.start)..end
}

/// Whole groups of three bytes in base64.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
    let digits = |bits: usize| [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63]);
    bytes.chunks_exact(3).flat_map(|three| digits(group(three))).collect()
}

/// True when the server put the key into this text, which is of no use any more.
pub fn is_masked(text: &str) -> bool {
    text.contains(MASK)
}

#[cfg(test)]
mod tests;
