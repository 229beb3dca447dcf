//! Traps of the models list.

use super::{ALL, ALL_PARAMS, assert_values, column, doubts, log, plan};
use crate::naive::{distinct, follow, numbered};
use crate::support::{ERAS, Room, Sandbox, Walk, ask, assert_exit, crawl, crawl_file};

#[test]
fn trap_01_page_does_nothing_on_models() {
    let sandbox = Sandbox::start(&["--models", "700"]);
    let naive = numbered(&format!("{}/models?{ALL}&limit=100", sandbox.base));
    let all = sandbox.truth(&format!("models?{ALL}"));
    assert_eq!((naive.len(), distinct(&naive, "id").len()), (1000, 100), "of {} models", all.len());
    assert_eq!(ask(&format!("{}/models?{ALL}&page=11", sandbox.base)).status, 429);

    let said = plan(Walk::of("models").params(&format!("{ALL_PARAMS}, page = 2")), false);
    assert!(said.contains("returns the first page whatever the number"), "{said}");
    let before = log(&sandbox).len();
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    assert_eq!(column(&room, "models", "id"), distinct(&all, "id"));
    assert!(log(&sandbox)[before..].iter().all(|request| !request["query"].to_string().contains("page=")));
}

#[test]
fn trap_02_newest_loses_one_model_a_page() {
    for era in ERAS {
        let sandbox = Sandbox::start(&["--models", "600", "--traps", "newest-lost-row", "--era", era]);
        let query = "sort=Newest&nsfw=true&limit=20";
        let naive = distinct(&follow(&format!("{}/models?{query}", sandbox.base)), "id");
        let all = distinct(&sandbox.truth(&format!("models?{query}")), "id");
        let lost = all.len() - naive.len();
        assert_eq!((lost > 20, lost > 0), (era == "2026-08", era == "2026-08"), "{lost} of {}", all.len());

        let walk = Walk::of("models").named("newest").params("sort = \"Newest\", nsfw = true, limit = 20");
        let (room, _) = crawl(&sandbox, &[walk], 0);
        assert_eq!(column(&room, "models", "id"), all);
    }
}

/// Models ten milliseconds apart: nearly every boundary has a fraction that ends in zeros.
fn dense() -> (tempfile::TempDir, String) {
    let item = |n: u32| {
        let created = format!("2023-05-06T07:08:{:02}.{:03}Z", n / 100, n % 100 * 10);
        format!("{{\"id\":{},\"modelVersions\":[{{\"id\":{n},\"createdAt\":\"{created}\"}}]}}\n", n + 1)
    };
    let directory = tempfile::TempDir::new().expect("there is room");
    let catalog = directory.path().join("catalog.jsonl");
    std::fs::write(&catalog, (0..300).map(item).collect::<String>()).expect("it can be written");
    let catalog = catalog.display().to_string();
    (directory, catalog)
}

#[test]
fn trap_03_a_trimmed_fraction_is_misread() {
    let (_directory, catalog) = dense();
    let sandbox = Sandbox::start(&["--catalog", &catalog, "--traps", "trimmed-fractions"]);
    let naive = follow(&format!("{}/models?sort=Newest&limit=7", sandbox.base));
    assert!(distinct(&naive, "id").len() < 200, "{}", distinct(&naive, "id").len());
    let oldest = follow(&format!("{}/models?sort=Oldest&limit=7", sandbox.base));
    assert!(oldest.len() > 2 * distinct(&oldest, "id").len(), "it goes round in circles");

    for sort in ["Newest", "Oldest"] {
        let walk = Walk::of("models").named("dense").params(&format!("sort = \"{sort}\", limit = 7"));
        let (room, _) = crawl(&sandbox, &[walk], 0);
        // The first page of Newest is read once more at the end.
        let own = "FROM models WHERE walk = 'dense'";
        let counts = room.rows(&format!("SELECT count(*), count(DISTINCT id) {own}"));
        assert_eq!(counts, [serde_json::json!([300, 300])], "{sort}: none missed, none repeated");
    }
}

