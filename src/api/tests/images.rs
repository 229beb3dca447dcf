//! `images`: items and generation data of every shape, paging, and the checks against what was asked.

use serde_json::{Map, Value, json};

use crate::api::endpoint::{NextCursor, Paging};
use crate::api::images::IMAGES;
use crate::api::page::Query;
use crate::api::testing::{Taken, params, read, read_after};
use crate::table::{Provenance, TableBuilder, Tables};

/// The recorded item of the developer documentation.
const ITEM: &str = r#"{"id":9173928,"url":"https://x/cc.jpeg","hash":"UA8N5}","width":832,"height":1216,"type":"image",
    "nsfw":true,"nsfwLevel":"Soft","browsingLevel":2,"createdAt":"2025-04-17T21:28:57.225Z","postId":1981754,
    "username":"Ajuro","baseModel":"SDXL 1.0","modelVersionIds":[9208,249861,9208],"stats":{"cryCount":1770,"laughCount":2771,
    "likeCount":21692,"dislikeCount":0,"heartCount":8044,"commentCount":58},"tags":[{"id":5,"name":"cat"},{"id":6,"name":"b"}],
    "meta":{"Size":"832x1216","seed":1938345220,"steps":45,"sampler":"DPM++ 2M","cfgScale":5,"clipSkip":2,"prompt":"p",
    "negativePrompt":"n","resources":[],"civitaiResources":[{"type":"checkpoint","modelVersionId":345685},
    {"type":"lora","weight":0.65,"modelVersionId":249861}]}}"#;

fn take(item: &str, query: &str) -> Taken {
    read(&IMAGES, &format!(r#"{{"items":[{item}],"metadata":{{"nextCursor":7}}}}"#), query, None).unwrap()
}

/// An image with this generation data.
fn with_meta(meta: &str) -> Taken {
    take(&format!(r#"{{"id":1,"meta":{meta}}}"#), "")
}

/// Adds to the generation data what columns hold of it.
fn fill_from_columns(object: &mut Map<String, Value>, row: &Value) {
    const KEYS: [(&str, &str); 14] = [
        ("prompt", "prompt"),
        ("negative_prompt", "negativePrompt"),
        ("seed", "seed"),
        ("steps", "steps"),
        ("sampler", "sampler"),
        ("cfg_scale", "cfgScale"),
        ("clip_skip", "clipSkip"),
        ("size", "Size"),
        ("model", "Model"),
        ("model_hash", "Model hash"),
        ("version", "Version"),
        ("workflow", "workflow"),
        ("denoising_strength", "Denoising strength"),
        ("comfy", "comfy"),
    ];
    for (column, key) in KEYS.into_iter().filter(|(column, _)| !row[column].is_null()) {
        let value = match (column, row[column].as_str()) {
            ("clip_skip", _) if object.contains_key("Clip skip") => continue,
            ("denoising_strength", _) if object.contains_key("denoise") => continue,
            ("denoising_strength", _) => json!(row[column].as_f64().unwrap().to_string()),
            ("comfy", Some(sent)) => serde_json::from_str(sent).unwrap(),
            _ => row[column].clone(),
        };
        object.entry(key).or_insert(value);
    }
    if !row["remix_of_id"].is_null() {
        object.entry("extra").or_insert(json!({ "remixOfId": row["remix_of_id"] }));
    }
}

/// The generation data that the rows of one image were made from.
pub(super) fn rebuilt(taken: &Taken) -> Value {
    let row = taken.row("image_meta");
    let extra = row["extra"].as_str().unwrap_or("{}");
    let mut object: Map<String, Value> = serde_json::from_str(extra).unwrap();
    let mut id = None;
    if object.len() == 2
        && object.contains_key("id")
        && object.get("meta").is_some_and(|m| m.is_object() || m.is_null())
    {
        id = object.remove("id");
        match object.remove("meta") {
            Some(Value::Object(inner)) => object = inner,
            meta => return json!({ "id": id, "meta": meta }),
        }
    }
    let present = |value: &Value| !value.is_null();
    fill_from_columns(&mut object, row);
    for (source, name, weight) in [
        ("resources", "name", "weight"),
        ("civitaiResources", "modelVersionName", "weight"),
        ("additionalResources", "name", "strength"),
    ] {
        let columns = [
            ("type", "type"),
            ("name", name),
            ("hash", "hash"),
            ("weight", weight),
            ("model_version_id", "modelVersionId"),
        ];
        let element = |row: &Value| {
            let field = |(column, key): (&str, &str)| (key.to_owned(), row[column].clone());
            columns.into_iter().filter(|(column, _)| present(&row[column])).map(field).collect::<Map<_, _>>()
        };
        let of_source = |row: &&Value| row["source"] == source;
        let list: Vec<Value> =
            taken.rows("image_resources").iter().filter(of_source).map(|row| element(row).into()).collect();
        if !list.is_empty() {
            object.entry(source).or_insert(list.into());
        }
    }
    let labelled =
        taken.rows("image_resources").iter().filter(|row| row["source"] == "hashes" && present(&row["name"]));
    let hashes: Map<_, _> =
        labelled.map(|row| (row["name"].as_str().unwrap().to_owned(), row["hash"].clone())).collect();
    if !hashes.is_empty() {
        object.entry("hashes").or_insert(hashes.into());
    }
    match id {
        Some(id) => json!({ "id": id, "meta": object }),
        None => object.into(),
    }
}

/// The same JSON with integers written as floats, where that keeps their value.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)) {
            // A float also stands for the whole number that it is written as.
            Some(whole) if whole as f64 as i128 == whole || (whole as f64).to_string() == whole.to_string() => {
                json!(whole as f64)
            }
            _ => value.clone(),
        },
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<Map<_, _>>().into()
        }
        _ => value.clone(),
    }
}

