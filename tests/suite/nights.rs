//! Incremental passes: they ask for what is new, miss none of it, and become full ones where they must.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::log::{get, pass_night, requests};
use crate::support::{Room, Sandbox, assert_exit, program, read, told};

/// Two walks that later passes begin near the end.
const NIGHTLY: &str = r#"
server = "{base}"
dataset = "{dataset}"
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

fn query(room: &Room, sql: &str) -> String {
    read("query.py", &[&room.dataset().display().to_string(), sql])
}

/// Fails unless the newest observation of every model that the night published, with all its versions, is what the
/// server shows now.
fn assert_published(room: &Room, sandbox: &Sandbox, night: &Value, pass: u32) {
    let published: Vec<i64> = ["published", "published_again"]
        .iter()
        .flat_map(|kind| night[kind].as_array().expect("ids").iter().map(|id| id.as_i64().expect("an id")))
        .collect();
    assert!(published.len() > 10, "{night}");
    let truth = get(&sandbox.side("truth/model_versions?nsfw=true&archived=true"));
    let rows = truth.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let shown = rows.filter(|row| published.contains(&row["model_id"].as_i64().expect("an id")));
    let mut expected: Vec<String> = shown.map(|row| format!("[{}, {}]", row["id"], row["name"])).collect();
    let list: Vec<String> = published.iter().map(i64::to_string).collect();
    let sql = format!(
        "SELECT DISTINCT id, name FROM model_versions WHERE pass = {pass} AND walk NOT LIKE 'models_pg%' AND model_id IN ({})",
        list.join(", ")
    );
    let met = query(room, &sql);
    let mut met: Vec<String> = met.lines().map(str::to_owned).collect();
    met.sort();
    expected.sort();
    assert_eq!(met, expected);
}

fn status(room: &Room) -> String {
    let output = program().arg("status").arg(room.dataset()).output().expect("the program runs");
    assert_exit(&output, 0);
    told(&output)
}

#[test]
fn later_passes_ask_for_what_is_new_and_miss_none_of_it() {
    for text in [NIGHTLY, &windows()] {
        let sandbox = Sandbox::start(&["--models", "1000"]);
        let room = Room::new(text, &sandbox.base);
        let full = queries(&room, &sandbox, &[]);
        assert!(!status(&room).contains("incremental"), "{}", status(&room));
        for pass in 2..=3 {
            let night = pass_night(&sandbox, "0.04");
            let asked = queries(&room, &sandbox, &[]);
            assert!(asked.len() * 5 < full.len(), "{} of {} requests", asked.len(), full.len());
            assert!(asked.iter().all(|query| query.contains("cursor=")), "{asked:?}");
            assert_published(&room, &sandbox, &night, pass);
        }
        let told = status(&room);
        for part in ["walk `models` is incremental: it began at 2026-10-", "the last full pass was pass 1, over at "] {
            assert!(told.contains(part), "{told}");
        }
        // The third pass begins where the second one ended, not the first.
        let began =
            |pass: u32| query(&room, &format!("SELECT min(cursor) FROM pages WHERE pass = {pass} AND walk = 'models'"));
        if text == NIGHTLY {
            assert!(began(3) > began(2), "{} {}", began(2), began(3));
        }

        // When it is asked for, the whole list is walked again, and the next pass builds on that. How many pages it has
        // depends on what was unpublished, and on where windows were split.
        let restarted = queries(&room, &sandbox, &["--restart"]);
        assert!(restarted.len() * 10 > full.len() * 9, "{} of {}", restarted.len(), full.len());
        assert!(!status(&room).contains("incremental"), "{}", status(&room));
        let asked = queries(&room, &sandbox, &[]);
        assert!(asked.len() * 5 < full.len(), "{} of {} requests", asked.len(), full.len());
        assert!(status(&room).contains("the last full pass was pass 4"), "{}", status(&room));
    }
}

#[test]
fn an_incremental_pass_goes_on_where_it_was_stopped() {
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
        assert!(told(&output).contains("walking the whole list"), "{}", told(&output));
        assert!(!status(&room).contains("incremental"), "{}", status(&room));
        let expected = get(&sandbox.side("truth/models?nsfw=true&archived=true")).lines().count();
        let met = query(&room, "SELECT count(DISTINCT id) FROM models WHERE pass = 2 AND walk NOT LIKE 'models_pg%'");
        assert_eq!(met, format!("[{expected}]\n"));
    }
}

