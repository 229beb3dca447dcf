//! What answers have in common: lists of items with metadata that names the next page, and single items looked up.

use std::borrow::Cow;

use serde::de::{MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::endpoint::Asked;
use super::object::object;
use super::repair::repair;
use super::value::{Accept, Slot, Text, text};
use crate::table::{Tables, rejects};

/// What a walk needs to know of a page whose rows were taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Items on the page, rejects included.
    pub items: u64,
    /// Items that no table could take; their text is in `rejects`.
    pub rejects: u64,
    /// The ids of the items taken; none where items have no id.
    pub ids: Vec<i64>,
    /// The cursor of the next page as the server wrote it; `None` when it named none.
    pub next_cursor: Option<String>,
    /// How many pages there are, where the endpoint tells it truly; `None` when it is not known (yet).
    pub pages_told: Option<u64>,
    /// How many items there are on all pages, where the endpoint tells it truly.
    pub items_told: Option<u64>,
    /// Items that show anything above PG13.
    pub mature: u64,
    /// Models that came without any version, which a look-up may still have.
    pub hollow: Vec<i64>,
    /// Whether it looks like a false end: to be asked for once more before it is believed.
    pub doubtful: bool,
    /// Control bytes and broken escapes repaired before the page could be read.
    pub repairs: u32,
}

impl Page {
    fn note(&mut self, taken: Taken) {
        self.ids.extend(taken.id);
        self.mature += u64::from(taken.mature);
        self.hollow.extend(taken.id.filter(|_| taken.hollow));
    }
}

/// A page that could not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the page cannot be read: {reason}")]
pub struct Unreadable {
    /// What stood in the way.
    pub reason: String,
}

/// Why no table can take an item.
pub(super) type Reason = Cow<'static, str>;

/// What is told of an item that became rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taken {
    /// Its id, where it has one.
    pub(super) id: Option<i64>,
    /// Whether it shows anything above PG13.
    pub(super) mature: bool,
    /// Whether it is a model without any version.
    pub(super) hollow: bool,
}

/// Whether a level mask holds more than PG (1) and PG13 (2).
pub(super) fn is_mature(levels: Option<i64>) -> bool {
    levels.is_some_and(|levels| levels & !3 != 0)
}

/// How an item becomes rows: what is told of it, or the reason why no table takes it, and then nothing was appended.
pub(super) type Rows<T> = fn(T, &Asked<'_>, &mut Tables) -> Result<Taken, Reason>;

/// The part of a list answer that is read.
#[derive(Debug)]
struct Envelope<T> {
    items: Option<Vec<Slot<T>>>,
    next_cursor: Option<String>,
    pages_told: Option<u64>,
    items_told: Option<u64>,
}

#[derive(Debug)]
struct Items<T>(Vec<Slot<T>>);

impl Metadata<'_> {
    /// A total: an integer today, text in older answers. With `hasMore` it is only a lower bound.
    fn told(&self, total: &Option<Text<'_>>) -> Option<u64> {
        let told = text(total)?.parse().ok();
        told.filter(|_| self.has_more != Some(true))
    }
}

object! {
    /// `metadata` of a list answer; links say nothing a walk may rely on (their host is the server's word).
    Metadata {
        next_cursor: Text<'a> = "nextCursor",
        total_pages: Text<'a> = "totalPages",
        total_items: Text<'a> = "totalItems",
        has_more: bool = "hasMore",
    }
}

impl<'de, T: Accept<'de>> Accept<'de> for Envelope<T> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut envelope = Self { items: None, next_cursor: None, pages_told: None, items_told: None };
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "items" => {
                    if let Slot::Value(Items(items)) = map.next_value()? {
                        envelope.items = Some(items);
                    }
                }
                "metadata" => {
                    if let Slot::Value(metadata) = map.next_value::<Slot<Metadata<'de>>>()? {
                        envelope.pages_told = metadata.told(&metadata.total_pages);
                        envelope.items_told = metadata.told(&metadata.total_items);
                        envelope.next_cursor = metadata.next_cursor.map(|text| text.0.into_owned());
                    }
                }
                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        Ok(Slot::Value(envelope))
    }
}

impl<'de, T: Accept<'de>> Accept<'de> for Items<T> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Slot::Value(Self(items)))
    }
}

