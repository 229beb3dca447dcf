//! `posts/:id`, `users` and `enums`.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::endpoint::Endpoint;
use crate::api::enums::ENUMS;
use crate::api::post_by_id::POST;
use crate::api::testing::{Taken, read};
use crate::api::users::USERS;

fn reason(endpoint: &Endpoint, body: &str, query: &str, key: Option<&str>) -> String {
    let taken = read(endpoint, body, query, key).unwrap();
    assert_eq!(taken.page.rejects, 1, "{body}");
    taken.reasons().join("; ")
}

#[test]
fn a_post_is_a_row_with_its_tags_and_images_in_their_order() {
    let body = r#"{"id":1981754,"title":"Autumn","detail":"<p>a</p>","nsfwLevel":5,"publishedAt":"2025-04-17T21:28:57.225Z",
        "modelVersionId":345685,"user":{"id":4021,"username":4711},"tags":[{"id":5133,"name":"portrait"},"dog","dog",7],
        "images":[{"id":9,"postId":1981754,"meta":{"prompt":"p"}},{"id":8,"postId":null,"new":[1]},{"id":9,"postId":1981754}]}"#;
    let taken = read(&POST, body, "", Some("1981754")).unwrap();
    assert_eq!((taken.page.items, taken.page.twins, taken.page.ids.as_slice()), (1, 2, &[1_981_754][..]));
    let post = json!({ "id": 1_981_754, "title": "Autumn", "detail": "<p>a</p>", "nsfw_level": 5,
        "published_at": 1_744_925_337_225_i64, "model_version_id": 345_685, "user_id": 4021, "username": "4711", "extra": null });
    assert_eq!(taken.row("posts"), &post);
    let tags = taken.rows("post_tags").iter().map(|row| json!([row["position"], row["tag_id"], row["tag"]]));
    assert_eq!(
        tags.collect::<Vec<_>>(),
        [json!([0, 5133, "portrait"]), json!([1, null, "dog"]), json!([2, null, "7"])]
    );
    let images = taken.rows("post_images").iter().map(|row| json!([row["position"], row["image_id"]]));
    assert_eq!(images.collect::<Vec<_>>(), [json!([0, 9]), json!([1, 8])]);
    assert!(taken.rows("images").is_empty() && taken.rows("image_meta").is_empty());
}

