//! Progress on a terminal: lines in columns, gone when their walks are over, and nothing stale at any end.

#![cfg(unix)]

use serde_json::Value;

use crate::support::{Room, Sandbox, Walk, crawl_file, read};

/// Runs a command on a terminal, and sends so many SIGINTs once the screen shows `when`; returns its exit code, every screen, and
/// the last one.
fn on_terminal(when: &str, signals: u32, arguments: &[&str]) -> (i64, Vec<Vec<String>>, Vec<String>) {
    let signals = signals.to_string();
    let command = [&[when, &signals, env!("CARGO_BIN_EXE_civitrawl")], arguments].concat();
    let shown: Value = serde_json::from_str(&read("terminal.py", &command)).expect("it prints JSON");
    let lines = |screen: &Value| -> Vec<String> {
        screen.as_array().expect("a list").iter().map(|line| line.as_str().expect("a line").to_owned()).collect()
    };
    let screens = shown["screens"].as_array().expect("a list").iter().map(lines).collect();
    (shown["exit"].as_i64().expect("a code"), screens, lines(&shown["last"]))
}

/// True for a line that is redrawn.
fn is_progress(line: &str) -> bool {
    line.contains("/s") && (line.contains(" pages ") || line.contains(" requests "))
}

fn assert_nothing_stale(last: &[String]) {
    assert!(!last.iter().any(|line| is_progress(line)), "{last:#?}");
}

/// A crawl of two lists and the values of one, slow enough to be seen.
fn room(sandbox: &Sandbox) -> Room {
    let all = Walk::of("models").params("sort = \"Oldest\", nsfw = true").limit(10);
    let short = Walk::of("models").named("a_name_of_a_walk_that_is_long").params("sort = \"Oldest\"").limit(50);
    let each = Walk::of("model").named("each").with("for_each = { table = \"models\", column = \"id\" }");
    Room::new(&crawl_file(&[all, short, each]), &sandbox.base)
}

#[test]
fn lines_have_columns_and_are_gone_when_their_walks_are_over() {
    let sandbox = Sandbox::start(&["--models", "120", "--latency", "60", "--traps", "none"]);
    let room = room(&sandbox);
    let (exit, screens, last) = on_terminal("", 0, &["crawl", &room.file().display().to_string(), "--in-flight", "1"]);
    assert_eq!(exit, 0, "{last:#?}");
    let place = |line: &String, word: &str| line.find(word).map(|at| line[..at].chars().count());
    let drawn: Vec<&String> = screens.iter().flatten().filter(|line| is_progress(line)).collect();
    assert!(drawn.len() > 20, "{screens:#?}");
    for word in [" items ", "/s"] {
        let places: std::collections::BTreeSet<_> = drawn.iter().filter_map(|line| place(line, word)).collect();
        assert_eq!(places.len(), 1, "{word}: {drawn:#?}");
    }
    let is_of = |walk: &str, screen: &Vec<String>| screen.iter().any(|line| is_progress(line) && line.contains(walk));
    for (walk, seen) in [("models ", "1 of 3 over"), ("each ", "2 of 3 over")] {
        assert!(screens.iter().any(|screen| is_of(walk, screen)), "{walk}: {screens:#?}");
        assert!(screens.iter().flatten().any(|line| line.contains(seen)), "{seen}: {screens:#?}");
    }
    let while_each = screens.iter().filter(|screen| is_of("each ", screen));
    assert!(while_each.into_iter().all(|screen| !is_of("models ", screen)), "{screens:#?}");
    assert!(
        drawn.iter().any(|line| line.contains("s left")),
        "the values are known, and the time with them: {drawn:#?}"
    );
    assert!(drawn.iter().all(|line| line.chars().count() <= 80));
    assert_nothing_stale(&last);
    assert!(last[0].starts_with("pass 1 of `crawl` is complete"), "{last:#?}");
}

#[test]
fn nothing_stale_is_left_by_an_interruption_or_an_end_by_force() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "300", "--traps", "none"]);
    let file = |room: &Room| room.file().display().to_string();
    // The second signal comes before the work has ended, and ends it at once.
    for signals in [1, 2] {
        let room = room(&sandbox);
        let (exit, screens, last) = on_terminal("2 pages", signals, &["crawl", &file(&room)]);
        assert!(screens.iter().flatten().any(|line| is_progress(line)), "{screens:#?}");
        assert_eq!(exit, 3, "{last:#?}");
        assert!(last.iter().any(|line| line.starts_with("civitrawl: stopped ")), "{last:#?}");
        assert_nothing_stale(&last);
    }
}
