//! The whole catalog in one crawl of the shipped file: every row of every table, for hardly more requests than it takes,
//! whatever changes, ends or is killed meanwhile.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Logged, Room, Sandbox, assert_exit, get, printed, requests, shipped};

/// Models, images, tags and creators of the catalog: few in every test run, as many as `scripts/everything` says there.
fn sizes() -> Vec<String> {
    let sizes = std::env::var("CIVITRAWL_EVERYTHING").unwrap_or_else(|_| String::from("500 4000 400 100"));
    let words = ["--models", "--images", "--tags", "--creators"].into_iter().map(str::to_owned);
    words.zip(sizes.split(' ').map(str::to_owned)).flat_map(<[String; 2]>::from).collect()
}

/// A sandbox of these sizes with these traps and more arguments.
fn sandbox(sizes: &[String], traps: &str, more: &[&str]) -> Sandbox {
    let mut arguments: Vec<&str> = sizes.iter().map(String::as_str).collect();
    arguments.extend(["--traps", traps]);
    arguments.extend(more);
    Sandbox::start(&arguments)
}

/// The crawl file of all images by time, and that of all memberships by version.
const BY_TIME: &str = "everything";
const BY_VERSION: &str = "images-by-version";

/// Holds the dataset of a shipped crawl file against the truth, and shows the figures.
fn assert_everything(room: &Room, sandbox: &Sandbox, crawl: &str, words: &[&str]) {
    println!("{}", room.read("everything.py", &[&[sandbox.side("").trim_end_matches('/'), crawl], words].concat()));
    room.assert_sound();
}

#[test]
fn everything_is_there_and_costs_what_it_must() {
    for (crawl, era) in [(BY_VERSION, "2026-08"), (BY_VERSION, "2026-09"), (BY_TIME, "2026-09")] {
        let sandbox = sandbox(&sizes(), "all", &["--fault", "kind=status,code=503,share=0.01", "--era", era]);
        let room = Room::new(&shipped(crawl), &sandbox.base);
        let began = Instant::now();
        assert_exit(&room.run(&[]), 0);
        println!("crawled {crawl} in {era} in {:.1} s", began.elapsed().as_secs_f64());
        assert_everything(&room, &sandbox, crawl, &[]);
    }
}

#[test]
fn everything_that_stays_is_there_while_the_rest_changes() {
    for (crawl, era) in [(BY_VERSION, "2026-08"), (BY_VERSION, "2026-09"), (BY_TIME, "2026-09")] {
        let sandbox = sandbox(&sizes(), "all,mutation", &["--era", era]);
        let room = Room::new(&shipped(crawl), &sandbox.base);
        assert_exit(&room.run(&[]), 0);
        assert_everything(&room, &sandbox, crawl, &["throughout"]);
    }
}

/// The server of August 2026 has no list of images by time: the walks of images say so, and all else is there.
#[test]
fn everything_but_the_images_is_there_where_they_are_not_listed_by_time() {
    let sandbox = sandbox(&sizes(), "all", &["--era", "2026-08"]);
    let room = Room::new(&shipped(BY_TIME), &sandbox.base);
    assert_exit(&room.run(&[]), 4);
    assert_everything(&room, &sandbox, BY_TIME, &["cut"]);
    let status = room.status();
    for walk in ["images", "images_mature"] {
        let line = status.lines().find(|line| line.split_whitespace().next() == Some(walk));
        assert!(line.is_some_and(|line| line.ends_with("doubtful")), "{status}");
    }
}