#[test]
fn trap_04_an_empty_page_of_models_is_not_the_end() {
    let sandbox = Sandbox::start(&["--models", "900", "--traps", "empty-pages,short-pages"]);
    let query = format!("{ALL}&limit=10");
    let naive = distinct(&follow(&format!("{}/models?{query}", sandbox.base)), "id");
    let all = distinct(&sandbox.truth(&format!("models?{query}")), "id");
    assert!(naive.len() < all.len(), "{} of {}", naive.len(), all.len());

    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS).limit(10)], 0);
    assert_eq!(column(&room, "models", "id"), all);
    assert!(room.value("SELECT count(*) FROM pages WHERE items = 0 AND next_cursor IS NOT NULL").as_u64() > Some(0));
}

#[test]
fn trap_11_odd_shapes_of_licences_counters_and_names_are_read() {
    let traps = "text-licences,null-counters,numeric-usernames,absent-creators,odd-fields";
    let sandbox = Sandbox::start(&["--models", "800", "--traps", traps]);
    let naive = follow(&format!("{}/models?{ALL}", sandbox.base));
    let some = |odd: &dyn Fn(&serde_json::Value) -> bool| naive.iter().any(odd);
    assert!(
        some(&|model| model["allowCommercialUse"].is_string()) && some(&|model| model["allowCommercialUse"].is_array())
    );
    assert!(some(&|model| model["stats"]["downloadCount"].is_null()));
    assert!(some(&|model| model["creator"]["username"].is_number()));
    assert!(some(&|model| model.get("creator").is_none()));

    let sandbox = Sandbox::start(&["--models", "800", "--traps", traps]);
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    assert_values(&room, &sandbox, "models", ALL);
    let numeric = "SELECT count(*) FROM models WHERE regexp_full_match(creator_username, '[0-9]+')";
    assert!(room.value(numeric).as_u64() > Some(0));
}

#[test]
fn trap_12_sizes_hashes_and_levels_are_spelt_otherwise_than_documented() {
    let sandbox = Sandbox::start(&["--models", "400", "--images", "800"]);
    let naive = follow(&format!("{}/models?{ALL}", sandbox.base));
    let files = || naive.iter().flat_map(|model| model["modelVersions"].as_array().into_iter().flatten());
    let files = || files().flat_map(|version| version["files"].as_array().into_iter().flatten());
    assert!(files().count() > 0 && files().all(|file| file["sizeKb"].is_null()));

    let pictures = Walk::of("images").params("browsingLevel = 3, sort = \"Newest\"");
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS), pictures], 0);
    assert_eq!(room.value("SELECT count(*) FROM version_files WHERE size_kb IS NULL"), 0);
    for algorithm in ["BLAKE3", "AutoV3", "SHA256"] {
        let sql = format!("SELECT count(*) FROM file_hashes WHERE algorithm = '{algorithm}'");
        assert!(room.value(&sql).as_u64() > Some(0), "{algorithm}");
    }
    assert_eq!(room.value("SELECT typeof(nsfw_level) FROM version_images WHERE nsfw_level > 1"), "BIGINT");
    assert_eq!(column(&room, "images", "nsfw_word"), ["\"None\"", "\"Soft\""]);
}

#[test]
fn trap_13_base_models_narrow_the_versions() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let versions = |query: &str| {
        let models = follow(&format!("{}/models?{ALL}{query}", sandbox.base));
        let versions = models.iter().flat_map(|model| model["modelVersions"].as_array().cloned().unwrap_or_default());
        distinct(&versions.collect::<Vec<_>>(), "id")
    };
    let (all, pony) = (versions(""), versions("&baseModels=Pony"));
    assert!(!pony.is_empty() && pony.len() < all.len());
    let one = &pony[0];
    assert_eq!(versions(&format!("&modelVersionIds={one}")), std::slice::from_ref(one));

    // What such a walk has is what it asked for, and nothing is looked for behind it; the plain walk has them all.
    let narrow = Walk::of("models").named("narrow").params(&format!("{ALL_PARAMS}, baseModels = [\"Pony\"]"));
    let (room, _) = crawl(&sandbox, &[narrow, Walk::of("models").params(ALL_PARAMS)], 0);
    assert_eq!(column(&room, "(SELECT * FROM model_versions WHERE walk = 'narrow')", "id"), pony);
    assert_eq!(column(&room, "(SELECT * FROM model_versions WHERE walk = 'models')", "id"), all);
    let said = plan(Walk::of("models").params(&format!("{ALL_PARAMS}, baseModels = [\"Pony\"]")), true);
    assert!(said.contains("their version lists are incomplete"), "{said}");
    for narrow in ["modelVersionIds = [1]", "supportsGeneration = true"] {
        let said = plan(Walk::of("models").params(&format!("{ALL_PARAMS}, {narrow}")), true);
        assert!(said.contains("their version lists are incomplete"), "{said}");
    }
}

