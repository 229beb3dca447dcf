//! Incremental passes: they ask for what is new, miss none of it, and become full ones where they must.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Room, Sandbox, assert_exit, pass_night, printed, read, requests};

/// Two walks that later passes begin near the end.
const NIGHTLY: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }
incremental = { overlap = "3d" }

[[walk]]
name = "models_pg"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", archived = true, limit = 20 }
incremental = { overlap = "3d" }
"#;

/// The same in time windows.
fn windows() -> String {
    let split = "incremental = { overlap = \"3d\" }\nsplit = { windows = 3, from = \"2022-11-01\" }";
    NIGHTLY.replace("incremental = { overlap = \"3d\" }", split)
}

/// Runs the crawl and gives the queries it asked.
fn queries(room: &Room, sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let before = requests(sandbox).len();
    let output = room.run(arguments);
    assert_exit(&output, 0);
    room.assert_sound();
    requests(sandbox).into_iter().skip(before).map(|request| request.query).collect()
}

/// Fails unless the newest observation of every model that the night published, with all its versions, is what the
/// server shows now.
fn assert_published(room: &Room, sandbox: &Sandbox, night: &Value, pass: u32) {
    let published: Vec<i64> = ["published", "published_again"]
        .iter()
        .flat_map(|kind| night[kind].as_array().expect("ids").iter().map(|id| id.as_i64().expect("an id")))
        .collect();
    assert!(published.len() > 10, "{night}");
    let rows = sandbox.truth("model_versions?nsfw=true&archived=true").into_iter();
    let shown = rows.filter(|row| published.contains(&row["model_id"].as_i64().expect("an id")));
    let mut expected: Vec<String> = shown.map(|row| format!("[{}, {}]", row["id"], row["name"])).collect();
    let list: Vec<String> = published.iter().map(i64::to_string).collect();
    let sql = format!(
        "SELECT DISTINCT id, name FROM model_versions WHERE pass = {pass} AND walk NOT LIKE 'models_pg%' AND model_id IN ({})",
        list.join(", ")
    );
    let stored = room.query(&sql);
    let mut stored: Vec<String> = stored.lines().map(str::to_owned).collect();
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected);
}

/// A catalog whose list was walked once, in full; returns how many requests that took.
fn walked_once(text: &str, models: &str) -> (Sandbox, Room, usize) {
    let sandbox = Sandbox::start(&["--models", models]);
    let room = Room::new(text, &sandbox.base);
    let full = queries(&room, &sandbox, &[]).len();
    (sandbox, room, full)
}

#[test]
fn later_passes_ask_for_little_and_miss_no_published_model() {
    for text in [NIGHTLY, &windows()] {
        let (sandbox, room, full) = walked_once(text, "1000");
        for pass in 2..=3 {
            let night = pass_night(&sandbox, "0.04");
            let asked = queries(&room, &sandbox, &[]);
            assert!(asked.len() * 5 < full, "{} of {full} requests", asked.len());
            assert!(asked.iter().all(|query| query.contains("cursor=")), "{asked:?}");
            assert_published(&room, &sandbox, &night, pass);
        }
    }
}

#[test]
fn status_names_where_an_incremental_pass_began() {
    for text in [NIGHTLY, &windows()] {
        let (sandbox, room, _) = walked_once(text, "1000");
        assert!(!room.status().contains("incremental"), "{}", room.status());
        for _ in 0..2 {
            pass_night(&sandbox, "0.04");
            queries(&room, &sandbox, &[]);
        }
        let status = room.status();
        for part in ["walk `models` is incremental: it began at 2026-10-", "the last full pass was pass 1, over at "] {
            assert!(status.contains(part), "{status}");
        }
    }
}

#[test]
fn an_incremental_pass_begins_where_the_one_before_it_ended() {
    let (sandbox, room, _) = walked_once(NIGHTLY, "1000");
    for _ in 0..2 {
        pass_night(&sandbox, "0.04");
        queries(&room, &sandbox, &[]);
    }
    let began = |pass| room.query(&format!("SELECT min(cursor) FROM pages WHERE pass = {pass} AND walk = 'models'"));
    assert!(began(3) > began(2), "{} {}", began(2), began(3));
}

#[test]
fn a_restart_walks_the_whole_list_and_the_next_pass_builds_on_it() {
    for text in [NIGHTLY, &windows()] {
        let (sandbox, room, full) = walked_once(text, "1000");
        pass_night(&sandbox, "0.04");
        queries(&room, &sandbox, &[]);
        pass_night(&sandbox, "0.04");
        // How many pages it has depends on what was unpublished, and on where windows were split.
        let restarted = queries(&room, &sandbox, &["--restart"]);
        assert!(restarted.len() * 10 > full * 9, "{} of {full}", restarted.len());
        assert!(!room.status().contains("incremental"), "{}", room.status());
        let asked = queries(&room, &sandbox, &[]);
        assert!(asked.len() * 5 < full, "{} of {full} requests", asked.len());
        assert!(room.status().contains("the last full pass was pass 3"), "{}", room.status());
    }
}

