//! `pseudonymize`: a name that is looked for everywhere in a dataset is nowhere, and its pseudonym stands where it stood.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Room, Sandbox, Server, ask, assert_exit, printed};

const NAME: &str = "Canary_7f3e";
const KEY: &str = "a key that nobody guesses";

const CRAWL: &str = r#"
pseudonymize = ["username"]

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", nsfw = true, limit = 20 }

[[walk]]
name = "creators"
endpoint = "creators"
params = { limit = 50 }
"#;

/// No file of the directory holds the name, in its name or in its bytes.
fn assert_absent(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            assert_absent(&path);
        } else {
            let bytes = fs::read(&path).unwrap().to_ascii_lowercase();
            let name = NAME.to_ascii_lowercase();
            assert!(!bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{}", path.display());
        }
    }
}

/// Crawls a server that puts the name into a field nobody knows, into links, and into an item that no table takes; returns the
/// dataset, and what was printed.
fn crawled() -> (Room, String) {
    let sandbox = Sandbox::start(&["--models", "80"]);
    let page = ask(&format!("{}/models?limit=100&nsfw=true", sandbox.base)).json();
    let victim = page["items"][3]["creator"]["username"].as_str().expect("it has a creator").to_owned();
    let spoil = move |body: String| {
        let body = body.replace(&victim, NAME);
        if !body.contains("\"modelVersions\"") {
            return body;
        }
        let stray = format!("{{\"username\":\"{NAME}\",\"link\":\"https://h/u/{NAME}\"}}");
        body.replacen("{\"items\":[", &format!("{{\"items\":[{stray},"), 1).replacen(
            "\"stats\":{",
            &format!("\"former\":{stray},\"stats\":{{"),
            1,
        )
    };
    let room = Room::new(CRAWL, &Server::in_front_of(&sandbox, spoil).base);
    let mut crawl = room.crawl();
    let output = crawl.args(["-v", "-v"]).env("CIVITRAWL_PSEUDONYM_KEY", KEY).output().unwrap();
    assert_exit(&output, 4);
    room.assert_sound();
    (room, printed(&output))
}

#[test]
fn a_hidden_name_is_in_no_file_and_not_printed() {
    let (room, printed) = crawled();
    assert!(!printed.contains(NAME), "{printed}");
    assert_absent(&room.dataset());
}

#[test]
fn a_hidden_name_is_in_no_row() {
    let (room, _) = crawled();
    let name = NAME.to_lowercase();
    for table in ["models", "creators", "rejects", "pages", "model_versions", "version_images"] {
        let row = format!("lower(CAST(t AS VARCHAR)) LIKE '%{name}%'");
        let counts = room.query(&format!("SELECT count(*), count(*) FILTER ({row}) FROM {table} t"));
        assert!(counts.ends_with(", 0]\n") && !counts.starts_with("[0,"), "{table}: {counts}");
    }
}

#[test]
fn a_hidden_name_has_the_same_pseudonym_in_columns_links_and_rejects() {
    let (room, _) = crawled();
    let column = "SELECT creator_username, count(*) FROM models WHERE extra LIKE '%former%' GROUP BY 1";
    assert!(!room.query(column).is_empty());
    let reject = room.query("SELECT DISTINCT item FROM rejects WHERE position >= 0 LIMIT 1");
    let hidden = reject.split("anon-").nth(1).map(|rest| format!("anon-{}", &rest[..20])).expect("a reject has it");
    let known = format!("SELECT count(*) FROM creators WHERE username = '{hidden}' AND link LIKE '%{hidden}%'");
    assert_ne!(room.query(&known), "[0]\n");
}