#[test]
fn trap_14_nsfw_hides_models_and_the_list_hides_versions() {
    let traps = "hidden-minors,hidden-early-access,hidden-persons";
    let sandbox = Sandbox::start(&["--models", "900", "--traps", traps]);
    let naive = distinct(&follow(&format!("{}/models?{ALL}", sandbox.base)), "id");
    let all = distinct(&sandbox.truth("models"), "id");
    assert!(naive.len() < all.len());

    let pg = ALL_PARAMS.replace(", nsfw = true", "");
    let sweep = "for_each = { range = [1, \"newest\"], param = \"ids\", batch = 100 }";
    let walks = [
        Walk::of("models").params(ALL_PARAMS),
        Walk::of("models").named("pg").params(&pg),
        Walk::of("models").named("sweep").params(ALL_PARAMS).with(sweep),
        Walk::of("models").named("sweep_pg").params(&pg).with(sweep),
        Walk::of("creators").params("limit = 200"),
    ];
    let (room, said) = crawl(&sandbox, &walks, 0);
    let listed = "(SELECT DISTINCT id FROM models WHERE walk IN ('models', 'pg'))";
    let by_list = room.value(&format!("SELECT count(*) FROM {listed}"));
    assert!(by_list.as_u64() > Some(naive.len() as u64), "the second walk finds more than {}: {by_list}", naive.len());
    assert!(by_list.as_u64() < Some(all.len() as u64), "the sweep finds more than both: {by_list} of {}", all.len());
    assert_eq!(column(&room, "models", "id"), all);
    assert_eq!(column(&room, "model_versions", "id"), distinct(&sandbox.truth("model_versions"), "id"));

    // Models of real persons, and of children above PG, cannot be had by anybody; that their creators have more models is reported.
    let hidden = format!("creators report 900 models, and {} of these are not in the tables", 900 - all.len());
    assert!(said.contains(&hidden) && all.len() < 900, "{said}");
}

#[test]
fn trap_14_versions_kept_back_from_the_list_are_asked_for_by_id() {
    let sandbox = Sandbox::start(&["--models", "900", "--traps", "hidden-early-access"]);
    let versions = |models: &[serde_json::Value]| {
        let versions = models.iter().flat_map(|model| model["modelVersions"].as_array().cloned().unwrap_or_default());
        distinct(&versions.collect::<Vec<_>>(), "id")
    };
    let naive = follow(&format!("{}/models?{ALL}", sandbox.base));
    let short = naive.iter().filter(|model| {
        let shown = model["modelVersions"].to_string();
        let bases = model["baseModels"].as_array().into_iter().flatten();
        bases.into_iter().any(|base| !shown.contains(&format!("\"baseModel\":{base}")))
    });
    let ids: Vec<String> = short.map(|model| model["id"].to_string()).collect();
    assert!(!ids.is_empty());

    let (room, said) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    let by_id = sandbox.truth(&format!("model_versions?{ALL}&ids={}", ids.join(",")));
    let again = "(SELECT * FROM model_versions WHERE walk LIKE 'models/recheck/ids/%')";
    assert_eq!(column(&room, again, "id"), distinct(&by_id, "id"));
    assert!(column(&room, "model_versions", "id").len() > versions(&naive).len());
    // They are asked for together.
    let asked = room.value("SELECT count(*) FROM pages WHERE walk LIKE 'models/recheck/%'");
    assert_eq!(asked.as_u64(), Some((ids.len() as u64).div_ceil(100)));
    assert!(!said.contains("lack versions"), "{said}");
}

