//! Traps of the images list.

use super::{ALL_PARAMS, PICTURES, column, doubts, log, plan, reported};
use crate::naive::{distinct, follow};
use crate::support::{ERAS, Sandbox, Walk, ask, crawl};

/// Fans out over the models of a catalog of this many: asked for by model, the database answers.
fn by_model(params: &str, models: u32) -> Walk {
    let each = format!("for_each = {{ range = [1, {models}], param = \"modelId\" }}");
    Walk::of("images").params(params).with(&each)
}

/// The two walks over all levels.
fn both_levels() -> [Walk; 2] {
    let one = |name: &str, levels: u32| {
        Walk::of("images").named(name).params(&format!("browsingLevel = {levels}, {PICTURES}, limit = 50"))
    };
    [one("images", 3), one("mature", 28)]
}

#[test]
fn trap_04_an_empty_page_of_images_is_not_the_end() {
    let sandbox = Sandbox::start(&["--models", "200", "--images", "3000", "--traps", "empty-pages,false-ends"]);
    let address = format!("{}/images?browsingLevel=3&sort=Newest&limit=10", sandbox.base);
    let all = distinct(&sandbox.truth("images?browsingLevel=3&sort=Newest"), "id");
    let naive = distinct(&follow(&address), "id");
    assert!(naive.len() < all.len(), "{} of {}", naive.len(), all.len());

    let walk = Walk::of("images").params(&format!("browsingLevel = 3, {PICTURES}, limit = 10"));
    let (room, _) = crawl(&sandbox, &[walk], 0);
    assert_eq!(column(&room, "images", "id"), all);
    // Ends that were false were asked for again, with a key that no cache knows.
    assert!(log(&sandbox).iter().any(|request| request["query"].to_string().contains("&_=")));
}

#[test]
fn trap_04_a_page_of_images_by_model_without_a_cursor_is_not_the_end() {
    let sandbox = Sandbox::start(&["--models", "60", "--images", "3000", "--traps", "false-ends,newest-lost-row"]);
    let models = distinct(&follow(&format!("{}/models?nsfw=true&archived=true&sort=Oldest", sandbox.base)), "id");
    let query = "browsingLevel=3&sort=Newest&limit=5";
    let naive: Vec<_> =
        models.iter().flat_map(|id| follow(&format!("{}/images?modelId={id}&{query}", sandbox.base))).collect();
    let all: Vec<_> = models.iter().flat_map(|id| sandbox.truth(&format!("images?modelId={id}&{query}"))).collect();
    let (naive, all) = (distinct(&naive, "id"), distinct(&all, "id"));
    assert!(naive.len() < all.len(), "{} of {}", naive.len(), all.len());

    let walk = by_model(&format!("browsingLevel = 3, {PICTURES}, limit = 5"), 400);
    let (room, _) = crawl(&sandbox, &[walk], 0);
    let asked: Vec<u64> = models.iter().map(|id| id.parse().expect("ids are numbers")).collect();
    assert!(asked.iter().all(|id| *id <= 400), "the range reaches them all: {:?}", asked.iter().max());
    let seen = column(&room, "images", "id");
    assert_eq!(all.iter().filter(|id| seen.binary_search(id).is_err()).count(), 0);
}

#[test]
fn trap_07_a_page_that_ignores_its_filter_is_asked_for_again() {
    let sandbox = Sandbox::start(&["--models", "200", "--images", "2000", "--traps", "foreign-filter"]);
    let versions = distinct(&sandbox.truth("model_versions?sort=Oldest&nsfw=true&archived=true"), "id");
    let address = |id: &String| format!("{}/images?modelVersionId={id}&browsingLevel=3", sandbox.base);
    let foreign = |id: &String| {
        let page = ask(&address(id)).json();
        let shown = page["items"].as_array().cloned().unwrap_or_default();
        shown.iter().any(|image| !image["modelVersionIds"].to_string().contains(id.as_str()))
    };
    assert!(versions.iter().any(foreign), "no page ignored its filter");

    // Another sandbox plays the same tricks again.
    let sandbox = Sandbox::start(&["--models", "200", "--images", "2000", "--traps", "foreign-filter"]);
    let models = Walk::of("models").params(ALL_PARAMS);
    let each = "for_each = { table = \"model_versions\", column = \"id\", param = \"modelVersionId\" }";
    let images = Walk::of("images").params(&format!("browsingLevel = 3, {PICTURES}")).with(each);
    let types = Walk::of("models").named("types").params(ALL_PARAMS).with("split = { by = \"types\" }");
    let (room, _) = crawl(&sandbox, &[models, images, types], 0);
    let listed = sandbox.truth("gallery_images");
    let known = listed.iter().filter(|row| versions.contains(&row["model_version_id"].to_string()));
    let mild = sandbox.truth("images?browsingLevel=3");
    let mild: std::collections::BTreeSet<String> = mild.iter().map(|row| row["id"].to_string()).collect();
    let known = known.filter(|row| mild.contains(&row["image_id"].to_string())).count();
    assert_eq!(room.value("SELECT count(DISTINCT (image_id, model_version_id)) FROM gallery_images"), known);
    let strays = "SELECT count(*) FROM images i WHERE NOT EXISTS (SELECT 1 FROM image_model_versions v \
                  WHERE v.image_id = i.id AND v.walk = i.walk AND i.walk = 'images/' || v.model_version_id)";
    assert_eq!(room.value(strays), 0);
    let strays = "SELECT count(*) FROM models WHERE walk LIKE 'types/%' AND walk <> 'types/' || type";
    assert_eq!(room.value(strays), 0);
    let by_type = "SELECT count(DISTINCT id) FROM models WHERE walk LIKE 'types/%'";
    assert_eq!(room.value(by_type), room.value("SELECT count(DISTINCT id) FROM models WHERE walk = 'models'"));
}

