//! The images list over the wire: both backends, levels, short ends, and its truth.

use std::collections::HashSet;

use super::*;

fn start(traps: &str, config: Config) -> Sandbox {
    Sandbox::start(Config { traps: traps.parse().unwrap(), ..config }).unwrap()
}

fn small() -> Config {
    Config { models: 200, ..Config::default() }
}

/// The server whose images come from the search index.
fn older() -> Config {
    Config { era: Era::Aug2026, ..small() }
}

/// The cursor of a page, number or text.
pub(super) fn cursor(reply: &Reply) -> Option<String> {
    match &reply.json()["metadata"]["nextCursor"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    }
}

/// Walks a list of images until there is no cursor.
pub(super) fn pages(server: &Sandbox, query: &str) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut part = String::new();
    loop {
        let reply = get(server, &format!("/api/v1/images?{query}{part}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        pages.push(reply.ids());
        match cursor(&reply) {
            Some(cursor) => part = format!("&cursor={cursor}"),
            None => return pages,
        }
    }
}

pub(super) fn expected(server: &Sandbox, query: &str) -> Vec<i64> {
    let rows = lines(server, &format!("/sandbox/truth/images?{query}"));
    union(&[rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()])
}

/// The model version, and the model, with the most images.
pub(super) fn busiest(server: &Sandbox) -> (i64, i64) {
    let mut counts = std::collections::HashMap::<i64, usize>::new();
    for row in lines(server, "/sandbox/truth/image_model_versions") {
        *counts.entry(row["model_version_id"].as_i64().unwrap()).or_default() += 1;
    }
    let version = counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0;
    (version, version / 16)
}

#[test]
fn without_traps_every_walk_gets_its_truth_once() {
    every_walk_gets_its_truth_once(&start("none", older()));
    every_walk_gets_its_truth_once(&start("none", small()));
    assert_eq!(expected(&start("none", older()), "browsingLevel=31").len(), 2000);
}

fn every_walk_gets_its_truth_once(server: &Sandbox) {
    let (version, model) = busiest(server);
    for query in [
        "browsingLevel=31&limit=200&sort=Newest".to_owned(),
        "browsingLevel=28&limit=200&sort=Oldest&type=video".to_owned(),
        format!("modelVersionId={version}&browsingLevel=31&limit=10"),
        format!("modelId={model}&browsingLevel=31&limit=10&sort=Newest"),
        format!("modelId={model}&browsingLevel=31&limit=10&sort=Oldest"),
        "userId=1003&browsingLevel=31&limit=7".to_owned(),
        "nsfw=true&limit=200&requiringMeta=true".to_owned(),
    ] {
        let pages = pages(server, &query);
        assert_eq!(pages.concat().len(), union(&pages).len(), "{query} repeats");
        assert_eq!(union(&pages), expected(server, &query), "{query}");
        assert!(!pages.concat().is_empty(), "{query}");
    }
}

#[test]
fn a_naive_walk_over_a_model_loses_one_row_a_page() {
    let server = start("newest-lost-row", small());
    let (_, model) = busiest(&server);
    let query = format!("modelId={model}&browsingLevel=31&limit=5&sort=Newest");
    let walked = pages(&server, &query);
    assert!(walked.len() > 3);
    assert_eq!(union(&walked).len() + walked.len() - 1, expected(&server, &query).len());
    let oldest = query.replace("Newest", "Oldest");
    assert_eq!(union(&pages(&server, &oldest)), expected(&server, &oldest));
}

#[test]
fn levels_above_pg13_cost_the_images_of_child_tags() {
    let server = start("hidden-minors", small());
    let of = |levels: u32| expected(&server, &format!("browsingLevel={levels}"));
    let (mild, strong, all) = (of(3), of(28), of(31));
    assert!(mild.len() + strong.len() > all.len());
    assert!(mild.iter().any(|id| !all.contains(id)));
    assert_eq!(expected(&server, ""), union(&[mild, strong]));
    let default = get(&server, "/api/v1/images?limit=200").json();
    assert!(default["items"].as_array().unwrap().iter().all(|item| item["browsingLevel"] == 1));
    let clamped = start("region-clamp", small());
    assert_eq!(expected(&clamped, "browsingLevel=28"), expected(&clamped, "browsingLevel=3"));
    assert!(!expected(&clamped, "browsingLevel=3").is_empty());
}

#[test]
fn the_feed_ends_at_its_depth_and_its_pages_have_holes() {
    let config = Config { depth_cap: 300, ..older() };
    let server = start("depth-cap,short-pages,empty-pages", config);
    let query = "browsingLevel=31&limit=5&sort=Newest";
    let walked = pages(&server, query);
    assert_eq!(walked.len(), 60);
    assert!(walked[..59].iter().any(|page| page.is_empty()));
    assert!(walked.iter().any(|page| (1..5).contains(&page.len())));
    assert_eq!(union(&walked), expected(&server, query));
    let least = get(&server, &format!("/sandbox/least/images?{query}")).json();
    assert_eq!(least, serde_json::json!({ "requests": 60, "rows": 300 }));
}

#[test]
fn false_ends_are_over_when_asked_again() {
    let server = start("false-ends", small());
    let query = "browsingLevel=31&limit=20&sort=Newest";
    let (mut part, mut ids, mut false_ends) = (String::new(), HashSet::new(), 0);
    loop {
        let url = format!("/api/v1/images?{query}{part}");
        let mut reply = get(&server, &url);
        if cursor(&reply).is_none() && reply.ids().is_empty() {
            assert_eq!(reply.text(), "{\"items\":[],\"metadata\":{}}");
            false_ends += 1;
            reply = get(&server, &format!("{url}&again=1"));
        }
        ids.extend(reply.ids());
        match cursor(&reply) {
            Some(next) => part = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(false_ends > 0);
    assert_eq!(ids.len(), expected(&server, query).len());
}

#[test]
fn a_filter_is_now_and_then_ignored_once() {
    let server = start("foreign-filter", small());
    let asked =
        |version: i64| get(&server, &format!("/api/v1/images?modelVersionId={version}&browsingLevel=31&limit=5"));
    let foreign = |reply: &Reply, version: i64| {
        let items = reply.json()["items"].as_array().unwrap().clone();
        items.iter().any(|item| !item["modelVersionIds"].as_array().unwrap().contains(&version.into()))
    };
    let struck: Vec<i64> = (16..400).filter(|version| foreign(&asked(*version), *version)).collect();
    assert!((2..40).contains(&struck.len()), "{struck:?}");
    assert!(struck.iter().all(|version| !foreign(&asked(*version), *version)));
    let kinds = |reply: &Reply| {
        let items = reply.json()["items"].as_array().unwrap().clone();
        items.iter().all(|item| item["type"] == "LORA")
    };
    let url = |n| format!("/api/v1/models?types=LORA&limit=20&nsfw=true&cursor={n}|0|0");
    let struck: Vec<u32> = (0..200).filter(|n| !kinds(&get(&server, &url(*n)))).collect();
    assert!(!struck.is_empty() && struck.iter().all(|n| kinds(&get(&server, &url(*n)))));
}

#[test]
fn one_host_also_looks_at_the_level_of_the_model() {
    let server = start("host-difference", small());
    let port = server.base_url().trim_end_matches("/api/v1").rsplit(':').next().unwrap().to_owned();
    let ids = |host: &str| {
        let query = "browsingLevel=1&limit=200&sort=Newest";
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        write!(stream, "GET /api/v1/images?{query} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("127.0.0.1"), ids("example.org"));
    assert_ne!(ids("127.0.0.1"), ids("localhost"));
}

#[test]
fn made_up_cursors_are_refused_under_their_trap() {
    let server = start("forged-cursors-refused", small());
    let (_, model) = busiest(&server);
    for query in ["browsingLevel=31&limit=50&sort=Newest", &format!("modelId={model}&browsingLevel=31&limit=5")] {
        assert_eq!(union(&pages(&server, query)), expected(&server, query));
    }
    for url in ["images?cursor=50|1712265847499", "images?modelId=1&cursor=7", "images?cursor=x"] {
        let reply = get(&server, &format!("/api/v1/{url}"));
        assert_eq!(reply.status, 400, "{url}");
        assert!(reply.text().starts_with("{\"message\":\"Invalid cursor: "), "{}", reply.text());
    }
}

#[test]
fn items_have_the_servers_shape() {
    let server = start("numeric-usernames,absent-creators", older());
    let reply =
        get(&server, "/api/v1/images?browsingLevel=31&limit=200&withMeta=true&withTags=true&sort=Newest").json();
    let items = reply["items"].as_array().unwrap();
    let keys: Vec<&str> = items[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 17, "{keys:?}");
    let some = |test: &dyn Fn(&Value) -> bool| assert!(items.iter().any(test));
    some(&|item| item["username"].is_u64());
    some(&|item| item["meta"].is_null());
    some(&|item| item["baseModel"] == "");
    some(&|item| item["nsfwLevel"] == "Soft" && item["browsingLevel"] == 2 && item["nsfw"] == true);
    some(&|item| item["modelVersionIds"].as_array().unwrap().len() > 1);
    assert!(items.iter().all(|item| item["meta"].get("id").is_none()));
    let plain = get(&server, "/api/v1/images?limit=200").json();
    let plain = plain["items"].as_array().unwrap();
    assert!(plain.iter().all(|item| item["meta"].is_null() && item.get("tags").is_none()));
    let (_, model) = busiest(&server);
    let wrapped = get(&server, &format!("/api/v1/images?modelId={model}&browsingLevel=31&withMeta=true")).json();
    let wrapped = wrapped["items"].as_array().unwrap();
    assert!(wrapped.iter().all(|item| item["meta"]["id"] == item["id"]));
    assert!(wrapped.iter().any(|item| item["meta"]["meta"].is_object()));
}

#[test]
fn limits_pages_and_names_behave_as_on_the_server() {
    let server = start("none", small());
    let (_, model) = busiest(&server);
    let first = get(&server, "/api/v1/images?limit=50&sort=Newest");
    let second = get(&server, "/api/v1/images?limit=50&sort=Newest&page=2");
    assert_eq!(first.ids(), second.ids());
    assert!(second.json()["metadata"]["nextPage"].as_str().unwrap().ends_with("page=3"));
    assert_eq!(get(&server, "/api/v1/images?limit=200&page=6").status, 429);
    let legacy = |part: &str| get(&server, &format!("/api/v1/images?modelId={model}&browsingLevel=31&{part}"));
    assert_ne!(legacy("limit=5").ids(), legacy("limit=5&page=2").ids());
    let nothing = legacy("limit=0");
    assert!(nothing.ids().is_empty() && cursor(&nothing).is_some());
    assert_eq!(get(&server, "/api/v1/images?limit=0").status, 500);
    assert_eq!(get(&server, "/api/v1/images?username=nobody_at_all").ids(), [0; 0]);
    assert_eq!(legacy("username=nobody_at_all").status, 404);
    let id = first.ids()[0];
    assert_eq!(get(&server, &format!("/api/v1/images?imageId={id}")).ids(), [id]);
}

#[test]
fn the_truth_of_every_image_table_agrees_with_the_items() {
    let server = start("all", small());
    let ids: HashSet<i64> = expected(&server, "").into_iter().collect();
    for table in ["image_meta", "image_meta_objects", "image_resources", "image_model_versions", "image_tags"] {
        let rows = lines(&server, &format!("/sandbox/truth/{table}"));
        assert!(rows.len() > 300, "{table}");
        assert!(rows.iter().all(|row| ids.contains(&row["image_id"].as_i64().unwrap())), "{table}");
    }
    let meta = lines(&server, "/sandbox/truth/image_meta");
    assert!(meta.iter().any(|row| row["seed"].is_i64()) && meta.iter().any(|row| row["seed"].is_null()));
    assert!(lines(&server, "/sandbox/truth/image_meta?browsingLevel=3").is_empty());
}
