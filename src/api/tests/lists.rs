//! `creators` and `tags`, and what all lists share.

use serde_json::json;

use crate::api::creators::CREATORS;
use crate::api::images::IMAGES;
use crate::api::models::MODELS;
use crate::api::tags::TAGS;
use crate::api::testing::read;

#[test]
fn creators_of_both_eras_are_rows_and_their_pages_are_counted() {
    let body = r#"{"items":[{"username":"JustMaier","modelCount":3,"link":"l","image":"i"},{"username":7,"link":"m"},
        {"username":null,"link":"n"},{"username":"x","modelCount":"9","since":2024}],
        "metadata":{"totalItems":84916,"currentPage":1,"pageSize":1,"totalPages":84916}}"#;
    let taken = read(&CREATORS, body, "", None).unwrap();
    let row = |name, count, link, image, extra| json!({ "username": name, "model_count": count, "link": link, "image": image, "extra": extra });
    assert_eq!(
        taken.rows("creators"),
        [
            row("JustMaier", Some(3), Some("l"), Some("i"), None),
            row("7", None, Some("m"), None, None),
            row("x", None, None, None, Some(r#"{"modelCount":"9","since":2024}"#)),
        ]
    );
    assert_eq!((taken.page.items, taken.page.rejects, taken.page.nameless), (4, 0, 1));
    assert_eq!(taken.page.reported_pages, Some(84916));
    assert_eq!(taken.reasons(), ["nameless: the creator has no `username`"]);
    assert_eq!(taken.rows("rejects")[0]["item"], r#"{"username":null,"link":"n"}"#);
    assert_eq!(taken.rows("rejects")[0]["position"], 2);
    assert_eq!(taken.page.ids, [0; 0]);
}

#[test]
fn a_page_that_does_not_tell_what_follows_is_not_taken_for_the_last() {
    let metadata = [r#""nextCursor":{"a":1}"#, r#""nextCursor":"""#, r#""nextCursor":[]"#, r#""nextCursor":true"#];
    for metadata in metadata {
        let body = format!(r#"{{"items":[{{"id":1}}],"metadata":{{{metadata}}}}}"#);
        assert!(read(&MODELS, &body, "", None).is_err(), "{metadata}");
    }
    for body in [r#"{"items":[{"id":1}]}"#, r#"{"items":[{"id":1}],"metadata":null}"#] {
        assert!(read(&MODELS, body, "", None).is_err(), "{body}");
    }
    for metadata in [r#""nextCursor":null"#, r#""nextPage":"x""#, ""] {
        let body = format!(r#"{{"items":[{{"id":1}}],"metadata":{{{metadata}}}}}"#);
        assert_eq!(read(&MODELS, &body, "", None).unwrap().page.next_cursor, None, "{metadata}");
    }
}

#[test]
fn the_number_of_pages_is_believed_where_it_is_true() {
    let cases = [
        (r#"{"totalPages":16}"#, Some(16)),
        (r#"{"totalPages":"16"}"#, Some(16)),
        (r#"{"totalPages":"many"}"#, None),
        (r#"{"totalPages":-1}"#, None),
        (r#"{"totalPages":16,"hasMore":true}"#, None),
        (r#"{"totalPages":16,"hasMore":false}"#, Some(16)),
        ("{}", None),
    ];
    for (metadata, pages) in cases {
        let body = format!(r#"{{"items":[],"metadata":{metadata}}}"#);
        assert_eq!(read(&CREATORS, &body, "", None).unwrap().page.reported_pages, pages, "{metadata}");
        for endpoint in [&TAGS, &MODELS, &IMAGES] {
            assert_eq!(read(endpoint, &body, "", None).unwrap().page.reported_pages, None, "{}", endpoint.name);
        }
    }
}

#[test]
fn tags_of_both_eras_are_rows() {
    let body = r#"{"metadata":{"totalItems":0,"currentPage":1,"pageSize":1,"totalPages":1},
        "items":[{"name":"character","link":"l"},{"name":"Pepe Larraz","modelCount":1,"link":"m"},{"name":"","id":4},5]}"#;
    let taken = read(&TAGS, body, "", None).unwrap();
    assert_eq!(
        taken.rows("tags"),
        [
            json!({ "name": "character", "model_count": null, "link": "l", "extra": null }),
            json!({ "name": "Pepe Larraz", "model_count": 1, "link": "m", "extra": null }),
            json!({ "name": "", "model_count": null, "link": null, "extra": "{\"id\":4}" }),
        ]
    );
    assert_eq!(taken.reasons(), ["not_an_object: it is no JSON object"]);
}

#[test]
fn models_of_types_not_asked_for_are_rejects() {
    let body =
        r#"{"items":[{"id":1,"type":"LORA"},{"id":2,"type":"VAE"},{"id":3},{"id":4,"type":"Hologram"}],"metadata":{}}"#;
    let ids = |query| read(&MODELS, body, query, None).unwrap().page.ids;
    assert_eq!(ids("sort=Oldest"), [1, 2, 3, 4]);
    assert_eq!(ids("types=LORA"), [1, 3]);
    assert_eq!(ids("types=LORA&types=VAE"), [1, 2, 3]);
    let taken = read(&MODELS, body, "types=VAE&types=LORA", None).unwrap();
    assert_eq!(taken.reasons(), ["foreign: it is of type `Hologram`, not `VAE` or `LORA`, which was asked for"]);
}

#[test]
fn halves_of_characters_are_repaired_wherever_they_stand() {
    let body = r#"{"items":[{"id":1,"name":"a","odd":"x\ud83d"},{"id":2,"odd":"\ud83d\ude00"}],"metadata":{}}"#;
    let taken = read(&MODELS, body, "", None).unwrap();
    assert_eq!(taken.page.repairs, 1);
    assert_eq!(taken.rows("models")[0]["extra"], r#"{"odd":"x\ufffd"}"#);
    assert_eq!(taken.rows("models")[1]["extra"], r#"{"odd":"\ud83d\ude00"}"#);
    let upper = read(&MODELS, r#"{"items":[{"id":1,"odd":"\uDC00"}],"metadata":{}}"#, "", None).unwrap();
    assert_eq!((upper.page.repairs, &upper.row("models")["extra"]), (1, &json!(r#"{"odd":"\ufffd"}"#)));
    let sound = r#"{"items":[{"id":1,"odd":"\ud83d\ude00, c:\\udir"}],"metadata":{}}"#;
    assert_eq!(read(&MODELS, sound, "", None).unwrap().page.repairs, 0);
    assert!(read(&MODELS, r#"{"items":[{"id":1,"odd":"\ud83d"}"#, "", None).is_err());
    assert!(
        read(&MODELS, "{\"items\":[{\"id\":1,\"odd\":\"a\u{1}\"}],\"metadata\":{}}", "", None).unwrap().page.repairs
            == 1
    );
}
