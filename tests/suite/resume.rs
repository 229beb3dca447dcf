//! Runs that are stopped — killed, asked, out of time, out of budget — and resumed: the rows are those of one that was not.

use std::io::Read;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{
    Room, SMALL, Sandbox, Server, TWO_WALKS, assert_exit, assert_same_rows, get, printed, read, requests, terminate,
};

/// Runs `scripts/storm` with the program under test.
fn storm(arguments: &[&str]) {
    read("../../scripts/storm", &[&["--binary", env!("CARGO_BIN_EXE_civitrawl")], arguments].concat());
}

/// Starts a crawl and returns once its server was asked this often.
fn begin(room: &Room, sandbox: &Sandbox, asked: usize) -> Child {
    let child = room.crawl().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let began = Instant::now();
    while requests(sandbox).len() < asked {
        assert!(began.elapsed() < Duration::from_secs(60), "the crawl does not get on");
        sleep(Duration::from_millis(10));
    }
    child
}

/// Waits for the program's end; gives its exit code and what it complained of.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut printed = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut printed).expect("it is text");
    (child.wait().expect("it ends").code(), printed)
}

fn assert_same(a: &Room, b: &Room) {
    assert_same_rows(&[a.dataset(), b.dataset()]);
}

/// An undisturbed crawl of the same server.
fn undisturbed(sandbox: &Sandbox) -> Room {
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    room
}

#[test]
fn a_kill_loses_no_row_and_doubles_none() {
    storm(&["8", "--models", "200"]);
}

#[test]
fn a_kill_under_a_failing_server_loses_no_row_and_doubles_none() {
    storm(&["4", "--models", "200", "--faults"]);
}

#[test]
fn a_signal_ends_it_committed_and_resumable() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "100"]);
    let room = Room::new(SMALL, &sandbox.base);
    let child = begin(&room, &sandbox, 4);
    terminate(&child);
    let (code, printed) = end(child);
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("SIGTERM received"), "{printed}");
    room.assert_sound();
    // Every page that was answered is committed: none is asked for again.
    assert_exit(&room.run(&[]), 0);
    let log = requests(&sandbox);
    let mut queries: Vec<&str> = log.iter().map(|request| request.query.as_str()).collect();
    queries.sort_unstable();
    queries.dedup();
    assert_eq!(queries.len(), log.len(), "a page was asked for twice");
    assert_same(&room, &undisturbed(&sandbox));
}

#[test]
fn a_second_signal_ends_it_at_once_and_safely() {
    let sandbox = Sandbox::start(&["--models", "100", "--fault", "kind=hang,nth=4"]);
    let room = Room::new(SMALL, &sandbox.base);
    let child = begin(&room, &sandbox, 4);
    terminate(&child);
    sleep(Duration::from_millis(500));
    terminate(&child);
    let (code, printed) = end(child);
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("stopped at once"), "{printed}");
    room.assert_sound();
    assert_exit(&room.run(&[]), 0);
    assert_same(&room, &undisturbed(&sandbox));
}

#[test]
fn a_deadline_holds_with_a_request_hanging() {
    let sandbox = Sandbox::start(&["--models", "100", "--fault", "kind=hang,nth=4"]);
    let room = Room::new(SMALL, &sandbox.base);
    let began = Instant::now();
    let output = room.run(&["--deadline", "2s"]);
    assert!(began.elapsed() < Duration::from_secs(2 + 10), "{:?}", began.elapsed());
    assert_exit(&output, 3);
    assert!(printed(&output).contains("the deadline is reached"), "{}", printed(&output));
    room.assert_sound();
    assert_exit(&room.run(&[]), 0);
    assert_same(&room, &undisturbed(&sandbox));
}

#[test]
fn status_and_verify_see_a_sound_dataset_meanwhile() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "30"]);
    let room = Room::new(SMALL, &sandbox.base);
    let mut child = begin(&room, &sandbox, 8);
    let mut looked = 0;
    while child.try_wait().expect("it can be asked").is_none() {
        if !room.dataset().join("commits/00000001.json").exists() {
            continue;
        }
        room.assert_sound();
        room.status();
        looked += 1;
    }
    assert!(looked > 2, "it was over too soon");
    assert_eq!(end(child).0, Some(0));
}

#[test]
fn a_page_budget_is_kept_and_spent() {
    let sandbox = Sandbox::start(&["--models", "100"]);
    let room = Room::new(SMALL, &sandbox.base);
    for run in 1..=2 {
        let output = room.run(&["--max-pages", "3"]);
        assert_exit(&output, 3);
        assert!(printed(&output).contains("page budget"), "{}", printed(&output));
        assert_eq!(requests(&sandbox).len(), run * 3);
    }
    assert_exit(&room.run(&["--max-pages", "1000"]), 0);
    assert_same(&room, &undisturbed(&sandbox));
}

