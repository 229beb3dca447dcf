//! Items as the server wrote them: cut out of an answer, one line each, otherwise unchanged.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::allowance::{ITEMS_MAX, begin_page, is_spent};
use super::exact::integer;
use super::page::Unreadable;
use super::repair::repair;
use super::value::{Slot, text};
use super::version::Version;

/// One item of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id, where it has one.
    pub id: Option<i64>,
    /// Its JSON text, on one line.
    pub text: String,
    /// True for a model without any version; a look-up by id may return some.
    pub without_versions: bool,
}

/// A list of at most this many elements; a longer one cannot be read.
struct Few<T, const MOST: usize = ITEMS_MAX>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FewVisitor<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for FewVisitor<T, MOST> {
            type Value = Few<T, MOST>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST} elements")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<T, MOST>, A::Error> {
                let mut few = Vec::new();
                while let Some(element) = list.next_element()? {
                    if few.len() == MOST {
                        return Err(A::Error::invalid_length(MOST + 1, &self));
                    }
                    few.push(element);
                }
                Ok(Few(few))
            }
        }
        deserializer.deserialize_seq(FewVisitor::<T, MOST>(PhantomData))
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Few<&'a RawValue>,
}

/// The fields of an item that are read.
#[derive(Deserialize)]
struct Face<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "modelVersions")]
    versions: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner<'a> {
    model_version_id: i64,
    #[serde(borrow)]
    hash: Cow<'a, str>,
}

/// The file behind a version's download link.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrimaryFile {
    /// Its id, 1 or more.
    pub id: Option<i64>,
    /// Its name.
    pub name: Option<String>,
    /// Its size, in units of 1024 bytes.
    pub size_kb: Option<f64>,
    /// Its SHA256, in upper-case hexadecimal.
    pub sha256: Option<String>,
}

/// Returns the primary file of a version's JSON text, or its only file. All fields are `None` if none of several files is primary:
/// then the file host names the file, and nothing can be checked.
pub fn primary_file(version: &str) -> PrimaryFile {
    begin_page();
    let files = match serde_json::from_str(version) {
        Ok(Slot::Value(Version { files: Some(files), .. })) if !is_spent() => files.items,
        _ => Vec::new(),
    };
    let only = files.first().filter(|_| files.len() == 1);
    let Some(file) = files.iter().find(|file| file.primary == Some(true)).or(only) else {
        return PrimaryFile::default();
    };
    PrimaryFile {
        id: file.id.filter(|id| *id > 0),
        name: text(&file.name).map(str::to_owned),
        size_kb: file.size_kb,
        sha256: file.hashes.as_ref().and_then(|hashes| hashes.get("SHA256")).map(str::to_ascii_uppercase),
    }
}

/// Returns the items of a list answer.
///
/// # Errors
/// If the body is no list answer, even after repair.
pub fn list(body: &str) -> Result<Vec<Item>, Unreadable> {
    let text = sound::<List<'_>>(body);
    let list: List<'_> = parse(&text)?;
    list.items.0.into_iter().map(|item| of(item.get())).collect()
}

/// Returns the item of an answer that is one item.
///
/// # Errors
/// If the body is no JSON object, even after repair.
pub fn single(body: &str) -> Result<Item, Unreadable> {
    of(&sound::<&RawValue>(body))
}

/// Most owners in one answer. At most 10,000 hashes are asked for at once, and few have several owners.
const OWNERS_MAX: usize = 100_000;

/// Returns the version ids of each hash, in upper case; hashes without a version are left out.
///
/// # Errors
/// If the body is no list of hashes.
pub fn owners(body: &str) -> Result<BTreeMap<String, BTreeSet<i64>>, Unreadable> {
    let rows: Few<Option<Owner<'_>>, OWNERS_MAX> = parse(body)?;
    let mut owners: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for row in rows.0.into_iter().flatten() {
        owners.entry(row.hash.to_ascii_uppercase()).or_default().insert(row.model_version_id);
    }
    Ok(owners)
}

/// Returns the body unchanged if it can be read as a `T`, else repaired.
fn sound<'a, T: Deserialize<'a>>(body: &'a str) -> Cow<'a, str> {
    match serde_json::from_str::<T>(body) {
        Ok(_) => Cow::Borrowed(body),
        Err(_) => repair(body).map_or(Cow::Borrowed(body), |(text, _)| text),
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable::damaged(&error.to_string()))
}

fn of(text: &str) -> Result<Item, Unreadable> {
    let Face { id, versions } = parse(text)?;
    let without_versions = versions.is_some_and(|versions| compact(versions.get()) == "[]");
    Ok(Item { id: id.and_then(|id| integer(id.get())), text: compact(text), without_versions })
}

/// Returns JSON text without the white space between its tokens.
fn compact(text: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        if in_string || !c.is_ascii_whitespace() {
            out.push(c);
        }
        in_string = if in_string { escaped || c != '"' } else { c == '"' };
        escaped = in_string && c == '\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn items_keep_their_text() {
        let items = list("{\"items\": [ {\"id\": 7, \"size\": 1.50, \"n\" : 12345678901234567890, \"t\": \"a \\\" b\"},\n{\"id\":\"x\",\"modelVersions\": [ ]}], \"metadata\": {}}").unwrap();
        assert_eq!(items[0].text, "{\"id\":7,\"size\":1.50,\"n\":12345678901234567890,\"t\":\"a \\\" b\"}");
        assert_eq!((items[0].id, items[0].without_versions), (Some(7), false));
        assert_eq!((items[1].id, items[1].without_versions), (None, true));
        assert!(list("{\"error\":\"x\"}").is_err() && single("[1]").is_err() && single("<html>").is_err());
    }

    #[test]
    fn raw_control_bytes_are_repaired() {
        let item = single("{\"id\":1,\"prompt\":\"a\r\nb\"}").unwrap();
        assert_eq!(item.text, "{\"id\":1,\"prompt\":\"a\\u000d\\u000ab\"}");
    }

    #[test]
    fn the_primary_file_counts_and_else_the_only_one() {
        let zip = "{\"name\":\"data.zip\",\"primary\":false}";
        let name = |files: &str| primary_file(&format!("{{\"files\":[{files}]}}")).name;
        assert_eq!(name(&format!("{zip},{{\"name\":\"x.pt\",\"primary\":true}}")).as_deref(), Some("x.pt"));
        assert_eq!(name(zip).as_deref(), Some("data.zip"));
        assert_eq!((name(&format!("{zip},{zip}")), name("")), (None, None));
    }

    #[test]
    fn owners_may_be_several_or_null() {
        let owners = owners(
            "[{\"modelVersionId\":2,\"modelId\":1,\"hash\":\"ab\"},null,{\"modelVersionId\":3,\"hash\":\"AB\"}]",
        );
        assert_eq!(owners.unwrap(), BTreeMap::from([("AB".to_owned(), BTreeSet::from([2, 3]))]));
    }

    /// Any JSON, with the characters that matter in its texts.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[ \\\\\"\n\ta{}:,é]{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ \\\\\"a]{0,4}", inner, 0..3).prop_map(|map| serde_json::json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn one_line_says_the_same(value in json()) {
            let line = compact(&format!("{value:#}"));
            prop_assert_eq!(&line, &value.to_string());
            prop_assert!(!line.contains('\n'));
        }
    }
}
