//! Models in every form the server was ever seen to send: which cells they become, what lands in `extra`, what is rejected.

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use serde_json::{Map, Value, json};

use crate::api::models::MODELS;
use crate::api::page::Query;
use crate::table::{Provenance, Tables, rejects};

mod lossless;

const ASKED: Query<'_> =
    Query { again: false, ..Query::believed(Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 }) };

/// The rows of each table that a page with this one item becomes, provenance left out.
fn rows(item: &Value) -> Map<String, Value> {
    let body = json!({ "items": [item], "metadata": {} }).to_string();
    let mut tables = Tables::default();
    let page = (MODELS.read)(&body, &ASKED, &mut tables).unwrap();
    assert_eq!(page.items, 1);
    let batches = tables.builders_mut().map(|builder| (builder.table().name, builder.finish().unwrap()));
    batches.into_iter().map(|(name, batch)| (name.to_owned(), cells(&batch))).collect()
}

fn cells(batch: &RecordBatch) -> Value {
    let schema = batch.schema();
    let named: Vec<_> = schema.fields().iter().zip(batch.columns()).filter(|(f, _)| !provenance(f.name())).collect();
    let row = |row| named.iter().map(|(field, column)| (field.name().clone(), cell(column, row))).collect();
    (0..batch.num_rows()).map(|n| Value::Object(row(n))).collect()
}

fn provenance(column: &str) -> bool {
    ["pass", "walk", "page", "fetched_at"].contains(&column)
}

fn cell(column: &ArrayRef, row: usize) -> Value {
    let any = column.as_any();
    let int = |column: &Int64Array| json!(column.value(row));
    if column.is_null(row) {
        Value::Null
    } else if let Some(column) = any.downcast_ref::<Int64Array>() {
        int(column)
    } else if let Some(column) = any.downcast_ref::<Float64Array>() {
        json!(column.value(row))
    } else if let Some(column) = any.downcast_ref::<BooleanArray>() {
        json!(column.value(row))
    } else if let Some(column) = any.downcast_ref::<StringArray>() {
        json!(column.value(row))
    } else if let Some(column) = any.downcast_ref::<TimestampMillisecondArray>() {
        json!(jiff::Timestamp::from_millisecond(column.value(row)).unwrap().to_string())
    } else {
        let list = any.downcast_ref::<ListArray>().unwrap().value(row);
        (0..list.len()).map(|n| cell(&list, n)).collect()
    }
}

/// Fails unless the first row of the table has these cells; `extra` is compared as JSON.
fn assert_cells(item: &Value, table: &str, expected: &Value) {
    let rows = rows(item);
    assert_eq!(rows["rejects"], json!([]), "{item}");
    for (column, wanted) in expected.as_object().unwrap() {
        let cell = &rows[table][0][column];
        let cell = match (column.as_str(), cell.as_str()) {
            ("extra", Some(text)) => serde_json::from_str(text).unwrap(),
            _ => cell.clone(),
        };
        assert_eq!(cell, *wanted, "`{column}` of {table} from {item}");
    }
}

