//! No answer makes a probe panic or ask without end, and its file leads to the same findings.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::about::About;
use super::super::answers::Answers;
use super::super::exchange::Exchange;
use super::super::file::{self, Recorded};
use super::super::testing::{about, answer, judge};
use super::*;

/// Keys of the API, of pages, items and errors.
const KEYS: &[&str] = &[
    "items",
    "metadata",
    "nextCursor",
    "nextPage",
    "totalItems",
    "totalPages",
    "id",
    "name",
    "username",
    "modelVersions",
    "modelVersionId",
    "modelVersionIds",
    "postId",
    "files",
    "hashes",
    "SHA256",
    "sizeKB",
    "primary",
    "scannedAt",
    "createdAt",
    "status",
    "nsfwLevel",
    "browsingLevel",
    "air",
    "usageControl",
    "stats",
    "downloadCount",
    "allowCommercialUse",
    "creator",
    "ModelType",
    "message",
    "error",
    "an\u{e9}\u{1f600}",
];

/// Texts of skeletons, whole and broken.
const TEXTS: &[&str] = &[
    "",
    "…17",
    "|",
    "|7",
    "7",
    "7|7|7",
    "2024-01-02 03:04:05.678|7",
    "2024-01-02 03:04:05.6|8",
    "2024-01-02 03:04:05.é|9",
    "9999-99-99 99:99:99.999|9223372036854775807",
    "-9999-01-01 00:00:00|-1",
    "feed:1704067200000:7",
    "feed:99999999999999999999:0",
    "20|1704067200000",
    "https://civitai.com/…",
    "https://civitai.com/…/7.jpeg",
    "://",
    "2024-01-02T03:04:05.678Z",
    "Invalid cursor: no",
    "User not found",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "{Image,Rent}",
];

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..12i64).prop_map(Value::from),
        prop::sample::select(&[i64::MIN, -1, 2_147_483_000, i64::MAX][..]).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let keyed = (prop::sample::select(KEYS), inner.clone()).prop_map(|(key, value)| (key.to_owned(), value));
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::from),
            prop::collection::vec(keyed, 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Returns pages of items like the API's, each with a few odd values.
fn page() -> impl Strategy<Value = Value> {
    let item = (0..12i64, 0..32i64, prop::collection::vec((prop::sample::select(KEYS), json()), 0..4));
    let item = item.prop_map(|(id, mask, odd)| {
        let mut item = Map::from_iter([(String::from("id"), id.into()), (String::from("nsfwLevel"), mask.into())]);
        item.extend(odd.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Value::Object(item)
    });
    let cursor = prop::option::of(prop::sample::select(TEXTS));
    (prop::collection::vec(item, 0..9), cursor).prop_map(|(items, cursor)| super::super::testing::page(items, cursor))
}

/// Returns the status, the headers and the skeleton of an answer, or that there was none.
fn reply() -> impl Strategy<Value = (u16, bool, Vec<(String, String)>, Value)> {
    let status =
        prop_oneof![6 => Just(200), 4 => prop::sample::select(&[0, 204, 206, 302, 307, 400, 401, 404, 500, 503][..])];
    let name =
        prop::sample::select(&["content-type", "cache-control", "content-range", "cf-cache-status", "retry-after"][..]);
    let header = (
        name,
        prop_oneof![
            any::<String>(),
            prop::sample::select(&["s-maxage=300", "s-maxage=99999999999999999999", "text/html", "bytes 0-0/9"][..])
                .prop_map(String::from)
        ],
    );
    let headers = prop::collection::vec(header.prop_map(|(name, value)| (name.to_owned(), value)), 0..4);
    (status, prop::bool::weighted(0.1), headers, prop_oneof![3 => page(), 1 => json()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_answer_makes_a_probe_panic_or_ask_without_end(replies in prop::collection::vec(reply(), 1..12), options: bool) {
        let about = About { key: options, download: options, other_host: options.then(|| String::from("https://civitai.red")), ..about() };
        let mut answers = Answers::new(about);
        let mut turn = 0;
        let mut findings = Vec::new();
        for probe in all().filter(|probe| answers.about().meets(probe.needs)).collect::<Vec<_>>() {
            let finding = judge(probe.judge, &mut answers, |request| {
                turn += 1;
                let (status, is_lost, headers, skeleton) = replies[turn % replies.len()].clone();
                let answer = answer(request, status, skeleton);
                Exchange { failure: is_lost.then(|| String::from("cut")), headers: headers.into_iter().collect(), ..answer }
            });
            prop_assert!(!finding.evidence.contains('\n'), "{}: {}", probe.id, finding.evidence);
            findings.push(Recorded { id: probe.id.to_owned(), finding });
        }
        let (read, recorded) = file::read(&file::text(&answers, &findings)).unwrap();
        prop_assert_eq!(&recorded, &findings);
        for Recorded { id, finding } in findings {
            let probe = all().find(|probe| probe.id == id).unwrap();
            let again = judge(probe.judge, &mut read.clone(), |request| panic!("{id} asks anew: {request:?}"));
            prop_assert_eq!(again, finding, "{}", id);
        }
    }
}
