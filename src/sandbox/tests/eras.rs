//! The differences between the two servers of 2026, images aside: date cursors, errors, caching, and the newer endpoints.

use super::*;
use crate::sandbox::{DEAD_KEY, Fault};

const BOTH: [Era; 2] = [Era::Aug2026, Era::Sep2026];
const PUBLIC: &str = "public, s-maxage=300, stale-while-revalidate=150";

/// The headers about caches: `cache-control`, `cf-cache-status`.
fn caching(reply: &Reply) -> (String, String) {
    let word = |name: &str| field(&reply.head, name).unwrap_or_default();
    (word("cache-control"), word("cf-cache-status"))
}

fn expected(control: &str, status: &str) -> (String, String) {
    (control.to_owned(), status.to_owned())
}

#[test]
fn date_cursors_are_exact_in_the_newer_era_but_for_the_fraction() {
    let server = of_era(Era::Sep2026, 700, "newest-lost-row,tied-dates");
    for sort in ["Newest", "Oldest"] {
        let query = format!("nsfw=true&archived=true&limit=50&sort={sort}");
        let pages = walk(&server, &query, str::to_owned);
        assert_eq!((pages.concat().len(), union(&pages)), (700, truth(&server, &query)), "{sort}");
    }
    // The repair that the older server needs costs a repeat at most.
    let query = "nsfw=true&archived=true&limit=50&sort=Newest";
    let pages = walk(&server, query, |cursor| repair(true, cursor));
    assert_eq!(union(&pages), truth(&server, query));
    assert!(pages.concat().len() < 700 + pages.len());
    let misread = of_era(Era::Sep2026, 1500, "trimmed-fractions");
    assert!(union(&walk(&misread, query, str::to_owned)).len() < 1500, "`.5` is still 5 ms");
}

#[test]
fn numbers_beyond_the_database_are_refused_in_the_newer_era() {
    let server = of_era(Era::Sep2026, 100, "none");
    let far = get(&server, "/api/v1/models?sort=Most Liked&cursor=2147483648|1|1");
    assert_eq!(far.text(), "{\"message\":\"Invalid cursor: numeric value out of range\"}");
    assert_eq!(far.status, 400);
    assert_eq!(get(&server, "/api/v1/models?sort=Newest&cursor=7").status, 400);
    assert_eq!(get(&server, "/api/v1/models?earlyAccess=perhaps").status, 400);
    let count = |server: &Sandbox, query: &str| get(server, &format!("/api/v1/models?nsfw=true&{query}")).ids().len();
    assert_eq!(count(&server, "earlyAccess=false"), count(&server, ""));
    let older = of_era(Era::Aug2026, 100, "none");
    assert!(count(&older, "earlyAccess=false") < count(&older, ""));
}

