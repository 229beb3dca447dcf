//! The two forms of answers: a list of items with metadata, and a single item looked up.

use std::collections::BTreeMap;

use memchr::memmem;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::allowance;
use super::item::{Item, PageRows, doubles, foreign, unshown, valued};
use super::object::object;
use super::page::{Page, Query, Unreadable, value_of};
use super::rejection::{Reason, Rejection, start};
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
struct Envelope<'a, T> {
    items: Option<Items<T>>,
    /// True if `items` is null.
    null: bool,
    metadata: Option<PagingFacts>,
    /// The server's report of a failure, as JSON text.
    failure: Option<&'a str>,
}

/// The paging facts in the metadata.
#[derive(Debug)]
struct PagingFacts {
    next_cursor: Option<String>,
    pages: Option<u64>,
    items: Option<u64>,
    /// The number that the page gives itself.
    number: Option<i64>,
    /// True if it says that a next page exists.
    more: bool,
}

/// The items of a page.
#[derive(Debug)]
pub(super) struct Items<T> {
    slots: Vec<Slot<T>>,
    /// By position, why an item was not read whole. Its slot is null.
    flaws: BTreeMap<usize, Reason>,
}

impl<T> Items<T> {
    pub(super) const fn none() -> Self {
        Self { slots: Vec::new(), flaws: BTreeMap::new() }
    }

    /// The number of items, rejects included.
    pub(super) fn count(&self) -> u64 {
        self.slots.len() as u64
    }

    /// True if every item was rejected, or there was none.
    pub(super) fn are_all_rejected(&self) -> bool {
        self.slots.iter().all(|slot| valued(slot).is_none())
    }

    /// Takes the item just read.
    pub(super) fn take(&mut self, mut slot: Slot<T>, flaw: Option<Reason>) {
        // The text of an item that is no object is in the page.
        if flaw.is_some() || matches!(slot, Slot::Odd(_)) {
            slot = Slot::Null;
        }
        self.flaws.extend(flaw.map(|flaw| (self.slots.len(), flaw)));
        self.slots.push(slot);
    }
}

/// The same, read item by item if `SINGLY`, so that one that cannot be read spoils no other. That takes twice the time.
struct Reader<T, const SINGLY: bool>(T);

/// An item that is read by itself, and the reason if it cannot be.
struct Single<T>(Slot<T>, Option<Reason>);

impl<'de, T: Accept<'de>> Deserialize<'de> for Single<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::from_str(<&'de RawValue>::deserialize(deserializer)?.get()) {
            Ok(slot) => Self(slot, None),
            Err(error) => Self(Slot::Null, Some(Reason::broken(&format!("it cannot be read: {error}")))),
        })
    }
}

impl Metadata<'_> {
    /// Returns the paging facts; `None` if the cursor has an unknown form, since the walk must not take that for its end.
    fn paging(self) -> Option<PagingFacts> {
        let more = [self.next_page, self.has_more].into_iter().flatten().any(is_said);
        // With a next page the number of items is only a lower bound.
        let is_bound = self.has_more.is_some_and(is_said);
        let total = |total: &Option<Text<'_>>| text(total)?.parse().ok().filter(|_| !is_bound);
        let (pages, items) = (total(&self.total_pages), total(&self.total_items));
        let next_cursor = match self.next_cursor {
            None => None,
            Some(token) => Some(cursor(token)?),
        };
        Some(PagingFacts { next_cursor, pages, items, number: self.current_page, more })
    }
}

/// Returns the cursor in a JSON value, a text or a whole number of any size; `None` if it is anything else, or empty.
fn cursor(json: &str) -> Option<String> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(json.to_owned());
    }
    serde_json::from_str(json).ok().filter(|text: &String| !text.is_empty())
}

/// True if a JSON value says anything.
fn is_said(json: &str) -> bool {
    !matches!(json, "null" | "false" | "0" | "\"\"" | "\"false\"" | "{}" | "[]")
}

object! {
    /// `metadata` of a list answer. `nextPage` is never followed, since any host may stand in it; it only says that more follows.
    Metadata {
        current_page: i64 = "currentPage",
        total_pages: Text<'a> = "totalPages",
        total_items: Text<'a> = "totalItems",
    } exactly {
        next_cursor = "nextCursor",
        next_page = "nextPage",
        has_more = "hasMore",
    }
}