#[test]
fn a_float_stands_for_the_whole_number_that_it_is_written_as() {
    assert_eq!(plain(&json!(105_460_989_985_165_800_i64)), json!(1.054609899851658e17));
    assert_eq!(plain(&json!(105_460_989_985_165_801_i64)), json!(105_460_989_985_165_801_i64));
}

#[test]
fn an_image_fills_its_tables() {
    let taken = take(ITEM, "");
    assert_eq!(
        *taken.row("images"),
        json!({ "id": 9_173_928, "url": "https://x/cc.jpeg", "type": "image", "width": 832, "height": 1216,
            "hash": "UA8N5}", "nsfw": true, "nsfw_word": "Soft", "nsfw_level": 2,
            "created_at": 1_744_925_337_225_i64, "post_id": 1_981_754, "username": "Ajuro", "base_model": "SDXL 1.0",
            "cry_count": 1770, "laugh_count": 2771, "like_count": 21692, "dislike_count": 0, "heart_count": 8044,
            "comment_count": 58, "thumbnail_url": null, "thumbnail_width": null, "thumbnail_height": null,
            "extra": null })
    );
    assert_eq!(
        *taken.row("image_meta"),
        json!({ "image_id": 9_173_928, "prompt": "p", "negative_prompt": "n", "seed": 1_938_345_220, "steps": 45,
            "sampler": "DPM++ 2M", "cfg_scale": 5.0, "clip_skip": 2, "size": "832x1216", "model": null,
            "model_hash": null, "version": null, "workflow": null, "denoising_strength": null, "remix_of_id": null,
            "comfy": null, "extra": "{\"resources\":[]}" })
    );
    let resource = |position, kind, weight, version| {
        json!({ "image_id": 9_173_928, "position": position, "source": "civitaiResources", "type": kind, "name": null,
            "hash": null, "weight": weight, "model_version_id": version })
    };
    assert_eq!(
        taken.rows("image_resources"),
        [resource(0, "checkpoint", None, 345_685), resource(1, "lora", Some(0.65), 249_861)]
    );
    let version = |id| json!({ "image_id": 9_173_928, "model_version_id": id });
    assert_eq!(taken.rows("image_model_versions"), [version(9208), version(249_861)]);
    let tag = |id, name| json!({ "image_id": 9_173_928, "tag_id": id, "tag": name });
    assert_eq!(taken.rows("image_tags"), [tag(5, "cat"), tag(6, "b")]);
    assert_eq!((taken.page.ids.as_slice(), taken.page.next_cursor.as_deref()), (&[9_173_928][..], Some("7")));
}