#[test]
fn a_date_far_ahead_hides_nothing_from_later_passes() {
    for text in [NIGHTLY, &windows()] {
        let sandbox = Sandbox::start(&["--models", "1000", "--traps", "future-dates"]);
        let room = Room::new(text, &sandbox.base);
        let full = queries(&room, &sandbox, &[]);
        let future = query(&room, "SELECT count(*) FROM pages WHERE walk LIKE 'models%' AND next_cursor > '2036'");
        assert_ne!(future, "[0]\n", "no cursor is dated ahead");
        for (pass, day) in [(2, "2026-10-13"), (3, "2026-10-14")] {
            let night = pass_night(&sandbox, "0.04");
            let asked = queries(&room, &sandbox, &[]);
            assert!(asked.len() * 5 < full.len(), "{} of {} requests", asked.len(), full.len());
            assert_published(&room, &sandbox, &night, pass);
            // Three days before the pass it builds on began, by the server's clock.
            let told = status(&room);
            assert!(told.contains(&format!("walk `models` is incremental: it began at {day} 00:00:00")), "{told}");
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
server = "{base}"
dataset = "{dataset}"
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
    let truth = get(&sandbox.side("truth/model_versions?nsfw=true&archived=true"));
    let rows = truth.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.map(|row| row["id"].as_i64().expect("an id")).collect()
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

#[test]
fn a_fan_out_over_changes_asks_for_new_versions_and_no_other() {
    let sandbox = Sandbox::start(&["--models", "300", "--images", "0"]);
    let room = Room::new(CHANGED, &sandbox.base);
    let took_stock = asked_versions(&queries(&room, &sandbox, &[]));
    assert!(took_stock.is_empty(), "{took_stock:?}");

    // Versions come, models are edited: only the former count, and a full pass asks for no more than another.
    let mut seen = versions(&sandbox);
    // Some come back that were unpublished: they are new no longer.
    let mut new_since = |sandbox: &Sandbox| -> Vec<i64> {
        let new: Vec<i64> = versions(sandbox).difference(&seen).copied().collect();
        seen.extend(&new);
        new
    };
    for arguments in [&[][..], &["--restart"]] {
        let night = pass_night(&sandbox, "0.3");
        let new = new_since(&sandbox);
        assert!(new.len() > 20 && !night["edited"].as_array().expect("ids").is_empty(), "{night}");
        assert_eq!(asked_versions(&queries(&room, &sandbox, arguments)), new);
        assert!(asked_versions(&queries(&room, &sandbox, &[])).is_empty(), "nothing is new");
    }

    // Stopped and gone on with, again and again, it asks for each once; given up, it leaves the rest to the next pass.
    pass_night(&sandbox, "0.3");
    let new = new_since(&sandbox);
    let log = requests(&sandbox).len();
    assert_exit(&room.run(&["--max-pages", "9"]), 3);
    let first: Vec<String> = requests(&sandbox).into_iter().skip(log).map(|request| request.query).collect();
    assert!(!asked_versions(&first).is_empty());
    let again = asked_versions(&queries(&room, &sandbox, &["--restart"]));
    assert_eq!(again, new, "a pass that was given up has seen nothing");

    pass_night(&sandbox, "0.3");
    let new = new_since(&sandbox);
    let log = requests(&sandbox).len();
    let mut runs = 0;
    while room.run(&["--max-pages", "7"]).status.code() == Some(3) {
        runs += 1;
    }
    assert!(runs > 2, "{runs} runs");
    let all: Vec<String> = requests(&sandbox).into_iter().skip(log).map(|request| request.query).collect();
    assert_eq!(asked_versions(&all), new);
    room.assert_sound();
}

#[test]
fn what_a_full_pass_does_not_meet_is_looked_up_before_it_counts_as_gone() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let text = NIGHTLY
        .replace("incremental = { overlap = \"3d\" }", "incremental = { overlap = \"3d\" }\nconfirm_gone = true");
    let room = Room::new(&text, &sandbox.base);
    queries(&room, &sandbox, &[]);
    let night = pass_night(&sandbox, "0.3");
    // Which of the walks looked them up does not matter: one of them did.
    let looked_up = |pass: u32| {
        let sql = "SELECT split_part(walk, '/', 3)::BIGINT AS id, status FROM pages WHERE walk LIKE '%/gone/%'";
        query(&room, &format!("{sql} AND pass = {pass} ORDER BY id"))
    };
    queries(&room, &sandbox, &[]);
    assert_eq!(looked_up(2), "", "an incremental pass cannot know");

    // Stopped among the look-ups, it goes on with the rest.
    assert_exit(&room.run(&["--restart", "--max-pages", "3"]), 3);
    // More pages than are in flight: a 404 out of a cache is asked again, and must not use up every run's budget.
    while room.run(&["--max-pages", "12"]).status.code() == Some(3) {}
    room.assert_sound();
    let twice = query(&room, "SELECT walk, page FROM pages WHERE pass = 3 GROUP BY ALL HAVING count(*) > 1");
    assert_eq!(twice, "", "a page was taken twice");
    let ids = night["unpublished"].as_array().expect("ids");
    let known = query(&room, "SELECT DISTINCT id FROM models WHERE pass = 1");
    let is_known = |id: &&Value| known.lines().any(|known| known == format!("[{id}]"));
    let mut expected: Vec<i64> = ids.iter().filter(is_known).filter_map(Value::as_i64).collect();
    expected.sort_unstable();
    assert!(expected.len() > 10);
    assert_eq!(looked_up(3), expected.iter().map(|id| format!("[{id}, 404]\n")).collect::<String>());

    // Once is enough.
    queries(&room, &sandbox, &["--restart"]);
    assert_eq!(looked_up(4), "");
}

#[test]
fn nights_of_change_reach_the_latest_snapshot() {
    let binary = env!("CARGO_BIN_EXE_civitrawl");
    read("../../scripts/nights", &["--binary", binary, "600", "--share", "0.08", "--nights", "3"]);
}
