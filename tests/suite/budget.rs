//! A budget for every answer: whatever its structure, it costs little memory and time, and whatever it says sizes no plan.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::support::{Request, Room, Server, answer, assert_exit, printed, program};

/// Bytes of an answer after decompression.
const BYTES: usize = 8 << 20;
/// The most memory that a run with one such answer may have, in KiB. It takes some 20 MiB before the first.
const MEMORY: u64 = 192 << 10;

const RETRY: &str = "retry = { attempts = 2, elapsed = \"20s\" }\n";

/// Answers of one small element, over and over: the endpoint, and what stands before, between and behind.
const SWOLLEN: &[(&str, &str, &str, &str)] = &[
    ("models", "{\"items\":[", "{}", "],\"metadata\":{}}"),
    ("models", "{\"items\":[", "1", "],\"metadata\":{}}"),
    ("models", "{\"items\":[", "[[]]", "],\"metadata\":{}}"),
    ("models", "{\"items\":[", "{\"id\":7,\"name\":\"a\"}", "],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"modelVersions\":[", "{}", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"modelVersions\":[", "{\"id\":2,\"files\":[{}]}", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"modelVersions\":[", "0", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"modelVersions\":[{\"id\":1,\"images\":[", "{}", "]}]}],\"metadata\":{}}"),
    (
        "models",
        "{\"items\":[{\"id\":1,\"modelVersions\":[{\"id\":1,\"files\":[{\"id\":1,\"hashes\":{",
        "\"\":\"\"",
        "}}]}]}],\"metadata\":{}}",
    ),
    ("models", "{\"items\":[{\"id\":1,\"tags\":[", "\"\"", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"tags\":[", "{\"name\":\"\",\"x\":1}", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"baseModels\":[", "\"\\n\"", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"stats\":{", "\"\":0", "}}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"name\":[", "\"\\ud800\"", "]}],\"metadata\":{}}"),
    ("models", "{\"items\":[{\"id\":1,\"x\":", "[", "0"),
    ("images", "{\"items\":[{\"id\":1,\"meta\":{", "\"\":0", "}}],\"metadata\":{}}"),
    ("images", "{\"items\":[{\"id\":1,\"meta\":{\"resources\":[", "{}", "]}}],\"metadata\":{}}"),
    ("images", "{\"items\":[{\"id\":1,\"meta\":{\"hashes\":{", "\"\":\"\"", "}}}],\"metadata\":{}}"),
    ("images", "{\"items\":[{\"id\":1,\"modelVersionIds\":[", "null", "]}],\"metadata\":{}}"),
    ("images", "{\"items\":[{\"id\":1,\"tags\":[", "{}", "]}],\"metadata\":{}}"),
    ("tags", "{\"items\":[", "{\"name\":\"\"}", "],\"metadata\":{}}"),
    ("creators", "{\"items\":[", "{}", "],\"metadata\":{}}"),
];

/// The answer, compressed: some ten thousand bytes.
fn swollen((_, before, element, behind): (&str, &str, &str, &str)) -> Vec<u8> {
    let between = if element.ends_with('[') { "" } else { "," };
    let count = (BYTES - before.len() - behind.len()) / (element.len() + between.len());
    let mut body = GzEncoder::new(Vec::new(), Compression::fast());
    body.write_all(before.as_bytes()).unwrap();
    body.write_all([between, element].concat().repeat(count)[between.len()..].as_bytes()).unwrap();
    body.write_all(behind.as_bytes()).unwrap();
    let body = body.finish().unwrap();
    let length = body.len();
    let head = format!(
        "content-type: application/json\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: {length}"
    );
    [format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(), &body].concat()
}

/// Runs a crawl to its end; also returns the most memory it had, in KiB.
pub fn measured(room: &Room) -> (Output, u64) {
    let mut crawl = room.crawl().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut most = 0;
    while crawl.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", crawl.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        most = most.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    (crawl.wait_with_output().unwrap(), most)
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_takes_little_memory_whatever_its_structure() {
    let next = Mutex::new(SWOLLEN.iter());
    let work = || {
        while let Some(case) = { next.lock().unwrap().next() } {
            let bytes = swollen(*case);
            let server = Server::answering(move |_| bytes.clone());
            let each = if case.0 == "images" { "for_each = { list = [\"1\"], param = \"postId\" }\n" } else { "" };
            let walk = format!("{RETRY}\n[[walk]]\nname = \"w\"\nendpoint = \"{}\"\n{each}", case.0);
            let room = Room::new(&walk, &server.base);
            let (output, most) = measured(&room);
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 4)), "{case:?}: {code:?} {}", printed(&output));
            assert!((1..MEMORY).contains(&most), "{case:?} took {most} KiB");
            assert!(server.requests().len() < 30, "{case:?}: {} requests", server.requests().len());
            room.assert_sound();
        }
    };
    thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(work)));
    });
}

