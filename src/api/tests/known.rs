//! Every key that a recorded answer has, in small: nothing of it is left in `extra`, and what is new is named.

use serde_json::{Value, json};

use crate::api::creators::CREATORS;
use crate::api::endpoint::Endpoint;
use crate::api::images::IMAGES;
use crate::api::model_by_id::MODEL;
use crate::api::models::MODELS;
use crate::api::post_by_id::POST;
use crate::api::tags::TAGS;
use crate::api::testing::{Taken, read};
use crate::api::users::USERS;
use crate::api::version_by_id::VERSION;
use crate::table::unknown::Unknown;

/// The tables whose `extra` holds nothing but what is new.
const TABLES: [&str; 9] =
    ["models", "model_versions", "version_files", "version_images", "images", "creators", "tags", "posts", "users"];

/// A file of 2023, and what later ones have besides.
fn file() -> Value {
    json!({ "id": 3, "sizeKB": 1.5, "name": "a", "overrideName": null, "type": "Model", "primary": true,
        "metadata": { "fp": null, "size": null, "format": "Other", "quantType": null, "isRequired": null },
        "pickleScanResult": "Success", "pickleScanMessage": null, "virusScanResult": "Success", "virusScanMessage": null,
        "scannedAt": null, "downloadUrl": "u", "hashes": { "AutoV1": "A", "AutoV3": null } })
}

/// Models of the list and by id, from 2023 on.
fn models() -> [Value; 4] {
    let stats = json!({ "downloadCount": null, "favoriteCount": 1, "thumbsUpCount": 1, "thumbsDownCount": 0,
        "commentCount": 1, "ratingCount": 1, "rating": 4.9, "tippedAmountCount": null });
    let image = json!({ "id": 4, "url": "u", "nsfwLevel": 1, "width": 1, "height": null, "hash": null, "type": "image",
        "minor": false, "poi": false, "hasMeta": true, "hasPositivePrompt": true, "onSite": false, "remixOfId": null });
    let version = |more: Value| {
        let mut version = json!({ "id": 2, "name": "v", "baseModel": "b", "baseModelType": null, "publishedAt": null,
            "availability": "Public", "nsfwLevel": 1, "description": null, "trainedWords": [],
            "stats": { "downloadCount": null, "thumbsUpCount": 1, "thumbsDownCount": 0, "ratingCount": 1, "rating": 5 },
            "files": [file()], "images": [image], "downloadUrl": "u" });
        version.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        version
    };
    let model = |version: Value| {
        json!({ "id": 1, "name": "n", "description": null, "allowNoCredit": true, "allowCommercialUse": ["Image"],
            "allowDerivatives": true, "allowDifferentLicense": true, "type": "LORA", "minor": false, "sfwOnly": false,
            "poi": false, "nsfw": false, "nsfwLevel": 1, "mode": null, "availability": "Public", "userId": 5,
            "baseModels": ["b"], "cosmetic": null, "supportsGeneration": true, "stats": stats,
            "creator": { "username": "u", "image": null }, "tags": ["a", { "name": "b" }], "modelVersions": [version] })
    };
    [
        json!({ "index": 0, "flags": 0, "vaeId": null, "paidAccess": null, "supportsGeneration": true }),
        json!({ "index": 0, "flags": 64, "vaeId": 9, "paidAccess": { "permanent": true, "endsAt": null }, "covered": true,
            "createdAt": "2026-08-09T15:12:32.918Z", "status": "Published", "earlyAccessDeadline": "2026-08-19T00:00:00Z" }),
        json!({ "modelId": 1, "createdAt": null, "updatedAt": "2023-02-18T23:08:24.115Z", "earlyAccessTimeFrame": 0,
            "trainingStatus": null, "trainingDetails": null, "vaeId": null,
            "images": [{ "url": "u", "nsfw": "None", "width": 1, "height": 1, "hash": "h", "type": "image",
                "metadata": { "hash": "h", "size": 1, "width": 1, "height": 1 } }] }),
        json!({ "modelId": 1, "images": [{ "url": "u", "nsfw": false, "width": 1, "height": 1, "hash": "h", "meta": null }] }),
    ]
    .map(|more| model(version(more)))
}

/// Versions by id and by hash, from 2023 on.
fn versions() -> [Value; 2] {
    [
        json!({ "id": 2, "modelId": 1, "name": "v", "createdAt": "2023-11-29T01:21:22.372Z", "updatedAt": null,
            "status": "Published", "publishedAt": null, "trainedWords": null, "trainingStatus": null,
            "trainingDetails": null, "baseModel": "b", "baseModelType": null, "earlyAccessEndsAt": null,
            "earlyAccessConfig": null, "earlyAccessTimeFrame": 0, "description": null, "uploadType": "Created",
            "usageControl": "Download", "air": "a", "stats": { "downloadCount": 1, "ratingCount": 1, "rating": 5,
            "thumbsUpCount": 1 }, "model": { "name": "n", "type": "LORA", "nsfw": false, "poi": false },
            "files": [file()], "downloadUrl": "u", "images": [{ "url": "u", "nsfwLevel": 1, "width": 1, "height": 1,
            "hash": "h", "type": "image", "metadata": {}, "meta": null, "availability": "Public", "flags": 0,
            "hasMeta": true, "hasPositivePrompt": true, "onSite": false, "remixOfId": null, "minor": false, "poi": false }] }),
        json!({ "id": 2, "modelId": 1, "trainingStatus": "Approved", "trainingDetails": { "type": "Style" },
            "licensingFee": 0.25, "paidAccess": { "permanent": false, "endsAt": "2026-08-19T00:00:00Z" } }),
    ]
}