/// Goes through a pass by runs of one page each; gives the exit code of the run that ended it.
fn page_by_page(room: &Room) -> Option<i32> {
    let code = (0..60).map(|_| room.run(&["--max-pages", "1"]).status.code()).find(|code| *code != Some(3));
    code.expect("sixty pages are more than there are")
}

#[test]
fn runs_of_one_page_each_progress_where_a_page_is_asked_for_more_than_once() {
    // Models of these that come without versions are looked up; a cache answers, and they are asked for once more past it.
    for seed in ["1325", "1330"] {
        let sandbox = Sandbox::start(&["--models", "60", "--seed", seed, "--traps", "all,-tied-dates"]);
        let text = TWO_WALKS.replace("archived = true", "archived = true, limit = 10");
        let (room, plain) = (Room::new(&text, &sandbox.base), Room::new(&text, &sandbox.base));
        assert_exit(&plain.run(&[]), 0);
        assert_eq!(page_by_page(&room), Some(0), "{seed}");
        room.assert_sound();
        assert_same(&plain, &room);
    }
    // A page that nobody can read is asked for in ever smaller pieces.
    let sandbox = Sandbox::start(&["--models", "60", "--fault", "kind=invalid-json,page=3,times=0"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_eq!(page_by_page(&room), Some(4));
    room.assert_sound();
}

#[test]
fn a_spoilt_item_costs_itself_alone() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let first = get(&format!("{}/models?sort=Oldest&nsfw=true&limit=60", sandbox.base));
    let first: serde_json::Value = serde_json::from_str(&first).expect("the sandbox serves JSON");
    let victim = first["items"][15]["id"].as_i64().expect("models have ids");
    let spoil = move |body: String| body.replace(&format!("{{\"id\":{victim},"), &format!("{{\"id\":{victim},,"));
    let room = Room::new(&SMALL.replace("limit = 10", "limit = 4"), &Server::in_front_of(&sandbox, spoil).base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    assert!(printed(&output).contains("asking for smaller pages"), "{}", printed(&output));

    let models = room.query("SELECT DISTINCT id FROM models ORDER BY id");
    let plain = undisturbed(&sandbox);
    let others = format!("SELECT DISTINCT id FROM models WHERE id <> {victim} ORDER BY id");
    assert_eq!(models, plain.query(&others));
    let kept = room.query("SELECT page, item FROM rejects");
    assert!(kept.lines().count() == 1 && kept.contains(&format!("{victim},,")), "{kept}");

    // Named by walk, page and cursor, in the report and by `status`.
    let report = last_report(&room);
    let lost = &report["walks"]["models"]["given_up"][0];
    let page = lost["page"].as_u64().expect("it has its page");
    let cursor = lost["cursor"].as_str().expect("it has its cursor");
    let status = room.status();
    assert!(status.contains(&format!("walk `models`: page {page} (cursor `{cursor}`) was given up")), "{status}");
    room.assert_sound();
}

#[test]
fn a_page_nobody_can_read_is_named_and_what_came_before_is_kept() {
    let sandbox = Sandbox::start(&["--models", "60", "--fault", "kind=invalid-json,page=3,times=0"]);
    let room = Room::new(&SMALL.replace("limit = 10", "limit = 2"), &sandbox.base);
    assert_exit(&room.run(&[]), 4);
    let walk = &last_report(&room)["walks"]["models"];
    // The walk continues behind it.
    assert_eq!(walk["end"]["why"], "complete", "{walk}");
    assert_eq!(walk["given_up"][0]["page"], 3, "{walk}");
    assert!(walk["given_up"][0]["cursor"].is_string(), "{walk}");
    let limits: Vec<String> = requests(&sandbox).iter().filter_map(|request| limit(&request.query)).collect();
    assert!(limits.contains(&"1".to_owned()), "{limits:?}");
    let kept = room.query("SELECT length(item) > 0 FROM rejects");
    assert_eq!(kept, "[true]\n");
    room.assert_sound();
}

fn limit(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "limit").map(|(_, value)| value.into_owned())
}

/// The newest report of the dataset.
fn last_report(room: &Room) -> serde_json::Value {
    let reports = std::fs::read_dir(room.dataset().join("runs")).expect("there are reports");
    let last = reports.map(|entry| entry.expect("it can be listed").path()).max().expect("there is a report");
    serde_json::from_slice(&std::fs::read(last).expect("it can be read")).expect("it is JSON")
}
