//! Traps that a crawl file cannot step into: it is refused, with what the server would have done.

use super::{ALL, ALL_PARAMS, column, doubts, plan};
use crate::naive::{distinct, follow};
use crate::support::{Room, Sandbox, Walk, ask, assert_exit, crawl, crawl_file, printed};

#[test]
fn trap_07_a_misspelt_filter_is_none() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let all = distinct(&sandbox.truth("models?sort=Oldest&nsfw=true"), "id");
    for query in ["tpyes=LORA", "tag=no-such-tag-at-all"] {
        let naive = follow(&format!("{}/models?sort=Oldest&nsfw=true&{query}", sandbox.base));
        assert_eq!(distinct(&naive, "id"), all, "{query} filters");
    }
    let said = plan(Walk::of("models").params("sort = \"Oldest\", tpyes = [\"LORA\"]"), false);
    assert!(said.contains("`tpyes`") && said.contains("`types`") && said.contains("the whole catalog"), "{said}");
    let said = plan(Walk::of("models").params("sort = \"Oldest\", tag = \"no-such-tag-at-all\""), true);
    assert!(said.contains("it answers with the whole catalog"), "{said}");
    // Walked all the same, the answer is seen through: asked for twice, it ends the walk, and its items are rejects.
    let tagged = |tag: &str| Walk::of("models").named("tagged").params(&format!("{ALL_PARAMS}, tag = \"{tag}\""));
    let (room, _) = crawl(&sandbox, &[tagged("no-such-tag-at-all")], 4);
    assert!(doubts(&room).contains("does not carry the tag `no-such-tag-at-all`"), "{}", doubts(&room));
    // The second time it is asked for one item less.
    assert_eq!(room.rows("SELECT count(*), max(items) FROM pages"), [serde_json::json!([1, 99])]);
    let known = sandbox.truth("model_tags?sort=Oldest&nsfw=true")[0]["tag"].as_str().expect("it is text").to_owned();
    let (room, _) = crawl(&sandbox, &[tagged(&known)], 0);
    let query = format!("models?{ALL}&tag={known}");
    assert_eq!(column(&room, "models", "id"), distinct(&sandbox.truth(&query), "id"));
    let said = plan(Walk::of("models").params("sort = \"Oldest\", allowDifferentLicenses = true"), false);
    assert!(said.contains("ignores it and returns the whole catalog"), "{said}");
}

#[test]
fn trap_08_false_means_true_to_some_parameters() {
    let sandbox = Sandbox::start(&["--models", "600"]);
    let count =
        |query: &str| distinct(&follow(&format!("{}/models?sort=Oldest&nsfw=true&{query}", sandbox.base)), "id").len();
    let plain = count("limit=100");
    assert!(count("supportsGeneration=false") < plain && count("archived=false") > plain);
    assert_eq!(ask(&format!("{}/models?favorites=false", sandbox.base)).status, 401);

    for param in ["supportsGeneration", "archived", "earlyAccess", "fromPlatform"] {
        let said = plan(Walk::of("models").params(&format!("sort = \"Oldest\", {param} = false")), false);
        assert!(said.contains(&format!("`{param}` is `false`, which the server reads as true")), "{said}");
    }
    let favorites = Walk::of("models").params("sort = \"Oldest\", favorites = false");
    let said = plan(favorites.clone(), true);
    assert!(said.contains("the server answers 401, whatever the value"), "{said}");
    let room = Room::new(&crawl_file(&[favorites]), &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 77);
    assert!(printed(&output).contains("Unauthorized"), "{}", printed(&output));
}

#[test]
fn trap_18_an_unknown_name_is_a_404_here_and_an_empty_list_there() {
    let sandbox = Sandbox::start(&["--models", "100", "--images", "200"]);
    let status = |what: &str| ask(&format!("{}/{what}", sandbox.base)).status;
    assert_eq!((status("models?username=nobody_at_all"), status("images?username=nobody_at_all")), (404, 200));

    // Of a walk it is all there was to say, and of a name that the crawl file lists too: it is named.
    let models = Walk::of("models").params(&format!("{ALL_PARAMS}, username = \"nobody_at_all\""));
    let (room, _) = crawl(&sandbox, &[models], 4);
    assert!(doubts(&room).contains("not_found"), "{}", doubts(&room));
    let each = "for_each = { list = [\"nobody_at_all\"], param = \"username\" }";
    let images = Walk::of("images").params("sort = \"Newest\", browsingLevel = 3").with(each);
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS).with(each), images], 4);
    assert_eq!(doubts(&room).matches("shows nothing of `nobody_at_all`").count(), 2, "{}", doubts(&room));
}
