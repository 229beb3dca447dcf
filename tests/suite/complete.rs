//! The tables are complete and true: every model, version, file, hash and image that the sandbox says a perfect client of
//! the same queries gets, none missing, none extra, every value equal; repeats kept once per page and counted.

use civitrawl::sandbox::Traps;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ERAS, Room, Sandbox, assert_exit};

/// A walk over the models: its name, and its parameters as a crawl file has them.
type Walk<'a> = (&'a str, &'a [(&'a str, &'a str)]);

const OLDEST: Walk<'_> =
    ("models", &[("sort", "Oldest"), ("period", "AllTime"), ("nsfw", "true"), ("archived", "true")]);
const OLDEST_PG: Walk<'_> = ("models_pg", &[("sort", "Oldest"), ("period", "AllTime"), ("archived", "true")]);
const NEWEST: Walk<'_> =
    ("models", &[("sort", "Newest"), ("period", "AllTime"), ("nsfw", "true"), ("archived", "true")]);
const NEWEST_PG: Walk<'_> = ("models_pg", &[("sort", "Newest"), ("period", "AllTime"), ("archived", "true")]);

/// A crawl file with these walks, as fast as the sandbox answers.
fn crawl_file(walks: &[Walk<'_>]) -> String {
    let mut text = String::from("pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }\n");
    for (name, params) in walks {
        let value = |value: &str| match value {
            "true" => value.to_owned(),
            digits if digits.parse::<u32>().is_ok() => digits.to_owned(),
            text => format!("{text:?}"),
        };
        let params: Vec<String> = params.iter().map(|(key, text)| format!("{key} = {}", value(text))).collect();
        text.push_str(&format!("\n[[walk]]\nname = \"{name}\"\nendpoint = \"models\"\n"));
        text.push_str(&format!("params = {{ {} }}\n", params.join(", ")));
    }
    text
}

/// Compares the dataset with the sandbox's truth for each walk.
fn assert_true(room: &Room, sandbox: &Sandbox, walks: &[Walk<'_>]) {
    let query = |params: &[(&str, &str)]| {
        let pairs = params.iter().map(|(key, value)| format!("{key}={}", value.replace(' ', "+")));
        pairs.collect::<Vec<_>>().join("&")
    };
    let walks: Vec<String> = walks.iter().map(|(name, params)| format!("{name}={}", query(params))).collect();
    let side = sandbox.side("");
    let arguments = [side.trim_end_matches('/')].into_iter().chain(walks.iter().map(String::as_str));
    room.read("truth.py", &arguments.collect::<Vec<_>>());
}

/// Crawls a sandbox started with these arguments, to the end, and holds the result against the truth.
fn complete(sandbox: &[&str], walks: &[Walk<'_>]) -> Room {
    let server = Sandbox::start(sandbox);
    let room = Room::new(&crawl_file(walks), &server.base);
    assert_exit(&room.run(&[]), 0);
    assert_true(&room, &server, walks);
    room.assert_sound();
    room
}

/// A catalog file of these items, JSON lines; it goes with the directory.
fn catalog(items: String) -> (TempDir, String) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("catalog.jsonl");
    std::fs::write(&file, items).unwrap();
    (directory, file.display().to_string())
}

/// The run's report, and there must be one.
fn report(room: &Room) -> Value {
    let mut files = std::fs::read_dir(room.dataset().join("runs")).unwrap();
    let file = files.next().expect("a run leaves a report").unwrap();
    serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap()
}

/// Models of the catalog that the long tests crawl: few in every test run, 20,000 in `scripts/complete`.
fn models() -> String {
    std::env::var("CIVITRAWL_MODELS").unwrap_or_else(|_| String::from("1500"))
}

#[test]
fn two_oldest_walks_get_everything_behind_every_trap() {
    for era in ERAS {
        let room = complete(&["--models", &models(), "--traps", "all", "--era", era], &[OLDEST, OLDEST_PG]);
        let report = report(&room);
        let repeats = report["walks"]["models"]["repeats"].as_u64();
        assert_eq!(repeats > Some(0), era == "2026-08", "of a tie that a page ends in: {report:#}");
    }
}

#[test]
fn newest_walks_get_the_row_at_every_boundary_too() {
    for era in ERAS {
        complete(&["--models", &models(), "--traps", "all", "--era", era], &[NEWEST, NEWEST_PG]);
    }
}

#[test]
fn the_items_of_2023_are_complete() {
    complete(&["--models", &models(), "--traps", "all", "--era", "2023"], &[OLDEST, OLDEST_PG]);
}

#[test]
fn a_friendly_server_is_complete() {
    complete(&["--models", "1500", "--seed", "2"], &[OLDEST, NEWEST_PG]);
}

#[test]
fn every_sort_is_complete_on_a_still_catalog() {
    let sorts = [
        "Highest Rated",
        "Most Downloaded",
        "Most Liked",
        "Most Discussed",
        "Most Collected",
        "Most Images",
        "Newest",
        "Oldest",
    ];
    for (sort, era) in sorts.into_iter().flat_map(|sort| ERAS.map(|era| (sort, era))) {
        let params = [("sort", sort), ("period", "AllTime"), ("nsfw", "true"), ("archived", "true"), ("limit", "60")];
        complete(&["--models", "700", "--seed", "3", "--traps", "all", "--era", era], &[("by_sort", &params)]);
    }
}

#[test]
fn each_trap_alone_costs_nothing() {
    for (trap, _) in Traps::NAMES.iter().filter(|(_, about)| !about.contains("not part of all")) {
        for era in ERAS {
            complete(&["--models", "300", "--seed", "4", "--traps", trap, "--era", era], &[OLDEST, NEWEST_PG]);
        }
    }
}

#[test]
fn tiny_pages_are_complete() {
    // Ties are longer than these pages: see the next test.
    let traps = "all,-tied-dates";
    for limit in ["1", "2", "3", "7"] {
        for sort in ["Oldest", "Newest", "Most Downloaded"] {
            let params = [("sort", sort), ("nsfw", "true"), ("limit", limit)];
            for era in ERAS {
                complete(&["--models", "90", "--seed", "5", "--traps", traps, "--era", era], &[("tiny", &params)]);
            }
        }
    }
}

#[test]
fn a_tie_longer_than_a_page_costs_nothing_and_one_longer_than_any_page_is_named() {
    let narrow: Walk<'_> = ("narrow", &[("sort", "Oldest"), ("nsfw", "true"), ("limit", "2")]);
    for era in ERAS {
        complete(&["--models", "600", "--seed", "6", "--traps", "tied-dates", "--era", era], &[narrow]);
    }
    // A cursor of the newer server gets past any tie.
    complete(&["--models", "600", "--seed", "6", "--traps", "big-ties", "--era", "2026-09"], &[narrow]);

    let server = Sandbox::start(&["--models", "600", "--seed", "6", "--traps", "big-ties", "--era", "2026-08"]);
    let wide: Walk<'_> = ("wide", &[("sort", "Oldest"), ("nsfw", "true"), ("limit", "100")]);
    let newest: Walk<'_> = ("newest", &[("sort", "Newest"), ("nsfw", "true"), ("limit", "100")]);
    let room = Room::new(&crawl_file(&[wide, newest]), &server.base);
    assert_exit(&room.run(&[]), 4);
    let report = report(&room);
    assert_eq!(report["walks"]["wide"]["end"]["why"], "unlistable", "{report:#}");
    assert_eq!(report["walks"]["newest"]["end"]["why"], "complete", "{report:#}");
    let status = room.status();
    assert!(status.contains("rows share the instant"), "{status}");
}

#[test]
fn models_ten_milliseconds_apart_survive_the_misread_fractions() {
    let item = |n: u32| {
        let created = format!("2023-05-06T07:08:{:02}.{:03}Z", n / 100, n % 100 * 10);
        format!("{{\"id\":{},\"modelVersions\":[{{\"id\":{n},\"createdAt\":\"{created}\"}}]}}\n", n + 1)
    };
    let (_directory, catalog) = catalog((0..300).map(item).collect());
    for (sort, era) in ["Oldest", "Newest"].into_iter().flat_map(|sort| ERAS.map(|era| (sort, era))) {
        let params = [("sort", sort), ("limit", "7")];
        complete(&["--catalog", &catalog, "--traps", "all", "--era", era], &[("dense", &params)]);
    }
}

#[test]
fn rows_without_a_date_behind_the_first_page_end_a_date_walk_by_name() {
    // Two dated models and one without: a page of two ends at the undated one, whose cursor the server refuses.
    let dated = |id: u32| {
        format!("{{\"id\":{id},\"modelVersions\":[{{\"id\":{id},\"createdAt\":\"2023-01-0{id}T00:00:00.000Z\"}}]}}\n")
    };
    let (_directory, catalog) = catalog(format!("{}{}{{\"id\":3}}\n", dated(1), dated(2)));
    let server = Sandbox::start(&["--catalog", &catalog]);
    let walk: Walk<'_> = ("dated", &[("sort", "Oldest"), ("limit", "2")]);
    let room = Room::new(&crawl_file(&[walk]), &server.base);
    assert_exit(&room.run(&[]), 4);
    let report = report(&room);
    assert_eq!(report["walks"]["dated"]["end"]["why"], "unlistable", "{report:#}");
    assert_eq!(report["rows"]["models"], 2, "{report:#}");
}

#[test]
fn repaired_pages_are_counted_and_friendly_ones_are_not() {
    for (traps, repaired) in [("control-bytes", true), ("lone-surrogates", true), ("none", false)] {
        let room = complete(&["--models", "500", "--traps", traps], &[OLDEST]);
        let repairs = report(&room)["repairs"].as_u64().unwrap();
        assert_eq!(repairs > 0, repaired, "{traps}: {repairs} repairs");
    }
}