/// Reads a body with `read`, repairing it when it cannot be read as it is, or beforehand when it may hold half a surrogate
/// pair: what is kept as JSON text is not looked into by reading, and must be sound too.
///
/// # Errors
/// When the body cannot be read even after repair.
pub(super) fn repaired(body: &str, mut read: impl FnMut(&str) -> Result<Page, String>) -> Result<Page, Unreadable> {
    // Servers write whole characters as they are, so these escapes are rare and nearly always halves.
    let halves = body.contains("\\ud") || body.contains("\\uD");
    let read_as_sent = if halves { Err(String::new()) } else { read(body) };
    let page = read_as_sent.or_else(|reason| match repair(body) {
        (_, 0) if !halves => Err(reason),
        (text, repairs) => read(&text).map(|page| Page { repairs, ..page }),
    });
    page.map_err(|reason| Unreadable { reason })
}

/// Takes a list page: each item becomes rows, or a reject. On `Err`, which is the reason, nothing was appended.
pub(super) fn take_list<'a, T: Accept<'a>>(
    body: &'a str,
    asked: &Asked<'_>,
    into: &mut Tables,
    rows: Rows<T>,
) -> Result<Page, String> {
    Ok(Page { pages_told: None, items_told: None, ..take_numbered(body, asked, into, rows)? })
}

/// Takes a list page whose metadata truly tells how many pages there are; else like [`take_list`].
pub(super) fn take_numbered<'a, T: Accept<'a>>(
    body: &'a str,
    asked: &Asked<'_>,
    into: &mut Tables,
    rows: Rows<T>,
) -> Result<Page, String> {
    let Envelope { items: Some(items), next_cursor, pages_told, items_told } = parse(body)? else {
        return Err(String::from("the answer has no list of `items`"));
    };
    let mut page = Page { items: items.len() as u64, next_cursor, pages_told, items_told, ..Page::default() };
    for (position, item) in items.into_iter().enumerate() {
        let taken = match item {
            Slot::Value(item) => rows(item, asked, into),
            Slot::Null | Slot::Odd(_) => Err(Reason::Borrowed("it is no JSON object")),
        };
        match taken {
            Ok(taken) => page.note(taken),
            Err(reason) => {
                let item = item_text(body, position);
                reject(position as i64, &reason, item.as_deref(), asked, into);
                page.rejects += 1;
            }
        }
    }
    Ok(page)
}

/// Takes the answer to a look-up, which is the item itself. On `Err`, which is the reason, nothing was appended.
pub(super) fn take_one<'a, T: Accept<'a>>(
    body: &'a str,
    asked: &Asked<'_>,
    into: &mut Tables,
    rows: Rows<T>,
) -> Result<Page, String> {
    let mut page = Page { items: 1, ..Page::default() };
    match rows(parse(body)?, asked, into) {
        Ok(taken) => page.note(taken),
        Err(reason) => {
            reject(0, &reason, Some(body), asked, into);
            page.rejects = 1;
        }
    }
    Ok(page)
}

fn parse<'a, T: Accept<'a>>(body: &'a str) -> Result<T, String> {
    match serde_json::from_str(body) {
        Ok(Slot::Value(value)) => Ok(value),
        Ok(_) => Err(String::from("the answer is no JSON object")),
        Err(error) => Err(error.to_string()),
    }
}

fn reject(position: i64, reason: &str, item: Option<&str>, asked: &Asked<'_>, into: &mut Tables) {
    into.rejects.push(rejects::Row { position, reason, item, at: &asked.at });
}

/// The text of one item as received. Reads the page a second time, which only a reject is worth.
fn item_text(body: &str, position: usize) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Texts<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    let texts: Texts<'_> = serde_json::from_str(body).ok()?;
    texts.items.get(position).map(|item| item.get().to_owned())
}

/// The cursor of the next page, from a page that is broken somewhere before its metadata: lets a walk go on behind a page
/// whose items are lost. `None` when the tail cannot be read, or names no cursor (a file's `metadata` does not either).
pub fn salvage_cursor(body: &str) -> Option<String> {
    let tail = &body[body.rfind("\"metadata\"")? + "\"metadata\"".len()..];
    let object = tail.trim_start().strip_prefix(':')?.trim_end().strip_suffix('}')?;
    match serde_json::from_str(object) {
        Ok(Slot::Value(Metadata { next_cursor, .. })) => next_cursor.map(|text| text.0.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
