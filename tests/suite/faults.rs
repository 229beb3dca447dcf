//! Servers that fail, lie and attack, on the first, a middle and the last page: the rows are the truth, or the report names
//! what is missing, or the run is resumed later; never a silent loss.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::read::read_manifest;
use civitrawl::dataset::scan::Scan;
use civitrawl::dataset::values::distinct;
use civitrawl::storage::Disk;
use civitrawl::table;
use flate2::Compression;
use flate2::write::GzEncoder;

#[cfg(target_os = "linux")]
use crate::support::most_memory;
use crate::support::{Request, Room, Sandbox, Server, get, printed, requests};

const CRAWL: &str = r#"
timeouts = { connect = "2s", idle = "1500ms", total = "5s" }
retry = { attempts = 4, elapsed = "20s" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;
/// Three pages, the last not a full one: that would be asked for again.
const MODELS: &[&str] = &["--models", "28"];
/// The first, a middle, and the last page.
const PAGES: [usize; 3] = [1, 2, 3];
/// Runs that are tried side by side; they mostly wait.
const WORKERS: usize = 24;

/// Faults the sandbox stages, each struck once, and the exit code of the run.
const STAGED: &[(&str, i32)] = &[
    ("kind=status,code=400", 4),
    // Once, to a question without a key: the guard in front does that now and then.
    ("kind=status,code=401", 0),
    ("kind=status,code=403", 3),
    ("kind=status,code=404", 4),
    ("kind=status,code=405", 3),
    ("kind=status,code=408", 0),
    ("kind=status,code=410", 3),
    ("kind=status,code=413", 3),
    ("kind=status,code=418", 3),
    ("kind=status,code=425", 0),
    // Without `Retry-After` everybody pauses for long: `fetch` tests that with a clock of its own.
    ("kind=status,code=429,retry_after=1", 0),
    ("kind=status,code=451", 3),
    ("kind=status,code=499", 0),
    ("kind=status,code=500", 0),
    ("kind=status,code=500,retry_after=1", 0),
    ("kind=status,code=501", 3),
    ("kind=status,code=502", 0),
    ("kind=status,code=502,retry_after=1", 0),
    ("kind=status,code=503", 0),
    ("kind=status,code=503,retry_after=1", 0),
    ("kind=status,code=504", 0),
    ("kind=status,code=520", 0),
    ("kind=status,code=522", 0),
    ("kind=status,code=524", 0),
    ("kind=status,code=530", 0),
    ("kind=status,code=599", 0),
    ("kind=reset", 0),
    ("kind=cut", 0),
    ("kind=truncate", 0),
    ("kind=stall", 0),
    ("kind=hang", 0),
    ("kind=html", 0),
    ("kind=invalid-json", 0),
    ("kind=bad-gzip", 0),
    ("kind=control-bytes", 0),
    ("kind=redirect", 3),
];

/// Makes an answer from the body it replaces.
type Lie = fn(&str) -> Vec<u8>;

/// Answers no sandbox stages, each sent once in place of a page, and the exit code of the run.
const LIES: &[(&str, Lie, i32)] = &[
    ("another content type", |body| answer("text/html", body.len(), body), 0),
    (
        "the name of an encoding nobody asked for",
        |body| answer("application/json\r\nContent-Encoding: br", body.len(), body),
        0,
    ),
    (
        "bytes in an encoding nobody asked for",
        |body| answer("application/json\r\nContent-Encoding: br", body.len(), &body.replace('{', "<")),
        0,
    ),
    ("more length than content", |body| answer("application/json", body.len() + 9, body), 0),
    ("less length than content", |body| answer("application/json", body.len() - 9, body), 0),
    ("no body", |_| json(""), 0),
    ("an empty object", |_| json("{}"), 0),
    ("null", |_| json("null"), 0),
    ("an empty list", |_| json("[]"), 0),
    ("items that are null", |_| json(r#"{"items":null,"metadata":{}}"#), 0),
    ("no metadata", |_| json(r#"{"items":[]}"#), 0),
    ("a failure in place of an end", |_| json(r#"{"error":"busy","items":[],"metadata":{}}"#), 0),
    ("no content", |_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), 0),
    ("not modified", |_| b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), 0),
    ("a page in a page", |body| json(&format!(r#"{{"items":{body},"metadata":{{}}}}"#)), 0),
    ("brackets without end", |_| json(&"[".repeat(200_000)), 0),
    ("deep nesting", |_| json(&format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))), 0),
    ("deep nesting in an item", |_| json(&nested()), 0),
    ("a huge string cut short", |_| json(&format!(r#"{{"items":[{{"name":"{}"#, "x".repeat(64 << 20))), 0),
    ("no HTTP", |_| b"hello\r\n\r\n".to_vec(), 0),
    ("a broken chunk", |_| b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(), 0),
];

fn nested() -> String {
    let depth = 200_000;
    format!(r#"{{"items":[{{"id":1,"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
}

fn answer(content_type: &str, length: usize, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n");
    format!("{head}Connection: close\r\n\r\n{body}").into_bytes()
}

fn json(body: &str) -> Vec<u8> {
    answer("application/json", body.len(), body)
}

/// A server in front of a sandbox that lies in place of the `nth` page when that is first asked for.
fn liar(sandbox: &Sandbox, nth: usize, lie: Lie) -> Server {
    let asked: Mutex<HashSet<String>> = Mutex::default();
    let behind = sandbox.base.trim_end_matches("/api/v1").to_owned();
    Server::answering(move |Request { target, .. }| {
        let is_nth = {
            let mut asked = asked.lock().unwrap();
            asked.insert(target.clone()) && asked.len() == nth
        };
        let body = get(&format!("{behind}{target}"));
        if is_nth { lie(&body) } else { json(&body) }
    })
}

/// The models in a dataset: their ids, and how many rows there are.
fn models(room: &Room) -> (Vec<String>, u64) {
    let layout = Layout::new(room.dataset());
    let ids = distinct(&Scan::open(&layout, &Disk, &table::models::TABLE).unwrap(), "id", Vec::new()).unwrap();
    let ids = ids.slice(0, ids.len());
    let manifest = read_manifest(&layout, &Disk).unwrap();
    let rows = manifest.live_parts().filter(|part| part.table.name == "models").map(|part| part.rows).sum();
    (ids, rows)
}

/// The models of the undisturbed catalog.
fn truth() -> (Vec<String>, u64) {
    let sandbox = Sandbox::start(MODELS);
    let room = Room::new(CRAWL, &sandbox.base);
    let output = room.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    models(&room)
}

/// Returns the mistake in how a run with a fault ended, if any: it may be whole, doubtful and say so, or resumable.
fn wrong(room: &Room, output: &Output, expected: i32, truth: &(Vec<String>, u64)) -> Option<String> {
    let code = output.status.code();
    if code != Some(expected) {
        return Some(format!("it ended with {code:?} instead of {expected}: {}", printed(output)));
    }
    if expected == 4 {
        return (!printed(output).contains("walk `models`")).then(|| format!("no loss is named: {}", printed(output)));
    }
    if expected != 0 {
        let again = room.run(&[]);
        if again.status.code() != Some(0) {
            return Some(format!("it cannot be resumed: {}", printed(&again)));
        }
    }
    room.assert_sound();
    (models(room) != *truth).then(|| format!("rows differ from the truth: {}", printed(output)))
}

/// Tries all these cases on every page, a few side by side, and fails with everything that went wrong.
fn assert_all<T: Sync>(cases: &[T], attempt: impl Fn(&T, usize) -> Option<String> + Sync) {
    let (next, wrongs) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let jobs: Vec<(&T, usize)> = cases.iter().flat_map(|case| PAGES.map(|page| (case, page))).collect();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((case, page)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrongs.lock().unwrap().extend(attempt(case, *page));
                }
            });
        }
    });
    let wrongs = wrongs.into_inner().unwrap();
    assert!(wrongs.is_empty(), "{} of {} cases:\n{}", wrongs.len(), jobs.len(), wrongs.join("\n"));
}

#[test]
fn a_fault_on_any_page_costs_no_row_in_silence() {
    let truth = truth();
    assert_all(STAGED, |(fault, expected), page| {
        let sandbox = Sandbox::start(&[MODELS, &["--fault", &format!("{fault},page={page}")]].concat());
        let room = Room::new(CRAWL, &sandbox.base);
        let output = room.run(&[]);
        assert!(get(&sandbox.side("log")).contains("\"fault\":\""), "{fault}, page {page}: it did not strike");
        // A page that a cursor named was there, so one 404 is not believed.
        let expected = if fault.ends_with("code=404") && page > 1 { 0 } else { *expected };
        wrong(&room, &output, expected, &truth).map(|wrong| format!("{fault}, page {page}: {wrong}"))
    });
}

#[test]
fn a_lie_on_any_page_costs_no_row_in_silence() {
    let truth = truth();
    assert_all(LIES, |(name, lie, expected), page| {
        let sandbox = Sandbox::start(MODELS);
        let room = Room::new(CRAWL, &liar(&sandbox, page, *lie).base);
        let output = room.run(&[]);
        // A page is recognized by its content, whatever the server calls it; everything else is requested again.
        let is_page = ["another content type", "the name of an encoding nobody asked for"].contains(name);
        if requests(&sandbox).len() <= PAGES.len() && !is_page {
            return Some(format!("{name}, page {page}: it was believed"));
        }
        wrong(&room, &output, *expected, &truth).map(|wrong| format!("{name}, page {page}: {wrong}"))
    });
}

/// Ten GiB of blanks in one item, as ten thousand compressed pieces.
fn bomb() -> Vec<u8> {
    let piece = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let body = [piece(b"{\"items\":["), piece(&vec![b' '; 1 << 20]).repeat(10 << 10)].concat();
    let head = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}").as_bytes(), &body].concat()
}

#[cfg(target_os = "linux")]
#[test]
fn a_bomb_is_refused_in_little_memory() {
    let bomb = bomb();
    let room = Room::new(CRAWL, &Server::answering(move |_| bomb.clone()).base);
    let (output, most) = most_memory(&mut room.crawl());
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    assert!(printed(&output).contains("after decompression"), "{}", printed(&output));
    room.assert_sound();
    assert!((1..128 << 10).contains(&most), "it took {most} KiB");
}

#[test]
fn a_cursor_that_comes_round_again_is_noticed_within_a_lap() {
    for (lap, first) in [(1, 1), (2, 1), (2, 2), (3, 2), (7, 3), (31, 17), (100, 60), (1000, 400)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let server = Server::answering(move |Request { target, .. }| {
            if target.contains("/models/") {
                return answer("application/json", 2, "{}");
            }
            let n = counter.fetch_add(1, Ordering::Relaxed);
            let item = format!(r#"{{"id":{},"name":"m","modelVersions":[{{"id":1,"name":"v"}}]}}"#, n + 1);
            json(&format!(r#"{{"items":[{item}],"metadata":{{"nextCursor":"9|8|{}"}}}}"#, n % lap))
        });
        let text = CRAWL.replace("Oldest", "Highest Rated").replace("limit = 10", "limit = 100");
        let room = Room::new(&text, &server.base);
        let stopped = room.run(&["--max-pages", &first.to_string()]);
        assert_eq!(stopped.status.code(), Some(3), "{lap}: {}", printed(&stopped));
        let output = room.run(&[]);
        assert_eq!(output.status.code(), Some(4), "{lap}: {}", printed(&output));
        assert!(printed(&output).contains("came round again"), "{lap}: {}", printed(&output));
        let asked = asked.load(Ordering::Relaxed);
        assert_eq!(asked, lap + 1, "a loop of {lap} cursors");
    }
}
