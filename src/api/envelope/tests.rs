//! Pages as they come: what is read of them, what is repaired, what is refused, and what is saved from a broken one.

use proptest::prelude::*;

use super::*;
use crate::api::models::MODELS;
use crate::table::Provenance;

const ASKED: Query<'_> = Query {
    at: Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 },
    params: &[],
    cursor: None,
    limit: 0,
    early: 0,
    key: None,
    again: false,
    first_shown: false,
    compared: true,
};

fn read(body: &str) -> (Result<Page, Unreadable>, Tables) {
    let mut tables = Tables::default();
    let page = (MODELS.read)(body, &ASKED, &mut tables);
    (page, tables)
}

#[test]
fn the_cursor_is_what_the_metadata_names() {
    let cases = [
        (
            r#"{"items":[],"metadata":{"nextCursor":"2024-01-02 03:04:05.5|7","nextPage":"x"}}"#,
            Some("2024-01-02 03:04:05.5|7"),
        ),
        (r#"{"metadata":{"nextCursor":"5|2|7"},"items":[]}"#, Some("5|2|7")),
        (r#"{"items":[],"metadata":{"nextCursor":200}}"#, Some("200")),
        (r#"{"items":[],"metadata":{"nextCursor":null}}"#, None),
        (r#"{"items":[],"metadata":{"currentPage":1,"pageSize":100}}"#, None),
        (r#"{"items":[],"metadata":{}}"#, None),
        (r#"{"new":{"metadata":{"nextCursor":"x"}},"items":[],"metadata":{}}"#, None),
    ];
    for (body, cursor) in cases {
        assert_eq!(read(body).0.unwrap().next_cursor.as_deref(), cursor, "{body}");
    }
}

#[test]
fn a_page_that_is_no_list_is_refused_and_leaves_no_row() {
    for body in [
        "",
        "null",
        "[]",
        "<html></html>",
        r#"{"error":"No"}"#,
        r#"{"items":null,"metadata":{}}"#,
        r#"{"items":{"id":1},"metadata":{}}"#,
        r#"{"items":[{"id":1}],"metadata":{"#,
        r#"{"items":[{"id":1}],"metadata":{}} trailing"#,
    ] {
        let (page, tables) = read(body);
        assert!(page.is_err(), "{body}");
        assert_eq!(tables.rows(), 0, "{body}");
    }
}

#[test]
fn items_are_counted_and_rejects_keep_their_text() {
    let body = r#"{"items":[{"id":1}, "x",{ "name": "no id" },null,[2],{"id":2}],"metadata":{}}"#;
    let (page, mut tables) = read(body);
    let page = page.unwrap();
    assert_eq!((page.items, page.rejects, page.ids, page.repairs), (6, 4, vec![1, 2], 0));
    let rejects = crate::table::TableBuilder::finish(&mut tables.rejects).unwrap();
    let items = rejects.column_by_name("item").unwrap();
    let items = items.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
    let items: Vec<_> = items.iter().flatten().collect();
    assert_eq!(items, ["\"x\"", "{ \"name\": \"no id\" }", "null", "[2]"]);
}

#[test]
fn repairs_are_counted_once_and_only_where_they_are_needed() {
    let cases = [
        ("{\"items\":[{\"id\":1,\"name\":\"a\r\nb\u{1}\"}],\"metadata\":{}}", 3),
        ("{\"items\":[{\"id\":1,\"name\":\"\\ud83d\"}],\"metadata\":{}}", 1),
        ("{\"items\":[{\"id\":1,\"name\":\"\\ud83d\\ude00\\u0000\"}],\r\n\"metadata\":{}}", 0),
    ];
    for (body, repairs) in cases {
        let (page, tables) = read(body);
        assert_eq!((page.unwrap().repairs, crate::table::TableBuilder::rows(&tables.models)), (repairs, 1), "{body}");
    }
}

#[test]
fn the_cursor_behind_a_broken_page_is_saved_when_its_tail_is_sound() {
    let saved = |cursor: &str| Some(cursor.to_owned());
    let cases = [
        (r#"{"items":[{"id":1,}],"metadata":{"nextCursor":"5|2|7"}}"#, saved("5|2|7")),
        ("{\"items\":[{\"id\":],\"metadata\" : {\"nextCursor\":\"a\"} }\n", saved("a")),
        (r#"{"items":[{"files":[{"metadata":{"fp":1}],"metadata":{"nextCursor":7}}"#, saved("7")),
        (r#"{"items":[{"id":1,}],"metadata":{}}"#, None),
        (r#"{"items":[{"id":1,}],"metadata":{"nextCursor":null}}"#, None),
        (r#"{"items":[{"id":1,}],"metadata":{"nextCursor":"5|2"#, None),
        (r#"{"items":[{"id":1,}],"metadata":"#, None),
        (r#"{"items":[{"id":1,}],"metadata":[]}"#, None),
        (r#"{"items":[{"files":[{"metadata":{"fp":"fp16","si"#, None),
        (r#"{"items":[{"name":"\"metadata\":{}"#, None),
        ("<html></html>", None),
        ("", None),
    ];
    for (body, expected) in cases {
        assert_eq!(salvage_cursor(body), expected, "{body}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic_and_a_refusal_leaves_no_row(text in "\\PC*|[\\[\\]{}\",:a-z0-9\\\\ud83]*") {
        for body in [text.clone(), format!("{{\"items\":[{text}],\"metadata\":{{}}}}")] {
            let (page, tables) = read(&body);
            prop_assert!(page.is_ok() || tables.rows() == 0, "{}", body);
            let _ = salvage_cursor(&body);
        }
    }

    #[test]
    fn a_page_cut_anywhere_is_refused(cut in 0_usize..1000) {
        let page = r#"{"items":[{"id":1,"name":"x","modelVersions":[{"id":2,"files":[{"id":3}]}]}],"metadata":{"nextCursor":"a"}}"#;
        let (read, tables) = read(&page[..cut % page.len()]);
        prop_assert!(read.is_err());
        prop_assert_eq!(tables.rows(), 0);
    }
}
