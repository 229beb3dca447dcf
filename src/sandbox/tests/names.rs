//! Creators and tags over the wire: pages by number, true and false totals, a changing order.

use std::collections::HashSet;

use super::*;

fn names(reply: &Reply, key: &str) -> Vec<Value> {
    reply.json()["items"].as_array().unwrap().iter().map(|item| item[key].clone()).collect()
}

/// Returns the names on pages 1, 2, … until one is empty, and their total.
fn walk_pages(server: &Sandbox, query: &str, key: &str) -> (HashSet<String>, usize) {
    let (mut seen, mut count) = (HashSet::new(), 0);
    for page in 1.. {
        let names = names(&get(server, &format!("/api/v1/{query}&page={page}")), key);
        if names.is_empty() {
            break;
        }
        count += names.len();
        seen.extend(names.iter().map(Value::to_string));
    }
    (seen, count)
}

#[test]
fn creators_are_in_alphabetical_order_except_under_the_trap() {
    let steady = sandbox(1200, "none", &[]);
    let (seen, count) = walk_pages(&steady, "creators?limit=20", "username");
    assert_eq!((seen.len(), count), (202, 202));
    let first = get(&steady, "/api/v1/creators?limit=20").json();
    let metadata = &first["metadata"];
    assert_eq!((metadata["totalItems"].as_i64(), metadata["totalPages"].as_i64()), (Some(202), Some(11)));
    assert!(metadata["nextPage"].as_str().unwrap().ends_with("limit=20&page=2"));
    let shaken = sandbox(1200, "unordered-creators", &[]);
    let (seen, count) = walk_pages(&shaken, "creators?limit=20", "username");
    assert!(seen.len() < 202 && seen.len() > 180 && count > seen.len(), "{} of {count}", seen.len());
    let rows = lines(&shaken, "/sandbox/truth/creators");
    assert_eq!(rows.len(), 202);
    let again = sandbox(1200, "unordered-creators", &[]);
    assert_eq!(walk_pages(&again, "creators?limit=20", "username").0, seen);
}

#[test]
fn creators_lack_names_and_counts_now_and_then() {
    let server = sandbox(1200, "numeric-usernames,absent-creators", &[]);
    let items = get(&server, "/api/v1/creators?limit=200").json()["items"].as_array().unwrap().clone();
    assert!(items.iter().any(|item| item["username"].is_null()));
    assert!(items.iter().any(|item| item["username"].is_u64()));
    assert!(
        items.iter().any(|item| item.get("modelCount").is_none())
            && items.iter().any(|item| item["modelCount"].is_u64())
    );
    let rows = lines(&server, "/sandbox/truth/creators");
    assert!(rows.iter().all(|row| row["username"].is_string()));
    let found = get(&server, "/api/v1/creators?limit=2&query=user").json();
    assert_eq!((&found["metadata"]["hasMore"], &found["metadata"]["totalItems"]), (&true.into(), &3.into()));
    let refused = get(&server, "/api/v1/creators?limit=0");
    assert_eq!((refused.status, refused.json().is_array()), (400, true));
}

#[test]
fn tags_end_with_an_empty_page_and_hide_some_from_the_plain_list() {
    let config = Config { models: 100, tags: Some(600), traps: "dummy-totals".parse().unwrap(), ..Config::default() };
    let server = Sandbox::start(config).unwrap();
    let plain = walk_pages(&server, "tags?limit=200", "name").0;
    let all = walk_pages(&server, "tags?limit=200&query=%25", "name").0;
    assert_eq!(all.len(), 600);
    assert!(plain.len() < 600 && plain.is_subset(&all));
    let first = get(&server, "/api/v1/tags?limit=200").json();
    let metadata = serde_json::json!({ "totalItems": 0, "currentPage": 1, "pageSize": 200, "totalPages": 1 });
    assert_eq!(first["metadata"], metadata);
    assert_eq!(first["items"][0].as_object().unwrap().len(), 2);
    assert_eq!(lines(&server, "/sandbox/truth/tags").len(), 600);
    assert_eq!(
        lines(&server, "/sandbox/truth/tags?query=ca").len(),
        walk_pages(&server, "tags?query=ca", "name").0.len()
    );
    assert_eq!(get(&server, "/sandbox/least/tags?limit=200&query=%25").json()["requests"], 3);
    let friendly = sandbox(100, "none", &[]);
    assert!(get(&friendly, "/api/v1/tags").json()["metadata"]["nextPage"].is_string());
    assert_eq!(get(&friendly, "/api/v1/tags?limit=0").status, 400);
}
