//! Bodies that are not quite what their headers say, and lists that end oddly: read for what they are.

use serde_json::json;

use crate::support::{Request, Room, Server, answer, assert_exit, printed};

const WALK: &str = r#"
retry = { attempts = 2 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Most Downloaded", limit = 10 }
"#;

/// A list of two models, whose first page is sent with these headers and, after this mark, this body; the second page is this.
fn crawled(headers: &'static str, mark: &'static str, last: &'static str) -> (Room, std::process::Output) {
    let item = |id: i64| json!({ "id": id, "name": "a model", "type": "LORA", "modelVersions": [{ "id": id * 10, "name": "v" }] });
    let first = json!({ "items": [item(1), item(2)], "metadata": { "nextCursor": "5|2" } });
    let server = Server::answering(move |Request { target, .. }| match target.contains("cursor=") {
        true => answer("200 OK", headers, &format!("{mark}{last}")),
        false => answer("200 OK", headers, &format!("{mark}{first}")),
    });
    let room = Room::new(WALK, &server.base);
    let output = room.run(&[]);
    (room, output)
}

#[test]
fn plain_json_is_read_whatever_its_header_says_of_it() {
    let last = "{\"items\":[],\"metadata\":{}}";
    for (headers, mark) in [
        ("content-encoding: gzip\r\n", ""),
        ("content-encoding: br\r\n", ""),
        ("content-encoding: gzip\r\n", "\u{feff}"),
        ("", "\u{feff}"),
        ("content-type: text/plain\r\n", "\u{feff}"),
    ] {
        let (room, output) = crawled(headers, mark, last);
        assert_exit(&output, 0);
        room.assert_sound();
        let ids = room.query("SELECT DISTINCT id FROM models ORDER BY id");
        assert_eq!(ids, "[1]\n[2]\n", "{headers:?} {mark:?}");
    }
}

#[test]
fn behind_the_last_page_there_may_be_null() {
    let (room, output) = crawled("", "", "{\"items\":null,\"metadata\":{\"nextCursor\":null}}");
    assert_exit(&output, 0);
    room.assert_sound();
    // With a cursor, or without metadata, it is no end.
    for last in ["{\"items\":null,\"metadata\":{\"nextCursor\":\"4|3\"}}", "{\"items\":null,\"metadata\":null}"] {
        let (_room, output) = crawled("", "", last);
        assert!(output.status.code() != Some(0), "{last}: {}", printed(&output));
    }
}
