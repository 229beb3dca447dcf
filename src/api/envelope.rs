//! The two forms of answers: a list of items with metadata, and a single item looked up.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::item::{Item, PageRows, doubles, unshown, valued};
use super::object::object;
use super::page::{Page, Query, Unreadable, value_of};
use super::rejection::{Reason, Rejection};
use super::repair::repair;
use super::twins::{Key, Sieve};
use super::value::{Accept, Slot, Text, text};
use crate::table::{Tables, rejects};

/// Returns the first 64 bits of the text's BLAKE3 hash.
pub(super) fn hash_of(text: &str) -> i64 {
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes()[..8].iter().fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

/// True if a level mask has neither PG (1) nor PG13 (2), or is missing.
pub(super) fn is_above_pg13(levels: Option<i64>) -> bool {
    levels.is_none_or(|levels| levels & 3 == 0)
}

/// The part of a list answer that is read.
#[derive(Debug)]
struct Envelope<T> {
    items: Option<Vec<Slot<T>>>,
    /// True if `items` is null.
    null: bool,
    metadata: Option<PagingFacts>,
}

/// The paging facts in the metadata.
#[derive(Debug)]
struct PagingFacts {
    next_cursor: Option<String>,
    pages: Option<u64>,
    items: Option<u64>,
    /// True if it says that a next page exists.
    more: bool,
}

#[derive(Debug)]
struct Items<T>(Vec<Slot<T>>);

impl Metadata<'_> {
    /// Returns the paging facts; `None` if the cursor has an unknown form, since the walk must not take that for its end.
    fn paging(self) -> Option<PagingFacts> {
        let (pages, items) = (self.total(&self.total_pages), self.total(&self.total_items));
        let next_cursor = match self.next_cursor {
            None => None,
            Some(Token(token)) => Some(token?),
        };
        Some(PagingFacts { next_cursor, pages, items, more: self.next_page.is_some() || self.has_more == Some(true) })
    }

    /// Returns a total: an integer today, text in older answers. With `hasMore` it is only a lower bound, so not returned.
    fn total(&self, total: &Option<Text<'_>>) -> Option<u64> {
        let number = text(total)?.parse().ok();
        number.filter(|_| self.has_more != Some(true))
    }
}

/// A cursor, text or whole number; `None` inside if it is anything else, or empty.
#[derive(Debug, PartialEq)]
pub(super) struct Token(Option<String>);

impl<'de> Accept<'de> for Token {
    fn integer(v: i64) -> Option<Self> {
        Some(Self(Some(v.to_string())))
    }
    fn float(_: f64) -> Option<Self> {
        Some(Self(None))
    }
    fn boolean(_: bool) -> Option<Self> {
        Some(Self(None))
    }
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Ok(Self((!v.is_empty()).then(|| v.into_owned())))
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Slot::Value(Self(None)))
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Slot::Value(Self(None)))
    }
}

object! {
    /// `metadata` of a list answer. `nextPage` is never followed, since any host may stand in it; it only says that more follows.
    Metadata {
        next_cursor: Token = "nextCursor",
        next_page: Text<'a> = "nextPage",
        total_pages: Text<'a> = "totalPages",
        total_items: Text<'a> = "totalItems",
        has_more: bool = "hasMore",
    }
}

impl<'de, T: Accept<'de>> Accept<'de> for Envelope<T> {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut envelope = Self { items: None, null: false, metadata: None };
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "items" => match map.next_value()? {
                    Slot::Value(Items(items)) => envelope.items = Some(items),
                    slot => envelope.null = matches!(slot, Slot::Null),
                },
                "metadata" => {
                    if let Slot::Value(metadata) = map.next_value::<Slot<Metadata<'de>>>()? {
                        envelope.metadata = metadata.paging();
                    }
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Slot::Value(envelope))
    }
}

impl<'de, T: Accept<'de>> Accept<'de> for Items<T> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Slot::Value(Self(items)))
    }
}