#[test]
fn models_of_every_year_become_the_same_cells() {
    let cases = [
        (json!({ "id": 1 }), json!({ "id": 1, "name": null, "allow_commercial_use": null, "extra": null })),
        (
            json!({ "id": 1, "allowCommercialUse": ["Image", "Sell"] }),
            json!({ "allow_commercial_use": ["Image", "Sell"] }),
        ),
        (
            json!({ "id": 1, "allowCommercialUse": "{Image,RentCivit}" }),
            json!({ "allow_commercial_use": ["Image", "RentCivit"] }),
        ),
        (json!({ "id": 1, "allowCommercialUse": "{}" }), json!({ "allow_commercial_use": [], "extra": null })),
        (json!({ "id": 1, "allowCommercialUse": "Rent" }), json!({ "allow_commercial_use": ["Rent"] })),
        (json!({ "id": 1, "allowCommercialUse": null }), json!({ "allow_commercial_use": null, "extra": null })),
        (
            json!({ "id": 1, "allowCommercialUse": { "new": 1 } }),
            json!({ "allow_commercial_use": null, "extra": { "allowCommercialUse": { "new": 1 } } }),
        ),
        (
            json!({ "id": 1, "creator": { "username": 1234, "image": null } }),
            json!({ "creator_username": "1234", "creator_image": null }),
        ),
        (
            json!({ "id": 1, "creator": { "username": null, "badge": 1 } }),
            json!({ "creator_username": null, "extra": { "creator": { "badge": 1 } } }),
        ),
        (json!({ "id": 1, "creator": null }), json!({ "creator_username": null, "extra": null })),
        (
            json!({ "id": 1, "stats": { "downloadCount": null, "thumbsUpCount": 3, "tippedAmountCount": null } }),
            json!({ "download_count": null, "thumbs_up_count": 3, "tipped_amount_count": null, "extra": null }),
        ),
        (
            json!({ "id": 1, "stats": { "favoriteCount": 5, "ratingCount": 2, "rating": 4.83 } }),
            json!({ "favorite_count": 5, "rating_count": 2, "rating": 4.83 }),
        ),
        (
            json!({ "id": 1, "stats": { "downloadCount": "many", "new": [1] } }),
            json!({ "download_count": null, "extra": { "stats": { "downloadCount": "many", "new": [1] } } }),
        ),
        (json!({ "id": 1, "stats": 5 }), json!({ "download_count": null, "extra": { "stats": 5 } })),
        (
            json!({ "id": 1, "type": "Hologram", "mode": "Sleeping", "availability": "Sometimes" }),
            json!({ "type": "Hologram", "mode": "Sleeping", "availability": "Sometimes", "extra": null }),
        ),
        (
            json!({ "id": 1, "nsfw": "maybe", "nsfwLevel": 2.5 }),
            json!({ "nsfw": null, "nsfw_levels": null, "extra": { "nsfw": "maybe", "nsfwLevel": 2.5 } }),
        ),
        (json!({ "id": 1, "description": "a\u{0}b\u{1}" }), json!({ "description": "a\u{0}b\u{1}" })),
        (json!({ "id": 1, "baseModels": [] }), json!({ "base_models": [] })),
        (
            json!({ "id": 1, "cosmetic": null, "new": { "a": [null] } }),
            json!({ "cosmetic": null, "extra": { "new": { "a": [null] } } }),
        ),
        (json!({ "id": 1, "cosmetic": { "id": 2 } }), json!({ "cosmetic": "{\"id\":2}", "extra": null })),
        (json!({ "id": 1, "modelVersions": null }), json!({ "extra": null })),
        (json!({ "id": 1, "modelVersions": "none" }), json!({ "extra": { "modelVersions": "none" } })),
    ];
    for (item, expected) in cases {
        assert_cells(&item, "models", &expected);
    }
}

/// A model with this version.
fn version(version: &Value) -> Value {
    json!({ "id": 1, "modelVersions": [version] })
}