#[test]
fn an_incremental_pass_continues_where_it_was_stopped() {
    let sandbox = Sandbox::start(&["--models", "600"]);
    let rooms = [Room::new(NIGHTLY, &sandbox.base), Room::new(NIGHTLY, &sandbox.base)];
    rooms.iter().for_each(|room| drop(queries(room, &sandbox, &[])));
    pass_night(&sandbox, "0.3");
    queries(&rooms[0], &sandbox, &[]);
    let before = requests(&sandbox).len();
    let mut runs = 0;
    while rooms[1].run(&["--max-pages", "2"]).status.code() == Some(3) {
        runs += 1;
    }
    assert!(runs > 2, "{runs} runs");
    let mut asked: Vec<String> = requests(&sandbox).into_iter().skip(before).map(|request| request.query).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "a page was asked for twice");
    let paths = rooms.each_ref().map(|room| room.dataset().display().to_string());
    read("same.py", &[&paths[0], &paths[1]]);
}

#[test]
fn where_the_server_takes_no_forged_cursor_the_whole_list_is_walked() {
    for text in [NIGHTLY, &windows()] {
        let sandbox = Sandbox::start(&["--models", "400", "--traps", "forged-cursors-refused"]);
        let room = Room::new(text, &sandbox.base);
        assert_exit(&room.run(&[]), 0);
        pass_night(&sandbox, "0.1");
        let output = room.run(&[]);
        assert_exit(&output, 0);
        assert!(printed(&output).contains("walking the whole list"), "{}", printed(&output));
        assert!(!room.status().contains("incremental"), "{}", room.status());
        let expected = sandbox.truth("models?nsfw=true&archived=true").len();
        let stored = room.query("SELECT count(DISTINCT id) FROM models WHERE pass = 2 AND walk NOT LIKE 'models_pg%'");
        assert_eq!(stored, format!("[{expected}]\n"));
    }
}

#[test]
fn a_date_far_ahead_hides_nothing_from_later_passes() {
    for text in [NIGHTLY, &windows()] {
        let sandbox = Sandbox::start(&["--models", "1000", "--traps", "future-dates"]);
        let room = Room::new(text, &sandbox.base);
        let full = queries(&room, &sandbox, &[]);
        let future = room.query("SELECT count(*) FROM pages WHERE walk LIKE 'models%' AND next_cursor > '2036'");
        assert_ne!(future, "[0]\n", "no cursor is dated ahead");
        for (pass, day) in [(2, "2026-10-13"), (3, "2026-10-14")] {
            let night = pass_night(&sandbox, "0.04");
            let asked = queries(&room, &sandbox, &[]);
            assert!(asked.len() * 5 < full.len(), "{} of {} requests", asked.len(), full.len());
            assert_published(&room, &sandbox, &night, pass);
            // Three days before the pass it builds on began, by the server's clock.
            let status = room.status();
            assert!(status.contains(&format!("walk `models` is incremental: it began at {day} 00:00:00")), "{status}");
        }
    }
}

#[test]
fn a_list_of_one_page_is_always_walked_whole() {
    let sandbox = Sandbox::start(&["--models", "15"]);
    let room = Room::new(NIGHTLY, &sandbox.base);
    for _ in 0..3 {
        let asked = queries(&room, &sandbox, &[]);
        assert!(asked.len() == 2 && asked.iter().all(|query| !query.contains("cursor=")), "{asked:?}");
    }
}

/// Models, and the images of those versions that are new or changed.
const CHANGED: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true }
incremental = { overlap = "3d" }

[[walk]]
name = "images"
endpoint = "images"
for_each = { table = "model_versions", column = "id", only = "changed", param = "modelVersionId" }
params = { browsingLevel = 3, sort = "Newest" }
"#;

/// Ids of the versions that the list shows now.
fn versions(sandbox: &Sandbox) -> BTreeSet<i64> {
    let rows = sandbox.truth("model_versions?nsfw=true&archived=true");
    rows.iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

/// The versions whose images were asked for, each as often as it was.
fn asked_versions(queries: &[String]) -> Vec<i64> {
    let value = |query: &String| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == "modelVersionId").and_then(|(_, value)| value.parse().ok())
    };
    let mut all: Vec<i64> = queries.iter().filter_map(value).collect();
    all.sort_unstable();
    all
}

/// A catalog, and a crawl that looks at the images of what is new in it.
struct Changes {
    sandbox: Sandbox,
    room: Room,
    seen: BTreeSet<i64>,
}

impl Changes {
    /// Crawls once, for the versions that are there from the start.
    fn start() -> Self {
        let sandbox = Sandbox::start(&["--models", "300", "--images", "0"]);
        let room = Room::new(CHANGED, &sandbox.base);
        let changes = Self { seen: versions(&sandbox), room, sandbox };
        assert_eq!(changes.asked(&[]), [0; 0], "a first pass takes stock");
        changes
    }

