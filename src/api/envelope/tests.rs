//! Pages as they come: what is read of them, what is repaired, what is refused, and what is saved from a broken one.

use arrow::array::{AsArray, StringArray};
use proptest::prelude::*;

use super::*;
use crate::api::models::MODELS;
use crate::table::{Provenance, TableBuilder as _};

const ASKED: Query<'_> =
    Query { again: false, ..Query::believed(Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 }) };

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
        (r#"{"items":[],"metadata":{"nextCursor":-7}}"#, Some("-7")),
        (r#"{"items":[],"metadata":{"nextCursor":18446744073709551615}}"#, Some("18446744073709551615")),
        (r#"{"items":[],"metadata":{"nextCursor":"a\u0001\ud83d\ude00"}}"#, Some("a\u{1}\u{1f600}")),
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
fn a_cursor_of_an_unknown_form_is_no_end() {
    for cursor in ["1.5", "1e3", "1e400", "true", "false", "{}", "[\"a\"]", "\"\""] {
        let reason = read(&format!(r#"{{"items":[],"metadata":{{"nextCursor":{cursor}}}}}"#)).0.unwrap_err().reason;
        assert!(reason.contains("unknown form"), "{cursor}: {reason}");
    }
}

#[test]
fn an_end_is_doubted_where_the_answer_says_in_any_form_that_there_is_more() {
    let asked = Query { limit: 10, ..ASKED };
    let promising = |rest: &str| {
        let body = format!(r#"{{"items":[{{"id":1}}],{rest}}}"#);
        (MODELS.read)(&body, &asked, &mut Tables::default()).unwrap().promising
    };
    for more in ["\"x\"", "true", "1", "2.5", "[1]", "{\"a\":1}", "\"true\"", "18446744073709551615"] {
        for key in ["nextPage", "hasMore"] {
            assert!(promising(&format!(r#""metadata":{{"{key}":{more}}}"#)), "{key} {more}");
        }
    }
    for said in [r#""error":"a part""#, r#""errors":[1]"#, r#""message":"busy""#, r#""success":false"#] {
        assert!(promising(&format!(r#"{said},"metadata":{{}}"#)), "{said}");
    }
    for nothing in ["null", "false", "0", "\"\"", "\"false\"", "[]", "{}"] {
        let rest =
            format!(r#""error":{nothing},"success":true,"metadata":{{"hasMore":{nothing},"nextPage":{nothing}}}"#);
        assert!(!promising(&rest), "{nothing}");
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

#[test]
fn one_item_that_cannot_be_read_costs_no_other() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let odd = [r#"{"id":1e400}"#, r#"{"id":4,"stats":{"rating":-1e400}}"#];
    let items = format!(r#"{{"id":1}},{},{{"id":2,"x":1e400,"tags":{deep}}},{}"#, odd[0], odd[1]);
    let (page, mut tables) = read(&format!(r#"{{"items":[{items}],"metadata":{{"nextCursor":"5|2|7"}}}}"#));
    let page = page.unwrap();
    assert_eq!((page.items, page.rejects, page.ids, page.next_cursor.as_deref()), (4, 2, vec![1, 2], Some("5|2|7")));
    let rejects = tables.rejects.finish().unwrap();
    let texts: &StringArray = rejects.column_by_name("item").unwrap().as_string();
    assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), odd);
    let reasons: &StringArray = rejects.column_by_name("reason").unwrap().as_string();
    assert!(reasons.iter().flatten().all(|reason| reason.starts_with("broken: it cannot be read: ")), "{reasons:?}");
}

#[test]
fn a_report_of_a_failure_is_no_end_of_a_list() {
    for (body, failure) in [
        (r#"{"error":"Server busy"}"#, true),
        (r#"{"message":"An unexpected error occurred","error":{}}"#, true),
        (r#"{"error":{"message":"busy"},"items":[],"metadata":{}}"#, true),
        (r#"{"items":null,"metadata":{},"error":"busy"}"#, true),
        (r#"{"items":[],"metadata":{},"error":null,"message":""}"#, false),
        (r#"{"items":[{"id":1}],"metadata":{},"error":"of a part"}"#, false),
    ] {
        assert_eq!(read(body).0.is_err_and(|unreadable| unreadable.failure), failure, "{body}");
    }
}

#[test]
fn nothing_that_is_said_twice_is_dropped_in_silence() {
    for body in [
        r#"{"items":[{"id":1}],"items":[{"id":2}],"metadata":{}}"#,
        r#"{"items":[],"metadata":{"nextCursor":"5"},"metadata":{}}"#,
        r#"{"items":[],"metadata":{"nextCursor":"5","nextCursor":"6"}}"#,
        r#"{"items":[],"metadata":{"nextCursor":"5","nextCursor":null}}"#,
    ] {
        assert!(read(body).0.unwrap_err().reason.contains("t"), "{body}");
    }
    let twice = |first: &str, second: &str| {
        let item = format!(r#"{{"id":1,"modelVersions":{first},"modelVersions":{second}}}"#);
        let page = read(&format!(r#"{{"items":[{item},{{"id":2}}],"metadata":{{}}}}"#)).0.unwrap();
        (page.ids, page.rejects)
    };
    assert_eq!(twice(r#"[{"id":7}]"#, r#"[{"id":8}]"#), (vec![2], 1));
    assert_eq!(twice(r#"[{"id":7}]"#, "null"), (vec![2], 1));
    assert_eq!(twice("null", r#"[{"id":7}]"#), (vec![1, 2], 0), "the first says nothing");
    assert_eq!(twice(r#"[{"id":7}]"#, r#"[{"id":7}]"#), (vec![1, 2], 0), "it says the same");
}

#[test]
fn a_cursor_that_fits_into_no_address_is_damage() {
    for (bytes, fits) in [(CURSOR_MAX, true), (CURSOR_MAX + 1, false), (1 << 20, false)] {
        let cursor = "x".repeat(bytes);
        let body = format!(r#"{{"items":[],"metadata":{{"nextCursor":"{cursor}"}}}}"#);
        assert_eq!(read(&body).0.map_err(|unreadable| unreadable.too_large).is_ok(), fits, "{bytes}");
        assert_eq!(salvage_cursor(&body).is_some(), fits, "{bytes}");
    }
}

#[test]
fn the_texts_of_rejects_are_bounded_and_say_so() {
    let items: Vec<String> = (0..5).map(|_| format!("\"{}\"", "é".repeat(1 << 19))).collect();
    let (page, mut tables) = read(&format!(r#"{{"items":[{}],"metadata":{{}}}}"#, items.join(",")));
    assert_eq!(page.unwrap().rejects, 5);
    let rejects = tables.rejects.finish().unwrap();
    let texts: &StringArray = rejects.column_by_name("item").unwrap().as_string();
    assert!(texts.value_data().len() <= TEXTS_MAX && texts.value(0) == items[0] && texts.value(4).len() <= 1);
    let reasons: &StringArray = rejects.column_by_name("reason").unwrap().as_string();
    assert!(reasons.value(4).ends_with(" of its 1048578 bytes"), "{}", reasons.value(4));
}