#[test]
fn versions_of_every_year_become_the_same_cells() {
    let cases = [
        (version(&json!({ "id": 2, "modelId": 1 })), json!({ "id": 2, "model_id": 1, "position": 0, "extra": null })),
        (version(&json!({ "id": 2, "modelId": 9 })), json!({ "model_id": 1, "extra": { "modelId": 9 } })),
        (
            version(&json!({ "id": 2, "publishedAt": "2024-01-02T03:04:05.006Z", "createdAt": "soon" })),
            json!({ "published_at": "2024-01-02T03:04:05.006Z", "created_at": null, "extra": { "createdAt": "soon" } }),
        ),
        (
            version(&json!({ "id": 2, "paidAccess": null, "vaeId": 3, "index": 1, "flags": 64, "files": "none" })),
            json!({ "paid_access_permanent": null, "vae_id": 3, "index": 1, "flags": 64, "extra": { "files": "none" } }),
        ),
        (
            version(
                &json!({ "id": 2, "paidAccess": { "permanent": false, "endsAt": "2026-08-01T00:00:00Z", "new": 1 } }),
            ),
            json!({ "paid_access_permanent": false, "paid_access_ends_at": "2026-08-01T00:00:00Z",
                    "extra": { "paidAccess": { "new": 1 } } }),
        ),
        (
            version(&json!({ "id": 2, "earlyAccessTimeFrame": 7, "trainingStatus": null, "trainingDetails": null,
                             "licensingFee": 0.25, "earlyAccessConfig": null, "earlyAccessEndsAt": null })),
            json!({ "early_access_days": 7, "training_status": null, "licensing_fee": 0.25, "extra": null }),
        ),
        (
            version(&json!({ "id": 2, "trainingStatus": "Approved", "trainingDetails": { "type": "Style" } })),
            json!({ "training_status": "Approved", "training_details": "{\"type\":\"Style\"}", "extra": null }),
        ),
        (version(&json!({ "id": 2, "covered": true })), json!({ "supports_generation": true, "extra": null })),
        (
            version(&json!({ "id": 2, "covered": true, "supportsGeneration": true })),
            json!({ "supports_generation": true, "extra": null }),
        ),
        (
            version(&json!({ "id": 2, "covered": true, "supportsGeneration": false })),
            json!({ "supports_generation": false, "extra": { "covered": true } }),
        ),
        (
            version(&json!({ "id": 2, "earlyAccessEndsAt": "2024-01-01T00:00:00Z" })),
            json!({ "early_access_deadline": "2024-01-01T00:00:00Z", "extra": null }),
        ),
        (
            version(
                &json!({ "id": 2, "earlyAccessDeadline": "2024-01-02T00:00:00Z", "earlyAccessEndsAt": "2024-01-01T00:00:00Z" }),
            ),
            json!({ "early_access_deadline": "2024-01-02T00:00:00Z", "extra": { "earlyAccessEndsAt": "2024-01-01T00:00:00Z" } }),
        ),
    ];
    for (item, expected) in cases {
        assert_cells(&item, "model_versions", &expected);
    }
}

#[test]
fn files_and_hashes_of_every_year_become_the_same_cells() {
    let file = |file: Value| version(&json!({ "id": 2, "files": [file] }));
    let cases = [
        (
            file(json!({ "id": 3, "sizeKB": 2130982.859375 })),
            "version_files",
            json!({ "size_kb": 2130982.859375, "is_primary": false }),
        ),
        (
            file(json!({ "id": 3, "sizeKb": 7, "primary": true })),
            "version_files",
            json!({ "size_kb": 7.0, "is_primary": true }),
        ),
        (
            file(json!({ "id": 3, "primary": "yes" })),
            "version_files",
            json!({ "is_primary": false, "extra": { "primary": "yes" } }),
        ),
        (
            file(json!({ "id": 3, "scannedAt": "2023-07-01T12:34:56.789" })),
            "version_files",
            json!({ "scanned_at": "2023-07-01T12:34:56.789Z" }),
        ),
        (
            file(json!({ "id": 3, "metadata": { "fp": "fp16", "size": null, "isRequired": true } })),
            "version_files",
            json!({ "fp": "fp16", "size": null, "is_required": true, "extra": null }),
        ),
        (
            file(json!({ "id": 3, "overrideName": "a.safetensors", "metadata": { "isRequired": null, "new": null } })),
            "version_files",
            json!({ "override_name": "a.safetensors", "is_required": null, "extra": { "metadata": { "new": null } } }),
        ),
        (
            file(json!({ "id": 3, "hashes": { "BLAKE3": "AB" } })),
            "file_hashes",
            json!({ "version_id": 2, "file_id": 3, "algorithm": "BLAKE3", "hash": "AB" }),
        ),
        (
            file(json!({ "id": 3, "hashes": { "AutoV3": null, "CRC32": [1] } })),
            "version_files",
            json!({ "extra": { "hashes": { "CRC32": [1] } } }),
        ),
    ];
    for (item, table, expected) in cases {
        assert_cells(&item, table, &expected);
    }
}

