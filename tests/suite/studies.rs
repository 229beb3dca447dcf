//! The ready queries in `scripts/queries/` against an independent reckoning over the sandbox's own rows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Room, Sandbox, ask, assert_exit};

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

/// The galleries of all versions, creators, all users, and these posts, which the queries join to them.
const JOINED: &str = r#"
[[walk]]
name = "galleries"
endpoint = "images"
params = { browsingLevel = 31, withMeta = true, flatMeta = true, sort = "Newest", period = "AllTime", limit = 200 }
for_each = { table = "model_versions", column = "id", param = "modelVersionId" }

[[walk]]
name = "creators"
endpoint = "creators"

[[walk]]
name = "users"
endpoint = "users"
for_each = { range = [1000, 1999], param = "ids", batch = 100 }

[[walk]]
name = "posts"
endpoint = "post"
for_each = { list = [{posts}] }
"#;

/// Posts of the joined crawl: few, because one takes a second.
const POSTS: usize = 8;

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
    let posts = posts(&changed);
    std::fs::write(room.file(), joined(&room, &posts)).expect("it can be written");
    assert_exit(&room.run(&[]), 0);
    let queries = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/queries");
    let side = changed.side("");
    room.read("study.py", &[side.trim_end_matches('/'), queries, &posts]);
}

/// Returns the ids of some public posts, with commas; those of a version that the lists show, or of none.
fn posts(sandbox: &Sandbox) -> String {
    let ids = |table: &str, column: &str| -> BTreeSet<i64> {
        sandbox.truth(table).iter().filter_map(|row| row[column].as_i64()).collect()
    };
    let shown = ids("model_versions", "id");
    let is_joined = |id: &i64| {
        let version = ask(&format!("{}/posts/{id}", sandbox.base)).json()["modelVersionId"].clone();
        version == Value::Null || version.as_i64().is_some_and(|version| shown.contains(&version))
    };
    let posts = ids("images", "post_id").into_iter().filter(is_joined).take(POSTS);
    posts.map(|id| id.to_string()).collect::<Vec<_>>().join(",")
}

/// Returns the room's crawl file with the walks of what is joined.
fn joined(room: &Room, posts: &str) -> String {
    let list: Vec<String> = posts.split(',').map(|id| format!("\"{id}\"")).collect();
    std::fs::read_to_string(room.file()).expect("it is there") + &JOINED.replace("{posts}", &list.join(", "))
}