/// Reads a body with `read`; if that fails, repairs the body and reads it again. A body that may hold half a surrogate pair is
/// repaired first: parts kept as JSON text are not parsed by `read`, and must be valid too.
///
/// # Errors
/// If the body cannot be read even after repair.
pub(super) fn repaired(body: &str, mut read: impl FnMut(&str) -> Result<Page, String>) -> Result<Page, Unreadable> {
    // The server does not escape whole characters, so these escapes are rare and nearly always halves.
    let halves = body.contains("\\u") && (body.contains("\\ud") || body.contains("\\uD"));
    let read_as_sent = if halves { Err(String::new()) } else { read(body) };
    let page = read_as_sent.or_else(|reason| match repair(body) {
        (_, 0) if !halves => Err(reason),
        (text, repairs) => read(&text).map(|page| Page { repairs, ..page }),
    });
    page.map_err(|reason| Unreadable { reason })
}

/// Takes a list page: each item becomes rows, or a reject. Appends nothing if it returns the reason of a failure, or a doubtful
/// page.
pub(super) fn take_list<'a, T: Accept<'a> + Item>(
    body: &'a str,
    query: &Query<'_>,
    into: &mut Tables,
) -> Result<Page, String> {
    Ok(Page { reported_pages: None, reported_total: None, ..take_numbered::<T>(body, query, into)? })
}

/// Like [`take_list`], for an endpoint whose metadata reports the number of pages and items truly.
pub(super) fn take_numbered<'a, T: Accept<'a> + Item>(
    body: &'a str,
    query: &Query<'_>,
    into: &mut Tables,
) -> Result<Page, String> {
    let envelope: Envelope<T> = parse(body)?;
    let paging = envelope.metadata.ok_or("the answer has no `metadata`");
    // A page after the last may have no list at all.
    let is_end = envelope.null && query.at.page > 1 && paging.as_ref().is_ok_and(|paging| paging.next_cursor.is_none());
    let items = envelope.items.or(is_end.then(Vec::new)).ok_or("the answer has no list of `items`")?;
    let PagingFacts { next_cursor, pages, items: reported_total, more } = paging?;
    let count = items.len() as u64;
    let (last, by_cursor) = (next_cursor.is_none(), query.limit > 0);
    let full = last && by_cursor && count == query.limit && !is_bounded(query.params, count);
    let promising = last && if by_cursor { more } else { count == 0 && has_later_pages(pages, query) };
    let page =
        Page { items: count, next_cursor, reported_pages: pages, reported_total, full, promising, ..Page::default() };
    let early = last && (count < query.early || (count == 0 && query.cursor.is_some()));
    if (!query.again && (full || promising || early)) || (query.first_shown && full) {
        return Ok(Page { doubtful: true, ..page });
    }
    Ok(take(items, page, body, query, into))
}

/// True if the query names no more things than the page shows, so that no page can follow a full one.
fn is_bounded(params: &[(String, String)], count: u64) -> bool {
    let ids = |name: &str| value_of(params, name).map(|ids| ids.split(',').count() as u64);
    value_of(params, "imageId").is_some() || ids("ids").is_some_and(|ids| ids <= count)
}

/// True if the reported number of pages is above this page's number.
fn has_later_pages(pages: Option<u64>, query: &Query<'_>) -> bool {
    pages.and_then(|pages| i64::try_from(pages).ok()).is_some_and(|pages| pages > query.at.page)
}

/// Takes the answer to a look-up, which is the item itself. Appends nothing if it returns the reason of a failure.
pub(super) fn take_one<'a, T: Accept<'a> + Item>(
    body: &'a str,
    query: &Query<'_>,
    into: &mut Tables,
) -> Result<Page, String> {
    let item: T = parse(body)?;
    let page = Page { items: 1, ..Page::default() };
    Ok(take(vec![Slot::Value(item)], page, body, query, into))
}

