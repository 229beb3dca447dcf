//! A list that comes short: what is missing is asked for singly, an implausible end is named, and nothing counts as gone for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Request, Room, Server, assert_exit, printed, program, read};

const MODELS: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }

[[walk]]
name = "models"
endpoint = "models"
params = { limit = 50 }
"#;

/// The things a server has, and its faults.
#[derive(Debug, Clone, Default)]
struct Shown {
    /// Ids in its list.
    listed: BTreeSet<u64>,
    /// Ids that a look-up finds.
    found: BTreeSet<u64>,
    /// Ids whose look-up fails.
    failing: BTreeSet<u64>,
    /// The fault of the last page.
    last: Last,
    /// Pages that are never readable, by their cursor.
    broken: BTreeSet<u64>,
}

/// The end of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    /// Whatever is left.
    #[default]
    Honest,
    /// The first page, full, without a cursor.
    Cut,
    /// A link to a next page, and no cursor.
    Link,
    /// Nothing, when it is asked for once more.
    Lapse,
    /// Everything on every page, whatever limit is asked for.
    Unlimited,
}

fn http(status: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = "content-type: application/json\r\nconnection: close\r\ncontent-length:";
    format!("HTTP/1.1 {status}\r\n{head} {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn model(id: u64) -> Value {
    json!({ "id": id, "name": format!("m{id}"), "type": "LORA", "modelVersions": [{ "id": id * 10, "name": "v" }] })
}

fn answer(shown: &Shown, target: &str) -> Vec<u8> {
    let (path, text) = target.split_once('?').unwrap_or((target, ""));
    let sent = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<u64>().ok())
    };
    if let Some(id) = path.strip_prefix("/api/v1/models/").and_then(|id| id.parse().ok()) {
        return match (shown.failing.contains(&id), shown.found.contains(&id)) {
            (true, _) => http("500 Internal Server Error", &json!({})),
            (_, true) => http("200 OK", &model(id)),
            _ => http("404 Not Found", &json!({ "error": "No model with this id" })),
        };
    }
    let (limit, from) = (sent("limit").unwrap_or(100) as usize, sent("cursor").unwrap_or(0));
    if shown.broken.contains(&from) {
        return http("200 OK", &json!({ "items": "none", "metadata": { "nextCursor": (from + 50).to_string() } }));
    }
    let limit = if shown.last == Last::Unlimited { usize::MAX } else { limit };
    let rest: Vec<u64> = shown.listed.range(from..).copied().take(limit.saturating_add(1)).collect();
    let lapses = shown.last == Last::Lapse && sent("_").is_some();
    let page = if lapses { &[] } else { &rest[..rest.len().min(limit)] };
    let next = rest.get(limit).map(ToString::to_string);
    let mut metadata = json!({});
    match (shown.last, next) {
        (Last::Link, None) => metadata["nextPage"] = json!("http://127.0.0.1/next"),
        (Last::Cut, _) | (_, None) => {}
        (_, Some(next)) => metadata["nextCursor"] = json!(next),
    }
    http("200 OK", &json!({ "items": page.iter().map(|id| model(*id)).collect::<Vec<_>>(), "metadata": metadata }))
}

/// A server whose answers a test may change, and a crawl of it.
struct Stage {
    shown: Arc<Mutex<Shown>>,
    server: Server,
    room: Room,
}

impl Stage {
    /// After a first pass over this many models.
    fn set(models: u64) -> Self {
        let all: BTreeSet<u64> = (1..=models).collect();
        let shown = Arc::new(Mutex::new(Shown { listed: all.clone(), found: all, ..Shown::default() }));
        let of_server = Arc::clone(&shown);
        let server =
            Server::answering(move |Request { target, .. }| answer(&of_server.lock().expect("no thread died"), target));
        let room = Room::new(MODELS, &server.base);
        assert_exit(&room.run(&[]), 0);
        Self { shown, server, room }
    }

    /// One more pass over what is shown after this change: its exit, what it printed, how many models are gone, and how
    /// many were asked for singly.
    fn pass(&self, change: impl FnOnce(&mut Shown), arguments: &[&str]) -> (Option<i32>, String, u64, usize) {
        change(&mut self.shown.lock().expect("no thread died"));
        let before = self.server.requests().len();
        let output = self.room.run(arguments);
        self.room.assert_sound();
        self.room.read("snapshot.py", &[]);
        let latest = self.room.dataset().join("latest/models.parquet");
        let sql = format!("SELECT count(*) FROM '{}' WHERE gone_at IS NOT NULL", latest.display());
        let gone = self.room.query(&sql);
        let gone = gone.trim().trim_matches(['[', ']']).parse().expect("a count");
        let singly = self
            .server
            .requests()
            .into_iter()
            .skip(before)
            .filter(|request| request.target.contains("/models/"))
            .count();
        (output.status.code(), printed(&output), gone, singly)
    }
}