#[test]
fn every_image_of_the_feed_is_there_in_both_eras() {
    for era in ERAS {
        let sandbox =
            Sandbox::start(&["--models", "300", "--images", "6000", "--traps", "all,-depth-cap", "--era", era]);
        let (room, _) = crawl(&sandbox, &both_levels(), 0);
        assert_eq!(column(&room, "images", "id"), distinct(&sandbox.truth("images"), "id"), "{era}");
        let meta = distinct(&sandbox.truth("image_meta"), "image_id");
        assert_eq!(column(&room, "image_meta", "image_id"), meta, "{era}");
    }
}

#[test]
fn trap_09_levels_are_asked_for_apart() {
    let sandbox = Sandbox::start(&["--models", "200", "--images", "3000", "--traps", "hidden-minors"]);
    let all = distinct(&sandbox.truth("images"), "id");
    for query in ["nsfw=true", "nsfw=false", "limit=200", "browsingLevel=31"] {
        let naive = distinct(&follow(&format!("{}/images?{query}&sort=Newest", sandbox.base)), "id");
        assert!(naive.len() < all.len(), "{query}: {} of {}", naive.len(), all.len());
    }
    let (room, _) = crawl(&sandbox, &both_levels(), 0);
    assert_eq!(column(&room, "images", "id"), all);

    let said = plan(Walk::of("images").params("nsfw = true, sort = \"Newest\""), true);
    assert!(said.contains("PG and PG13 are left out"), "{said}");
    let said = plan(Walk::of("images").params("browsingLevel = 31, sort = \"Newest\""), true);
    assert!(said.contains("hides some images of level PG and PG13"), "{said}");
}

#[test]
fn trap_10_generation_data_is_asked_for_and_read_in_every_shape() {
    let sandbox = Sandbox::start(&["--models", "100", "--images", "800", "--traps", "odd-fields"]);
    let naive = follow(&format!("{}/images?browsingLevel=3&sort=Newest", sandbox.base));
    assert!(!naive.is_empty() && naive.iter().all(|image| image["meta"].is_null()));

    let (room, _) = crawl(&sandbox, &both_levels(), 0);
    let expected: Vec<_> = sandbox.truth("image_meta");
    assert_eq!(column(&room, "image_meta", "image_id"), distinct(&expected, "image_id"));

    // Query by model without `flatMeta`, it comes in a wrapper.
    let models = distinct(&follow(&format!("{}/models?nsfw=true&archived=true&sort=Oldest", sandbox.base)), "id");
    let model = models.iter().max_by_key(|id| sandbox.truth(&format!("image_meta?modelId={id}&withMeta=true")).len());
    let query = format!("modelId={}&browsingLevel=3&withMeta=true", model.expect("there are models"));
    let wrapped = follow(&format!("{}/images?{query}", sandbox.base));
    assert!(wrapped.iter().any(|image| image["meta"]["meta"].is_object()), "{wrapped:?}");
    let params = query.replace('=', " = ").replace('&', ", ");
    let (room, _) = crawl(&sandbox, &[Walk::of("images").params(&params)], 0);
    let truth = sandbox.truth(&format!("image_meta?{query}"));
    assert_eq!(column(&room, "image_meta", "prompt"), distinct(&truth, "prompt"));

    let said = plan(Walk::of("images").params("tags = [\"cat\"]"), false);
    assert!(said.contains("whole numbers from 1"), "{said}");
    let said = plan(Walk::of("images").params("query = \"cat\""), false);
    assert!(said.contains("ignores it and lists its whole feed"), "{said}");
}

