//! Posts, users and words: what joins them with models and images, and what is not believed of their answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{
    Request, Room, Sandbox, Server, Walk, answer, ask, assert_exit, crawl, crawl_file, printed, program, requests,
};

/// All images of the feed, with everything that it shows of them.
fn feed() -> Walk {
    Walk::of("images")
        .params("sort = \"Newest\", browsingLevel = 31, withMeta = true, flatMeta = true, withTags = true, limit = 200")
}

/// A walk over these posts, few of them: a second passes between two requests for posts.
fn posts(ids: &[Value]) -> Walk {
    let ids = ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    Walk::of("post").with(&format!("for_each = {{ list = [{ids}] }}"))
}

fn users() -> Walk {
    Walk::of("users").with("for_each = { table = \"models\", column = \"user_id\", param = \"ids\", batch = 100 }")
}

fn models() -> Walk {
    Walk::of("models").params("sort = \"Oldest\", nsfw = true")
}

/// Crawls with these walks in place of those before.
fn next_pass(room: &Room, walks: &[Walk], code: i32) -> String {
    let file = fs::read_to_string(room.file()).expect("it is there");
    let head = file.split("[[walk]]").next().expect("it begins so");
    let walks = crawl_file(walks);
    let walks = walks.split_once("[[walk]]").map_or("", |(_, walks)| walks);
    fs::write(room.file(), format!("{head}[[walk]]{walks}")).expect("it can be written");
    let output = room.run(&[]);
    assert_exit(&output, code);
    room.assert_sound();
    printed(&output)
}

#[test]
fn posts_are_joined_with_images_and_take_nothing_from_them() {
    let sandbox = Sandbox::start(&["--models", "40", "--images", "400"]);
    let (room, _) = crawl(&sandbox, &[feed()], 0);
    let of_images = |table: &str| {
        let sql = format!("SELECT count(*), sum(hash(rows)::HUGEINT)::VARCHAR FROM '{}' AS rows", latest(&room, table));
        room.query(&sql)
    };
    let before = ["images", "image_meta", "image_tags", "image_resources"].map(of_images);
    assert!(before.iter().all(|rows| !rows.starts_with("[0,")), "{before:?}");
    let most = "SELECT post_id FROM images WHERE post_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 6";
    let asked: Vec<Value> = room.rows(most).into_iter().map(|row| row[0].clone()).collect();
    next_pass(&room, &[posts(&asked)], 0);
    assert_eq!(["images", "image_meta", "image_tags", "image_resources"].map(of_images), before);

    let mut shown: Vec<Value> =
        asked.iter().map(|post| ask(&format!("{}/posts/{post}", sandbox.base)).json()).collect();
    shown.sort_by_key(|post| post["id"].as_u64());
    let elements = |list: &str| -> Vec<(Value, usize, Value)> {
        let of = |post: &Value| -> Vec<_> {
            let elements = post[list].as_array().expect("it is a list").iter().enumerate();
            elements.map(|(at, element)| (post["id"].clone(), at, element.clone())).collect()
        };
        shown.iter().flat_map(of).collect()
    };
    let tag = |(post, at, tag): (Value, usize, Value)| json!([post, at, tag["id"], tag["name"]]);
    let tags: Vec<Value> = elements("tags").into_iter().map(tag).collect();
    let image = |(post, at, image): (Value, usize, Value)| json!([post, at, image["id"]]);
    let images: Vec<Value> = elements("images").into_iter().map(image).collect();
    assert!(tags.len() > 5 && images.len() > 5, "{tags:?} {images:?}");
    assert_eq!(room.rows("SELECT post_id, position, tag_id, tag FROM post_tags ORDER BY 1, 2"), tags);
    assert_eq!(room.rows("SELECT post_id, position, image_id FROM post_images ORDER BY 1, 2"), images);
    let posts: Vec<Value> = shown
        .iter()
        .map(|post| {
            let user = &post["user"];
            json!([post["id"], post["title"], post["nsfwLevel"], post["modelVersionId"], user["id"], user["username"]])
        })
        .collect();
    let columns = "id, title, nsfw_level, model_version_id, user_id, username";
    assert_eq!(room.rows(&format!("SELECT {columns} FROM posts ORDER BY id")), posts);
    assert_eq!(room.value("SELECT count(*) FROM posts WHERE extra IS NOT NULL OR published_at IS NULL"), 0);
    assert_eq!(room.value("SELECT count(*) FROM post_images ANTI JOIN images ON id = image_id"), 0);
}