#[test]
fn failures_say_no_more_why_and_refusals_of_images_are_messages() {
    let fault: [Fault; 1] = ["kind=status,code=500,nth=1".parse().unwrap()];
    let failed = |era| {
        let server = Sandbox::start(Config { models: 50, era, faults: fault.to_vec(), ..Config::default() }).unwrap();
        get(&server, "/api/v1/models")
    };
    let unexpected = serde_json::json!({
        "error": "An unexpected error occurred", "message": "An unexpected error occurred", "code": "INTERNAL_SERVER_ERROR",
    });
    assert_eq!(failed(Era::Sep2026).json(), unexpected);
    assert_ne!(failed(Era::Aug2026).json(), unexpected);
    let servers = BOTH.map(|era| of_era(era, 50, "none"));
    let keys = |server: &Sandbox, query: &str| {
        let body = get(server, &format!("/api/v1/images?{query}")).json();
        body.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    for query in ["limit=201", "page=6&limit=200", "modelId=1&username=nobody_at_all"] {
        assert_ne!(keys(&servers[0], query), "message", "{query}");
        assert_eq!(keys(&servers[1], query), "message", "{query}");
    }
    assert_eq!(get(&servers[1], "/api/v1/images?limit=0").json(), unexpected);
    assert_ne!(get(&servers[0], "/api/v1/images?limit=0").json(), unexpected);
}

#[test]
fn the_edge_keeps_no_errors_and_nothing_for_a_key_in_the_newer_era() {
    let [older, newer] = BOTH.map(|era| of_era(era, 50, "none"));
    let key = "Authorization: Bearer key\r\n";
    let twice = |server: &Sandbox, path: &str, head: &str| {
        let _ = fetch(server, path, head).unwrap();
        caching(&fetch(server, path, head).unwrap())
    };
    for (path, head, before, after) in [
        ("/api/v1/models", "", expected(PUBLIC, "HIT"), expected(PUBLIC, "HIT")),
        ("/api/v1/models", key, expected(PUBLIC, "HIT"), expected("private, max-age=0, no-cache", "BYPASS")),
        ("/api/v1/models?limit=x", "", expected(PUBLIC, "HIT"), expected("no-store, max-age=0", "MISS")),
        ("/api/v1/images?limit=x", "", expected(PUBLIC, "HIT"), expected("no-store, max-age=0", "MISS")),
        ("/api/v1/model-versions/1", "", expected(PUBLIC, "HIT"), expected("no-store, max-age=0", "MISS")),
        ("/api/v1/models/999999", "", expected(PUBLIC, "HIT"), expected(PUBLIC, "HIT")),
    ] {
        assert_eq!((twice(&older, path, head), twice(&newer, path, head)), (before, after), "{path} {head}");
    }
    let denied = |era, path: &str, head: &str| {
        let server = of_era(era, 300, "cached-negatives");
        let status = |id: u32| fetch(&server, &format!("/api/v1/{path}/{id}"), head).unwrap().status;
        let again = |id: u32| get(&server, &format!("/api/v1/{path}/{id}?again=1")).status;
        (16..300).filter(|id| status(*id) == 404 && again(*id) == 200).count()
    };
    assert!(denied(Era::Aug2026, "model-versions", "") > 0 && denied(Era::Sep2026, "models", "") > 0);
    assert_eq!(denied(Era::Sep2026, "model-versions", "") + denied(Era::Sep2026, "models", key), 0);
}

#[test]
fn a_key_is_known_or_it_is_not() {
    for era in BOTH {
        let server = of_era(era, 20, "none");
        let status = |path: &str, key: &str| {
            let head = if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
            fetch(&server, path, &head).unwrap().status
        };
        assert_eq!(status("/api/v1/me", "some-key"), 200);
        assert_eq!((status("/api/v1/me", ""), status("/api/v1/me", DEAD_KEY)), (401, 401));
        assert_eq!(status("/api/v1/me?token=some-key", ""), 200);
        assert_eq!(get(&server, "/api/v1/me").text(), "{\"error\":\"Unauthorized\"}");
        // Everywhere else a dead key counts as no key.
        assert_eq!(status("/api/v1/models", DEAD_KEY), 200);
        assert!(!get(&server, "/sandbox/log").text().contains("some-key"));
    }
    assert_eq!(get(&of_era(Era::Y2023, 20, "none"), "/api/v1/me").status, 404);
}

#[test]
fn users_are_named_by_their_ids() {
    for era in BOTH {
        let server = of_era(era, 100, "numeric-usernames");
        let users = |query: &str| get(&server, &format!("/api/v1/users?{query}")).json()["items"].clone();
        let found = users("ids=1000,1008,999999,5");
        assert_eq!(
            found,
            serde_json::json!([{ "id": 1000, "username": "civitai" }, { "id": 1008, "username": "8e3" }])
        );
        assert_eq!(users("query=civ")[0]["id"], 1000);
        assert!(users("ids=1007")[0]["username"].is_string(), "names of digits are quoted here");
        assert_eq!(get(&server, "/api/v1/users?ids=x").status, 400);
    }
    assert_eq!(get(&of_era(Era::Y2023, 20, "none"), "/api/v1/users?ids=1").status, 404);
    let ignoring = of_era(Era::Sep2026, 100, "users-ids-ignored");
    assert_eq!(get(&ignoring, "/api/v1/users?ids=1008").ids(), [1000, 1001, 1002, 1003, 1004]);
}

#[test]
fn a_post_names_the_version_it_was_made_for() {
    let server = of_era(Era::Sep2026, 100, "none");
    let statuses: Vec<u16> = (1000..1200).map(|id| get(&server, &format!("/api/v1/posts/{id}")).status).collect();
    let listed = statuses.iter().filter(|status| **status == 200).count();
    assert!((170..200).contains(&listed) && statuses.contains(&404), "{listed} are listed");
    let id = 1000 + statuses.iter().position(|status| *status == 200).unwrap();
    let post = get(&server, &format!("/api/v1/posts/{id}")).json();
    for key in ["title", "detail", "nsfwLevel", "publishedAt", "modelVersionId", "user", "tags", "images"] {
        assert!(post.get(key).is_some(), "{key}: {post}");
    }
    let images = post["images"].as_array().unwrap();
    assert!(!images.is_empty() && images.iter().all(|image| image["postId"] == id));
    let truth = |table: &str| lines(&server, &format!("/sandbox/truth/{table}?id={id}"));
    assert_eq!(truth("posts")[0]["user_id"], post["user"]["id"]);
    assert_eq!(truth("post_tags").len(), post["tags"].as_array().unwrap().len());
    let shown: Vec<&Value> = images.iter().map(|image| &image["id"]).collect();
    assert_eq!(truth("post_images").iter().map(|row| &row["image_id"]).collect::<Vec<_>>(), shown);
    let all = lines(&server, "/sandbox/truth/posts");
    assert_eq!(all.iter().filter(|row| row["id"].as_i64() < Some(1200)).count(), listed);
    assert_eq!(lines(&server, "/sandbox/truth/users?ids=1000,5").len(), 1);
    assert_eq!(get(&server, "/api/v1/posts/x").status, 400);
    assert_eq!(get(&of_era(Era::Aug2026, 100, "none"), &format!("/api/v1/posts/{id}")).status, 404);

    let limited = of_era(Era::Sep2026, 100, "posts-limit");
    let path = format!("/api/v1/posts/{id}");
    assert!((0..60).all(|_| get(&limited, &path).status == 200));
    let refused = get(&limited, &path);
    let wait: u32 = field(&refused.head, "retry-after").unwrap().parse().unwrap();
    assert_eq!((refused.status, refused.text().contains("Rate limit exceeded")), (429, true));
    assert!((1..=60).contains(&wait));
}