impl<'de, T: Accept<'de>, const SINGLY: bool> Accept<'de> for Reader<Envelope<'de, T>, SINGLY> {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut envelope = Envelope { items: None, null: false, metadata: None, failure: None };
        let mut has_metadata = false;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                // The second would hide the rows, or the end, that the first one has.
                "items" if envelope.items.is_some() => {
                    return Err(A::Error::custom("the answer has two lists of `items`"));
                }
                "metadata" if has_metadata => return Err(A::Error::custom("the answer has `metadata` twice")),
                "items" => match map.next_value::<Slot<Reader<Items<T>, SINGLY>>>()? {
                    Slot::Value(Reader(items)) => envelope.items = Some(items),
                    slot => envelope.null = matches!(slot, Slot::Null),
                },
                "metadata" => {
                    has_metadata = true;
                    if let Slot::Value(metadata) = map.next_value::<Slot<Metadata<'de>>>()? {
                        envelope.metadata = metadata.paging();
                    }
                    if let Some(flaw) = allowance::end_item() {
                        return Err(A::Error::custom(format!("in `metadata`, {}", flaw.sentence)));
                    }
                }
                key @ ("error" | "errors" | "message" | "success") => {
                    let report = map.next_value::<&'de RawValue>()?.get();
                    let is_failure = if key == "success" { report == "false" } else { is_said(report) };
                    envelope.failure = envelope.failure.or(is_failure.then_some(report));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Slot::Value(Self(envelope)))
    }
}

impl<'de, T: Accept<'de>, const SINGLY: bool> Accept<'de> for Reader<Items<T>, SINGLY> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut items = Items::none();
        let mut next = || {
            Ok(match SINGLY {
                true => list.next_element::<Single<T>>()?.map(|Single(slot, broken)| (slot, broken)),
                false => list.next_element::<Slot<T>>()?.map(|slot| (slot, None)),
            })
        };
        while let Some((slot, broken)) = next()? {
            allowance::charge(size_of::<Slot<T>>());
            let flaw = allowance::end_item();
            items.take(slot, broken.or(flaw));
            if allowance::is_page_spent() {
                return Err(A::Error::custom("its items are too many or too large to be read at once"));
            }
        }
        Ok(Slot::Value(Self(items)))
    }
}

/// Reads a body with `read`; if that fails, repairs the body and reads it again. A body that may hold half a surrogate pair is
/// repaired first: parts kept as JSON text are not parsed by `read`, and must be valid too.
///
/// # Errors
/// If the body cannot be read even after repair, or is too large.
pub(super) fn repaired(body: &str, mut read: impl FnMut(&str) -> Result<Page, Unreadable>) -> Result<Page, Unreadable> {
    // The server does not escape whole characters, so these escapes are rare and nearly always halves.
    let mut escapes = memmem::find_iter(body.as_bytes(), "\\u");
    let halves = escapes.any(|at| matches!(body.as_bytes().get(at + 2), Some(b'd' | b'D')));
    let read_as_sent = if halves { Err(Unreadable::damaged(TOO_BROKEN)) } else { read(body) };
    read_as_sent.or_else(|unreadable| match repair(body) {
        _ if unreadable.too_large => Err(unreadable),
        None => Err(unreadable),
        Some((_, repairs)) if repairs.count() == 0 && !halves => Err(unreadable),
        Some((text, repairs)) => read(&text).map(|page| Page { repairs: repairs.count(), ..page }),
    })
}

/// Takes a list page: each item becomes rows, or a reject. Appends nothing if it returns the reason of a failure, or a doubtful
/// page.
pub(super) fn take_list<'a, T: Accept<'a> + Item>(
    body: &'a str,
    query: &Query<'_>,
    into: &mut Tables,
) -> Result<Page, Unreadable> {
    Ok(Page { reported_pages: None, reported_total: None, ..take_numbered::<T>(body, query, into)? })
}