#[test]
fn images_of_every_year_become_the_same_cells() {
    let image = |image: Value| version(&json!({ "id": 2, "images": [image] }));
    let cases = [
        (
            image(json!({ "url": "https://i.invalid/x/width=450/77.jpeg" })),
            json!({ "image_id": 77, "position": 0, "nsfw_word": null }),
        ),
        (image(json!({ "id": 5, "url": "https://i.invalid/x/77.jpeg" })), json!({ "image_id": 5 })),
        (image(json!({ "url": "https://i.invalid/x/abc" })), json!({ "image_id": null, "extra": null })),
        (
            image(json!({ "id": "new", "nsfw": "Soft" })),
            json!({ "nsfw_word": "Soft", "image_id": null, "extra": { "id": "new" } }),
        ),
        (image(json!({ "nsfw": true, "nsfwLevel": 4 })), json!({ "nsfw_word": "true", "nsfw_level": 4 })),
        (image(json!({ "nsfw": false })), json!({ "nsfw_word": "false" })),
        (image(json!({ "nsfw": 7 })), json!({ "nsfw_word": null, "extra": { "nsfw": 7 } })),
        (image(json!({ "meta": null })), json!({ "meta": null, "extra": null })),
        (image(json!({ "meta": { "seed": 1 } })), json!({ "meta": "{\"seed\":1}" })),
        (image(json!({ "meta": "text" })), json!({ "meta": "\"text\"" })),
        (
            image(
                json!({ "minor": false, "poi": true, "hasPositivePrompt": true, "onSite": false, "remixOfId": null }),
            ),
            json!({ "minor": false, "poi": true, "has_positive_prompt": true, "on_site": false, "remix_of_id": null, "extra": null }),
        ),
        (
            image(json!({ "metadata": { "size": 9 }, "availability": "Public", "flags": 1, "remixOfId": 8 })),
            json!({ "metadata": "{\"size\":9}", "availability": "Public", "flags": 1, "remix_of_id": 8, "extra": null }),
        ),
    ];
    for (item, expected) in cases {
        assert_cells(&item, "version_images", &expected);
    }
}

fn tags(item: &Value) -> Vec<Value> {
    rows(item)["model_tags"].as_array().unwrap().iter().map(|row| row["tag"].clone()).collect()
}

#[test]
fn tags_are_names_or_objects_with_a_name() {
    assert_eq!(tags(&json!({ "id": 1, "tags": ["a", { "name": "b" }, 7] })), ["a", "b", "7"]);
    for item in [json!({ "id": 1, "tags": [] }), json!({ "id": 1, "tags": null }), json!({ "id": 1 })] {
        assert_eq!(tags(&item).len(), 0, "{item}");
    }
    for odd in [json!("a"), json!([1.5]), json!([null]), json!([{ "id": 1 }])] {
        assert_cells(&json!({ "id": 1, "tags": odd }), "models", &json!({ "extra": { "tags": odd } }));
    }
}

#[test]
fn a_tag_object_with_more_than_a_name_is_a_row_and_what_else_it_holds_is_kept() {
    let item = json!({ "id": 1, "tags": [{ "id": 29, "name": "hair" }, { "name": "b" }] });
    assert_cells(&item, "models", &json!({ "extra": { "tags": item["tags"] } }));
    assert_eq!(tags(&item), ["hair", "b"]);
}

#[test]
fn an_item_without_its_keys_is_rejected_whole_for_a_reason() {
    let version = |version: Value| json!({ "id": 1, "tags": ["a"], "modelVersions": [{ "id": 2 }, version] });
    let cases = [
        (json!({ "name": "x" }), "missing_key: the model has no `id`"),
        (json!({ "id": "1" }), "missing_key: the model has no `id`"),
        (json!({ "id": null }), "missing_key: the model has no `id`"),
        (version(json!({ "name": "x" })), "missing_key: a version has no `id`"),
        (version(json!(7)), "malformed_part: an element of `modelVersions` is no object"),
        (version(json!(null)), "malformed_part: an element of `modelVersions` is no object"),
        (version(json!({ "id": 3, "files": [{ "name": "x" }] })), "missing_key: a file has no `id`"),
        (version(json!({ "id": 3, "files": ["x"] })), "malformed_part: an element of `files` or `images` is no object"),
        (
            version(json!({ "id": 3, "images": [null] })),
            "malformed_part: an element of `files` or `images` is no object",
        ),
        (json!("text"), "not_an_object: it is no JSON object"),
    ];
    for (item, reason) in cases {
        let rows = rows(&item);
        assert_eq!(rows["rejects"], json!([{ "position": 0, "reason": reason, "item": item.to_string() }]));
        let others = rows.iter().filter(|(table, _)| **table != rejects::TABLE.name);
        others.for_each(|(table, rows)| assert_eq!(*rows, json!([]), "{table} of {item}"));
    }
}