#[test]
fn trap_17_a_region_that_hides_levels_is_named() {
    let sandbox = Sandbox::start(&["--models", "1800", "--images", "3000", "--traps", "region-clamp"]);
    let models = Walk::of("models").params(ALL_PARAMS);
    for walks in [&both_levels()[..], &[models]] {
        let (room, said) = crawl(&sandbox, walks, 4);
        for text in [doubts(&room), said] {
            assert!(text.matches("the server hides them from this region").count() == 1, "{text}");
        }
        assert!(column(&room, if walks.len() == 2 { "images" } else { "models" }, "id").len() > 100);
    }
}

#[test]
fn trap_24_images_of_a_version_that_do_not_name_it_are_kept() {
    let sandbox = Sandbox::start(&["--models", "120", "--images", "2500", "--traps", "posted-with,foreign-filter"]);
    let all = sandbox.truth("gallery_images");
    let version = &all[0]["model_version_id"];
    let listed = follow(&format!("{}/images?modelVersionId={version}&browsingLevel=31", sandbox.base));
    let silent =
        |image: &serde_json::Value| !image["modelVersionIds"].as_array().is_some_and(|ids| ids.contains(version));
    assert!(listed.iter().any(silent), "every image names version {version}");

    let models = Walk::of("models").params(ALL_PARAMS);
    let each = "for_each = { table = \"model_versions\", column = \"id\", param = \"modelVersionId\" }";
    let images = [3, 28].map(|levels| {
        Walk::of("images")
            .named(&format!("images_{levels}"))
            .params(&format!("browsingLevel = {levels}, {PICTURES}, limit = 20"))
            .with(each)
    });
    let (room, _) = crawl(&sandbox, &[vec![models], images.to_vec()].concat(), 0);
    let versions = column(&room, "model_versions", "id");
    let pair = |row: &serde_json::Value| format!("{}-{}", row["image_id"], row["model_version_id"]);
    let known = all.iter().filter(|row| versions.contains(&row["model_version_id"].to_string()));
    let mut known: Vec<String> = known.map(|row| format!("\"{}\"", pair(row))).collect();
    known.sort_unstable();
    assert_eq!(column(&room, "gallery_images", "image_id || '-' || model_version_id"), known);
    assert_eq!(room.value("SELECT count(*) FROM gallery_images ANTI JOIN images ON id = image_id"), 0);
}

#[test]
fn a_feed_that_ends_early_is_sliced() {
    let start = |era| Sandbox::start(&["--models", "300", "--images", "4000", "--traps", "depth-cap", "--era", era]);
    let sandbox = start("2026-08");
    let query = "browsingLevel=3&sort=Newest";
    let naive_of = |sandbox: &Sandbox| distinct(&follow(&format!("{}/images?{query}&limit=200", sandbox.base)), "id");
    let (naive, all) = (naive_of(&sandbox), distinct(&sandbox.truth("images"), "id"));
    assert_eq!(naive.len(), 1000, "of {}", all.len());
    // The feed service has no such end.
    let newer = start("2026-09");
    assert_eq!(naive_of(&newer), distinct(&newer.truth(&format!("images?{query}")), "id"));
    let models = Walk::of("models").params(ALL_PARAMS);
    let each = "for_each = { table = \"model_versions\", column = \"id\", param = \"modelVersionId\" }";
    let images = Walk::of("images").params(&format!("browsingLevel = 3, {PICTURES}")).with(each);
    let (room, _) = crawl(&sandbox, &[models, images], 0);
    let deepest = room.rows("SELECT count(*) FROM images GROUP BY walk ORDER BY 1 DESC LIMIT 1");
    assert!(deepest[0][0].as_u64() < Some(1000), "a slice is as deep as the feed: {deepest:?}");
    assert!(column(&room, "images", "id").len() > naive.len());
}

#[test]
fn a_slice_as_long_as_a_feed_that_ends_early_is_named() {
    let catalog = ["--models", "300", "--images", "6000", "--creators", "3", "--traps", "depth-cap"];
    let sandbox = Sandbox::start(&[&catalog[..], &["--era", "2026-08"]].concat());
    let people = distinct(&follow(&format!("{}/images?browsingLevel=3&limit=200", sandbox.base)), "username");
    let each = format!("for_each = {{ list = [{}], param = \"username\" }}", people.join(", "));
    let (room, _) =
        crawl(&sandbox, &[Walk::of("images").params(&format!("browsingLevel = 3, {PICTURES}")).with(&each)], 0);
    let notes = reported(&room, "notes");
    assert!(notes.contains("has 1000 items; the server may have cut it off there"), "{notes}");
}