    /// Publishes versions and edits models; returns the versions that are new. One that comes back is not.
    fn night(&mut self) -> Vec<i64> {
        let night = pass_night(&self.sandbox, "0.3");
        let new: Vec<i64> = versions(&self.sandbox).difference(&self.seen).copied().collect();
        assert!(new.len() > 20 && !night["edited"].as_array().expect("ids").is_empty(), "{night}");
        self.seen.extend(&new);
        new
    }

    /// Runs the crawl to its end; returns the versions whose images were asked for.
    fn asked(&self, arguments: &[&str]) -> Vec<i64> {
        asked_versions(&queries(&self.room, &self.sandbox, arguments))
    }

    /// Returns the versions whose images were asked for since the log had this many requests.
    fn asked_since(&self, before: usize) -> Vec<i64> {
        let log = requests(&self.sandbox).into_iter().skip(before);
        asked_versions(&log.map(|request| request.query).collect::<Vec<_>>())
    }
}

#[test]
fn a_fan_out_over_changes_asks_for_new_versions_once_and_for_no_edited_ones() {
    let mut changes = Changes::start();
    // A full pass asks for no more than an incremental one.
    for arguments in [&[][..], &["--restart"]] {
        let new = changes.night();
        assert_eq!(changes.asked(arguments), new);
        assert_eq!(changes.asked(&[]), [0; 0], "nothing is new");
    }
}

#[test]
fn a_pass_that_was_given_up_leaves_its_changes_to_the_next() {
    let mut changes = Changes::start();
    let new = changes.night();
    let before = requests(&changes.sandbox).len();
    assert_exit(&changes.room.run(&["--max-pages", "9"]), 3);
    assert!(!changes.asked_since(before).is_empty());
    assert_eq!(changes.asked(&["--restart"]), new);
}

#[test]
fn a_fan_out_over_changes_that_is_stopped_asks_for_each_version_once() {
    let mut changes = Changes::start();
    let new = changes.night();
    let before = requests(&changes.sandbox).len();
    let mut runs = 0;
    while changes.room.run(&["--max-pages", "7"]).status.code() == Some(3) {
        runs += 1;
    }
    assert!(runs > 2, "{runs} runs");
    assert_eq!(changes.asked_since(before), new);
    changes.room.assert_sound();
}

/// A catalog walked once, some of whose models are unpublished since; returns their ids.
fn with_missing_models() -> (Sandbox, Room, Vec<i64>) {
    let confirming = NIGHTLY.replace("overlap = \"3d\" }", "overlap = \"3d\" }\nconfirm_gone = true");
    let (sandbox, room, _) = walked_once(&confirming, "300");
    let known = room.rows("SELECT DISTINCT id FROM models");
    let night = pass_night(&sandbox, "0.3");
    let unpublished = night["unpublished"].as_array().expect("ids").iter().filter_map(Value::as_i64);
    let mut missing: Vec<i64> = unpublished.filter(|id| known.iter().any(|row| row[0] == *id)).collect();
    missing.sort_unstable();
    assert!(missing.len() > 10, "{night}");
    (sandbox, room, missing)
}

/// The models that a pass looked up because its list lacked them, by whichever walk, and the statuses answered.
fn looked_up(room: &Room, pass: u32) -> String {
    let sql = "SELECT split_part(walk, '/', 3)::BIGINT AS id, status FROM pages WHERE walk LIKE '%/gone/%'";
    room.query(&format!("{sql} AND pass = {pass} ORDER BY id"))
}

fn not_found(models: &[i64]) -> String {
    models.iter().map(|id| format!("[{id}, 404]\n")).collect()
}

#[test]
fn an_incremental_pass_takes_no_model_for_gone() {
    let (sandbox, room, _) = with_missing_models();
    queries(&room, &sandbox, &[]);
    assert_eq!(looked_up(&room, 2), "");
}

#[test]
fn a_full_pass_looks_up_each_missing_model_once_and_later_passes_do_not() {
    let (sandbox, room, missing) = with_missing_models();
    queries(&room, &sandbox, &[]);
    queries(&room, &sandbox, &["--restart"]);
    assert_eq!(looked_up(&room, 3), not_found(&missing));
    queries(&room, &sandbox, &["--restart"]);
    assert_eq!(looked_up(&room, 4), "");
}

#[test]
fn look_ups_of_missing_models_continue_where_they_were_stopped() {
    let (_sandbox, room, missing) = with_missing_models();
    assert_exit(&room.run(&["--restart", "--max-pages", "3"]), 3);
    // More pages than are in flight: a 404 out of a cache is asked again, and must not use up every run's budget.
    while room.run(&["--max-pages", "12"]).status.code() == Some(3) {}
    room.assert_sound();
    let twice = room.query("SELECT walk, page FROM pages WHERE pass = 2 GROUP BY ALL HAVING count(*) > 1");
    assert_eq!(twice, "", "a page was taken twice");
    assert_eq!(looked_up(&room, 2), not_found(&missing));
}

#[test]
fn nights_of_change_reach_the_latest_snapshot() {
    let binary = env!("CARGO_BIN_EXE_civitrawl");
    read("../../scripts/nights", &["--binary", binary, "600", "--share", "0.08", "--nights", "3"]);
}
