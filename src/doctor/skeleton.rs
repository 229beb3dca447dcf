//! The skeleton of an answer: its keys, numbers, dates, cursors and words of the API. Of every other text only the length stays,
//! so that nobody's words are in a file. Pure.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::api::repair::{Repairs, repair};
use crate::fetch::is_hidden;

/// Most bytes of memory of one skeleton.
const SKELETON_MAX: usize = 16 << 20;
/// Bytes that an entry of an object takes beside its key and its value.
const ENTRY: usize = 64;
/// Levels of lists and objects that are kept. Answers have some ten.
const DEPTH_MAX: u32 = 32;
/// Images that are kept of each version of a model: they are half of all bytes, and of one form.
const SHOWN_MAX: usize = 2;
/// Longest key, and longest word of the API, in bytes.
const WORD_MAX: usize = 40;
/// Longest cursor, in bytes.
const CURSOR_MAX: usize = 512;
/// Longest sentence of an error, in characters.
const SENTENCE_MAX: usize = 1000;
/// Bytes of a body in which the code of a network's own error page is looked for.
const HEAD_MAX: usize = 4096;

/// The key of generation data, whose keys and texts are people's words.
const FREE: &str = "meta";
/// The keys that the API itself gives to generation data and what it lists.
const FREE_KEYS: &[&str] = &[
    "Clip skip",
    "Denoising strength",
    "Model",
    "Model hash",
    "Size",
    "Version",
    "additionalResources",
    "cfgScale",
    "civitaiResources",
    "clipSkip",
    "comfy",
    "denoise",
    "extra",
    "hash",
    "hashes",
    "id",
    "meta",
    "modelVersionId",
    "modelVersionName",
    "name",
    "negativePrompt",
    "prompt",
    "remixOfId",
    "resources",
    "sampler",
    "seed",
    "steps",
    "strength",
    "type",
    "weight",
    "workflow",
];
/// Keys of names: equal ones have equal marks, so that they can be compared.
const NAMES: &[&str] = &["modelName", "modelVersionName", "name", "overrideName", "tags", "username", "versionName"];
/// Keys of other words of people, even where those look like a number or a date.
const WORDS_OF_PEOPLE: &[&str] =
    &["description", "detail", "details", "email", "negativePrompt", "prompt", "title", "trainedWords"];
/// Keys whose texts are words of the API.
const WORDS_OF_API: &[&str] = &[
    "allowCommercialUse",
    "availability",
    "baseModel",
    "baseModelType",
    "baseModels",
    "format",
    "fp",
    "mode",
    "nsfw",
    "nsfwLevel",
    "pickleScanResult",
    "quantType",
    "size",
    "status",
    "trainingStatus",
    "type",
    "uploadType",
    "usageControl",
    "virusScanResult",
];
/// Keys whose texts are sentences and codes of an error.
const SENTENCES: &[&str] = &["code", "error", "message", "path"];

/// The answer that a body belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The path of its request, below the base URL.
    pub(super) path: &'a str,
    /// Its status.
    pub(super) status: u16,
    /// Marks names by hashes under a key that nobody knows.
    pub(super) marks: &'a RandomState,
}

/// The skeleton of a body.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Skeleton {
    /// The JSON; null for a body that is none.
    pub(super) value: Value,
    /// True if it ends early, because the body has too much.
    pub(super) cut: bool,
    /// Its repairs.
    pub(super) repairs: Repairs,
}

/// Returns the skeleton of a body, in memory that `left` has; takes that from it.
pub(super) fn skeleton(body: &str, source: Source<'_>, left: &mut usize) -> Skeleton {
    let Some((text, repairs)) = repair(body) else { return Skeleton { cut: true, ..Skeleton::default() } };
    let room = SKELETON_MAX.min(*left);
    let scan = Scan { source, left: Cell::new(room), cut: Cell::new(false) };
    let mut json = serde_json::Deserializer::from_str(&text);
    let value = At { scan: &scan, key: "", depth: 0, free: false }.deserialize(&mut json);
    let value = value.and_then(|value| json.end().map(|()| value));
    *left -= room - scan.left.get();
    match value {
        Ok(value) => Skeleton { value, cut: scan.cut.get(), repairs },
        Err(_) => Skeleton { value: network_error(body, source.status), ..Skeleton::default() },
    }
}

/// Returns the message of an error page of the network before the server, `error code: 1010`; null if there is none.
fn network_error(body: &str, status: u16) -> Value {
    const WORDS: &str = "error code: ";
    let head = body.char_indices().take_while(|(at, _)| *at < HEAD_MAX).last().map_or(body, |(at, _)| &body[..at]);
    let code = head.find(WORDS).map(|at| &body[at + WORDS.len()..]);
    let code: String = code.into_iter().flat_map(str::chars).take_while(char::is_ascii_digit).take(6).collect();
    if status < 400 || code.is_empty() { Value::Null } else { json!({ "message": format!("{WORDS}{code}") }) }
}