/// Like [`take_list`], for an endpoint whose metadata reports the number of pages and items truly.
pub(super) fn take_numbered<'a, T: Accept<'a> + Item>(
    body: &'a str,
    query: &Query<'_>,
    into: &mut Tables,
) -> Result<Page, Unreadable> {
    let envelope: Envelope<'_, T> = parse_list(body)?;
    let failed = envelope.failure.is_some();
    let paging = envelope.metadata.ok_or("the answer has no `metadata`, or a cursor of an unknown form in it");
    // A page after the last may have no list at all.
    let is_end = envelope.null && query.at.page > 1 && paging.as_ref().is_ok_and(|paging| paging.next_cursor.is_none());
    let items = envelope.items.or(is_end.then(Items::none)).ok_or("the answer has no list of `items`")?;
    let PagingFacts { next_cursor, pages, items: reported_total, number, more } = paging?;
    if let Some(cursor) = next_cursor.as_ref().filter(|cursor| cursor.len() > CURSOR_MAX) {
        let bytes = cursor.len();
        let reason = format!("the cursor of the next page has {bytes} bytes, and no address may be so long");
        return Err(Unreadable::damaged(&reason));
    }
    let count = items.count();
    let (last, by_cursor) = (next_cursor.is_none(), query.limit > 0);
    let full = last && by_cursor && count == query.limit && !is_bounded(query.params, count);
    // A cache may have given another page than the one of this number.
    let another = number.is_some_and(|number| number != query.at.page);
    let refuted = if by_cursor { more } else { another || (count == 0 && has_later_pages(pages, query)) };
    let promising = last && (refuted || failed);
    // A number of pages is not believed beside a link to the page behind them, or more items than the first page shows.
    let more = more || (query.at.page == 1 && reported_total > Some(count));
    let reported_pages = pages.filter(|_| !more || has_later_pages(pages, query));
    let page = Page { items: count, next_cursor, reported_pages, reported_total, full, promising, ..Page::default() };
    let early = last && count < query.early;
    let empty = last && count == 0 && query.cursor.is_some();
    if early || (!query.again && (full || promising || empty)) || (query.first_shown && full) {
        return Ok(Page { doubtful: true, ..page });
    }
    Ok(take(items, page, body, query, into))
}