#[test]
fn an_item_with_too_many_parts_costs_no_other() {
    let versions = vec!["{}"; 200_000].join(",");
    let body =
        format!(r#"{{"items":[{{"id":1}},{{"id":2,"modelVersions":[{versions}]}},{{"id":3}}],"metadata":{{}}}}"#);
    let server = Server::of_models(body);
    let room = Room::new("[[walk]]\nname = \"w\"\nendpoint = \"models\"\n", &server.base);
    assert_exit(&room.run(&[]), 4);
    assert_eq!(room.query("SELECT id FROM models ORDER BY id"), "[1]\n[3]\n");
    let reason = room.query("SELECT reason FROM rejects");
    assert!(reason.contains("too_large: its 200000 parts take more than 32 MiB"), "{reason}");
}

const NEWEST: &str = r#"
[[walk]]
name = "list"
endpoint = "models"
params = { sort = "Oldest" }

[[walk]]
name = "rest"
endpoint = "models"
for_each = { range = [1, "newest"], param = "ids", batch = 100 }
"#;

#[test]
fn an_absurd_id_plans_nothing_and_is_named_once() {
    for absurd in [1_000_000_000, 1_000_000_000_000, i64::MAX] {
        let is_wrong = Arc::new(AtomicBool::new(true));
        let state = Arc::clone(&is_wrong);
        let server = Server::of_json(move |target| {
            let id = if state.load(Ordering::SeqCst) { absurd } else { 8 };
            let model = |id: i64| json!({ "id": id, "modelVersions": [{ "id": id }] });
            let items = if target.contains("ids=") { vec![] } else { vec![model(7), model(id)] };
            target.starts_with("models?").then(|| json!({ "items": items, "metadata": {} }).to_string())
        });
        let room = Room::new(NEWEST, &server.base);
        let output = room.run(&[]);
        assert_exit(&output, 4);
        let said = printed(&output);
        assert!(said.contains(&format!("the id {absurd} is far beyond the newest one believed, 7")), "{said}");
        // 1 to 1007, a hundred at a time, and the list.
        assert!((12..=15).contains(&server.requests().len()), "{} requests", server.requests().len());
        is_wrong.store(false, Ordering::SeqCst);
        let said = printed(&room.run(&[]));
        assert!(!said.contains("far beyond"), "{said}");
        room.assert_sound();
    }
}

#[test]
fn the_widest_range_is_walked_without_being_held_and_resumed() {
    let walk = "[[walk]]\nname = \"w\"\nendpoint = \"models\"\n\
                for_each = { range = [1, 2147483647], param = \"ids\", batch = 100 }\n";
    let server = Server::of_models(r#"{"items":[],"metadata":{}}"#.to_owned());
    let room = Room::new(&format!("pace = {{ requests_per_second = 1000.0, in_flight = 1 }}\n{walk}"), &server.base);
    assert_exit(&room.run(&["--max-pages", "5"]), 3);
    assert_exit(&room.run(&["--max-pages", "5"]), 3);
    let asked: Vec<String> = server.requests().into_iter().map(|Request { target, .. }| target).collect();
    for (index, target) in asked.iter().enumerate() {
        assert!(target.contains(&format!("ids={}%2C", 100 * index + 1)), "{asked:?}");
    }
    let plan = program().arg("plan").arg(room.file()).output().unwrap();
    assert!(printed(&plan).contains("21 474 837"), "{}", printed(&plan));
}

#[test]
fn a_page_that_stays_unreadable_is_given_up_by_name_however_few_the_attempts() {
    let cursor = "x".repeat(1 << 20);
    let pages: [(&str, Vec<u8>); 4] = [
        ("no UTF-8", b"{\"items\":[{\"id\":2,\"name\":\"\xe9\"}],\"metadata\":{\"nextCursor\":\"9|9|3\"}}".to_vec()),
        ("two lists", br#"{"items":[{"id":2}],"items":[],"metadata":{"nextCursor":"9|9|3"}}"#.to_vec()),
        ("no JSON", br#"{"items":[{"id":2},],"metadata":{"nextCursor":"9|9|3"}}"#.to_vec()),
        ("a long cursor", format!(r#"{{"items":[{{"id":2}}],"metadata":{{"nextCursor":"{cursor}"}}}}"#).into_bytes()),
    ];
    for (fault, page) in pages {
        let good = |id: u32, next: &str| {
            let items = json!([{ "id": id, "modelVersions": [{ "id": id }] }]);
            let metadata = if next.is_empty() { json!({}) } else { json!({ "nextCursor": next }) };
            answer("200 OK", "", &json!({ "items": items, "metadata": metadata }).to_string())
        };
        let head = format!("content-type: application/json\r\nconnection: close\r\ncontent-length: {}", page.len());
        let bad = [format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(), &page].concat();
        let server = Server::answering(move |Request { target, .. }| {
            match (target.contains("9%7C9%7C2"), target.contains("cursor=")) {
                (true, _) => bad.clone(),
                (false, true) => good(3, ""),
                (false, false) => good(1, "9|9|2"),
            }
        });
        for attempts in [1, 2] {
            let walk =
                "[[walk]]\nname = \"w\"\nendpoint = \"models\"\nparams = { sort = \"Most Downloaded\", limit = 4 }\n";
            let retry = format!("retry = {{ attempts = {attempts}, elapsed = \"20s\" }}\n");
            let room = Room::new(&[&retry, walk].concat(), &server.base);
            let output = room.run(&[]);
            assert_exit(&output, 4);
            assert!(printed(&output).contains("page 2 (cursor `9|9|2`) was given up"), "{fault}: {}", printed(&output));
            let kept = room.query("SELECT DISTINCT id FROM models ORDER BY id");
            assert!(kept.starts_with("[1]\n"), "{fault}, {attempts}: {kept}");
            room.assert_sound();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn answers_held_at_once_share_one_budget() {
    // Twenty answers of 24 MiB at once; a page without items ends the list.
    let padding = "x".repeat(24 << 20);
    let body = format!(r#"{{"items":[],"metadata":{{}},"padding":"{padding}"}}"#);
    let answer = answer("200 OK", "", &body);
    let server = Server::answering(move |_| answer.clone());
    let pace = "pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 20 }\n";
    let room = Room::new(&format!("{pace}\n[[walk]]\nname = \"w\"\nendpoint = \"tags\"\n"), &server.base);
    let (output, most) = measured(&room);
    assert_exit(&output, 0);
    assert!(server.requests().len() >= 20, "{} requests", server.requests().len());
    assert!((1..256 << 10).contains(&most), "it took {most} KiB");
}