#[test]
fn what_fits_no_column_of_a_post_is_kept() {
    let body = r#"{"id":1,"title":5,"nsfwLevel":"X","user":{"id":"a","image":"i"},"tags":[{"id":2,"name":"t","x":1}],"images":"no"}"#;
    let taken = read(&POST, body, "", Some("1")).unwrap();
    let post = taken.row("posts");
    assert_eq!((&post["title"], &post["user_id"]), (&json!("5"), &Value::Null));
    let extra: Value = serde_json::from_str(post["extra"].as_str().unwrap()).unwrap();
    let kept = json!({ "nsfwLevel": "X", "images": "no", "user": { "id": "a", "image": "i" },
        "tags": [{ "id": 2, "name": "t", "x": 1 }] });
    assert_eq!(extra, kept);
    assert_eq!(taken.row("post_tags")["tag_id"], 2);
    let odd = read(&POST, r#"{"id":1,"tags":["a",null]}"#, "", Some("1")).unwrap();
    assert_eq!(odd.row("posts")["extra"], r#"{"tags":["a",null]}"#);
}

#[test]
fn a_post_that_is_another_or_lacks_a_key_is_a_reject() {
    let cases = [
        (r#"{"id":8}"#, "foreign: it is post 8, not 7, which was asked for"),
        (
            r#"{"id":7,"images":[{"id":1},{"id":2,"postId":9}]}"#,
            "foreign: its image 2 belongs to post 9, not to 7, which was asked for",
        ),
        (r#"{"id":7,"images":[{"postId":7}]}"#, "missing_key: an image has no `id`"),
        (r#"{"id":7,"images":[5]}"#, "malformed_part: an element of `images` is no object"),
        (r#"{"id":7,"images":[{"id":1,"id":2}]}"#, "broken: it has `id` twice, with different values"),
    ];
    for (body, expected) in cases {
        assert_eq!(reason(&POST, body, "", Some("7")), expected);
    }
}

#[test]
fn users_need_no_metadata_and_an_empty_answer_or_one_that_promises_more_is_doubtful() {
    let two = r#"{"items":[{"id":2,"username":"0222"},{"id":1,"username":null}]}"#;
    let taken = read(&USERS, two, "ids=1,2,3", None).unwrap();
    assert_eq!((taken.page.items, taken.page.rejects, taken.page.ids.as_slice()), (2, 0, &[2, 1][..]));
    assert_eq!(taken.rows("users")[0], json!({ "id": 2, "username": "0222", "extra": null }));
    assert!(!taken.page.full && !taken.page.promising);
    assert_eq!(
        reason(&USERS, r#"{"items":[{"id":12}]}"#, "ids=1,2", None),
        "foreign: it is user 12, none of `1,2`, which was asked for"
    );
    assert_eq!(reason(&USERS, r#"{"items":[{"username":"a"}]}"#, "ids=1", None), "missing_key: the user has no `id`");
    for body in [r#"{"items":null}"#, r#"{"error":"x"}"#, "[]", "<html>", r#"{"users":[]}"#] {
        assert!(read(&USERS, body, "ids=1", None).is_err(), "{body}");
    }
    let more = r#"{"items":[{"id":1}],"metadata":{"nextPage":"p"}}"#;
    assert!(read(&USERS, more, "ids=1", None).unwrap().page.promising);
}

#[test]
fn words_are_rows_and_other_lists_are_rejects() {
    let body = r#"{"ModelType":["LORA","LORA",7],"BaseModel":[],"Rank":{"a":1},"Odd":["x",null],"ModelType":["VAE"]}"#;
    let taken = read(&ENUMS, body, "", None).unwrap();
    let words: Vec<_> = taken.rows("enums").iter().map(|row| json!([row["kind"], row["value"]])).collect();
    assert_eq!(words, [json!(["ModelType", "LORA"]), json!(["ModelType", "7"])]);
    assert_eq!((taken.page.items, taken.page.rejects, taken.page.twins), (5, 2, 2));
    assert_eq!(
        taken.reasons(),
        [
            "broken: `Rank` is no list of words",
            "broken: `Odd` is no list of words",
            "twin: list `ModelType` is on the page twice, with different content; the first was taken",
        ]
    );
    assert!(taken.rows("rejects").iter().all(|row| row["item"] == body));
    for body in [r#"{"error":"x"}"#, "{}", "[]", "null", r#"{"ModelType":{}}"#] {
        assert!(read(&ENUMS, body, "", None).is_err(), "{body}");
    }
    let long = format!(r#"{{"{}":["a"],"B":["b"]}}"#, "k".repeat(200));
    assert_eq!(read(&ENUMS, &long, "", None).unwrap().rows("enums").len(), 1, "a row for each word would repeat it");
    let many = format!(r#"{{{}}}"#, (0..6000).map(|n| format!(r#""{n}":["a"]"#)).collect::<Vec<_>>().join(","));
    assert!(read(&ENUMS, &many, "", None).unwrap_err().too_large);
}

/// Returns the rows of a table without their position, in order.
fn values(taken: &Taken, table: &str, column: &str) -> Vec<Value> {
    taken.rows(table).iter().map(|row| row[column].clone()).collect()
}

proptest! {
    #[test]
    fn each_tag_image_and_word_is_a_row_once(
        tags in vec(("[a-c]{1,2}", prop::option::of(0..9i64)), 0..40), images in vec(1..30i64, 0..40),
    ) {
        fn once<T: PartialEq + Clone>(all: &[T]) -> Vec<T> {
            let mut once = Vec::new();
            all.iter().for_each(|one| if !once.contains(one) { once.push(one.clone()) });
            once
        }
        let names: Vec<String> = tags.iter().map(|(name, _)| name.clone()).collect();
        let tag = |(name, id): &(String, Option<i64>)| id.map_or(json!(name), |id| json!({ "id": id, "name": name }));
        let body = json!({ "id": 1, "tags": tags.iter().map(tag).collect::<Vec<_>>(),
            "images": images.iter().map(|id| json!({ "id": id, "postId": 1, "url": "u" })).collect::<Vec<_>>() });
        let taken = read(&POST, &body.to_string(), "", Some("1")).unwrap();
        prop_assert_eq!(json!(values(&taken, "post_tags", "tag")), json!(once(&names)));
        prop_assert_eq!(json!(values(&taken, "post_images", "image_id")), json!(once(&images)));
        let all = once(&names).len() + once(&images).len() + taken.page.twins as usize;
        prop_assert_eq!(all, tags.len() + images.len());
        let taken = read(&ENUMS, &json!({ "BaseModel": names }).to_string(), "", None).unwrap();
        prop_assert_eq!(json!(values(&taken, "enums", "value")), json!(once(&names)));
    }
}
