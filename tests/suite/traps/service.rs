//! Traps of the service around the lists: keys, damage, regions, hosts.

use super::{ALL, ALL_PARAMS, assert_values, column, doubts, log, plan};
use crate::naive::{distinct, follow};
use crate::support::{Room, Sandbox, Walk, ask, assert_exit, crawl, crawl_file, printed};

#[test]
fn trap_16_the_key_stands_in_no_link_and_a_bad_one_is_anonymous() {
    let sandbox = Sandbox::start(&["--models", "250"]);
    let naive = ask(&format!("{}/models?sort=Oldest&token=canary-token", sandbox.base)).json();
    assert!(naive["metadata"]["nextPage"].to_string().contains("canary-token"));

    for name in ["token", "api_key"] {
        let said = plan(Walk::of("models").params(&format!("{name} = \"canary-token\"")), false);
        assert!(said.contains(&format!("`{name}`: an API key never goes into a crawl file")), "{said}");
        assert!(!said.contains("canary-token"), "{said}");
    }
    let room = Room::new(&crawl_file(&[Walk::of("models").params(ALL_PARAMS)]), &sandbox.base);
    let output = room.crawl().env("CIVITAI_API_KEY", "canary-token").output().expect("the program runs");
    assert_exit(&output, 0);
    assert!(log(&sandbox)[1..].iter().all(|request| request["authorization"] == true));
    assert!(!log(&sandbox)[1..].iter().any(|request| request["query"].to_string().contains("token")));
    // The server serves whoever has a bad key as if without.
    assert_eq!(column(&room, "models", "id"), distinct(&sandbox.truth(&format!("models?{ALL}")), "id"));
}

#[test]
fn trap_17_bytes_that_json_forbids_are_repaired() {
    let sandbox = Sandbox::start(&["--models", "300", "--traps", "control-bytes,lone-surrogates"]);
    let naive = follow(&format!("{}/models?{ALL}", sandbox.base));
    let all = distinct(&sandbox.truth(&format!("models?{ALL}")), "id");
    assert!(distinct(&naive, "id").len() < all.len());

    let sandbox = Sandbox::start(&["--models", "300", "--traps", "control-bytes,lone-surrogates"]);
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    assert_values(&room, &sandbox, "models", ALL);
    assert!(room.value("SELECT sum(repairs) FROM pages").as_f64() > Some(0.0));
}

#[test]
fn trap_17_html_instead_of_an_answer_is_asked_again() {
    let faults = ["--fault", "kind=html,code=502,every=3", "--fault", "kind=status,code=524,nth=2"];
    let sandbox = Sandbox::start(&[&["--models", "700"][..], &faults].concat());
    let naive = follow(&format!("{}/models?{ALL}", sandbox.base));
    let all = distinct(&sandbox.truth(&format!("models?{ALL}")), "id");
    assert!(distinct(&naive, "id").len() < all.len());
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    assert_eq!(column(&room, "models", "id"), all);
    // The program names itself, as the real server wants it.
    assert!(log(&sandbox).last().expect("it was asked")["user_agent"].to_string().contains("civitrawl"));
}

#[test]
fn trap_17_a_blocked_region_is_named() {
    let sandbox = Sandbox::start(&["--models", "300", "--fault", "kind=status,code=451,page=2,times=0"]);
    let room = Room::new(&crawl_file(&[Walk::of("models").params(ALL_PARAMS)]), &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 3);
    assert!(printed(&output).contains("region"), "{}", printed(&output));
    assert_eq!(room.value("SELECT count(*) FROM pages"), 1);
}

#[test]
fn trap_23_what_is_listed_and_linked_depends_on_the_host() {
    let sandbox = Sandbox::start(&["--models", "300", "--images", "2000", "--traps", "host-difference,foreign-links"]);
    let images = |base: &str| {
        let page = ask(&format!("{base}/images?browsingLevel=3&sort=Newest&limit=200")).json();
        distinct(page["items"].as_array().expect("it lists images"), "id")
    };
    let other = sandbox.base.replace("127.0.0.1", "localhost");
    assert_ne!(images(&sandbox.base), images(&other));
    let page = ask(&format!("{}/models?sort=Oldest", sandbox.base)).json();
    assert!(page["metadata"]["nextPage"].to_string().contains("elsewhere.invalid"), "following it leads away");

    let before = log(&sandbox).len();
    let pictures = Walk::of("images").params("browsingLevel = 3, sort = \"Newest\"");
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS), pictures], 0);
    assert_eq!(column(&room, "models", "id"), distinct(&sandbox.truth(&format!("models?{ALL}")), "id"));
    let expected = sandbox.truth("images?browsingLevel=3&sort=Newest");
    assert_eq!(column(&room, "images", "id"), distinct(&expected, "id"));
    // One host is asked, and recorded with every page.
    let host = log(&sandbox)[before]["host"].clone();
    assert!(log(&sandbox)[before..].iter().all(|request| request["host"] == host));
    let recorded = room.rows("SELECT DISTINCT split_part(url, '/', 3) FROM pages");
    assert_eq!(recorded, [serde_json::json!([host])]);
    let doubts = doubts(&room);
    let doubts: Vec<String> = serde_json::from_str(&doubts).expect("they are a list");
    assert!(matches!(&doubts[..], [only] if only.contains("walk `images`: of a list this long")), "{doubts:?}");
}