#[test]
fn a_post_shows_neither_the_name_nor_the_id_of_its_author() {
    let link = format!("<a href=\"https://h/user/{NAME}\">me</a>");
    let post = |id: u32, post: u32| {
        json!({ "id": id, "title": "t", "detail": link, "nsfwLevel": 1, "publishedAt": "2026-09-01T00:00:00.000Z",
            "modelVersionId": 7, "user": { "id": 424_243, "username": NAME, "image": format!("https://h/{NAME}.png") },
            "tags": [], "images": [{ "id": 1, "postId": post, "username": NAME }] })
        .to_string()
    };
    // The second one is rejected, with its text.
    let posts = [post(1, 1), post(2, 9)];
    let server = Server::of_json(move |target| match target.split(['/', '?']).nth(1)? {
        "1" => Some(posts[0].clone()),
        "2" => Some(posts[1].clone()),
        _ => None,
    });
    let crawl = "pseudonymize = [\"username\"]\n[[walk]]\nname = \"posts\"\nendpoint = \"post\"\n\
                 for_each = { range = [1, 2] }\n";
    let room = Room::new(crawl, &server.base);
    assert_exit(&room.crawl().env("CIVITRAWL_PSEUDONYM_KEY", KEY).output().unwrap(), 4);
    room.assert_sound();
    assert_absent(&room.dataset());
    let row =
        "SELECT user_id, username LIKE 'anon-%', contains(detail, username), contains(extra, username) FROM posts";
    assert_eq!(room.rows(row), [json!([null, true, true, true])]);
    for table in ["posts", "rejects"] {
        let ids = format!("SELECT count(*), count(*) FILTER (CAST(t AS VARCHAR) LIKE '%424243%') FROM {table} t");
        assert_eq!(room.rows(&ids), [json!([1, 0])], "{table}");
    }
}

#[test]
fn the_names_of_ids_are_not_asked_for() {
    let users = "\n[[walk]]\nname = \"names\"\nendpoint = \"users\"\nparams = { ids = [1] }\n";
    assert_refused(&format!("{CRAWL}{users}"), &["walk `names` asks for the names that go with ids"]);
}

#[test]
fn another_key_in_the_middle_of_a_pass_is_refused() {
    let sandbox = Sandbox::start(&["--models", "80"]);
    let room = Room::new(CRAWL, &sandbox.base);
    let run = |key: &str, arguments: &[&str]| {
        room.crawl().args(arguments).env("CIVITRAWL_PSEUDONYM_KEY", key).output().unwrap()
    };
    assert_exit(&run(KEY, &["--max-pages", "2"]), 3);
    let other = run("another key that nobody guesses", &[]);
    assert_exit(&other, 2);
    assert!(printed(&other).contains("`pseudonym_key_digest` was `"), "{}", printed(&other));
    assert_exit(&run(&format!("  {KEY}\n"), &["--max-pages", "1"]), 3);
    assert_exit(&run("another key that nobody guesses", &["--restart"]), 0);
    room.assert_sound();
}

/// Fails unless a crawl file is refused, without a key, with these words.
fn assert_refused(text: &str, words: &[&str]) {
    let refused = Room::new(text, "http://127.0.0.1:9/api/v1").run(&[]);
    assert_exit(&refused, 2);
    for word in words {
        assert!(printed(&refused).contains(word), "{}", printed(&refused));
    }
}

#[test]
fn without_a_key_or_with_a_short_one_nothing_is_asked() {
    assert_refused(CRAWL, &["CIVITRAWL_PSEUDONYM_KEY"]);
    let room = Room::new(CRAWL, "http://127.0.0.1:9/api/v1");
    let short = room.crawl().env("CIVITRAWL_PSEUDONYM_KEY", "short").output().unwrap();
    assert_exit(&short, 2);
}

#[test]
fn kept_answers_and_questions_by_name_are_refused() {
    let by_name = CRAWL.replace("sort = \"Oldest\",", "username = \"somebody\",");
    let words = ["`keep_bodies` keeps answers as received", "walk `models` asks by name"];
    assert_refused(&format!("keep_bodies = true\n{by_name}"), &words);
    let narrowed = "\n[[walk]]\nname = \"posts\"\nendpoint = \"post\"\n\
                    for_each = { table = \"images\", column = \"post_id\", where = { username = \"somebody\" } }\n";
    assert_refused(&format!("{CRAWL}{narrowed}"), &["walk `posts` asks by name"]);
}

#[test]
fn only_names_of_users_can_be_hidden() {
    assert_refused(&CRAWL.replace("[\"username\"]", "[\"name\"]"), &["it takes `username`"]);
}
