//! The ready queries in `scripts/queries/` against an independent reckoning over the sandbox's own rows.

use crate::support::{Room, Sandbox, assert_exit};

/// Models and images in full, and the history of what changed.
const CRAWL: &str = r#"
history = ["model_versions"]

[pace]
requests_per_second = 1000.0
burst = 1000
in_flight = 8

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 100 }

[[walk]]
name = "images"
endpoint = "images"
params = { browsingLevel = 31, withMeta = true, flatMeta = true, withTags = true, sort = "Oldest", period = "AllTime", limit = 200 }
"#;

/// The options that the catalogs before and after the changes share.
const CATALOG: &[&str] = &["--models", "900", "--images", "3000", "--traps"];

#[test]
fn every_ready_query_answers_what_it_asks() {
    let traps = "null-counters,text-licences,odd-fields,numeric-usernames";
    let still = Sandbox::start(&[CATALOG, &[traps]].concat());
    let base = still.base.clone();
    let room = Room::new(CRAWL, &base);
    assert_exit(&room.run(&[]), 0);
    drop(still);
    // The same catalog at the same address, after all its changes.
    let port = base.trim_end_matches("/api/v1").rsplit(':').next().unwrap().to_owned();
    let changed = Sandbox::start(&[CATALOG, &[&format!("{traps},mutation"), "--port", &port]].concat());
    let other = Room::new(CRAWL, &changed.base);
    for _ in 0..2 {
        other.run(&["--restart"]);
    }
    assert_exit(&room.run(&[]), 0);
    let queries = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/queries");
    let side = changed.side("");
    room.read("study.py", &[side.trim_end_matches('/'), queries]);
}
