//! `GET /enums`: the words the server knows now. They are also requested before a walk is split by them.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::allowance::{self, begin_page};
use super::endpoint::{Endpoint, Paging};
use super::envelope::{Items, hash_of, parse, repaired, take};
use super::exact::{elements, text};
use super::item::{Item, PageRows};
use super::models_params::TYPES;
use super::page::{Page, Query, Taken, Unreadable};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Accept, Slot, Text, TextList};
use crate::table::{Tables, enums};

/// The path below the server's base URL.
pub const PATH: &str = "enums";

/// The endpoint.
pub static ENUMS: Endpoint = Endpoint {
    name: "enums",
    path: PATH,
    tables: &[&enums::TABLE],
    params: &[],
    limit_max: 0,
    catalog_rows: 1,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Single,
    read,
};

/// Longest name of a list, in bytes: each of its words has a row with it.
const KIND_MAX: usize = 100;

/// A list of words.
#[derive(Debug, PartialEq)]
struct Words<'a> {
    kind: Cow<'a, str>,
    words: Vec<Cow<'a, str>>,
}

/// The answer: an object of lists.
struct Lists<'a>(Items<Words<'a>>);

impl<'de> Accept<'de> for Lists<'de> {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut lists = Items::none();
        while let Some(Text(kind)) = map.next_key::<Text<'de>>()? {
            let slot = map.next_value::<Slot<TextList<'de>>>()?;
            let flaw = allowance::end_item();
            match slot {
                Slot::Value(TextList(words)) if kind.len() <= KIND_MAX => {
                    lists.take(Slot::Value(Words { kind, words }), flaw);
                }
                _ => {
                    let why = || Reason::broken(&format!("`{kind}` is no list of words"));
                    lists.take(Slot::Null, Some(flaw.unwrap_or_else(why)));
                }
            }
            if allowance::is_page_spent() {
                return Err(serde::de::Error::custom("its lists are too many or too large to be read at once"));
            }
        }
        Ok(Slot::Value(Self(lists)))
    }
}

keyed!(Words<'_>, "list", |list| Some(Key::Name(&list.kind)));

impl Item for Words<'_> {
    fn push(mut self, _: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        rows.sieve.sift(&mut self.words);
        for value in &self.words {
            rows.tables.enums.push(enums::Row { kind: &self.kind, value, at: &rows.at });
        }
        Ok(Taken { name: Some(hash_of(&self.kind)), ..Taken::default() })
    }
}

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| {
        begin_page();
        let Lists(lists) = parse(text)?;
        if lists.are_all_rejected() {
            return Err(Unreadable::damaged("the answer has no list of words"));
        }
        let page = Page { items: lists.count(), ..Page::default() };
        Ok(take(lists, page, text, query, into))
    })
}

/// Most model types that are believed: each becomes a list of its own. The server has some twenty.
const TYPES_MAX: usize = 1000;
/// Returns the model types that the server lists together with those known when this was written, so that a split misses none.
pub fn model_types(body: Option<&[u8]>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Enums<'a> {
        #[serde(rename = "ModelType", borrow)]
        model_types: &'a RawValue,
    }
    begin_page();
    let enums = body.and_then(|body| serde_json::from_slice::<Enums<'_>>(body).ok());
    let listed = enums.and_then(|enums| elements(enums.model_types.get())).filter(|types| types.len() <= TYPES_MAX);
    let listed = listed.into_iter().flatten().filter_map(|name| Some(text(name)?.into_owned()));
    let mut types: Vec<String> = listed.chain(TYPES.iter().map(|name| (*name).to_owned())).collect();
    types.sort();
    types.dedup();
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_adds_is_walked_too() {
        let types = model_types(Some(br#"{"ModelType":["LORA","Hologram"],"BaseModel":[]}"#));
        assert!(types.contains(&"Hologram".to_owned()) && types.contains(&"Checkpoint".to_owned()));
        assert_eq!(types.len(), TYPES.len() + 1);
        let many = format!(r#"{{"ModelType":[{}]}}"#, vec!["\"x\""; TYPES_MAX + 1].join(","));
        assert_eq!(model_types(Some(many.as_bytes())).len(), TYPES.len(), "so many are none");
        assert_eq!(model_types(None).len(), TYPES.len());
        assert_eq!(model_types(Some(b"<html>")).len(), TYPES.len());
    }
}
