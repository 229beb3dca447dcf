//! Tests of the skeleton: what stays, that nobody's words do, and that decoders read it as they read the answer.

use std::hash::RandomState;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::api::ENDPOINTS;
use crate::api::endpoint::Endpoint;
use crate::api::page::{Page, Query};
use crate::sandbox::{Config, Sandbox};
use crate::table::{Provenance, Tables};

const PLENTY: usize = 1 << 30;

fn skeleton_of(path: &str, status: u16, body: &str) -> Skeleton {
    skeleton(body, Source { path, status, marks: &RandomState::new() }, &mut PLENTY.clone())
}

/// The skeleton of the value of a key in an answer with this status.
fn kept(path: &str, status: u16, key: &str, json: &str) -> String {
    let body = format!("{{{}:{json}}}", Value::from(key));
    let Skeleton { value, .. } = skeleton_of(path, status, &body);
    value.as_object().unwrap().iter().map(|(key, value)| format!("{key}: {value}")).collect()
}

#[test]
fn what_the_api_says_stays_and_what_people_say_does_not() {
    let hash = "0123456789ABCDEF".repeat(4);
    for (key, json, expected) in [
        ("id", "7", "id: 7"),
        ("size", "0.5", "size: 0.5"),
        ("nsfw", "true", "nsfw: true"),
        ("mode", "null", "mode: null"),
        ("type", r#""LORA""#, r#"type: "LORA""#),
        ("baseModel", r#""Wan Video 14B i2v 720p""#, r#"baseModel: "Wan Video 14B i2v 720p""#),
        ("baseModels", r#"["SD 1.5","<b>"]"#, r#"baseModels: ["SD 1.5","…3"]"#),
        ("allowCommercialUse", r#""{Image,RentCivit}""#, r#"allowCommercialUse: "{Image,RentCivit}""#),
        ("allowCommercialUse", r#""{}""#, r#"allowCommercialUse: "{}""#),
        ("allowCommercialUse", r#""{Image,a@b}""#, r#"allowCommercialUse: "…11""#),
        ("description", r#""2024-01-02""#, r#"description: "…10""#),
        ("description", r#""héllo""#, r#"description: "…5""#),
        ("createdAt", r#""2024-01-02T03:04:05.678Z""#, r#"createdAt: "2024-01-02T03:04:05.678Z""#),
        ("any", r#""2024-01-02 03:04:05.6+02""#, r#"any: "2024-01-02 03:04:05.6+02""#),
        ("any", r#""-000023-01-21T00:00:00Z""#, r#"any: "-000023-01-21T00:00:00Z""#),
        ("any", r#""2024-01-02 of Ann""#, r#"any: "…17""#),
        ("any", r#""+49-170-1234567""#, r#"any: "…15""#),
        ("nextCursor", r#""8f3a ~ anything|1""#, r#"nextCursor: "8f3a ~ anything|1""#),
        ("nextCursor", r#""ü""#, r#"nextCursor: "…1""#),
        ("SHA256", &format!("\"{hash}\""), &format!("SHA256: \"{hash}\"")),
        ("AutoV2", r#""0123456789""#, r#"AutoV2: "…10""#),
        ("air", r#""urn:air:sdxl:lora:civitai:1@2""#, r#"air: "urn:air:sdxl:lora:civitai:1@2""#),
        (
            "url",
            r#""https://image.civitai.com/x/y/original=true/123.jpeg""#,
            r#"url: "https://image.civitai.com/…/123.jpeg""#,
        ),
        ("url", r#""https://civitai.com/api/download/models/12?type=Model""#, r#"url: "https://civitai.com/…/12""#),
        ("link", r#""https://u:p@civitai.com:8080/user/ann""#, r#"link: "https://civitai.com:8080/…""#),
        ("link", r#""http://192.168.0.7/ann/1.ann2345""#, r#"link: "http://…/…""#),
        ("link", r#""http://127.0.0.1:81/1""#, r#"link: "http://127.0.0.1:81/…/1""#),
        ("message", r#""User not found""#, r#"message: "…14""#),
        ("Ann Smith", "1", "…9: 1"),
        ("naïve", "1", "…5: 1"),
        (
            "meta",
            r#"{"prompt":"2024-01-02","seed":7,"Ann":12345,"Bob":"x","resources":[{"type":"lora","name":"Ann"}]}"#,
            "",
        ),
    ] {
        if !expected.is_empty() {
            assert_eq!(kept("models", 200, key, json), expected);
        }
    }
    let meta = r#"{"prompt":"2024-01-02","seed":7,"Ann":12345,"Bob":"x","resources":[{"type":"lora","name":"Ann"}],"Eve":{"id":{"Ann":"a"}}}"#;
    let shape = kept("images", 200, "meta", meta);
    assert!(
        shape.starts_with(r#"meta: {"prompt":"…10","resources":[{"name":"…3","type":"…4"}],"seed":7,"…3":"#),
        "{shape}"
    );
    assert!(shape.contains(r##""…3#3":"…1","…3#5":{"id":{"…3":"…1"}}}"##) && !shape.contains("12345"), "{shape}");
    assert_eq!(kept("enums", 200, "ModelType", r#"["LORA","a@b"]"#), r#"ModelType: ["LORA","…3"]"#);
    assert_eq!(kept("models", 200, "ModelType", r#"["LORA"]"#), r#"ModelType: ["…4"]"#);
}

#[test]
fn images_of_versions_are_half_of_all_bytes_so_the_first_ones_stay() {
    let images = r#"{"images":[{"id":1},{"id":2},{"id":3}]}"#;
    for (body, kept) in [
        (format!(r#"{{"items":[{{"modelVersions":[{images}]}}]}}"#), 2),
        (format!(r#"{{"modelVersions":[{images}]}}"#), 2),
        (images.to_owned(), 3),
    ] {
        let Skeleton { value, cut, .. } = skeleton_of("models", 200, &body);
        assert_eq!(value.to_string().matches("id").count(), kept, "{value}");
        assert!(!cut);
    }
}

#[test]
fn names_are_told_apart_by_marks_that_nobody_can_undo() {
    let marked = |body: &str| skeleton_of("creators", 200, body).value;
    let names = marked(
        r#"[{"username":"Ann"},{"username":"Bob"},{"username":"Ann"},{"username":12345},{"username":1.5},{"tags":["Ann",7]}]"#,
    );
    let [ann, bob, again, number, float, tags] = &names.as_array().unwrap()[..] else { panic!("{names}") };
    assert!(ann == again && ann != bob && ann["username"].as_str().unwrap().starts_with("…3~"), "{names}");
    assert!(number["username"].is_u64() && number["username"] != 12345, "{names}");
    assert!(float["username"].is_f64() && tags["tags"][0] == ann["username"] && tags["tags"][1].is_u64(), "{names}");
    assert_ne!(marked(r#"{"name":"Ann"}"#), marked(r#"{"name":"Ann"}"#), "another examination has other marks");
}

#[test]
fn errors_keep_their_words_without_what_reveals_somebody() {
    for (sent, expected) in [
        ("User not found", "User not found"),
        ("No model with id 2147483000", "No model with id 2147483000"),
        ("Invalid cursor: expected 2 values", "Invalid cursor: expected 2 values"),
        ("Invalid cursor at 2024-01-02 03:04:05.678", "Invalid cursor at 2024-01-02 03:04:05.678"),
        ("You (203.0.113.7) are blocked.", "You (…11) are blocked."),
        ("from fe80::1%eth0, ::1 and 2001:db8:0:0:0:0:0:1", "from …12, …3 and …20"),
        ("[10.0.0.1]:80 or 10.0.0.1:80/x", "[…8]:80 or …11/x"),
        ("ray 8f3a1b2c3d4e5f60 of ann@example.com", "ray …16 of …15"),
        ("key=abcdefghij0123456789", "key=…20"),
        ("two\nlines\u{202e}", "two lines"),
        ("by https://civitai.com/articles/123", "by https://civitai.com/articles/123"),
    ] {
        let json = Value::from(sent).to_string();
        assert_eq!(kept("models", 400, "error", &json), format!("error: {}", Value::from(expected)));
        assert!(!kept("models", 400, "else", &json).contains(expected), "{sent}");
    }
    let issues =
        r#"{"name":"ZodError","message":"[\n{\"code\":\"too_big\",\"path\":[\"limit\"],\"message\":\"Too big\"}]"}"#;
    let issues = kept("models", 400, "error", issues);
    assert!(
        issues.contains("ZodError")
            && issues.contains(r#"[ {\"code\":\"too_big\",\"path\":[\"limit\"],\"message\":\"Too big\"}]"#),
        "{issues}"
    );
    assert!(kept("models", 400, "name", "\"Ann\"").starts_with("name: \"…3~"));
    for (status, body, value) in [
        (403, "<html>error code: 1010", json!({"message": "error code: 1010"})),
        (403, "error code: 10101010 and more", json!({"message": "error code: 101010"})),
        (403, "<html>Ann", Value::Null),
        (200, "error code: 1010", Value::Null),
        (200, "{\"a\":1} x", Value::Null),
        (200, "", Value::Null),
    ] {
        assert_eq!(skeleton_of("models", status, body).value, value, "{body}");
    }
}

#[test]
fn what_had_to_be_repaired_is_counted() {
    let Skeleton { value, repairs, .. } = skeleton_of("models", 200, "{\"id\":1,\"description\":\"a\nb\\ud83d\"}");
    assert_eq!((value, repairs), (json!({"id": 1, "description": "…4"}), Repairs { control_bytes: 1, halves: 1 }));
}

#[test]
fn a_hostile_body_costs_little_and_ends_as_cut() {
    let (mebi, room) = (1 << 20, 2 << 20);
    let many = |unit: &str| unit.repeat(16 * mebi / unit.len());
    let objects = (0..mebi).map(|n| format!("\"k{n}\":0,")).collect::<String>();
    for body in [
        format!("[{}0]", many("0,")),
        format!("[{}[]]", many("[],")),
        format!("[{}\"\"]", many("\"\",")),
        format!("{{{objects}\"k\":0}}"),
        "[".repeat(mebi) + &"]".repeat(mebi),
        "{\"a\":".repeat(mebi) + "0" + &"}".repeat(mebi),
    ] {
        let mut left = room;
        let marks = RandomState::new();
        let Skeleton { value, cut, .. } =
            skeleton(&body, Source { path: "models", status: 200, marks: &marks }, &mut left);
        assert!(cut && !value.is_null() && value.to_string().len() <= room, "{}", &body[..20]);
        let next = skeleton("[1,2]", Source { path: "models", status: 200, marks: &marks }, &mut left);
        assert!(left <= room && (next.cut || next.value == json!([1, 2])));
    }
    let noise = skeleton_of("models", 200, &format!("\"{}\"", "\n".repeat(mebi)));
    assert!(noise.cut && noise.value.is_null());
}

/// A word of somebody, which no list of the API has: neither an identifier nor a word of it.
const CANARY: &str = "Žofie·Nováková";

/// JSON with the canary as texts, in texts, and as keys, everywhere.
fn planted() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(CANARY.to_owned()),
        ".{0,9}".prop_map(|text| format!("{text}{CANARY}{text}")),
        Just(format!("https://{CANARY}.example/{CANARY}/{CANARY}.jpeg?{CANARY}")),
        Just(format!("https://example.com/{CANARY}")),
        Just(format!("2024-01-02T03:04:05{CANARY}")),
        Just(format!("{{Image,{CANARY}}}")),
        Just(format!("urn:air:{CANARY}")),
    ];
    let known: Vec<&str> = [
        NAMES,
        WORDS_OF_PEOPLE,
        WORDS_OF_API,
        FREE_KEYS,
        &["nextCursor", "SHA256", "air", "url", "meta", "items", "hashes"],
    ]
    .concat();
    let key = prop_oneof![proptest::sample::select(known).prop_map(str::to_owned), text.clone(), "[a-z]{1,5}"];
    let leaf = prop_oneof![text.prop_map(Value::from), any::<i32>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nobodys_words_stay(body in planted(), path in "models|images|enums|me", status in prop_oneof![Just(200_u16), Just(404)]) {
        // In sentences of errors the server may say anything, but its words are not people's.
        prop_assume!(status == 200 || !SENTENCES.iter().any(|key| body.to_string().contains(&format!("\"{key}\":"))));
        let Skeleton { value, cut, .. } = skeleton_of(&path, status, &body.to_string());
        let text = value.to_string();
        prop_assert!(!cut && !text.contains("ofie") && !text.contains("Nov"), "{}", text);
    }

    #[test]
    fn plain_words_stay_only_where_the_api_has_lists_of_them(
        text in "Annie Smith|https://civitai.com/Anniesmith(/1.Anniesmith)?|2024-01-02 Anniesmith|\\{Anniesmith\\}|urn:Anniesmith",
        key in "[a-zA-Z]{1,12}|SHA256|url|air|prompt|username|hash|error|message|code|tags|trainedWords",
    ) {
        prop_assume!(!WORDS_OF_API.contains(&&*key));
        prop_assert!(!kept("models", 200, &key, &Value::from(text).to_string()).contains("Annie"));
    }

    #[test]
    fn any_body_has_a_skeleton(body in "\\PC*|[\\[\\]{}\",:0-9a-z\\\\. -]{0,40}", status in 100_u16..600) {
        skeleton_of("models", status, &body);
    }

    #[test]
    fn numbers_of_people_do_not_stay(number in 10_000_000_i64.., key in proptest::sample::select([NAMES, WORDS_OF_PEOPLE].concat())) {
        prop_assert!(!kept("creators", 200, key, &number.to_string()).contains(&number.to_string()));
        let inside = format!("{{\"Ann's number\":[{number}]}}");
        prop_assert!(!kept("images", 200, "meta", &inside).contains(&number.to_string()));
    }
}

/// Returns the body of an answer of a sandbox.
fn get(sandbox: &Sandbox, target: &str) -> String {
    let base = sandbox.base_url();
    let (_, rest) = base.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path}/{target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    String::from_utf8(answer[head + 4..].to_vec()).unwrap()
}

/// Reads a body as a crawl does; returns the page, and the rows of each table.
fn read(endpoint: &Endpoint, body: &str) -> (Page, Vec<(&'static str, usize)>) {
    let query = Query::believed(Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 });
    let mut tables = Tables::default();
    let page = (endpoint.read)(body, &query, &mut tables).unwrap_or_else(|error| panic!("{error}: {body}"));
    (page, tables.builders_mut().map(|builder| (builder.table().name, builder.finish().unwrap().num_rows())).to_vec())
}

#[test]
fn decoders_read_a_skeleton_as_they_read_the_answer() {
    for (era, traps) in [("2023", "all"), ("2026-08", "all"), ("2026-09", "all"), ("2026-09", "none")] {
        let traps = traps.parse().unwrap();
        let sandbox =
            Sandbox::start(Config { models: 300, era: era.parse().unwrap(), traps, ..Config::default() }).unwrap();
        let all = "nsfw=true&archived=true&period=AllTime&sort=Oldest&limit=100";
        let models = get(&sandbox, &format!("models?{all}"));
        let first: Value = serde_json::from_str(&repair(&models).unwrap().0).unwrap();
        let (model, version) = (&first["items"][0]["id"], &first["items"][0]["modelVersions"][0]["id"]);
        let bodies = [
            ("models", format!("models?{all}")),
            ("model", format!("models/{model}")),
            ("model_version", format!("model-versions/{version}")),
            (
                "images",
                String::from("images?limit=100&browsingLevel=31&withMeta=true&withTags=true&flatMeta=true&sort=Newest"),
            ),
            ("creators", String::from("creators?limit=100")),
            ("tags", String::from("tags?limit=100")),
            ("enums", String::from("enums")),
        ];
        let mut seen = 0;
        for (name, target) in bodies {
            let body = get(&sandbox, &target);
            if body.contains("\"error\"") {
                continue;
            }
            seen += 1;
            let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.name == name).unwrap();
            let (answer, rows) = read(endpoint, &body);
            let (path, _) = target.split_once('?').unwrap_or((&target, ""));
            let Skeleton { value, cut, repairs } = skeleton_of(path, 200, &body);
            let text = value.to_string();
            let (bones, same_rows) = read(endpoint, &text);
            assert!(!cut && text.len() <= body.len(), "{target}");
            assert_eq!(repairs.count(), answer.repairs, "{era}: {target}");
            // Of the images of a version the first ones stay.
            for ((table, rows), (_, same_rows)) in rows.into_iter().zip(same_rows) {
                match table {
                    "version_images" => assert!(rows.min(1) <= same_rows && same_rows <= rows, "{era}: {target}"),
                    _ => assert_eq!(same_rows, rows, "{era}: {target}: {table}"),
                }
            }
            let facts = |page: Page| {
                (page.items, page.rejects, page.twins, page.nameless, page.ids, page.dates, page.next_cursor)
            };
            assert_eq!(facts(bones), facts(answer), "{era}: {target}");
        }
        assert!(seen >= 5, "{era}: {seen} answers");
    }
}