#[test]
fn the_shipped_crawl_of_posts_has_those_of_two_galleries() {
    let sandbox = Sandbox::start(&["--models", "40", "--images", "60"]);
    let galleries = sandbox.truth("gallery_images");
    let versions: BTreeSet<i64> = galleries.iter().filter_map(|row| row["model_version_id"].as_i64()).collect();
    let chosen: Vec<i64> = versions.into_iter().take(2).collect();
    let is_chosen = |row: &&Value| row["model_version_id"].as_i64().is_some_and(|version| chosen.contains(&version));
    let shown: Vec<&Value> = galleries.iter().filter(is_chosen).map(|row| &row["image_id"]).collect();
    let images = sandbox.truth("images").into_iter().filter(|image| shown.contains(&&image["id"]));
    let posts: BTreeSet<i64> = images.filter_map(|image| image["post_id"].as_i64()).collect();
    assert!(posts.len() > 1, "{posts:?}");

    let text = shipped("posts");
    let text =
        ["128713", "501240"].iter().zip(&chosen).fold(text, |text, (id, own)| text.replace(id, &own.to_string()));
    let room = Room::new(&text, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let crawled = room.rows("SELECT DISTINCT id FROM posts").into_iter().filter_map(|row| row[0].as_i64());
    assert_eq!(crawled.collect::<BTreeSet<_>>(), posts);
}

/// Starts a crawl and kills it once its server was asked this many times more.
fn kill_after(room: &Room, sandbox: &Sandbox, asked: usize) {
    let before = requests(sandbox).len();
    let mut child: Child =
        room.crawl().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let began = Instant::now();
    while requests(sandbox).len() < before + asked {
        assert!(began.elapsed() < Duration::from_secs(60), "the crawl does not get on");
        assert!(child.try_wait().expect("it can be asked").is_none(), "it was over before it could be killed");
        sleep(Duration::from_millis(10));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// A shipped crawl file, in pages so small that windows are split, rows of one instant do not fit into one, and numbered
/// pages are many; models and users by their ids in batches of this many.
fn in_small_pages(crawl: &str, batch: u32) -> String {
    let text = shipped(crawl).replace("limit = 100 ", "limit = 5 ").replace("batch = 100", &format!("batch = {batch}"));
    text.replace("limit = 200 }", "limit = 10 }")
}

#[test]
fn everything_is_there_though_every_run_takes_but_a_few_pages() {
    let sizes = ["--models", "40", "--images", "60", "--tags", "40", "--creators", "30"].map(str::to_owned);
    // Models without a date are on no page behind the first; with pages this small the list has more than one.
    let sandbox = sandbox(&sizes, "all,-null-dates", &[]);
    for crawl in [BY_TIME, BY_VERSION] {
        let room = Room::new(&in_small_pages(crawl, 50), &sandbox.base);
        let mut budgets = ["1", "2", "3"].into_iter().cycle().take(400);
        let code =
            budgets.by_ref().map(|pages| room.run(&["--max-pages", pages]).status.code()).find(|code| *code != Some(3));
        assert_eq!(code, Some(Some(0)));
        println!("{} runs", 400 - budgets.count());
        assert_everything(&room, &sandbox, crawl, &["killed"]);
    }
}

#[test]
fn kills_in_windows_fan_outs_and_numbered_pages_lose_nothing() {
    let sizes = ["--models", "300", "--images", "1500", "--tags", "400", "--creators", "60"].map(str::to_owned);
    let sandbox = sandbox(&sizes, "all", &["--latency", "10"]);
    for (crawl, asked) in [(BY_TIME, vec![12, 60, 60, 60, 150, 200]), (BY_VERSION, vec![150, 300])] {
        let room = Room::new(&in_small_pages(crawl, 5), &sandbox.base);
        for asked in asked {
            kill_after(&room, &sandbox, asked);
            room.assert_sound();
        }
        assert_exit(&room.run(&[]), 0);
        assert_everything(&room, &sandbox, crawl, &["killed"]);
        // The page number within a walk has no gap.
        let gaps = "SELECT walk FROM pages GROUP BY walk HAVING count(*) <> max(page) OR min(page) <> 1";
        assert_eq!(room.rows(gaps), Vec::<Value>::new());
    }
}

/// One walk in windows, in small pages.
const WINDOWS: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 16 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", nsfw = true, archived = true, limit = 10 }
split = { windows = 8, from = "2022-11-01" }
"#;

/// Fails unless the walk has every model that the sandbox lists for its query.
fn assert_all_models(room: &Room, sandbox: &Sandbox) {
    let truth = get(&sandbox.side("truth/models?sort=Oldest&nsfw=true&archived=true&limit=10"));
    let mut expected: Vec<i64> = truth.lines().map(|line| ids(line)["id"].as_i64().expect("models have ids")).collect();
    expected.sort_unstable();
    let seen = room.rows("SELECT DISTINCT id FROM models ORDER BY id");
    let seen: Vec<i64> = seen.iter().filter_map(|row| row[0].as_i64()).collect();
    assert_eq!(seen, expected);
    room.assert_sound();
}

fn ids(line: &str) -> Value {
    serde_json::from_str(line).expect("the truth is JSON lines")
}

#[test]
fn eight_windows_are_walked_side_by_side_to_the_end() {
    let sandbox = Sandbox::start(&["--models", "6000", "--latency", "200", "--traps", "all,-null-dates"]);
    let room = Room::new(&WINDOWS.replace("limit = 10", "limit = 6"), &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    assert_all_models(&room, &sandbox);
    // As many on average as their latencies, one behind the other, fill the walk's time.
    let mean = "SELECT sum(latency_ms) / (epoch_ms(max(fetched_at)) - min(epoch_ms(fetched_at) - latency_ms)) FROM pages \
                WHERE walk NOT LIKE '%/recheck/%'";
    let mean = room.value(mean).as_f64().expect("it is a number");
    println!("{mean:.2} requests were in flight on average");
    // Seven on an idle machine; the bound leaves room for a busy one.
    assert!(mean >= 6.0, "{mean:.2} requests were in flight on average");
    // Splits cost a page or two each, not more. Models listed without versions are asked for by their ids beside the list.
    let least = ids(&get(&sandbox.side("least/models?sort=Oldest&nsfw=true&archived=true&limit=6")));
    let list = |request: &&Logged| request.path == "/api/v1/models" && !request.query.contains("&ids=");
    let (spent, least) =
        (requests(&sandbox).iter().filter(list).count() as u64, least["requests"].as_u64().expect("it is a number"));
    println!("{spent} requests, {least} at least");
    assert!(spent * 100 <= least * 105, "{spent} requests, {least} at least");
}

#[test]
fn a_server_that_refuses_forged_cursors_is_walked_unsplit_and_complete() {
    let sandbox = Sandbox::start(&["--models", "900", "--traps", "all,forged-cursors-refused"]);
    let room = Room::new(WINDOWS, &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 0);
    assert!(printed(&output).contains("refuses cursors that it did not name"), "{}", printed(&output));
    assert_all_models(&room, &sandbox);
}

/// A walk over twenty thousand ids, one a request.
fn many() -> String {
    let ids: Vec<String> = (1..=20_000).map(|id| format!("\"{id}\"")).collect();
    let head = WINDOWS.split("\n[[walk]]").next().expect("there is a head");
    let list = ids.join(", ");
    format!(
        "{head}commit = {{ every = \"100ms\" }}\n\n[[walk]]\nname = \"many\"\nendpoint = \"models\"\n\
         params = {{ sort = \"Oldest\", nsfw = true }}\nfor_each = {{ list = [{list}], param = \"ids\" }}\n"
    )
}

#[test]
fn a_fan_out_over_many_values_resumes_where_it_stopped_with_small_records() {
    let sandbox = Sandbox::start(&["--models", "100", "--latency", "5"]);
    let room = Room::new(&many(), &sandbox.base);
    assert_exit(&room.run(&["--max-pages", "300"]), 3);
    assert_exit(&room.run(&["--max-pages", "100"]), 3);
    let asked = |log: &[Logged]| {
        let mut queries: Vec<String> = log.iter().map(|request| request.query.clone()).collect();
        queries.sort_unstable();
        queries.dedup();
        queries.len()
    };
    let log = requests(&sandbox);
    assert_eq!((log.len(), asked(&log)), (400, 400), "a page was asked for twice");

    // Killed, only what was not committed is asked for again: less than a fifth of a second of 20 requests under way.
    kill_after(&room, &sandbox, 300);
    let before = requests(&sandbox).len();
    assert_exit(&room.run(&["--max-pages", "200"]), 3);
    let log = requests(&sandbox);
    let again = log.len() - asked(&log);
    assert!(again < before - 400, "{again} requests were repeated: none of those before the kill was committed");
    let through = room.value("SELECT count(DISTINCT walk) = count(*) AND max(page) = 1 FROM pages");
    assert_eq!(through, Value::Bool(true), "a value was walked twice");
    room.assert_sound();

    let records = std::fs::read_dir(room.dataset().join("commits")).expect("there are records");
    let largest = records.map(|entry| entry.expect("it can be listed").metadata().expect("it has a size").len()).max();
    assert!(largest < Some(1 << 20), "a record has {largest:?} bytes");
}
