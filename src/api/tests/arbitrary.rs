//! Arbitrary items: nothing panics, nothing that was sent is missing from the rows, and generation data can be rebuilt.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::images::{plain, rebuilt};
use crate::api::ENDPOINTS;
use crate::api::creators::CREATORS;
use crate::api::endpoint::Endpoint;
use crate::api::images::IMAGES;
use crate::api::models::MODELS;
use crate::api::post_by_id::POST;
use crate::api::tags::TAGS;
use crate::api::testing::read;
use crate::api::users::USERS;
use crate::api::version_by_id::VERSION;

/// The keys of all endpoints, so that arbitrary values reach every reader.
const KEYS: &[&str] = &[
    "name",
    "type",
    "creator",
    "username",
    "image",
    "stats",
    "downloadCount",
    "rating",
    "tags",
    "modelVersions",
    "modelId",
    "allowCommercialUse",
    "baseModels",
    "trainedWords",
    "files",
    "metadata",
    "format",
    "hashes",
    "SHA256",
    "primary",
    "sizeKB",
    "scannedAt",
    "images",
    "url",
    "nsfw",
    "nsfwLevel",
    "width",
    "meta",
    "availability",
    "createdAt",
    "postId",
    "baseModel",
    "modelVersionIds",
    "likeCount",
    "prompt",
    "seed",
    "modelCount",
    "link",
    "description",
    "odd",
    "poi",
];

/// The keys that generation data is read by, and a few others.
const META_KEYS: &[&str] = &[
    "prompt",
    "negativePrompt",
    "seed",
    "steps",
    "sampler",
    "cfgScale",
    "clipSkip",
    "Clip skip",
    "Size",
    "Model",
    "Model hash",
    "Version",
    "workflow",
    "Denoising strength",
    "denoise",
    "extra",
    "remixOfId",
    "resources",
    "civitaiResources",
    "additionalResources",
    "hashes",
    "id",
    "meta",
    "comfy",
    "odd",
];

/// The keys of a resource.
const RESOURCE_KEYS: &[&str] =
    &["type", "name", "hash", "weight", "strength", "modelVersionId", "modelVersionName", "odd"];

fn object(keys: &'static [&'static str], value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let fields = vec((select(keys), value), 0..6);
    fields
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into())
        .boxed()
}

/// A value of any kind, texts and numbers to be marked by [`mark`].
fn tree() -> BoxedStrategy<Value> {
    let leaf = select(vec![json!(""), json!(0), json!(0.5), json!(true), Value::Null]).boxed();
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object(KEYS, inner)].boxed()
    })
    .boxed()
}

/// Makes every text and number of a value one that is found nowhere else, and gives most objects an id.
fn mark(value: &mut Value, next: &mut u32, marks: &mut Vec<String>) {
    let mut fresh = || {
        *next += 1;
        *next
    };
    match value {
        Value::Number(number) => {
            let number_ = fresh();
            marks.push(number_.to_string());
            *value = if number.is_f64() { json!(f64::from(number_) + 0.5) } else { json!(number_) };
        }
        Value::String(_) => {
            let text = format!("mark{}", fresh());
            marks.push(text.clone());
            *value = json!(text);
        }
        Value::Array(list) => list.iter_mut().for_each(|element| mark(element, next, marks)),
        Value::Object(object) => {
            if object.len() != 1 {
                object.insert("id".to_owned(), json!(0));
            }
            object.values_mut().for_each(|value| mark(value, next, marks));
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// A number as tools write it, or a text.
fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-50i64..50).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-400i32..400).prop_map(|n| json!(f64::from(n) / 20.0)),
        (-400i32..400).prop_map(|n| json!((f64::from(n) / 20.0).to_string())),
        "[ +-]?0?[0-9]{1,3}(\\.[0-9]{0,2})?(e[0-9])? ?".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9a-f\\\\\"]{0,9}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
    .boxed()
}

/// Generation data, most of it nearly right.
fn meta() -> BoxedStrategy<Value> {
    let resources = vec(object(RESOURCE_KEYS, scalar()), 0..4).prop_map(Value::from);
    let labels = proptest::collection::btree_map(any::<String>(), "[0-9a-f]{4}", 0..4).prop_map(|labels| json!(labels));
    let remix = object(&["remixOfId", "odd"], scalar());
    let value = prop_oneof![4 => scalar(), 2 => resources, 1 => labels, 1 => remix, 1 => tree()].boxed();
    let flat = object(META_KEYS, value);
    let wrapped = (scalar(), flat.clone()).prop_map(|(id, meta)| json!({ "id": id, "meta": meta }));
    prop_oneof![4 => flat, 1 => wrapped].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generation_data_can_be_rebuilt_from_its_rows(meta in meta()) {
        let body = json!({ "items": [{ "id": 1, "meta": meta }], "metadata": {} }).to_string();
        let taken = read(&IMAGES, &body, "", None).unwrap();
        prop_assert_eq!(plain(&rebuilt(&taken)), plain(&meta), "{:#?}", taken);
    }

    #[test]
    fn whatever_is_sent_is_found_in_the_rows(items in vec(tree(), 0..4), which in 0..7usize) {
        let (mut items, mut marks) = (Value::from(items), Vec::new());
        mark(&mut items, &mut 1_000_000, &mut marks);
        let endpoints: [&Endpoint; 7] = [&MODELS, &IMAGES, &CREATORS, &TAGS, &VERSION, &POST, &USERS];
        let lookup = matches!(which, 4 | 5);
        let body = match which {
            4 => json!({ "id": 7, "modelId": 8, "files": items }),
            5 => json!({ "id": 7, "tags": items, "user": items }),
            _ => json!({ "items": items, "metadata": {} }),
        };
        let taken = read(endpoints[which], &body.to_string(), "", lookup.then_some("7")).unwrap();
        let dump = taken.dump();
        for mark in marks {
            prop_assert!(dump.contains(&mark), "{} of {} is not in {:#?}", mark, body, taken);
        }
    }

    #[test]
    fn no_text_panics(text in "(?s)[\\[\\]{}\":,0-9a-z\\\\ ]{0,80}", which in 0..ENDPOINTS.len()) {
        let _ = read(ENDPOINTS[which], &text, "", None);
        let _ = read(ENDPOINTS[which], &format!("{{\"items\":[{text}],\"metadata\":{{}}}}"), "types=LORA&username=a&ids=1", None);
    }
}
