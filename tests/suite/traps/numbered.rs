//! Traps of the lists that are paged by number.

use super::{ALL_PARAMS, column, doubts, log, plan};
use crate::naive::{distinct, numbered};
use crate::support::{Sandbox, Walk, ask, crawl};

#[test]
fn trap_05_tags_claim_one_page() {
    let sandbox = Sandbox::start(&["--models", "300", "--tags", "900", "--traps", "dummy-totals"]);
    let naive = numbered(&format!("{}/tags?limit=100", sandbox.base));
    let all = sandbox.truth("tags");
    assert_eq!((naive.len(), all.len()), (100, 900));
    assert!(ask(&format!("{}/tags?limit=100", sandbox.base)).json()["metadata"]["nextPage"].is_null());

    let every = Walk::of("tags").params("query = \"%\", limit = 100");
    let (room, _) = crawl(&sandbox, &[every, Walk::of("tags").named("tags_pg").params("limit = 100")], 0);
    assert_eq!(column(&room, "tags", "name"), distinct(&all, "name"));
    let plain = sandbox.truth("tags?limit=100");
    assert_eq!(column(&room, "(SELECT * FROM tags WHERE walk = 'tags_pg')", "name"), distinct(&plain, "name"));
}

#[test]
fn trap_05_creators_have_no_order() {
    let arguments = ["--models", "400", "--creators", "3000", "--traps", "unordered-creators", "--seed", "2"];
    let sandbox = Sandbox::start(&arguments);
    let all = distinct(&sandbox.truth("creators?limit=50"), "username");
    let naive = distinct(&numbered(&format!("{}/creators?limit=50", sandbox.base)), "username");
    assert!(naive.len() < all.len(), "{} of {}", naive.len(), all.len());

    let walks = |names: &[&str]| {
        names.iter().map(|name| Walk::of("creators").named(name).params("limit = 50")).collect::<Vec<_>>()
    };
    let (room, said) = crawl(&sandbox, &walks(&["once"]), 0);
    let missing = all.len() - column(&room, "creators", "username").len();
    assert!(missing > 0, "one walk is enough here, which proves nothing");
    let doubt = format!("the server says there are {}, and the pass saw {}", all.len(), all.len() - missing);
    assert!(doubts(&room).contains(&doubt) && said.contains(&doubt), "{said}");

    let (room, said) = crawl(&sandbox, &walks(&["once", "twice"]), 0);
    let left = all.len() - column(&room, "creators", "username").len();
    assert!(left < missing, "the second walk finds none of the {missing}");
    assert_eq!(said.contains("the pass saw"), left > 0, "{left} are missing: {said}");
}

#[test]
fn trap_06_no_limit_means_all() {
    let sandbox = Sandbox::start(&["--models", "300", "--images", "300"]);
    let page = |what: &str| ask(&format!("{}/{what}", sandbox.base));
    assert_eq!(page("models?limit=0&sort=Oldest").json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(page("models?limit=0&sort=Oldest").json()["metadata"]["nextCursor"], serde_json::Value::Null);
    assert_eq!(page("images?limit=0").status, 500);
    assert_eq!((page("tags?limit=0").status, page("creators?limit=0").status), (400, 400));
    for endpoint in ["models", "images", "tags", "creators"] {
        let said = plan(Walk::of(endpoint).named("all").params("limit = 0"), false);
        assert!(said.contains("there is no value for all"), "{said}");
    }
    // Without one, the most that the endpoint gives.
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    assert_eq!(room.value("SELECT max(items) FROM pages"), 100);
    let queries: Vec<String> = log(&sandbox).iter().skip(5).map(|request| request["query"].to_string()).collect();
    // A full page that names no next one is asked for once more, with another limit.
    assert!(queries.iter().all(|query| query.contains("limit=100") || query.contains("&_=")), "{queries:?}");
}