fn take<T: Item>(items: Vec<Slot<T>>, mut page: Page, body: &str, query: &Query<'_>, into: &mut Tables) -> Page {
    let strays = items.iter().filter_map(valued).any(|item| item.stray(query).is_some());
    if strays && !query.again {
        return Page { doubtful: true, items: 0, ..page };
    }
    let unshown =
        if query.compared || strays { Vec::new() } else { unshown(&items, page.next_cursor.is_some(), query) };
    if !unshown.is_empty() {
        let id = |item: &Slot<T>| if let Some(Key::Id(id)) = valued(item)?.key() { Some(id) } else { None };
        return Page { unshown, ids: items.iter().filter_map(id).collect(), ..page };
    }
    let (mut twins, mut shown) = (doubles(&items), vec![false; items.len()]);
    let mut rows = PageRows { tables: into, at: query.at, sieve: Sieve::default() };
    let mut foreign = 0;
    for (position, item) in items.into_iter().enumerate() {
        let (first, differs) = twins.remove(&position).unwrap_or((position, None));
        if shown[first] {
            page.twins += 1;
            keep(position, differs, body, query, rows.tables);
            continue;
        }
        let taken = match item {
            Slot::Value(item) => match item.stray(query) {
                None => item.push(query, &mut rows),
                Some(reason) => {
                    foreign += 1;
                    page.foreign.get_or_insert_with(|| reason.sentence.to_string());
                    Err(reason)
                }
            },
            Slot::Null | Slot::Odd(_) => Err(Reason::not_an_object()),
        };
        let within = rows.sieve.take();
        page.twins += within.count;
        match taken {
            Ok(taken) => {
                page.note(taken);
                shown[first] = true;
                keep(position, within.reason, body, query, rows.tables);
            }
            Err(reason) => {
                let nameless = reason.kind == Rejection::Nameless;
                *(if nameless { &mut page.nameless } else { &mut page.rejects }) += 1;
                let text = keep(position, Some(reason), body, query, rows.tables);
                page.keys.push(hash_of(text.as_deref().unwrap_or_default()));
            }
        }
    }
    page.unknown = std::mem::take(&mut rows.tables.unknown);
    page.foreign = page.foreign.filter(|_| foreign == page.items);
    page
}

/// Writes the text of an item to `rejects` if there is a reason to, and returns it.
fn keep(position: usize, reason: Option<Reason>, body: &str, query: &Query<'_>, into: &mut Tables) -> Option<String> {
    let reason = reason?;
    let text = item_text(body, position);
    let (position, item) = (position as i64, text.as_deref());
    into.rejects.push(rejects::Row { position, reason: &reason.to_string(), item, at: &query.at });
    text
}

fn parse<'a, T: Accept<'a>>(body: &'a str) -> Result<T, String> {
    match serde_json::from_str(body) {
        Ok(Slot::Value(value)) => Ok(value),
        Ok(_) => Err(String::from("the answer is no JSON object")),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns the text of one item as received; of a look-up, the whole body. Parses the page a second time, so it is only called
/// for rejects.
fn item_text(body: &str, position: usize) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Texts<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    match serde_json::from_str::<Texts<'_>>(body) {
        Ok(texts) => texts.items.get(position).map(|item| item.get().to_owned()),
        Err(_) => Some(body.to_owned()),
    }
}

/// Returns the cursor of the next page from a page that is broken before its metadata, so that a walk can continue after a page
/// whose items are lost. `None` if the tail cannot be read or has no cursor (a file's `metadata` has none either).
pub fn salvage_cursor(body: &str) -> Option<String> {
    let tail = &body[body.rfind("\"metadata\"")? + "\"metadata\"".len()..];
    let object = tail.trim_start().strip_prefix(':')?.trim_end().strip_suffix('}')?;
    match serde_json::from_str(object) {
        Ok(Slot::Value(Metadata { next_cursor, .. })) => next_cursor?.0,
        _ => None,
    }
}

#[cfg(test)]
mod tests;