#[test]
fn odd_fields_are_kept_where_no_column_takes_them() {
    let cases = [
        (r#""username":1234567890123"#, "username", json!("1234567890123"), Value::Null),
        (r#""username":null"#, "username", Value::Null, Value::Null),
        (r#""baseModel":"""#, "base_model", json!(""), Value::Null),
        (r#""nsfwLevel":4"#, "nsfw_word", json!("4"), Value::Null),
        (r#""thumbnail":null"#, "thumbnail_url", Value::Null, Value::Null),
        (
            r#""thumbnail":{"url":"u","width":2,"x":[]}"#,
            "thumbnail_width",
            json!(2),
            json!(r#"{"thumbnail":{"x":[]}}"#),
        ),
        (r#""nsfw":"Soft""#, "nsfw", Value::Null, json!(r#"{"nsfw":"Soft"}"#)),
        (r#""meta":"none""#, "id", json!(1), json!(r#"{"meta":"none"}"#)),
        (r#""meta":[1]"#, "id", json!(1), json!(r#"{"meta":[1]}"#)),
        (r#""meta":null"#, "id", json!(1), Value::Null),
        (r#""stats":{"likeCount":2,"viewCount":9}"#, "like_count", json!(2), json!(r#"{"stats":{"viewCount":9}}"#)),
        (r#""modelVersionIds":[3,"x",null]"#, "id", json!(1), json!(r#"{"modelVersionIds":["x",null]}"#)),
        (r#""modelVersionIds":3"#, "id", json!(1), json!(r#"{"modelVersionIds":3}"#)),
        (
            r#""tags":[{"id":5,"name":"a","x":1},{"name":"b"},{"id":"6"},"c",null]"#,
            "id",
            json!(1),
            json!(r#"{"tags":[{"x":1,"id":5},{"name":"b"},{"id":"6"},"c",null]}"#),
        ),
    ];
    for (field, column, value, extra) in cases {
        let taken = take(&format!(r#"{{"id":1,{field}}}"#), "");
        let row = taken.row("images");
        assert_eq!((&row[column], &row["extra"]), (&value, &extra), "{field}");
        assert_eq!(taken.rows("image_meta").len(), 0, "{field}");
    }
    assert_eq!(take(r#"{"url":"x"}"#, "").reasons(), ["missing_key: the image has no `id`"]);
}

/// Generation data, and what its `extra` is.
const METAS: &[(&str, Option<&str>)] = &[
    ("{}", None),
    (r#"{"prompt":"a\n\"b\"","seed":-1}"#, None),
    (r#"{"seed":9223372036854775807}"#, None),
    (r#"{"seed":9223372036854775808}"#, Some(r#"{"seed":9223372036854775808}"#)),
    (r#"{"seed":123456789012345678901234567890}"#, Some(r#"{"seed":123456789012345678901234567890}"#)),
    (r#"{"seed":"42"}"#, Some(r#"{"seed":"42"}"#)),
    (r#"{"seed":1,"seed":2}"#, Some(r#"{"seed":2}"#)),
    (r#"{"seed":1.5,"steps":20.0}"#, Some(r#"{"seed":1.5,"steps":20.0}"#)),
    (r#"{"cfgScale":7}"#, None),
    (r#"{"cfgScale":7.50}"#, None),
    (r#"{"cfgScale":"7"}"#, Some(r#"{"cfgScale":"7"}"#)),
    (r#"{"cfgScale":1e999}"#, Some(r#"{"cfgScale":1e999}"#)),
    (r#"{"clipSkip":2,"Clip skip":"2"}"#, Some(r#"{"clipSkip":2,"Clip skip":"2"}"#)),
    (r#"{"Clip skip":"3","clipSkip":2}"#, Some(r#"{"Clip skip":"3","clipSkip":2}"#)),
    (
        r#"{"clipSkip":"2.0","steps":" 30","cfgScale":"1e1"}"#,
        Some(r#"{"clipSkip":"2.0","steps":" 30","cfgScale":"1e1"}"#),
    ),
    (r#"{"Version":"v1.9.4","workflow":"txt2img","extra":{"remixOfId":7}}"#, None),
    (
        r#"{"Version":2,"workflow":{},"extra":{"remixOfId":7,"x":1}}"#,
        Some(r#"{"Version":2,"workflow":{},"extra":{"remixOfId":7,"x":1}}"#),
    ),
    (r#"{"extra":{}}"#, Some(r#"{"extra":{}}"#)),
    (r#"{"extra":{"remixOfId":"7"}}"#, Some(r#"{"extra":{"remixOfId":"7"}}"#)),
    (r#"{"extra":null,"comfy":null}"#, Some(r#"{"extra":null,"comfy":null}"#)),
    (r#"{"Denoising strength":"0.35"}"#, None),
    (r#"{"Denoising strength":"0.350"}"#, Some(r#"{"Denoising strength":"0.350"}"#)),
    (r#"{"Denoising strength":0.35}"#, Some(r#"{"Denoising strength":0.35}"#)),
    (r#"{"Denoising strength":"0.35","denoise":1}"#, Some(r#"{"Denoising strength":"0.35","denoise":1}"#)),
    (r#"{"denoise":0.5}"#, Some(r#"{"denoise":0.5}"#)),
    (r#"{"Clip skip":"2"}"#, Some(r#"{"Clip skip":"2"}"#)),
    (r#"{"Model":{"meina_belly_7":"3mix"}}"#, Some(r#"{"Model":{"meina_belly_7":"3mix"}}"#)),
    (r#"{"Model":7,"Model hash":"2509","Size":"1x2","sampler":""}"#, Some(r#"{"Model":7}"#)),
    (r#"{"negativePrompt":null}"#, Some(r#"{"negativePrompt":null}"#)),
    (r#"{"comfy":"{\"prompt\": {}}"}"#, None),
    (r#"{"comfy":{"prompt": [1 ,2]}}"#, None),
    (r#"{"comfy":7}"#, None),
    (r#"{"hashes":{"vae":"735e","model":"2509"}}"#, None),
    (r#"{"hashes":["735e"]}"#, Some(r#"{"hashes":["735e"]}"#)),
    (r#"{"hashes":{"vae":1,"model":"2509"}}"#, Some(r#"{"hashes":{"vae":1,"model":"2509"}}"#)),
    (
        r#"{"resources":[{"name":"a","type":"lora","weight":"1"}]}"#,
        Some(r#"{"resources":[{"name":"a","type":"lora","weight":"1"}]}"#),
    ),
    (r#"{"additionalResources":[{"name":"a","type":"lora","strength":0.5}],"resources":[{"name":"b"}]}"#, None),
    (r#"{"id":5,"meta":{"prompt":"p","hashes":{"a":"b"}}}"#, Some(r#"{"id":5,"meta":{}}"#)),
    (r#"{"meta":{"prompt":"p","RNG":"CPU"},"id":5}"#, Some(r#"{"id":5,"meta":{"RNG":"CPU"}}"#)),
    (r#"{"id":5,"meta":null}"#, Some(r#"{"id":5,"meta":null}"#)),
    (r#"{"id":5,"meta":{"id":6,"meta":{"prompt":"p"}}}"#, Some(r#"{"id":5,"meta":{"id":6,"meta":{"prompt":"p"}}}"#)),
    (r#"{"id":5,"meta":"text"}"#, Some(r#"{"id":5,"meta":"text"}"#)),
    (r#"{"id":5}"#, Some(r#"{"id":5}"#)),
    // Three keys are no wrapper, and must not look like one afterwards.
    (r#"{"id":5,"meta":{"steps":1},"prompt":"p"}"#, Some(r#"{"id":5,"meta":{"steps":1},"prompt":"p"}"#)),
    (r#"{"id":5,"meta":{},"hashes":{"a":"b"}}"#, Some(r#"{"id":5,"meta":{},"hashes":{"a":"b"}}"#)),
];

#[test]
fn generation_data_of_every_shape_is_taken_and_can_be_rebuilt() {
    for (meta, extra) in METAS {
        let taken = with_meta(meta);
        assert_eq!(taken.row("image_meta")["extra"], json!(extra), "{meta}");
        if !meta.contains("1e999") {
            let sent: Value = serde_json::from_str(meta).unwrap();
            assert_eq!(plain(&rebuilt(&taken)), plain(&sent), "{meta}");
        }
    }
    assert_eq!(with_meta(r#"{"id":5,"meta":{"prompt":"p"}}"#).row("image_meta")["prompt"], "p");
    assert_eq!(with_meta(r#"{"id":5,"meta":{},"prompt":"p"}"#).row("image_meta")["prompt"], "p");
}

#[test]
fn numbers_fill_their_columns_in_whatever_form_they_are_sent() {
    let cases = [
        (r#"{"seed":42}"#, "seed", json!(42)),
        (r#"{"seed":"42"}"#, "seed", Value::Null),
        (r#"{"seed":42.0}"#, "seed", Value::Null),
        (r#"{"seed":9007199254740993}"#, "seed", json!(9_007_199_254_740_993_i64)),
        (r#"{"seed":"random"}"#, "seed", Value::Null),
        (r#"{"seed":1.5}"#, "seed", Value::Null),
        (r#"{"steps":"30"}"#, "steps", json!(30)),
        (r#"{"steps":20.0}"#, "steps", json!(20)),
        (r#"{"steps":"007"}"#, "steps", json!(7)),
        (r#"{"cfgScale":"7.5"}"#, "cfg_scale", json!(7.5)),
        (r#"{"cfgScale":"1e3"}"#, "cfg_scale", json!(1000.0)),
        (r#"{"cfgScale":"7,5"}"#, "cfg_scale", Value::Null),
        (r#"{"cfgScale":[7]}"#, "cfg_scale", Value::Null),
        (r#"{"Clip skip":"2"}"#, "clip_skip", json!(2)),
        (r#"{"Clip skip":2}"#, "clip_skip", json!(2)),
        (r#"{"clipSkip":" 2"}"#, "clip_skip", json!(2)),
        (r#"{"clipSkip":3,"Clip skip":"2"}"#, "clip_skip", json!(3)),
        (r#"{"clipSkip":"none","Clip skip":"2"}"#, "clip_skip", json!(2)),
        (r#"{"Denoising strength":"0.35"}"#, "denoising_strength", json!(0.35)),
        (r#"{"denoise":1}"#, "denoising_strength", json!(1.0)),
        (r#"{"extra":{"remixOfId":"7","x":1}}"#, "remix_of_id", json!(7)),
        (r#"{"comfy":"{\"a\": 1}"}"#, "comfy", json!(r#""{\"a\": 1}""#)),
        (r#"{"comfy":{"a": 1}}"#, "comfy", json!(r#"{"a": 1}"#)),
    ];
    for (meta, column, value) in cases {
        let taken = with_meta(meta);
        assert_eq!(taken.row("image_meta")[column], value, "{meta}");
        assert_eq!(plain(&rebuilt(&taken)), plain(&serde_json::from_str(meta).unwrap()), "{meta}");
    }
}

#[test]
fn resources_of_all_lists_are_counted_through_in_one_order() {
    let taken = with_meta(
        r#"{"hashes":{"model":"h"},"additionalResources":[{"name":"c"}],"civitaiResources":[{"modelVersionId":3}],
            "resources":[{"name":"a"},{"name":"b","weight":2,"odd":1}]}"#,
    );
    let row = |row: &Value| json!([row["position"], row["source"], row["name"]]);
    assert_eq!(
        taken.rows("image_resources").iter().map(row).collect::<Vec<_>>(),
        [
            json!([0, "resources", "a"]),
            json!([1, "resources", "b"]),
            json!([2, "civitaiResources", null]),
            json!([3, "additionalResources", "c"]),
            json!([4, "hashes", "model"]),
        ]
    );
    // One list is not held exactly: it alone is kept as sent besides its rows.
    assert_eq!(taken.row("image_meta")["extra"], r#"{"resources":[{"name":"a"},{"name":"b","weight":2,"odd":1}]}"#);
}

#[test]
fn thousands_of_odd_keys_and_large_workflows_pass() {
    let mut keys: Map<String, Value> =
        (0..4000).map(|n| (format!("lora:{n} \u{e9}"), json!(format!("{n}>")))).collect();
    keys.insert("comfy".to_owned(), json!({ "nodes": vec![json!({ "inputs": "x".repeat(100) }); 4000] }));
    keys.insert("prompt".to_owned(), json!("p".repeat(100_000)));
    let sent = Value::Object(keys);
    assert_eq!(rebuilt(&with_meta(&sent.to_string())), sent);
}

#[test]
fn images_that_were_not_asked_for_are_rejects() {
    let tells = r#"{"id":1,"modelVersionIds":[7,5],"postId":3,"username":"Ann"}"#;
    let cases = [
        (tells, "modelVersionId=5&postId=3&username=ann&imageId=1", None),
        (tells, "modelVersionId=6", None),
        (r#"{"id":1,"modelVersionIds":[]}"#, "modelVersionId=6", None),
        (r#"{"id":1}"#, "modelVersionId=6&postId=4&username=bob", None),
        (tells, "postId=4", Some("foreign: it belongs to post 3, not to 4, which was asked for")),
        (tells, "imageId=2", Some("foreign: it is image 1, not 2, which was asked for")),
        (tells, "username=bob", Some("foreign: it is by `Ann`, not by `bob`, which was asked for")),
        (r#"{"id":1,"username":7}"#, "username=007", None),
        (
            r#"{"id":1,"username":70}"#,
            "username=007",
            Some("foreign: it is by `70`, not by `007`, which was asked for"),
        ),
        (r#"{"id":1,"username":"unknown"}"#, "username=bob", None),
        (r#"{"id":1,"username":"null"}"#, "username=bob", None),
        (r#"{"id":1,"username":5000}"#, "username=5e3", None),
        (r#"{"id":1,"username":1e22}"#, "username=10000000000000000000000", None),
        (tells, "modelId=9", None),
    ];
    for (item, query, reason) in cases {
        let taken = take(item, query);
        assert_eq!(taken.reasons(), reason.as_slice(), "{query}");
        let rows = usize::from(reason.is_none());
        assert_eq!((taken.rows("images").len(), taken.page.ids.len()), (rows, rows), "{query}");
        assert!(rows == 1 || taken.rows("image_model_versions").is_empty(), "{query}");
    }
}

#[test]
fn the_older_path_is_asked_from_the_row_that_its_cursor_names() {
    let Paging::Cursor { next, .. } = IMAGES.paging else { unreachable!("images are walked by cursor") };
    let cases = [
        ("modelId=1", "900", "901"),
        ("modelId=1&sort=Newest", "900", "901"),
        ("imageId=1&sort=Most Reactions", "900", "901"),
        ("modelId=1&sort=Oldest", "900", "900"),
        ("modelId=1&modelVersionId=2", "900", "900"),
        ("modelVersionId=2", "12|1712265847499", "12|1712265847499"),
        ("modelId=1", "12|1712265847499", "12|1712265847499"),
        ("modelId=1", "9223372036854775807", "9223372036854775807"),
        ("ids=1,2&sort=Newest", "900", "901"),
        ("modelVersionId=2", "feed:1712265847499:900", "feed:1712265847499:900"),
        ("", "900", "900"),
    ];
    for (query, named, sent) in cases {
        assert_eq!(next(&params(query), named), NextCursor::Cursor(sent.to_owned()), "{query} {named}");
    }
}

#[test]
fn lists_by_age_that_the_feed_service_can_express_begin_at_an_instant() {
    let Paging::Cursor { windows: Some(windows), .. } = IMAGES.paging else { unreachable!("the feed has instants") };
    for (query, fits) in [
        ("sort=Oldest", true),
        ("sort=Oldest&username=a&withMeta=true&period=Week", true),
        ("sort=Oldest&modelId=1&modelVersionId=2", true),
        ("sort=Newest", false),
        ("", false),
        ("sort=Oldest&postId=1", false),
        ("sort=Oldest&imageId=1", false),
        ("sort=Oldest&ids=1,2", false),
        ("sort=Oldest&modelId=1", false),
        ("sort=Oldest&requiringMeta=true", false),
    ] {
        assert_eq!((windows.fits)(&params(query)), fits, "{query}");
    }
    // All rows of the instant are behind it, also those of lower ids, in either order.
    assert_eq!((windows.forge)(1_712_265_847_499), "feed:1712265847498:0");
    assert_eq!((windows.forge)(0), "feed:0:0");
    assert_eq!((windows.at)("feed:1712265847498:77"), Some(1_712_265_847_498));
    for other in ["12|1712265847499", "900", "feed:1", "feed:x:1", "feed:1:x", "|7"] {
        assert_eq!((windows.at)(other), None, "{other}");
    }
}

#[test]
fn a_page_of_another_part_of_the_list_is_not_taken() {
    let body = |date: &str, next: &str| {
        format!(
            r#"{{"items":[{{"id":1,"createdAt":{date}}},{{"id":2,"createdAt":"2024-04-04T21:17:30.000Z"}}],"metadata":{{{next}}}}}"#
        )
    };
    // The cursor's instant is 2024-04-04T21:17:27.499Z.
    let asked = "feed:1712265447499:900";
    let cases = [
        ("sort=Oldest", asked, "\"2024-04-04T21:17:27.499Z\"", "\"nextCursor\":\"feed:1712265447499:7\"", false),
        ("sort=Oldest", asked, "\"2024-04-04T21:17:27.498Z\"", "\"nextCursor\":\"feed:1712265450000:7\"", true),
        ("sort=Oldest", asked, "\"2024-04-04T21:17:27.498Z\"", "", true),
        ("sort=Oldest", asked, "null", "\"nextCursor\":\"feed:1712265450000:7\"", false),
        ("sort=Oldest", asked, "null", "\"nextCursor\":\"feed:1712265447498:7\"", true),
        ("sort=Oldest", asked, "null", "\"nextCursor\":\"200|1712265450000\"", true),
        ("sort=Oldest", "200|1712265447499", "\"2023-04-04T21:17:27.498Z\"", "\"nextCursor\":\"400|1\"", false),
        ("sort=Newest", asked, "\"2023-04-04T21:17:27.498Z\"", "\"nextCursor\":\"feed:1680000000000:7\"", false),
        ("sort=Newest", asked, "\"2024-04-04T21:17:27.498Z\"", "\"nextCursor\":\"200|1712265450000\"", true),
        ("sort=Most Reactions", "feed:12:900", "null", "\"nextCursor\":\"200|1\"", true),
    ];
    for (query, cursor, date, next, elsewhere) in cases {
        let mut taken = Tables::default();
        let (pairs, body) = (params(query), body(date, next));
        let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
        let asked = Query { params: &pairs, cursor: Some(cursor), limit: 200, ..Query::believed(at) };
        let page = (IMAGES.read)(&body, &asked, &mut taken).unwrap();
        assert_eq!((page.elsewhere, page.items), (elsewhere, if elsewhere { 0 } else { 2 }), "{query} {date} {next}");
        assert_eq!(page.dates.map(|(_, last)| last), Some(1_712_265_450_000), "{query} {date} {next}");
    }
}

#[test]
fn an_end_that_may_be_false_is_doubted() {
    let empty = r#"{"items":[],"metadata":{}}"#;
    let cases = [
        (empty, "modelVersionId=1", None, false),
        (empty, "modelVersionId=1", Some("100|1"), true),
        (empty, "modelId=1", None, true),
        (empty, "imageId=1", None, true),
        (empty, "modelId=1&modelVersionId=2", None, false),
        (r#"{"items":[],"metadata":{"nextCursor":"100|1"}}"#, "modelId=1", Some("50|1"), false),
        (r#"{"items":[{"id":1}],"metadata":{}}"#, "modelId=1", Some("50|1"), false),
    ];
    for (body, query, cursor, doubtful) in cases {
        let taken = read_after(&IMAGES, body, query, None, cursor).unwrap();
        assert_eq!(taken.page.doubtful, doubtful, "{query} {cursor:?} {body}");
    }
}

#[test]
fn an_image_is_listed_under_the_version_that_was_asked_for() {
    let taken = take(r#"{"id":1,"postId":3,"modelVersionIds":[7]}"#, "modelVersionId=5");
    assert_eq!(taken.row("gallery_images"), &json!({ "image_id": 1, "model_version_id": 5, "post_id": 3 }));
    assert_eq!(taken.row("image_model_versions"), &json!({ "image_id": 1, "model_version_id": 7 }));
    assert!(take(r#"{"id":1,"modelVersionIds":[7]}"#, "postId=5").rows("gallery_images").is_empty());
}

#[test]
fn a_long_page_that_shows_nothing_of_its_filter_is_to_be_compared() {
    let page = |names: [i64; 4], more: bool| {
        let item = |(id, version)| json!({ "id": id, "modelVersionIds": [version] });
        let items: Vec<Value> = (1..).zip(names).map(item).collect();
        json!({ "items": items, "metadata": if more { json!({ "nextCursor": "4|1" }) } else { json!({}) } }).to_string()
    };
    let (none, half) = (page([9; 4], true), page([5, 5, 9, 9], true));
    let version: &[&str] = &["modelVersionId"];
    let cases = [
        (&none, "modelVersionId=5", 4, version),
        (&page([9; 4], false), "modelVersionId=5", 4, version),
        (&page([9; 4], false), "modelVersionId=5", 5, &[]),
        (&none, "modelVersionId=5", 8, version),
        (&none, "modelVersionId=5", 9, &[]),
        (&page([5, 9, 9, 9], true), "modelVersionId=5", 4, version),
        (&half, "modelVersionId=5", 4, &[]),
        (&half, "modelVersionId=5&modelId=1", 4, &[]),
        (&half, "modelVersionId=5&userId=1", 4, &["userId"]),
        (&half, "modelId=1", 4, &["modelId"]),
        (&half, "userId=1", 4, &["userId"]),
        (&half, "browsingLevel=3", 4, &[]),
    ];
    for (body, asked, limit, unshown) in cases {
        let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
        let params = params(asked);
        for compared in [false, true] {
            let query = Query { params: &params, limit, compared, ..Query::believed(at) };
            let mut tables = Tables::default();
            let page = (IMAGES.read)(body, &query, &mut tables).unwrap();
            let shows = compared || unshown.is_empty();
            assert_eq!(page.unshown, if shows { &[] } else { unshown }, "{asked} {limit} {body}");
            assert_eq!(
                (page.ids.len(), tables.images.rows()),
                (4, if shows { 4 } else { 0 }),
                "{asked} {limit} {body}"
            );
        }
    }
}