/// Takes the answer that is a whole list: no page follows it, and it need not have metadata. An empty one is doubtful at first,
/// like one whose metadata says that more follows.
pub(super) fn take_whole<'a, T: Accept<'a> + Item>(
    body: &'a str,
    query: &Query<'_>,
    into: &mut Tables,
) -> Result<Page, Unreadable> {
    let envelope: Envelope<'_, T> = parse_list(body)?;
    let items = envelope.items.ok_or("the answer has no list of `items`")?;
    let more = envelope.metadata.is_some_and(|paging| paging.more || paging.next_cursor.is_some());
    let promising = more || envelope.failure.is_some();
    let page = Page { items: items.count(), promising, ..Page::default() };
    let doubtful = if query.again { page.items < query.early } else { promising || page.items == 0 };
    if doubtful {
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
) -> Result<Page, Unreadable> {
    allowance::begin_page();
    let (item, mut items) = (parse::<T>(body), Items::none());
    let (item, flaw) = (item?, allowance::end_item());
    if flaw.is_none() && item.key().is_none() {
        let failure = parse_list::<i64>(body).err().filter(|unreadable| unreadable.failure);
        return Err(failure.unwrap_or_else(|| Unreadable::damaged(&format!("the answer shows no {}", T::NOUN))));
    }
    items.take(Slot::Value(item), flaw);
    let page = Page { items: 1, ..Page::default() };
    Ok(take(items, page, body, query, into))
}

/// Takes the items of a page: each becomes rows, or a reject.
pub(super) fn take<T: Item>(items: Items<T>, mut page: Page, body: &str, query: &Query<'_>, into: &mut Tables) -> Page {
    let Items { slots: items, mut flaws } = items;
    let strays = items.iter().filter_map(valued).any(|item| foreign(item, query).is_some());
    if strays && !query.again {
        return Page { doubtful: true, items: 0, ..page };
    }
    let date = |item: &Slot<T>| valued(item).and_then(Item::date);
    page.dates = items.iter().find_map(date).zip(items.iter().rev().find_map(date));
    // A replay has no limit, and its pages were believed.
    if query.limit > 0 && T::is_elsewhere(&page, query) {
        return Page { elsewhere: true, items: 0, ..page };
    }
    let unshown =
        if query.compared || strays { Vec::new() } else { unshown(&items, page.next_cursor.is_some(), query) };
    if !unshown.is_empty() {
        let id = |item: &Slot<T>| if let Some(Key::Id(id)) = valued(item)?.key() { Some(id) } else { None };
        return Page { unshown, ids: items.iter().filter_map(id).collect(), ..page };
    }
    let (mut twins, mut shown) = (doubles(&items), vec![false; items.len()]);
    let mut rows = PageRows { tables: into, at: query.at, sieve: Sieve::default() };
    // Positions and reasons of the items whose text is kept; of those, the ones that became no rows.
    let (mut kept, mut rejected) = (Vec::new(), Vec::new());
    let mut strayed = 0;
    for (position, item) in items.into_iter().enumerate() {
        let (first, differs) = twins.remove(&position).unwrap_or((position, None));
        if shown[first] {
            page.twins += 1;
            kept.extend(differs.map(|reason| (position, reason)));
            continue;
        }
        let taken = match item {
            Slot::Value(item) => match foreign(&item, query) {
                None => item.push(query, &mut rows),
                Some(reason) => {
                    strayed += 1;
                    page.foreign.get_or_insert_with(|| reason.sentence.to_string());
                    Err(reason)
                }
            },
            Slot::Null | Slot::Odd(_) => Err(flaws.remove(&position).unwrap_or(Reason::not_an_object())),
        };
        let within = rows.sieve.take();
        page.twins += within.count;
        match taken {
            Ok(taken) => {
                page.note(taken);
                shown[first] = true;
                kept.extend(within.reason.map(|reason| (position, reason)));
            }
            Err(reason) => {
                let nameless = reason.kind == Rejection::Nameless;
                *(if nameless { &mut page.nameless } else { &mut page.rejects }) += 1;
                rejected.push(kept.len());
                kept.push((position, reason));
            }
        }
    }
    page.unknown = std::mem::take(&mut rows.tables.unknown);
    let hashes = keep(kept, body, query, into);
    page.keys.extend(rejected.into_iter().map(|index| hashes[index]));
    page.foreign = page.foreign.filter(|_| strayed == page.items);
    page
}

/// Most bytes of the texts of one page in `rejects`.
const TEXTS_MAX: usize = 4 << 20;

/// Writes the texts of the items at these positions to `rejects`, and returns their hashes.
fn keep(kept: Vec<(usize, Reason)>, body: &str, query: &Query<'_>, into: &mut Tables) -> Vec<i64> {
    let texts = if kept.is_empty() { Vec::new() } else { item_texts(body) };
    let mut left = TEXTS_MAX;
    let mut keep = |(position, reason): (usize, Reason)| {
        // An answer that is no list of items is kept whole.
        let text = texts.get(position).or(texts.first()).copied().unwrap_or_default();
        let start = start(text, left);
        left -= start.len();
        let reason = if start.len() < text.len() { reason.cut(start.len(), text.len()) } else { reason };
        let (position, item) = (position as i64, Some(start));
        into.rejects.push(rejects::Row { position, reason: &reason.to_string(), item, at: &query.at });
        hash_of(text)
    };
    kept.into_iter().map(&mut keep).collect()
}

/// Longest cursor, in bytes. Those of the real server have some forty.
const CURSOR_MAX: usize = 4096;
const TOO_BROKEN: &str = "it has more broken characters than can be repaired";

/// Reads a list answer. If it cannot be read at once, the items are read one by one.
fn parse_list<'a, T: Accept<'a>>(body: &'a str) -> Result<Envelope<'a, T>, Unreadable> {
    allowance::begin_page();
    let envelope: Envelope<'_, T> = match parse::<Reader<_, false>>(body) {
        Ok(Reader(envelope)) => envelope,
        Err(unreadable) if unreadable.too_large => return Err(unreadable),
        Err(_) => {
            allowance::begin_page();
            let Reader(envelope) = parse::<Reader<_, true>>(body)?;
            envelope
        }
    };
    match envelope.failure {
        // An empty list beside it is no end.
        Some(report) if envelope.items.as_ref().is_none_or(|items| items.count() == 0) => {
            Err(Unreadable::failure(report))
        }
        _ => Ok(envelope),
    }
}

/// Reads an object. `too_large` is set if its items have taken the page's allowance.
pub(super) fn parse<'a, T: Accept<'a>>(body: &'a str) -> Result<T, Unreadable> {
    match serde_json::from_str(body) {
        Ok(Slot::Value(value)) => Ok(value),
        Ok(_) => Err(Unreadable::damaged("the answer is no JSON object")),
        Err(error) => {
            Err(Unreadable { too_large: allowance::is_page_spent(), ..Unreadable::damaged(&error.to_string()) })
        }
    }
}

/// Returns the texts of the items as received; of a look-up, the whole body. Parses the page a second time, so it is only called
/// for rejects.
fn item_texts(body: &str) -> Vec<&str> {
    #[derive(serde::Deserialize)]
    struct Texts<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    match serde_json::from_str::<Texts<'_>>(body) {
        Ok(texts) => texts.items.into_iter().map(RawValue::get).collect(),
        Err(_) => vec![body],
    }
}

/// Returns the cursor of the next page from a page that is broken before its metadata, so that a walk can continue after a page
/// whose items are lost. `None` if the tail cannot be read or has no cursor (a file's `metadata` has none either).
pub fn salvage_cursor(body: &str) -> Option<String> {
    let tail = &body[body.rfind("\"metadata\"")? + "\"metadata\"".len()..];
    let object = tail.trim_start().strip_prefix(':')?.trim_end().strip_suffix('}')?;
    match serde_json::from_str(object) {
        Ok(Slot::Value(Metadata { next_cursor, .. })) => {
            cursor(next_cursor?).filter(|cursor| cursor.len() <= CURSOR_MAX)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
