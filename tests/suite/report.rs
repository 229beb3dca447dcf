//! The report as a page: figures equal to DuckDB's, nothing that runs or is fetched, names that stay names.

use std::path::PathBuf;

use serde_json::json;

use crate::support::{Room, Sandbox, Server, TWO_WALKS, assert_exit, printed, program, read};

/// Writes the page of a room's dataset.
fn page(room: &Room) -> PathBuf {
    let page = room.dataset().with_extension("html");
    let output = program().arg("report").arg(room.dataset()).arg("-o").arg(&page).output().unwrap();
    assert_exit(&output, 0);
    page
}

/// Holds a page against DuckDB, and opens it in a browser when one is named.
fn check(room: &Room, browser: &[&str]) -> String {
    let paths = [room.dataset(), page(room)].map(|path| path.display().to_string());
    read("page.py", &[&[paths[0].as_str(), paths[1].as_str()], browser].concat())
}

/// A catalog behind every trap and some faults, crawled twice.
fn crawled() -> Room {
    let fault = "kind=status,code=503,retry_after=0,every=5";
    let server = Sandbox::start(&["--models", "700", "--traps", "all", "--fault", fault]);
    let room = Room::new(TWO_WALKS, &server.base);
    for _ in 0..2 {
        assert_exit(&room.run(&[]), 0);
    }
    room
}

/// A page of items whose every name is hostile.
fn hostile() -> Room {
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</table></bdi><h1>",
        "a\u{202e}gnp.exe",
        "-->",
        "\u{0}\u{7}\u{9b}",
        "&lt;b&gt;",
        " ",
    ];
    let item = |(id, name): (usize, &&str)| {
        json!({
            "id": id + 1, "name": name, "type": name, "tags": [name, format!("{name}{name}")], "nsfwLevel": 1,
            "creator": { "username": name }, "allowCommercialUse": [name], "stats": { "downloadCount": 10 - id },
            "modelVersions": [{
                "id": id + 1, "baseModel": name, "publishedAt": "2024-05-01T00:00:00Z",
                "files": [{ "id": id + 1, "sizeKB": 1.5, "pickleScanResult": name, "virusScanResult": name,
                            "metadata": { "format": name } }],
            }],
        })
    };
    let mut items: Vec<_> = names.iter().enumerate().map(item).collect();
    items.push(json!({ "id": "<script>alert(2)</script>" }));
    let base = Server::of_models(json!({ "items": items, "metadata": {} }).to_string()).base;
    let room = Room::new(&TWO_WALKS.split("\n[[walk]]").take(2).collect::<Vec<_>>().join("\n[[walk]]"), &base);
    assert_exit(&room.run(&[]), 4);
    room
}

#[test]
fn the_figures_of_the_page_are_those_of_the_tables() {
    let found = check(&crawled(), &[]);
    assert!(found.contains("\"models\": "), "{found}");
}

#[test]
fn names_stay_names_whatever_they_hold() {
    check(&hostile(), &[]);
}

/// Wants `chromium`; where there is none, scripts/test leaves it out and says so.
#[test]
fn a_browser_finds_nothing_to_run_or_fetch() {
    check(&crawled(), &["chromium"]);
    check(&hostile(), &["chromium"]);
}

#[test]
fn without_a_snapshot_there_is_no_page() {
    let sandbox = Sandbox::start(&["--models", "5"]);
    let room = Room::new(&format!("snapshot = {{ take = false }}\n{TWO_WALKS}"), &sandbox.base);
    for said in ["there is no dataset at", "civitrawl snapshot"] {
        let output = program().arg("report").arg(room.dataset()).output().unwrap();
        assert_exit(&output, 2);
        assert!(printed(&output).contains(said), "{}", printed(&output));
        room.run(&[]);
    }
}
