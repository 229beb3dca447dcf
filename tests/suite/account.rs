//! Things the server does not know: a key that is no longer good, and values that a crawl file lists.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{Request, Room, Server, answer, assert_exit, printed};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const PAGE: &str = r#"{"items":[{"id":1,"modelVersions":[{"id":1}]}],"metadata":{}}"#;
const EMPTY: &str = r#"{"items":[],"metadata":{}}"#;

const HEAD: &str = r#"
retry = { attempts = 3, elapsed = "5s" }
"#;

const MODELS: &str = r#"
[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest" }
"#;

fn room(walks: &str, server: &Server) -> Room {
    Room::new(&format!("{HEAD}{walks}"), &server.base)
}

fn targets(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| request.target).collect()
}

fn report(room: &Room) -> Value {
    let runs = std::fs::read_dir(room.dataset().join("runs")).expect("there are reports").flatten();
    let last = runs.map(|file| file.path()).max().expect("there is one");
    serde_json::from_slice(&std::fs::read(last).expect("it can be read")).expect("it is JSON")
}

#[test]
fn a_key_that_is_no_longer_good_ends_the_crawl_before_its_first_page() {
    let server = Server::answering(|Request { target, .. }| match target.starts_with("/api/v1/me") {
        true => answer("401 Unauthorized", "cf-cache-status: BYPASS\r\n", r#"{"error":"Unauthorized"}"#),
        false => answer("200 OK", "", PAGE),
    });
    let room = room(MODELS, &server);
    let refused = room.crawl().env("CIVITAI_API_KEY", KEY).output().unwrap();
    assert_exit(&refused, 77);
    assert!(printed(&refused).contains("does not know the API key"), "{}", printed(&refused));
    assert_eq!(targets(&server), ["/api/v1/me"]);
    assert_eq!(report(&room)["requests"], 1);
    // Without a key nobody is asked whose it is.
    assert_exit(&room.run(&[]), 0);
    assert!(!targets(&server)[1..].iter().any(|target| target.starts_with("/api/v1/me")), "{:?}", targets(&server));
}

#[test]
fn a_refusal_from_a_cache_is_asked_for_again() {
    for (again, code) in [("200 OK", 0), ("401 Unauthorized", 77)] {
        let server = Server::answering(move |Request { target, .. }| match target.strip_prefix("/api/v1/me") {
            Some("") => answer("401 Unauthorized", "cf-cache-status: HIT\r\n", r#"{"error":"Unauthorized"}"#),
            Some(_) => answer(again, "cf-cache-status: MISS\r\n", r#"{"error":"Unauthorized"}"#),
            None => answer("200 OK", "", PAGE),
        });
        let output = room(MODELS, &server).crawl().env("CIVITAI_API_KEY", KEY).output().unwrap();
        assert_exit(&output, code);
        assert!(targets(&server)[1].starts_with("/api/v1/me?_="), "{:?}", targets(&server));
    }
}

#[test]
fn however_else_that_question_ends_the_crawl_continues() {
    for (status, said) in [
        ("200 OK", false),
        ("404 Not Found", false),
        ("403 Forbidden", true),
        ("500 Internal Server Error", true),
        ("503 Service Unavailable", true),
        ("302 Found", true),
    ] {
        let server = Server::answering(move |Request { target, .. }| match target.starts_with("/api/v1/me") {
            true => answer(status, "location: /login\r\n", r#"{"error":"why"}"#),
            false => answer("200 OK", "", PAGE),
        });
        let room = room(MODELS, &server);
        let output = room.crawl().env("CIVITAI_API_KEY", KEY).output().unwrap();
        assert_exit(&output, 0);
        assert_eq!(printed(&output).contains("could not be tried"), said, "{status}: {}", printed(&output));
        assert!(targets(&server).iter().filter(|target| target.starts_with("/api/v1/me")).count() <= 2, "{status}");
        let pages = room.query("SELECT count(*) FROM pages");
        assert_eq!(pages, "[1]\n");
    }
}

#[test]
fn listed_values_that_the_server_does_not_know_are_named() {
    let server = Server::answering(|Request { target, .. }| match target.split_once('?').unwrap_or((target, "")) {
        ("/api/v1/models", query) if query.contains("username=nobody") => {
            answer("404 Not Found", "", r#"{"message":"User not found"}"#)
        }
        (_, query) if query.contains("modelVersionId=") || query.contains("tag=") => answer("200 OK", "", EMPTY),
        ("/api/v1/models", query) if query.contains("ids=") => answer("200 OK", "", PAGE),
        ("/api/v1/images", query) if query.contains("nobody") || query.contains("browsingLevel=28") => {
            answer("200 OK", "", EMPTY)
        }
        ("/api/v1/images", _) => answer("200 OK", "", r#"{"items":[{"id":5,"browsingLevel":1}],"metadata":{}}"#),
        ("/api/v1/model-versions/7", _) => answer("404 Not Found", "", r#"{"error":"Model not found"}"#),
        ("/api/v1/model-versions/8", _) => answer("200 OK", "", r#"{"id":8,"modelId":1}"#),
        _ => answer("200 OK", "", PAGE),
    });
    let walk = |endpoint: &str, params: &str, each: &str| {
        format!(
            "\n[[walk]]\nname = \"w{}\"\nendpoint = \"{endpoint}\"\n{params}\nfor_each = {{ {each} }}\n",
            params.len()
        )
    };
    let users = |names: &str| format!("list = [{names}], param = \"username\"");
    let (levels, more) = ("params = { browsingLevel = 3 }", "params = { browsingLevel = 28 }");
    for (walks, named) in [
        (walk("models", "", &users("\"nobody\", \"somebody\"")), Some("`nobody`;")),
        (walk("models", "", &users("\"somebody\"")), None),
        (walk("models", "", "list = [\"1\", \"2\", \"3\"], param = \"ids\", batch = 3"), Some("`2`, `3`;")),
        (walk("model_version", "", "list = [\"7\", \"8\"]"), Some("`7`;")),
        (walk("model_version", "", "range = [7, 8]"), None),
        // A version without images, or a tag without models, is honest.
        (walk("images", levels, "list = [\"404\"], param = \"modelVersionId\""), None),
        (walk("models", "", "list = [\"nothing\"], param = \"tag\""), None),
        (walk("images", levels, &users("\"nobody\"")), Some("`nobody`;")),
        // At one level a person may have nothing and at another much.
        (walk("images", levels, &users("\"a\"")) + &walk("images", more, &users("\"a\"")), None),
        (
            walk("images", levels, &users("\"a\", \"nobody\"")) + &walk("images", more, &users("\"a\"")),
            Some("`nobody`;"),
        ),
    ] {
        let room = room(&walks, &server);
        let output = room.run(&[]);
        assert_exit(&output, if named.is_some() { 4 } else { 0 });
        let doubts = report(&room)["doubts"].to_string();
        let status = room.status();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        for text in [doubts, status, stderr] {
            match named {
                Some(named) => assert!(text.contains(&format!("shows nothing of {named}")), "{walks}{text}"),
                None => assert!(!text.contains("shows nothing of"), "{walks}{text}"),
            }
        }
    }
}

#[test]
fn an_empty_answer_about_a_listed_name_is_asked_for_past_the_cache() {
    let first = AtomicUsize::new(0);
    let server = Server::answering(move |_| match first.fetch_add(1, Ordering::SeqCst) {
        0 => answer("200 OK", "cf-cache-status: HIT\r\n", EMPTY),
        _ => answer("200 OK", "", r#"{"items":[{"id":5,"browsingLevel":1}],"metadata":{}}"#),
    });
    let walks =
        "[[walk]]\nname = \"images\"\nendpoint = \"images\"\nfor_each = { list = [\"a\"], param = \"username\" }\n";
    assert_exit(&room(walks, &server).run(&[]), 0);
    let targets = targets(&server);
    assert!(targets.len() == 2 && targets[1].contains("&_="), "{targets:?}");
}

#[test]
fn only_what_a_cache_says_is_asked_for_again() {
    for (word, asked) in [("HIT", 2), ("stale", 2), ("UPDATING", 2), ("REVALIDATED", 2), ("MISS", 1), ("EXPIRED", 1)]
        .into_iter()
        .chain([("BYPASS", 1), ("DYNAMIC", 1), ("NONE", 1), ("NONE/UNKNOWN", 1)])
    {
        let header = format!("cf-cache-status: {word}\r\n");
        let server = Server::answering(move |_| answer("404 Not Found", &header, r#"{"error":"Model not found"}"#));
        let walks = "[[walk]]\nname = \"versions\"\nendpoint = \"model_version\"\nfor_each = { range = [7, 7] }\n";
        assert_exit(&room(walks, &server).run(&[]), 0);
        assert_eq!(targets(&server).len(), asked, "{word}");
    }
}

#[test]
fn a_clamp_is_noticed_by_one_page_of_images() {
    for (levels, shown, code) in
        [(28, &[1, 2][..], 4), (28, &[4, 8], 0), (28, &[1, 16], 0), (31, &[1], 0), (3, &[1], 0)]
    {
        let items: Vec<String> =
            (1..).zip(shown).map(|(id, level)| format!("{{\"id\":{id},\"browsingLevel\":{level}}}")).collect();
        let page = format!("{{\"items\":[{}],\"metadata\":{{}}}}", items.join(","));
        let server = Server::answering(move |_| answer("200 OK", "", &page));
        let walks = format!(
            "[[walk]]\nname = \"images\"\nendpoint = \"images\"\nparams = {{ postId = 7, browsingLevel = {levels} }}\n"
        );
        let room = room(&walks, &server);
        let output = room.run(&[]);
        assert_exit(&output, code);
        let status = room.status();
        for text in [report(&room)["doubts"].to_string(), status, printed(&output)] {
            assert_eq!(text.contains("region clamp"), code == 4, "{levels} {shown:?}: {text}");
        }
        let kept = room.query("SELECT count(*) FROM images");
        assert_eq!(kept, format!("[{}]\n", shown.len()), "the rows listed are kept");
    }
}