/// One pass over a body.
struct Scan<'a> {
    source: Source<'a>,
    left: Cell<usize>,
    cut: Cell<bool>,
}

impl Scan<'_> {
    /// Takes memory; returns false, for this and everything that follows, if there is not enough.
    fn charge(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes).filter(|_| !self.cut.get());
        self.cut.set(left.is_none());
        self.left.set(left.unwrap_or(self.left.get()));
        left.is_some()
    }

    fn mark(&self, text: &str) -> u32 {
        self.source.marks.hash_one(text) as u32
    }
}

/// The place of a value: the key that it, or the list it is in, has.
#[derive(Clone, Copy)]
struct At<'a> {
    scan: &'a Scan<'a>,
    key: &'a str,
    depth: u32,
    /// Set inside generation data.
    free: bool,
}

impl At<'_> {
    fn is(&self, keys: &[&str]) -> bool {
        keys.contains(&self.key)
    }

    /// True where a number may be a name, or some other word of people.
    fn hides_numbers(&self) -> bool {
        self.is(NAMES) || self.is(WORDS_OF_PEOPLE) || (self.free && !self.is(FREE_KEYS))
    }

    fn number(&self, number: Value) -> Value {
        self.scan.charge(size_of::<Value>());
        match number.is_f64() {
            _ if !self.hides_numbers() => number,
            false => self.scan.mark(&number.to_string()).into(),
            true => (f64::from(self.scan.mark(&number.to_string())) + 0.5).into(),
        }
    }

    fn text(&self, text: &str) -> String {
        let Source { path, status, .. } = self.scan.source;
        if !self.free && self.is(NAMES) && !(status >= 400 && self.key == "name" && is_error_name(text)) {
            return format!("{}~{:08x}", hidden(text), self.scan.mark(text));
        }
        if self.free || self.is(WORDS_OF_PEOPLE) {
            return hidden(text);
        }
        let stays = match self.key {
            "nextCursor" => text.len() <= CURSOR_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "SHA256" => text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "air" => is_air(text),
            "allowCommercialUse" if text.starts_with('{') => is_word_list(text),
            "name" => true,
            _ if path == "enums" || self.is(WORDS_OF_API) => is_word(text),
            _ => false,
        };
        match link(text) {
            _ if stays || is_date(text) => text.to_owned(),
            _ if status >= 400 && self.is(SENTENCES) => sentence(text),
            Some(link) => link,
            None => hidden(text),
        }
    }

    /// Returns the key as it is kept in an object that has others.
    fn kept_key(&self, key: &str, others: &Map<String, Value>) -> String {
        let stays = if self.free { FREE_KEYS.contains(&key) } else { is_identifier(key) };
        let kept = if stays { key.to_owned() } else { hidden(key) };
        if others.contains_key(&kept) { format!("{kept}#{}", others.len()) } else { kept }
    }

    /// Returns the place of a value below this key.
    fn below<'k>(&'k self, key: &'k str) -> At<'k> {
        At { scan: self.scan, key, depth: self.depth + 1, free: self.free || key == FREE }
    }

    /// True if what is below this place is kept.
    fn opens(&self) -> bool {
        let opens = self.depth < DEPTH_MAX && self.scan.charge(size_of::<Value>());
        self.scan.cut.set(!opens);
        opens
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        self.scan.charge(size_of::<Value>());
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        self.scan.charge(size_of::<Value>());
        Ok(v.into())
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(self.number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(self.number(v.into()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(self.number(v.into()))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        let text = self.text(v);
        // In a file quotes and backslashes take two bytes.
        Ok(if self.scan.charge(size_of::<Value>() + 2 * text.len()) { text.into() } else { Value::Null })
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        let opens = self.opens();
        while let Some(key) = map.next_key::<String>()? {
            let name = self.kept_key(&key, &kept);
            if opens && self.scan.charge(ENTRY + name.len()) {
                kept.insert(name, map.next_value_seed(self.below(&key))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        let inside = At { depth: self.depth + 1, ..self };
        let opens = self.opens();
        // A version of a model is at least this deep; elsewhere images are things of their own.
        let most = if self.key == "images" && self.depth >= 3 { SHOWN_MAX } else { usize::MAX };
        while opens && !self.scan.cut.get() && kept.len() < most {
            match list.next_element_seed(inside)? {
                Some(element) => kept.push(element),
                None => return Ok(kept.into()),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(kept.into())
    }
}

/// Returns what stays of any text: `…17` for one of 17 characters.
fn hidden(text: &str) -> String {
    format!("…{}", text.chars().count())
}

fn is_identifier(key: &str) -> bool {
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && key.len() <= WORD_MAX && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// True for a word of a list of the API, such as `SDXL 1.0`, `LoCon` or `Wan Video 14B i2v 720p`.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .-_+()".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= WORD_MAX && text.chars().all(plain)
}

/// True for a list as Postgres writes it: `{Image,Rent}`.
fn is_word_list(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.is_some_and(|words| words.is_empty() || (words.len() <= 4 * WORD_MAX && words.split(',').all(is_word)))
}

fn is_air(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":@._-".contains(&byte);
    text.starts_with("urn:air:") && text.len() <= 4 * WORD_MAX && text.bytes().all(plain)
}

fn is_error_name(text: &str) -> bool {
    is_identifier(text) && text.ends_with("Error")
}

/// True for a date in any form: `2024-01-02`, `2024-01-02T03:04:05.678Z`, `2024-01-02 03:04:05.6+02`, `-000023-01-21T…`.
fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let digits =
        |part: &str, counts: &[usize]| counts.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = date.strip_prefix(['-', '+']).unwrap_or(date).split('-').take(4).collect();
    let is_day = matches!(parts[..], [year, month, day]
        if digits(year, &[4, 5, 6]) && digits(month, &[2]) && digits(day, &[2]));
    let mut clock = time.splitn(3, ':');
    let mut two = || clock.next().is_some_and(|part| digits(part.get(..2).unwrap_or_default(), &[2]));
    is_day
        && time.len() <= WORD_MAX
        && two()
        && two()
        && time.bytes().all(|byte| byte.is_ascii_digit() || b":.+-Z".contains(&byte))
}

/// Returns the host of a link, and its last segment if that is a number or a file named by one: `https://host/…/123.jpeg`.
fn link(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = if is_shown_host(host) { host } else { "…" };
    let last = path.rsplit('/').next().unwrap_or_default();
    let (stem, ending) = last.split_once('.').unwrap_or((last, ""));
    let is_number = !stem.is_empty() && stem.len() <= 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
    let is_file = ending.len() <= 5 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let last = if is_number && is_file { format!("/{last}") } else { String::new() };
    Some(format!("{scheme}://{host}/…{last}"))
}

/// True for a host's name, or an address of this machine: any other address may be the user's own.
pub(super) fn is_shown_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    let is_name = !host.is_empty() && host.len() <= 100 && host.bytes().all(plain);
    is_name && (!is_address(host) || host.starts_with("127.") || host.starts_with("[::1]"))
}

/// True for an IP address, with or without a port.
fn is_address(host: &str) -> bool {
    let bare = host.trim_start_matches('[');
    let parts: Vec<&str> = bare.split(':').next().unwrap_or_default().split('.').take(5).collect();
    let is_number = |part: &&str| matches!(part.len(), 1..=3) && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = bare.contains("::") || bare.matches(':').count() > 3;
    (parts.len() == 4 && parts.iter().all(is_number)) || (is_v6 && bare.bytes().any(|byte| byte.is_ascii_hexdigit()))
}

/// Returns a sentence of the server, on one line and bounded, without what may be an address, a token or a mailbox.
pub(super) fn sentence(text: &str) -> String {
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || is_hidden(c);
    let words = text.split(is_blank).filter(|word| !word.is_empty());
    let line: String = words.collect::<Vec<_>>().join(" ").chars().take(SENTENCE_MAX).collect();
    let is_end = |c: char| c.is_whitespace() || "\"'`,;()[]{}<>=|/&?!".contains(c);
    let pieces = line.split_inclusive(is_end).map(|piece| {
        let word = piece.trim_end_matches(is_end);
        let (bare, end) = (word.trim_end_matches(['.', ':']), &piece[word.len()..]);
        if is_revealing(bare) { hidden(word) + end } else { piece.to_owned() }
    });
    pieces.collect()
}

fn is_revealing(word: &str) -> bool {
    let run = |run: &str| {
        let has = |of: fn(&u8) -> bool| run.bytes().any(|byte| of(&byte));
        let (digits, letters) = (has(u8::is_ascii_digit), has(u8::is_ascii_alphabetic));
        (digits && run.len() >= 20) || (digits && letters && run.len() >= 16) || run.len() >= WORD_MAX
    };
    let is_part = |c: char| c.is_alphanumeric() || "+-_~%*".contains(c);
    word.contains('@') || is_address(word) || word.split(|c| !is_part(c)).any(run)
}

#[cfg(test)]
mod tests;
