//! A server that means harm: whatever it puts into links, cursors, redirects and values, nobody but itself is asked, and
//! nothing it says becomes a path.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::{Request, Room, Server, Trap, answer, assert_exit, printed};

/// One walk of many pages.
const PAGES: &str = r#"
retry = { attempts = 1 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Most Downloaded", limit = 10 }
"#;

/// Every endpoint, and what the server said asked for again: in queries, and in paths.
const EVERYTHING: &str = r#"
keep_bodies = true
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }
retry = { attempts = 1 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Most Downloaded", limit = 100 }

[[walk]]
name = "creators"
endpoint = "creators"

[[walk]]
name = "tags"
endpoint = "tags"

[[walk]]
name = "images"
endpoint = "images"
for_each = { table = "models", column = "creator_username", param = "username" }

[[walk]]
name = "by_hash"
endpoint = "model_version_by_hash"
for_each = { table = "file_hashes", column = "hash" }
"#;

/// Texts a server may send in the place of a link, a cursor or a value, to be asked for elsewhere: `{port}` is the trap's.
const FORMS: &[&str] = &[
    "http://127.0.0.1:{port}/api/v1/models?cursor=2",
    "https://127.0.0.1:{port}/api/v1/models",
    "HTTP://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/api/v1/models",
    "///127.0.0.1:{port}/api/v1/models",
    "/\\127.0.0.1:{port}/",
    "\\\\127.0.0.1:{port}\\share",
    "http:\\\\127.0.0.1:{port}\\",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http://{own}@127.0.0.1:{port}/",
    "http://{own}:{own}@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@{own}/",
    "http://127.0.0.1:{port}#@{own}/",
    "http://127.0.0.1:{port}?@{own}/",
    "http://{own}%2f@127.0.0.1:{port}/",
    "@127.0.0.1:{port}/",
    ":{port}/",
    ":@127.0.0.1:{port}/",
    ".127.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::]:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://localhost.:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "http://xn--lcalhost-54a:{port}/",
    "http://127。0。0。1:{port}/",
    "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:{port}%2f",
    " http://127.0.0.1:{port}/",
    "\thttp://127.0.0.1:{port}/",
    "http://127.0.0.1:\t{port}/",
    "x\r\nHost: 127.0.0.1:{port}\r\n\r\nGET http://127.0.0.1:{port}/ HTTP/1.1\r\n",
    "x%0d%0aLocation:%20http://127.0.0.1:{port}/",
    "1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n",
    "1&server=http://127.0.0.1:{port}/api/v1#",
    "http://127.0.0.1:{port}/\0",
    "\0",
    "../../../../127.0.0.1:{port}/",
    "..\\..\\..\\",
    "..%2f..%2f..%2fsandbox%2flog",
    "%2e%2e/%2e%2e/",
    "..",
    ".",
    "/etc/passwd",
    "../../../../../../../../../tmp/civitrawl-was-here",
    "commits/00000001.json",
    "C:\\Windows\\System32",
    "\\\\?\\C:\\",
    "CON",
    "~/.ssh/id_ed25519",
    "${HOME}/x",
    "$(touch /tmp/civitrawl-was-here)",
    "a'; DROP TABLE models; --",
    "javascript:fetch('http://127.0.0.1:{port}/')",
    "file:///etc/passwd",
    "file://127.0.0.1:{port}/",
    "data:application/json,{}",
    "ftp://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "blob:http://127.0.0.1:{port}/x",
    "jar:http://127.0.0.1:{port}!/",
    "gopher://127.0.0.1:{port}/_GET",
    "unix:/var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fx/",
    "\u{202e}http://127.0.0.1:{port}/",
    "{port}",
];

const REDIRECTS: [&str; 7] = [
    "300 Multiple Choices",
    "301 Moved Permanently",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
    "305 Use Proxy",
];

/// The forms, for a server at `own` (host and port) and this trap.
fn forms(trap: &Trap, own: &str) -> Vec<String> {
    FORMS.iter().map(|form| form.replace("{port}", &trap.port.to_string()).replace("{own}", own)).collect()
}

fn query(target: &str, name: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Fails if anybody visited the trap, or asked this server for what it does not have.
fn assert_reach(lure: &Server, trap: &Trap) {
    assert_eq!(trap.visitors(), 0, "the trap was visited");
    let own = lure.base.trim_start_matches("http://").trim_end_matches("/api/v1");
    for request in lure.requests() {
        assert_eq!(request.header("host"), own, "{request:?}");
        let path = request.target.split('?').next().unwrap_or_default();
        let rest = path.strip_prefix("/api/v1/").unwrap_or_else(|| panic!("{request:?} left the base"));
        let (word, value) = match rest.strip_prefix("model-versions/by-hash") {
            Some(value) => ("by-hash", value.strip_prefix('/').unwrap_or(value)),
            None => (rest, ""),
        };
        assert!(["models", "creators", "tags", "images", "by-hash"].contains(&word), "{request:?}");
        assert!(!value.contains(['/', '\\']) && value != "..", "{request:?}");
    }
}

/// Every file of the room is one that a dataset has, wherever it lies.
fn assert_places(room: &Room) {
    fn walk(at: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let (root, mut found) = (room.file().parent().unwrap().to_owned(), Vec::new());
    walk(&root, &root, &mut found);
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let of_snapshot = |name: &str| {
        let table = name.strip_suffix(".parquet").and_then(civitrawl::table::named);
        name == "snapshot.json" || table.is_some()
    };
    let of_range = |name: &str| {
        let digits = name.strip_suffix(".parquet").filter(|digits| digits.len() == 4);
        digits.is_some_and(|digits| digits.parse::<u16>().is_ok())
    };
    for path in found {
        let known = match path.split('/').collect::<Vec<_>>()[..] {
            ["crawl.toml"] | ["dataset", ".lock"] => true,
            ["dataset", "commits" | "runs", name] => plain(name) && name.ends_with(".json"),
            ["dataset", "parts", table, name] => {
                civitrawl::table::named(table).is_some() && plain(name) && name.ends_with(".parquet")
            }
            ["dataset", "latest", name] => of_snapshot(name),
            ["dataset", "snapshots", number, name] => number.parse::<u32>().is_ok() && of_snapshot(name),
            ["dataset", "latest", table, range] => of_snapshot(table) && of_range(range),
            ["dataset", "snapshots", number, table, range] => {
                number.parse::<u32>().is_ok() && of_snapshot(table) && of_range(range)
            }
            _ => false,
        };
        assert!(known, "a file of an unknown place: {path}");
    }
    assert!(!Path::new("/tmp/civitrawl-was-here").exists());
}

/// A model that leaves nothing to ask for.
fn model(id: usize) -> Value {
    json!({ "id": id, "modelVersions": [{ "id": id }] })
}

#[test]
fn the_trap_counts_visitors() {
    let trap = Trap::open();
    drop(TcpStream::connect(("127.0.0.1", trap.port)).unwrap());
    while trap.visitors() == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn no_link_of_a_page_is_followed() {
    let trap = Trap::open();
    let port = trap.port;
    // Page n names the nth form for the next one in every link there is, and a cursor that is its number; the last names none.
    let lure = Server::answering(move |Request { target, .. }| {
        let n: usize = query(target, "cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let Some(form) = FORMS.get(n) else {
            return answer("200 OK", "", &json!({ "items": [model(n + 1)], "metadata": {} }).to_string());
        };
        let form = form.replace("{port}", &port.to_string()).replace("{own}", "127.0.0.1");
        let next = (n + 1).to_string();
        let metadata = json!({
            "nextCursor": next, "nextPage": form, "prevPage": form, "next": form, "url": form, "currentPage": form
        });
        answer("200 OK", "", &json!({ "items": [model(n + 1)], "metadata": metadata, "links": form }).to_string())
    });
    let room = Room::new(PAGES, &lure.base);
    assert_exit(&room.run(&["-v", "-v"]), 0);
    // Every page once, and the first once more at the end: nothing else.
    assert_eq!(lure.requests().len(), FORMS.len() + 2);
    assert_reach(&lure, &trap);
    assert_places(&room);
}

#[test]
fn a_cursor_is_sent_back_and_means_nothing_else() {
    let trap = Trap::open();
    let port = trap.port;
    let said = |n: usize, port: u16| FORMS[n].replace("{port}", &port.to_string()).replace("{own}", "127.0.0.1");
    let lure = Server::answering(move |Request { target, .. }| {
        let next = query(target, "cursor").map_or(0, |cursor| {
            1 + (0..FORMS.len()).find(|n| said(*n, port) == cursor).expect("a cursor comes back as it was given")
        });
        let mut metadata = json!({});
        if next < FORMS.len() {
            metadata["nextCursor"] = json!(said(next, port));
        }
        answer("200 OK", "", &json!({ "items": [model(next + 1)], "metadata": metadata }).to_string())
    });
    let room = Room::new(PAGES, &lure.base);
    assert_exit(&room.run(&["-v", "-v"]), 0);
    assert_eq!(lure.requests().len(), FORMS.len() + 2);
    assert_reach(&lure, &trap);
    assert_places(&room);
    room.assert_sound();
}

#[test]
fn no_redirect_is_followed() {
    let trap = Trap::open();
    for (n, form) in forms(&trap, "127.0.0.1").into_iter().enumerate() {
        // A header cannot hold these: a client sees another header, or a broken answer.
        let location = format!("location: {form}\r\nrefresh: 0; url={form}\r\ncontent-location: {form}\r\n");
        let link = format!("link: <{form}>; rel=next\r\nalt-svc: h2=\"127.0.0.1:{}\"\r\n", trap.port);
        let status = REDIRECTS[n % REDIRECTS.len()];
        let lure = Server::answering(move |_| answer(status, &format!("{location}{link}"), "{}"));
        let room = Room::new(PAGES, &lure.base);
        let stopped = room.run(&[]);
        assert_exit(&stopped, 3);
        assert_eq!(lure.requests().len(), 1, "{form:?}: {}", printed(&stopped));
        assert_reach(&lure, &trap);
    }
}

/// Items of every endpoint that say these texts wherever a text may stand.
fn items(endpoint: &str, texts: &[String]) -> Vec<Value> {
    let item = |(n, text): (usize, &String)| match endpoint {
        "models" => json!({
            "id": n + 1, "name": text, "description": text, "type": text, "mode": text, "tags": [text],
            "creator": { "username": text, "image": text }, text: text,
            "modelVersions": [{
                "id": n + 1, "name": text, "downloadUrl": text, "baseModel": text, "air": text, "trainedWords": [text],
                "files": [{ "id": n + 1, "name": text, "type": text, "downloadUrl": text, "hashes": { "SHA256": text, text: text } }],
                "images": [{ "url": text, "type": text, "hash": text, "meta": { text: text } }],
            }],
        }),
        "images" => {
            json!({ "id": n + 1, "url": text, "username": text, "hash": text, "meta": { "prompt": text, text: text } })
        }
        "creators" => json!({ "username": text, "link": text, "image": text }),
        _ => json!({ "name": text, "link": text }),
    };
    texts.iter().enumerate().map(item).collect()
}

/// Crawls every endpoint of a server that says nothing but these texts; all of them must be in the tables.
fn assert_harmless(texts: &[String]) {
    let trap = Trap::open();
    let own = texts.iter().map(|text| text.replace("{port}", &trap.port.to_string()).replace("{own}", "127.0.0.1"));
    let own: Vec<String> = own.collect();
    let said = own.clone();
    let lure = Server::answering(move |Request { target, .. }| {
        let path = target.split('?').next().unwrap_or_default().trim_start_matches("/api/v1/");
        let page: usize = query(target, "page").and_then(|page| page.parse().ok()).unwrap_or(1);
        match path {
            "models" | "creators" | "tags" | "images" => {
                let items = if page == 1 { items(path, &said) } else { Vec::new() };
                answer("200 OK", "", &json!({ "items": items, "metadata": { "totalPages": 1 } }).to_string())
            }
            _ => answer("404 Not Found", "", r#"{"error":"Model not found"}"#),
        }
    });
    let room = Room::new(EVERYTHING, &lure.base);
    let output = room.run(&["-v", "-v"]);
    // 4: images that another user posted were not asked for.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
    room.assert_sound();
    assert_reach(&lure, &trap);
    assert_places(&room);
    let kept = room.query("SELECT DISTINCT name FROM tags");
    let kept: BTreeSet<String> =
        kept.lines().map(|row| serde_json::from_str::<[String; 1]>(row).unwrap()[0].clone()).collect();
    assert_eq!(kept, own.into_iter().collect());
}

#[test]
fn values_are_kept_as_they_are_and_lead_nowhere() {
    assert_harmless(&FORMS.iter().map(|form| (*form).to_owned()).collect::<Vec<_>>());
}

#[test]
fn nothing_said_becomes_a_path_whatever_it_is() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
    println!("SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: 8, failure_persistence: None, max_shrink_iters: 32, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "../", "..\\", "/", "\0", "%2e", "%00", "\r\n", "C:", "~", ".staged", ".parquet", "commits"
        ])
        .prop_map(str::to_owned),
        proptest::sample::select(FORMS.to_vec()).prop_map(str::to_owned),
        ".{1,6}",
    ];
    let text = proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let texts = proptest::collection::vec(text, 1..40);
    runner
        .run(&texts, |texts| {
            assert_harmless(&texts);
            Ok(())
        })
        .unwrap();
}