fn without(shown: &mut Shown, ids: std::ops::RangeInclusive<u64>) {
    shown.listed.retain(|id| !ids.contains(id));
    shown.found.retain(|id| !ids.contains(id));
}

#[test]
fn an_implausible_end_is_named_and_finds_nothing_gone() {
    type Change = fn(&mut Shown);
    let cases: [(&str, u64, Change, &str); 6] = [
        ("nothing comes", 300, |shown| shown.listed.clear(), "nothing came of a list that showed 300 things"),
        ("half of it comes", 300, |shown| shown.listed.retain(|id| *id < 150), "it shows 149, and 151 are missing"),
        ("a full page names no cursor", 300, |shown| shown.last = Last::Cut, "as many items as were asked for"),
        (
            "a full page is empty when asked for again",
            300,
            |shown| shown.last = Last::Lapse,
            "another answer to the same question had 0",
        ),
        ("a link names a next page", 120, |shown| shown.last = Last::Link, "says that there is a next page"),
        (
            "look-ups are away too",
            300,
            |shown| {
                shown.listed.retain(|id| *id > 30);
                shown.found.clear();
            },
            "look-ups do not answer",
        ),
    ];
    for (what, models, change, said) in cases {
        let stage = Stage::set(models);
        let (exit, printed, gone, singly) = stage.pass(change, &[]);
        assert_eq!((exit, gone), (Some(4), 0), "{what}: {printed}");
        assert!(printed.contains("doubtful") && printed.contains(said), "{what}: {printed}");
        assert!(singly <= 23, "{what}: {singly} look-ups");
        let (exit, printed, gone, _) = stage.pass(
            |shown| {
                let all: BTreeSet<u64> = (1..=models).collect();
                *shown = Shown { listed: all.clone(), found: all, ..Shown::default() };
            },
            &[],
        );
        assert_eq!((exit, gone), (Some(0), 0), "{what}, and the next pass: {printed}");
    }
    let explained = program().args(["explain", "doubtful"]).output().expect("the program runs");
    assert_exit(&explained, 0);
    assert!(printed(&explained).contains("--believe-shorter"), "{}", printed(&explained));
}

#[test]
fn a_few_missing_things_are_settled_one_by_one() {
    let stage = Stage::set(300);
    let (exit, printed, gone, singly) = stage.pass(|_| {}, &[]);
    assert_eq!((exit, gone, singly), (Some(0), 0, 0), "nothing is missing: {printed}");
    let (exit, printed, gone, singly) = stage.pass(|shown| without(shown, 10..=14), &[]);
    assert_eq!((exit, gone, singly), (Some(0), 5, 6), "five are gone: {printed}");
    let (exit, printed, gone, _) = stage.pass(|shown| shown.listed.retain(|id| !(20..30).contains(id)), &[]);
    assert_eq!((exit, gone), (Some(0), 5), "ten are not in the list, and there: {printed}");
    let failing = |shown: &mut Shown| {
        without(shown, 40..=41);
        shown.failing = BTreeSet::from([40]);
    };
    let (exit, printed, gone, _) = stage.pass(failing, &[]);
    assert_eq!((exit, gone), (Some(4), 6), "one cannot be asked for: {printed}");
    assert!(printed.contains("1 thing is missing from the list and could not be asked for singly"), "{printed}");
    let (exit, printed, gone, _) = stage.pass(|shown| shown.failing.clear(), &[]);
    assert_eq!((exit, gone), (Some(0), 7), "it can: {printed}");
}