fn latest(room: &Room, table: &str) -> String {
    room.dataset().join(format!("latest/{table}.parquet")).display().to_string()
}

/// One answer for one post.
fn post(id: u32, more: &Value) -> String {
    let mut post = json!({ "id": id, "title": null, "detail": "<p>d</p>", "nsfwLevel": 1,
        "publishedAt": "2026-09-01T00:00:00.000Z", "modelVersionId": null, "user": { "id": 5, "username": "ann" },
        "tags": [{ "id": 9, "name": "cat" }, "dog"], "images": [] });
    post.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post.to_string()
}

#[test]
fn an_answer_for_another_post_or_with_anothers_images_is_taken_by_nobody() {
    let server = Server::of_json(|target| match target.split(['/', '?']).nth(1)? {
        "1" => {
            Some(post(1, &json!({ "images": [{ "id": 11, "postId": 1, "meta": { "prompt": "p" } }, { "id": 10 }] })))
        }
        "2" => Some(post(3, &json!({}))),
        "4" => Some(post(4, &json!({ "images": [{ "id": 12, "postId": 4 }, { "id": 13, "postId": 1 }] }))),
        _ => None,
    });
    let walk = Walk::of("post").with("for_each = { range = [1, 4] }");
    let room = Room::new(&crawl_file(&[walk]), &server.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    room.assert_sound();
    let said = printed(&output);
    for words in ["it is post 3, not 2", "its image 13 belongs to post 1, not to 4"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(room.rows("SELECT id, username FROM posts"), [json!([1, "ann"])]);
    assert_eq!(
        room.rows("SELECT tag_id, tag FROM post_tags ORDER BY position"),
        [json!([9, "cat"]), json!([null, "dog"])]
    );
    assert_eq!(room.rows("SELECT image_id FROM post_images ORDER BY position"), [json!([11]), json!([10])]);
    assert_eq!(room.value("SELECT count(*) FROM rejects"), 2);
}

#[test]
fn users_are_asked_for_in_batches_and_joined_with_models() {
    let sandbox = Sandbox::start(&["--models", "1500"]);
    let (room, _) = crawl(&sandbox, &[models(), users()], 0);
    let asked = room.value("SELECT count(DISTINCT user_id) FROM models").as_u64().expect("a count");
    let batches = requests(&sandbox).iter().filter(|request| request.path.ends_with("/users")).count() as u64;
    assert_eq!(batches, asked.div_ceil(100), "{asked} users");
    assert!(batches > 1, "{asked} users");
    let unlike = "SELECT count(*) FROM models JOIN users ON users.id = user_id WHERE username <> creator_username \
                  AND TRY_CAST(username AS BIGINT) IS NULL AND creator_username IS NOT NULL";
    assert_eq!(room.value(unlike), 0);
    assert_ne!(room.value("SELECT count(*) FROM models JOIN users ON users.id = user_id"), 0);
    assert_eq!(room.value("SELECT count(*) FROM users WHERE extra IS NOT NULL"), 0);
}

#[test]
fn a_user_that_was_not_asked_for_shows_that_the_filter_is_ignored() {
    let all = json!({ "items": (900..905).map(|id| json!({ "id": id, "username": "x" })).collect::<Vec<_>>() });
    let server = Server::of_json(move |target| target.starts_with("users?").then(|| all.to_string()));
    let walk = Walk::of("users").with("for_each = { list = [\"1\", \"2\", \"904\"], param = \"ids\", batch = 2 }");
    let room = Room::new(&crawl_file(&[walk]), &server.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    room.assert_sound();
    assert!(printed(&output).contains("the server ignores what page 1 asks for"), "{}", printed(&output));
    assert_eq!(room.rows("SELECT id FROM users"), [json!([904])]);
    // Each batch was asked for twice before that was believed.
    assert_eq!(server.requests().iter().filter(|request| request.target.contains("users?")).count(), 4);
}

#[test]
fn absent_users_are_normal_and_names_stay_texts() {
    let server = Server::of_json(|target| {
        let items = if target.contains("ids=1%2C2%2C3") || target.contains("ids=1,2,3") {
            json!([{ "id": 3, "username": "0222" }, { "id": 1, "username": null, "status": "banned" }])
        } else {
            json!([])
        };
        target.starts_with("users?").then(|| json!({ "items": items }).to_string())
    });
    let walk = Walk::of("users").with("for_each = { range = [1, 6], param = \"ids\", batch = 3 }");
    let room = Room::new(&crawl_file(&[walk]), &server.base);
    assert_exit(&room.run(&[]), 0);
    room.assert_sound();
    let rows = room.rows("SELECT id, username, extra FROM users ORDER BY id");
    assert_eq!(rows, [json!([1, null, "{\"status\":\"banned\"}"]), json!([3, "0222", null])]);
}

/// A server whose words can be changed.
fn server_of_words(words: &'static str) -> Server {
    Server::answering(move |Request { target, .. }| match target.contains("/enums") {
        true => answer("200 OK", "", words),
        false => answer("404 Not Found", "", r#"{"error":"x"}"#),
    })
}

#[test]
fn words_are_rows_and_what_changed_is_reported() {
    let sandbox = Sandbox::start(&["--models", "30"]);
    let (room, said) = crawl(&sandbox, &[Walk::of("enums")], 0);
    assert!(!said.contains("new word"), "{said}");
    let listed = ask(&format!("{}/enums", sandbox.base)).json();
    let listed: BTreeMap<String, BTreeSet<String>> = serde_json::from_value(listed).expect("lists of words");
    let expected: Vec<Value> =
        listed.iter().flat_map(|(kind, words)| words.iter().map(move |word| json!([kind, word]))).collect();
    assert_eq!(room.rows("SELECT kind, value FROM enums ORDER BY kind, value"), expected);

    // Of the pass before, only the snapshot is left.
    assert_exit(&program().arg("snapshot").arg(room.dataset()).arg("--prune").output().unwrap(), 0);
    // A word of each list is lost, and one is new.
    let newer: BTreeMap<&String, Vec<&str>> = listed
        .iter()
        .map(|(kind, words)| (kind, words.iter().skip(1).map(String::as_str).chain(["Hologram"]).collect()))
        .collect();
    let newer: &'static str = Box::leak(serde_json::to_string(&newer).unwrap().into_boxed_str());
    let server = server_of_words(newer);
    let file = fs::read_to_string(room.file()).unwrap().replace(&sandbox.base, &server.base);
    fs::write(room.file(), file).unwrap();
    // It is another server, and so another dataset's crawl: the words of both are compared all the same.
    let output = room.run(&[]);
    assert_exit(&output, 0);
    let said = printed(&output);
    let lost = listed["ModelType"].first().unwrap();
    for words in [
        "ModelType: the server lists 1 new word: `Hologram`",
        &format!("ModelType: the server no longer lists `{lost}`"),
    ] {
        assert!(said.contains(words), "{words}: {said}");
        assert!(room.status().contains(words), "{words}: {}", room.status());
    }
    let page = room.file().with_extension("html");
    assert_exit(&program().arg("report").arg(room.dataset()).arg("-o").arg(&page).output().unwrap(), 0);
    assert!(fs::read_to_string(page).unwrap().contains("Hologram"));

    let said = printed(&room.run(&[]));
    assert!(!said.contains("Hologram") && !said.contains("no longer lists"), "{said}");
}

#[test]
fn a_list_of_words_in_another_form_is_kept_and_an_answer_without_any_is_none() {
    let server = server_of_words(r#"{"ModelType":["LORA","LORA","VAE"],"Rank":{"a":1},"ModelFileType":[7]}"#);
    let room = Room::new(&crawl_file(&[Walk::of("enums")]), &server.base);
    assert_exit(&room.run(&[]), 4);
    room.assert_sound();
    let rows = room.rows("SELECT kind, value FROM enums ORDER BY ALL");
    assert_eq!(rows, [json!(["ModelFileType", "7"]), json!(["ModelType", "LORA"]), json!(["ModelType", "VAE"])]);
    assert_eq!(room.value("SELECT reason FROM rejects"), "broken: `Rank` is no list of words");
    for words in [r#"{"error":"x"}"#, "{}", "[]", r#"{"ModelType":null}"#] {
        let server = server_of_words(words);
        let room = Room::new(&crawl_file(&[Walk::of("enums")]), &server.base);
        assert_exit(&room.run(&[]), 4);
        room.assert_sound();
        assert!(room.status().contains("could not be read"), "{words}: {}", room.status());
    }
}

#[test]
fn walks_that_ask_for_nobody_or_for_too_many_are_refused() {
    let ids = (1..=101).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
    for (walk, words) in [
        (Walk::of("users"), "`users` asks for nobody"),
        (Walk::of("users").params(&format!("ids = [{ids}]")), "`users` is asked for 101 at once; the server takes 100"),
        (Walk::of("users").with("for_each = { range = [1, 9], param = \"ids\", batch = 101 }"), "takes 100 at most"),
        (Walk::of("users").with("for_each = { list = [\"a\"], param = \"query\" }"), "`query` cannot be asked for"),
        (Walk::of("post"), "`post` looks up one thing at a time"),
        (Walk::of("enums").with("for_each = { list = [\"a\"], param = \"kind\" }"), "has no parameter `kind`"),
    ] {
        let output = Room::new(&crawl_file(&[walk]), "http://127.0.0.1:9/api/v1").run(&[]);
        assert_exit(&output, 2);
        assert!(printed(&output).contains(words), "{words}: {}", printed(&output));
    }
}

#[test]
fn a_server_without_the_endpoint_is_named_and_stops_no_other_walk() {
    let sandbox = Sandbox::start(&["--models", "30", "--images", "200", "--era", "2026-08"]);
    let each = Walk::of("post").with("for_each = { table = \"images\", column = \"post_id\" }");
    let walks = [models(), feed(), each, users(), Walk::of("enums")];
    let (room, _) = crawl(&sandbox, &walks, 4);
    let status = room.status();
    assert!(status.contains("walk `post`: doubtful: the server has no `posts/"), "{status}");
    assert_ne!(room.value("SELECT count(*) FROM users"), 0);
    // Not every post was asked for.
    let asked = requests(&sandbox).iter().filter(|request| request.path.contains("/posts/")).count();
    assert!(asked < 20, "{asked} requests");

    // A walk of one request, and the next pass asks again.
    let html = "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>";
    let page = |target: &str| if target.contains("/models") { None } else { Some(html.as_bytes().to_vec()) };
    let server = Server::answering(move |request| {
        page(&request.target).unwrap_or_else(|| answer("200 OK", "", r#"{"items":[],"metadata":{}}"#))
    });
    let room = Room::new(&crawl_file(&[Walk::of("enums"), Walk::of("users").params("ids = [1, 2]")]), &server.base);
    for pass in 1..=2 {
        assert_exit(&room.run(&[]), 4);
        let status = room.status();
        assert!(
            status.contains("the server has no `enums`") && status.contains("the server has no `users`"),
            "{status}"
        );
        assert!(status.contains(&format!("pass {pass}")), "{status}");
    }
    // Without words nothing of the catalog is missing, whatever the answer looks like.
    for body in ["<html></html>", r#"{"error":"No such thing"}"#] {
        let server = Server::answering(move |request| match request.target.contains("/enums") {
            true => answer("404 Not Found", "", body),
            false => answer("200 OK", "", r#"{"items":[],"metadata":{}}"#),
        });
        let room = Room::new(&crawl_file(&[Walk::of("enums")]), &server.base);
        assert_exit(&room.run(&[]), 0);
        let status = room.status();
        assert!(status.contains("the server has no `enums`, so no new word is noticed"), "{status}");
    }
}

#[test]
fn the_newest_answer_brings_the_tags_and_images_of_a_post_as_a_set_and_a_404_takes_nothing() {
    let asked = AtomicUsize::new(0);
    let server = Server::of_json(move |target| {
        target.starts_with("posts/").then_some(())?;
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Some(post(1, &json!({ "tags": ["a", "b"], "images": [{ "id": 1 }, { "id": 2 }, { "id": 3 }] }))),
            1 => Some(post(1, &json!({ "tags": ["b"], "images": [{ "id": 3 }, { "id": 1 }] }))),
            _ => None,
        }
    });
    let walk = Walk::of("post").with("for_each = { range = [1, 1] }");
    let room = Room::new(&format!("history = [\"posts\"]\n{}", crawl_file(&[walk])), &server.base);
    for sets in [json!([["a", "b"], [1, 2, 3], null]), json!([["b"], [3, 1], null]), json!([["b"], [3, 1], null])] {
        assert_exit(&room.run(&[]), 0);
        room.assert_sound();
        room.read("snapshot.py", &[]);
        let of = |sql: &str| room.rows(&sql.replace("TABLE", &latest(&room, sql.split(' ').next_back().unwrap())));
        let tags = of("SELECT list(tag ORDER BY position) FROM 'TABLE' AS post_tags");
        let images = of("SELECT list(image_id ORDER BY position) FROM 'TABLE' AS post_images");
        let gone = of("SELECT CASE WHEN gone_at IS NULL THEN NULL ELSE true END FROM 'TABLE' AS posts");
        assert_eq!(json!([tags[0][0], images[0][0], gone[0][0]]), sets);
    }
}

#[test]
fn users_and_words_that_an_answer_lacks_are_not_gone() {
    let asked = AtomicUsize::new(0);
    let server = Server::of_json(move |target| {
        let later = asked.fetch_add(1, Ordering::Relaxed) > 1;
        match target.split('?').next()? {
            "enums" => Some(String::from(if later { r#"{"A":["x"]}"# } else { r#"{"A":["x","y"],"B":["z"]}"# })),
            "users" if later => Some(String::from(r#"{"items":[{"id":1,"username":"a"}]}"#)),
            "users" => Some(String::from(r#"{"items":[{"id":1,"username":"a"},{"id":2,"username":"b"}]}"#)),
            _ => None,
        }
    });
    let walks = [Walk::of("users").params("ids = [1, 2]"), Walk::of("enums")];
    let history = "history = [\"users\", \"enums\"]\n";
    let room = Room::new(&format!("{history}{}", crawl_file(&walks)), &server.base);
    for _ in 0..2 {
        assert_exit(&room.run(&[]), 0);
        room.assert_sound();
        room.read("snapshot.py", &[]);
    }
    for (table, rows) in [("users", 2), ("enums", 3)] {
        let sql = format!("SELECT count(*) FILTER (gone_at IS NULL), count(*) FROM '{}'", latest(&room, table));
        assert_eq!(room.rows(&sql), [json!([rows, rows])], "{table}");
    }
}

#[test]
fn a_batch_that_always_fails_is_given_up_by_name_and_the_others_are_taken() {
    let server =
        Server::answering(|Request { target, .. }| match (target.contains("/users"), target.contains("666")) {
            (true, true) => answer("500 Internal Server Error", "", r#"{"error":"x"}"#),
            (true, false) => {
                let ids = target.split(['=', '&']).nth(1).unwrap_or_default().replace("%2C", ",");
                let user = |id: &str| json!({ "id": id.parse::<i64>().unwrap(), "username": "a" });
                answer("200 OK", "", &json!({ "items": ids.split(',').map(user).collect::<Vec<_>>() }).to_string())
            }
            _ => answer("404 Not Found", "", r#"{"error":"x"}"#),
        });
    let walk = Walk::of("users").with("for_each = { range = [661, 670], param = \"ids\", batch = 5 }");
    let room = Room::new(&crawl_file(&[walk]), &server.base);
    assert_exit(&room.run(&[]), 4);
    room.assert_sound();
    assert!(room.status().contains("page 1 of `666..670` was given up"), "{}", room.status());
    assert_eq!(room.value("SELECT list(id ORDER BY id) FROM users"), json!([661, 662, 663, 664, 665]));
}

#[test]
fn one_absurd_id_among_users_costs_no_other() {
    let server = Server::of_json(|target| match target.split_once('?')? {
        ("models", _) => {
            let owners = [5, -1, 99_999_999_999_i64, 0, 7];
            let items: Vec<Value> = (1..).zip(owners).map(|(id, user)| json!({ "id": id, "userId": user })).collect();
            Some(json!({ "items": items, "metadata": {} }).to_string())
        }
        ("users", query) if query == "ids=5,7" || query == "ids=5%2C7" => {
            Some(json!({ "items": [{ "id": 5, "username": "a" }, { "id": 7, "username": "b" }] }).to_string())
        }
        _ => None,
    });
    let room = Room::new(&crawl_file(&[Walk::of("models"), users()]), &server.base);
    room.run(&[]);
    room.assert_sound();
    assert_eq!(room.rows("SELECT id, username FROM users ORDER BY id"), [json!([5, "a"]), json!([7, "b"])]);
    let asked = server.requests().iter().filter(|request| request.target.contains("/users")).count();
    assert_eq!(asked, 1);
}

#[test]
fn a_server_that_ignores_the_ids_of_users_brings_no_user_that_was_not_asked_for() {
    let sandbox = Sandbox::start(&["--models", "100", "--traps", "users-ids-ignored"]);
    let users = Walk::of("users").with("for_each = { list = [\"1001\", \"1008\"], param = \"ids\", batch = 100 }");
    let room = Room::new(&crawl_file(&[users]), &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    assert_eq!(room.rows("SELECT id FROM users"), [json!([1001])], "{}", printed(&output));
    room.assert_sound();
}
