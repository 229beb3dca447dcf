//! What every list answer has in common: items, and metadata with the cursor of the next page.

use std::borrow::Cow;

use serde::de::{MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::repair::repair;
use super::value::{Accept, Slot, Text, object};
use crate::table::{Provenance, Tables, rejects};

/// What a walk needs to know of a page whose rows were taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Items on the page, rejects included.
    pub items: u64,
    /// Items that no table could take; their text is in `rejects`.
    pub rejects: u64,
    /// The ids of the items taken.
    pub ids: Vec<i64>,
    /// The cursor of the next page as the server wrote it; `None` when it named none.
    pub next_cursor: Option<String>,
    /// Control bytes and broken escapes repaired before the page could be read.
    pub repairs: u32,
}

/// A page that could not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the page cannot be read: {reason}")]
pub struct Unreadable {
    /// What stood in the way.
    pub reason: String,
}

/// The part of a list answer that is read.
#[derive(Debug)]
struct Envelope<T> {
    items: Option<Vec<Slot<T>>>,
    next_cursor: Option<String>,
}

#[derive(Debug)]
struct Items<T>(Vec<Slot<T>>);

object! {
    /// `metadata` of a list answer; page numbers, totals and links say nothing a cursor walk may rely on.
    Metadata {
        next_cursor: Text<'a> = "nextCursor",
    }
}

impl<'de, T: Accept<'de>> Accept<'de> for Envelope<T> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut envelope = Self { items: None, next_cursor: None };
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "items" => {
                    if let Slot::Value(Items(items)) = map.next_value()? {
                        envelope.items = Some(items);
                    }
                }
                "metadata" => {
                    if let Slot::Value(metadata) = map.next_value::<Slot<Metadata<'de>>>()? {
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

/// Reads a body with `read`, and once more after repairing it when it could not be read as it is.
///
/// # Errors
/// When the body cannot be read even after repair.
pub(super) fn repaired(body: &str, mut read: impl FnMut(&str) -> Result<Page, String>) -> Result<Page, Unreadable> {
    read(body).or_else(|reason| match repair(body) {
        (_, 0) => Err(Unreadable { reason }),
        (text, repairs) => read(&text).map(|page| Page { repairs, ..page }).map_err(|reason| Unreadable { reason }),
    })
}

/// Takes a list page: each item becomes rows by `rows`, which returns its id, or a reject. On `Err`, which is the reason, nothing was appended.
pub(super) fn take_list<'a, T: Accept<'a>>(
    body: &'a str,
    at: &Provenance<'_>,
    into: &mut Tables,
    rows: fn(T, &Provenance<'_>, &mut Tables) -> Result<i64, &'static str>,
) -> Result<Page, String> {
    let envelope = match serde_json::from_str(body) {
        Ok(Slot::Value(envelope)) => envelope,
        Ok(_) => return Err(String::from("the answer is no JSON object")),
        Err(error) => return Err(error.to_string()),
    };
    let Envelope { items: Some(items), next_cursor } = envelope else {
        return Err(String::from("the answer has no list of `items`"));
    };
    let mut page = Page { items: items.len() as u64, next_cursor, ..Page::default() };
    for (position, item) in items.into_iter().enumerate() {
        let reason = match item {
            Slot::Value(item) => match rows(item, at, into) {
                Ok(id) => {
                    page.ids.push(id);
                    continue;
                }
                Err(reason) => reason,
            },
            Slot::Null | Slot::Odd(_) => "it is no JSON object",
        };
        let item = item_text(body, position);
        into.rejects.push(rejects::Row { position: position as i64, reason, item: item.as_deref(), at });
        page.rejects += 1;
    }
    Ok(page)
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

/// The metadata of a page that is broken somewhere before it: its `nextCursor`, when the tail alone can be read.
///
/// Lets a walk go on behind a page whose items are lost. `None` when the tail is broken too; `Some(None)` when it is sound
/// and names no cursor.
pub fn salvage_cursor(body: &str) -> Option<Option<String>> {
    let tail = &body[body.rfind("\"metadata\"")? + "\"metadata\"".len()..];
    let object = tail.trim_start().strip_prefix(':')?.trim_end().strip_suffix('}')?;
    match serde_json::from_str(object) {
        Ok(Slot::Value(Metadata { next_cursor, .. })) => Some(next_cursor.map(|text| text.0.into_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