#[test]
fn a_much_shorter_list_is_believed_by_the_second_pass_or_by_the_user() {
    let stage = Stage::set(600);
    let (exit, printed, gone, singly) = stage.pass(|shown| without(shown, 1..=200), &[]);
    assert_eq!((exit, gone), (Some(4), 0), "{printed}");
    assert!(printed.contains("a second pass") && (20..=23).contains(&singly), "{singly} {printed}");
    let (exit, printed, gone, _) = stage.pass(|_| {}, &[]);
    assert_eq!((exit, gone), (Some(0), 200), "{printed}");

    let stage = Stage::set(60);
    let (exit, printed, gone, _) = stage.pass(|shown| without(shown, 1..=60), &[]);
    assert_eq!((exit, gone), (Some(4), 0), "{printed}");
    let (exit, printed, gone, _) = stage.pass(|_| {}, &[]);
    assert_eq!((exit, gone), (Some(4), 0), "an empty list is never believed by itself: {printed}");
    let (exit, printed, gone, _) = stage.pass(|_| {}, &["--believe-shorter", "models"]);
    assert_eq!((exit, gone), (Some(0), 60), "{printed}");
    assert_exit(&stage.room.run(&["--believe-shorter", "images"]), 2);
}

#[test]
fn a_page_that_is_given_up_costs_what_lies_on_it_and_nothing_else() {
    let stage = Stage::set(300);
    let break_one = |shown: &mut Shown| {
        without(shown, 10..=12);
        shown.broken = BTreeSet::from([54]);
    };
    let (exit, printed, gone, singly) = stage.pass(break_one, &[]);
    assert_eq!((exit, gone), (Some(4), 3), "{printed}");
    assert!(singly >= 53, "what lies on the lost page is asked for singly: {singly} {printed}");
}

#[test]
fn an_honest_list_is_believed_however_full_its_last_page_is() {
    for models in [50, 100] {
        let stage = Stage::set(models);
        let asked = stage.server.requests();
        assert!(asked.iter().any(|request| request.target.contains("limit=51")), "{asked:?}");
    }
    let stage = Stage::set(1);
    let (exit, printed, gone, _) = stage.pass(
        |shown| {
            shown.listed = (1..=50).collect();
            shown.found = (1..=50).collect();
            shown.last = Last::Unlimited;
        },
        &[],
    );
    assert_eq!((exit, gone), (Some(0), 0), "a server that ignores the limit proves nothing by a full page: {printed}");
}

/// One page of the tags that begin with what is asked for.
fn page_of_tags(tags: &BTreeSet<String>, target: &str) -> Vec<u8> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let sent = |name: &str| url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    let number = |name| sent(name).and_then(|(_, value)| value.parse().ok());
    let (limit, page) = (number("limit").unwrap_or(20), number("page").unwrap_or(1_usize));
    let prefix = sent("query").map(|(_, text)| text.replace('%', "")).unwrap_or_default();
    let fitting = tags.iter().filter(|tag| tag.starts_with(&prefix)).skip((page - 1) * limit).take(limit);
    let items: Vec<Value> = fitting.map(|tag| json!({ "name": tag })).collect();
    http("200 OK", &json!({ "items": items, "metadata": { "currentPage": page, "pageSize": limit } }))
}

#[test]
fn a_full_page_of_similar_names_does_not_show_that_one_is_gone() {
    let names = ["a", "zz"].map(str::to_owned);
    let all: BTreeSet<String> = (0..300).map(|n| format!("a{n:03}")).chain(names.clone()).collect();
    let tags = Arc::new(Mutex::new(all));
    let of_server = Arc::clone(&tags);
    let server = Server::answering(move |Request { target, .. }| {
        page_of_tags(&of_server.lock().expect("no thread died"), target)
    });
    let walk = "name = \"tags\"\nendpoint = \"tags\"\nparams = { query = \"%\", limit = 200 }\n";
    let room =
        Room::new(&MODELS.replace(MODELS.split_once("[[walk]]\n").expect("it has a walk").1, walk), &server.base);
    assert_exit(&room.run(&[]), 0);
    tags.lock().expect("no thread died").retain(|tag| !names.contains(tag));
    let output = room.run(&[]);
    assert_exit(&output, 4);
    let open = "1 thing is missing from the list and could not be asked for singly";
    assert!(printed(&output).contains(open), "{}", printed(&output));
    let latest = room.dataset().join("latest/tags.parquet");
    let sql = format!("SELECT name FROM '{}' WHERE gone_at IS NOT NULL", latest.display());
    assert_eq!(room.query(&sql).trim(), "[\"zz\"]");
}

#[test]
fn outages_are_distinguished_from_deletions() {
    let binary = env!("CARGO_BIN_EXE_civitrawl");
    read("../../scripts/outages", &["--binary", binary, "12", "--models", "300"]);
}