fn images() -> [Value; 2] {
    let stats = json!({ "cryCount": 0, "laughCount": 0, "likeCount": 0, "dislikeCount": 0, "heartCount": 0,
        "commentCount": 0 });
    let image = |thumbnail: Value| {
        json!({ "id": 1, "url": "u", "hash": null, "width": null, "height": null, "nsfwLevel": "None", "nsfw": false,
            "browsingLevel": 1, "type": "video", "createdAt": "2026-09-01T00:00:00Z", "postId": null, "stats": stats,
            "meta": { "prompt": "p", "anything": 1 }, "username": null, "baseModel": null, "modelVersionIds": [],
            "thumbnail": thumbnail, "tags": [{ "id": 1, "name": "t" }] })
    };
    [image(Value::Null), image(json!({ "url": "u", "width": 1, "height": 1 }))]
}

fn take(endpoint: &Endpoint, item: &Value) -> Taken {
    let lookup = endpoint.path.contains("{}");
    let body = if lookup { item.clone() } else { json!({ "items": [item], "metadata": {} }) };
    let key = item["id"].to_string();
    read(endpoint, &body.to_string(), "", lookup.then_some(&*key)).unwrap()
}

/// Every recorded form, with the endpoint that sends it.
fn answers() -> Vec<(&'static Endpoint, Value)> {
    let mut answers: Vec<(&'static Endpoint, Value)> = Vec::new();
    answers.extend(models().into_iter().flat_map(|model| [(&MODELS, model.clone()), (&MODEL, model)]));
    answers.extend(versions().map(|version| (&VERSION, version)));
    answers.extend(images().map(|image| (&IMAGES, image)));
    answers.push((&CREATORS, json!({ "username": "u", "modelCount": 1, "link": "l", "image": "i" })));
    answers.push((&TAGS, json!({ "name": "t", "modelCount": 1, "link": "l" })));
    answers.push((&USERS, json!({ "id": 1, "username": "u" })));
    // An image of a post has all that the list shows of it, and none of it is missed here.
    let [image, _] = images();
    answers.push((&POST, json!({ "id": 1, "title": "t", "detail": null, "nsfwLevel": 1, "modelVersionId": null,
        "publishedAt": "2026-09-01T00:00:00Z", "user": { "id": 1, "username": "u" }, "tags": [{ "id": 1, "name": "t" }, "n"],
        "images": [image] })));
    answers
}

#[test]
fn nothing_that_was_recorded_is_left_in_extra() {
    for (endpoint, item) in answers() {
        let taken = take(endpoint, &item);
        let rows = TABLES.iter().flat_map(|table| taken.rows(table).iter().map(move |row| (table, row)));
        for (table, row) in rows {
            assert_eq!(row["extra"], Value::Null, "{table} of {} from {item}", endpoint.name);
        }
        assert_eq!(taken.page.unknown, Unknown::default(), "{} {item}", endpoint.name);
    }
}

/// Puts a new key into every object.
fn renew(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(renew);
            object.insert(String::from("new"), json!(1));
        }
        Value::Array(list) => list.iter_mut().for_each(renew),
        _ => {}
    }
}

#[test]
fn whatever_is_new_is_named_by_table_and_key() {
    let mut named = std::collections::BTreeSet::new();
    for (endpoint, mut item) in answers() {
        renew(&mut item);
        let taken = take(endpoint, &item);
        named.extend(taken.page.unknown.iter().map(|(table, key, _)| format!("{table}.{key}")));
    }
    let expected = [
        "creators.new",
        "images.new",
        "images.stats.new",
        "images.tags",
        "images.thumbnail.new",
        "model_versions.new",
        "model_versions.paidAccess.new",
        "model_versions.stats.new",
        "models.creator.new",
        "models.new",
        "models.stats.new",
        "models.tags",
        "posts.new",
        "posts.tags",
        "posts.user.new",
        "tags.new",
        "users.new",
        "version_files.metadata.new",
        "version_files.new",
        "version_images.new",
    ];
    assert_eq!(named.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_known_key_with_a_value_that_no_column_takes_is_named_too() {
    let item = json!({ "id": 1, "nsfw": "maybe", "stats": { "downloadCount": "many" }, "modelVersions": "none" });
    let unknown = take(&MODELS, &item).page.unknown;
    let named: Vec<_> = unknown.iter().collect();
    assert_eq!(named, [("models", "modelVersions", 1), ("models", "nsfw", 1), ("models", "stats.downloadCount", 1)]);
}
