//! `models/:id`, `model-versions/:id` and `model-versions/by-hash/:hash`.

use serde_json::{Value, json};

use crate::api::model_by_id::MODEL;
use crate::api::models::MODELS;
use crate::api::testing::{Taken, read};
use crate::api::version_by_hash::VERSION_BY_HASH;
use crate::api::version_by_id::VERSION;

/// A model as looked up: dates and status on the version, pictures without ids, keys missing.
const BY_ID: &str = r#"{"id":215485,"name":"Turbo","type":"LORA","allowCommercialUse":["RentCivit"],"tags":["tool"],
    "creator":{"username":4711},"modelVersions":[{"id":242807,"modelId":215485,"name":"v1","index":0,"covered":false,
    "createdAt":"2023-11-29T01:21:22.372Z","status":"Published","stats":{"downloadCount":2586,"ratingCount":2,"rating":5},
    "files":[{"id":187907,"sizeKB":768888.859375,"metadata":{"format":"SafeTensor"},"hashes":{"CRC32":"BF967A66"}}],
    "images":[{"url":"https://x/width=450/4080480.jpeg","nsfwLevel":4,"onSite":true}]}]}"#;

/// A version as looked up today.
const VERSION_TODAY: &str = r#"{"id":242807,"modelId":215485,"name":"v1","createdAt":"2023-11-29T01:21:22.372Z",
    "updatedAt":"2023-12-16T17:46:14.313Z","status":"Published","publishedAt":null,"trainedWords":null,
    "trainingDetails":{"type":"Style"},"baseModel":"SDXL Turbo","air":"urn:air:sdxl:lora:civitai:215485@242807",
    "usageControl":"Generation","uploadType":"Created","stats":{"downloadCount":null,"thumbsUpCount":7},
    "model":{"name":"Turbo","type":"LORA","nsfw":false,"poi":false,"mode":"Archived"},
    "files":[{"id":1,"primary":false,"scannedAt":"2023-11-29T01:30:55.512","metadata":{"fp":null,"format":"SafeTensor"},
    "hashes":{"AutoV3":"813E"}},{"id":2,"primary":true,"scannedAt":"2023-11-29T01:30:55.5"}],
    "images":[{"url":"https://x/4081177.jpeg","nsfwLevel":1,"type":"image","metadata":{"size":3214188},
    "meta":{"seed": 18446744073709551616},"availability":"Public","flags":0},{"url":"https://x/a.jpeg","nsfw":"None",
    "meta":null}]}"#;

fn rows(taken: &Taken, table: &str, columns: &[&str]) -> Vec<Value> {
    taken.rows(table).iter().map(|row| columns.iter().map(|column| row[column].clone()).collect()).collect()
}

#[test]
fn a_model_looked_up_gives_the_rows_of_a_list_item() {
    let by_id = read(&MODEL, BY_ID, "", Some("215485")).unwrap();
    let listed = read(&MODELS, &format!(r#"{{"items":[{BY_ID}],"metadata":{{}}}}"#), "", None).unwrap();
    assert_eq!(by_id.dump(), listed.dump());
    assert_eq!((by_id.page.items, by_id.page.ids.as_slice()), (1, &[215_485][..]));
    assert_eq!(by_id.row("models")["creator_username"], "4711");
    let version = by_id.row("model_versions");
    assert_eq!((&version["created_at"], &version["position"]), (&json!(1_701_220_882_372_i64), &json!(0)));
    assert_eq!((&version["index"], &version["supports_generation"]), (&json!(0), &json!(false)));
    assert_eq!((&version["extra"], &by_id.row("version_images")["on_site"]), (&Value::Null, &json!(true)));
    assert_eq!(by_id.row("version_images")["image_id"], 4_080_480);
}

#[test]
fn a_version_looked_up_fills_its_tables_but_not_models() {
    for (endpoint, key) in [(&VERSION, "242807"), (&VERSION_BY_HASH, "813E")] {
        let taken = read(endpoint, VERSION_TODAY, "", Some(key)).unwrap();
        assert_eq!((taken.page.items, taken.page.rejects, taken.page.ids.as_slice()), (1, 0, &[242_807][..]));
        assert_eq!(taken.rows("models").len(), 0);
        let version = taken.row("model_versions");
        assert_eq!((&version["model_id"], &version["position"]), (&json!(215_485), &Value::Null));
        assert_eq!((&version["usage_control"], &version["upload_type"]), (&json!("Generation"), &json!("Created")));
        assert_eq!((&version["download_count"], &version["thumbs_up_count"]), (&Value::Null, &json!(7)));
        assert_eq!(version["updated_at"], 1_702_748_774_313_i64);
        assert_eq!(
            (&version["training_details"], &version["model"], &version["extra"]),
            (
                &json!(r#"{"type":"Style"}"#),
                &json!(r#"{"name":"Turbo","type":"LORA","nsfw":false,"poi":false,"mode":"Archived"}"#),
                &Value::Null
            )
        );
        // The time of a scan has no zone here: it is UTC.
        assert_eq!(
            rows(&taken, "version_files", &["id", "model_id", "is_primary", "scanned_at"]),
            [json!([1, 215_485, false, 1_701_221_455_512_i64]), json!([2, 215_485, true, 1_701_221_455_500_i64])]
        );
        assert_eq!(rows(&taken, "file_hashes", &["version_id", "file_id", "hash"]), [json!([242_807, 1, "813E"])]);
        assert_eq!(
            rows(
                &taken,
                "version_images",
                &["position", "image_id", "nsfw_word", "meta", "metadata", "availability", "flags", "extra"]
            ),
            [
                json!([
                    0,
                    4_081_177,
                    null,
                    "{\"seed\": 18446744073709551616}",
                    "{\"size\":3214188}",
                    "Public",
                    0,
                    null
                ]),
                json!([1, null, "None", null, null, null, null, null]),
            ]
        );
    }
}

#[test]
fn an_answer_to_another_question_or_without_keys_is_a_reject() {
    let cases = [
        (&MODEL, r#"{"id":8}"#, "7", "foreign: it is model 8, not 7, which was asked for"),
        (&VERSION, r#"{"id":8,"modelId":1}"#, "7", "foreign: it is version 8, not 7, which was asked for"),
        (&VERSION, r#"{"id":7}"#, "7", "missing_key: the version has no `modelId`"),
        (&VERSION, r#"{"id":7,"modelId":1,"files":[{}]}"#, "7", "missing_key: a file has no `id`"),
    ];
    for (endpoint, body, key, reason) in cases {
        let taken = read(endpoint, body, "", Some(key)).unwrap();
        assert_eq!((taken.page.items, taken.page.rejects), (1, 1));
        let reject = taken.row("rejects");
        assert_eq!(
            (&reject["reason"], &reject["item"], &reject["position"]),
            (&json!(reason), &json!(body), &json!(0))
        );
        assert_eq!(taken.rows("models").len() + taken.rows("model_versions").len(), 0);
    }
    for body in ["null", "[]", "<html>", "", "{}", r#"{"status":"maintenance"}"#, r#"{"modelId":1}"#] {
        for endpoint in [&MODEL, &VERSION, &VERSION_BY_HASH] {
            assert!(read(endpoint, body, "", Some("7")).is_err_and(|unreadable| !unreadable.failure), "{body}");
        }
    }
    for body in [r#"{"error":"x"}"#, r#"{"message":"Too Many Requests","statusCode":429}"#] {
        assert!(read(&MODEL, body, "", Some("7")).is_err_and(|unreadable| unreadable.failure), "{body}");
    }
}