#[test]
fn trap_21_models_without_versions_are_looked_up() {
    let sandbox = Sandbox::start(&["--models", "1500", "--traps", "empty-versions"]);
    let naive = follow(&format!("{}/models?{ALL}", sandbox.base));
    let empty: Vec<String> = naive
        .iter()
        .filter(|model| model["modelVersions"] == serde_json::json!([]))
        .map(|model| model["id"].to_string())
        .collect();
    assert!(!empty.is_empty());

    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 0);
    let full = sandbox.truth(&format!("model_versions?model_id={}", empty.join(",")));
    assert!(!full.is_empty());
    let again = "(SELECT * FROM model_versions WHERE walk LIKE 'models/recheck/%')";
    assert_eq!(column(&room, again, "id"), distinct(&full, "id"));
}

#[test]
fn rows_that_appear_while_a_walk_is_under_way_are_taken_at_its_end() {
    for (sort, split) in [("Newest", ""), ("Oldest", "split = { windows = 3, from = \"2022-11-01\" }")] {
        let sandbox = Sandbox::start(&["--models", "600", "--traps", "mutation"]);
        let params = format!("sort = \"{sort}\", nsfw = true, limit = 20");
        let (room, said) = crawl(&sandbox, &[Walk::of("models").params(&params).with(split)], 0);
        // Everything that was to happen has, within the first half of the walk.
        let seen = column(&room, "models", "id");
        let all = distinct(&sandbox.truth(&format!("models?sort={sort}&nsfw=true")), "id");
        let missed: Vec<&String> = all.iter().filter(|id| seen.binary_search(id).is_err()).collect();
        assert_eq!(missed, Vec::<&String>::new(), "{sort}: {said}");
        let edge = room.value("SELECT count(*) FROM pages WHERE walk = 'models/recheck/boundary'");
        assert!(edge.as_u64() > Some(0), "{sort}: the edge was not read once more");
        if sort == "Newest" {
            let new = |others: &str| {
                let others = format!("(SELECT id FROM models WHERE {others})");
                let edge = "FROM models WHERE walk = 'models/recheck/boundary'";
                room.value(&format!("SELECT count(*) {edge} AND id NOT IN {others}")).as_u64().expect("it is a number")
            };
            assert!(new("walk = 'models'") > 0, "nothing was only there");
            let appeared = new("walk = 'models' AND page = 1");
            let status = room.status();
            let items = if appeared == 1 { "item" } else { "items" };
            assert!(status.contains(&format!("{appeared} {items} appeared while the walk ran")), "{status}");
        }
    }
}

#[test]
fn rows_that_no_cursor_reaches_are_named() {
    let sandbox = Sandbox::start(&["--models", "600", "--traps", "big-ties", "--era", "2026-08"]);
    let (room, _) = crawl(&sandbox, &[Walk::of("models").params(ALL_PARAMS)], 4);
    assert!(doubts(&room).contains("rows share the instant"), "{}", doubts(&room));

    // A boundary among the undated models has a cursor that the server refuses.
    let dated = |id: u32| {
        format!("{{\"id\":{id},\"modelVersions\":[{{\"id\":{id},\"createdAt\":\"2023-01-0{id}T00:00:00.000Z\"}}]}}\n")
    };
    let directory = tempfile::TempDir::new().expect("there is room");
    let catalog = directory.path().join("catalog.jsonl");
    std::fs::write(&catalog, format!("{}{}{{\"id\":3}}\n", dated(1), dated(2))).expect("it can be written");
    let sandbox = Sandbox::start(&["--catalog", &catalog.display().to_string()]);
    for split in ["", "split = { windows = 3, from = \"2022-11-01\" }"] {
        let room = Room::new(
            &crawl_file(&[Walk::of("models").named("dated").params("sort = \"Oldest\", limit = 2").with(split)]),
            &sandbox.base,
        );
        assert_exit(&room.run(&[]), 4);
        assert!(doubts(&room).contains("have no date"), "{}", doubts(&room));
    }
}
