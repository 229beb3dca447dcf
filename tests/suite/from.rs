//! Walks that begin at a date: their first pass leaves out what is older, later passes never go back before it, and nothing is
//! gone because they do not show it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::support::{
    Request, Room, Sandbox, Server, Walk, answer, assert_exit, crawl_file, killed_at, pass_night, printed, program,
    requests,
};

const MODELS: &str = "sort = \"Oldest\", period = \"AllTime\", nsfw = true, archived = true, limit = 20";
const QUESTION: &str = "nsfw=true&archived=true";
const OVERLAP: &str = "incremental = { overlap = \"3d\" }";

/// A crawl file of one walk over models that begins at `from`.
fn file(from: &str, more: &str) -> String {
    crawl_file(&[Walk::of("models").params(MODELS).with(&format!("from = \"{from}\"\n{more}"))])
}

/// Runs the crawl, whose dataset stays sound, and returns the queries it asked.
fn queries(room: &Room, sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let before = requests(sandbox).len();
    assert_exit(&room.run(arguments), 0);
    room.assert_sound();
    requests(sandbox).into_iter().skip(before).map(|request| request.query).collect()
}

/// Returns the models that a perfect client finds dated `day` or later: the list sorts by the newest version.
fn dated(sandbox: &Sandbox, day: &str) -> BTreeSet<i64> {
    let mut newest: BTreeMap<i64, String> = BTreeMap::new();
    for row in sandbox.truth(&format!("model_versions?{QUESTION}")) {
        let published = row["published_at"].as_str().unwrap_or_default().to_owned();
        let known = newest.entry(row["model_id"].as_i64().expect("an id")).or_default();
        *known = published.max(known.clone());
    }
    newest.into_iter().filter(|(_, published)| &**published >= day).map(|(id, _)| id).collect()
}

fn stored(room: &Room, pass: u32) -> BTreeSet<i64> {
    let rows = room.rows(&format!("SELECT DISTINCT id FROM models WHERE pass = {pass}"));
    rows.iter().map(|row| row[0].as_i64().expect("an id")).collect()
}

/// Returns the number of models that are gone by the snapshot.
fn gone(room: &Room) -> i64 {
    let latest = room.dataset().join("latest/models.parquet");
    let sql = format!("SELECT count(*) FROM '{}' WHERE gone_at IS NOT NULL", latest.display());
    room.value(&sql).as_i64().expect("a number")
}

/// The cursor at which a pass began.
fn began(room: &Room, pass: u32) -> String {
    let first = format!("SELECT min(cursor) FROM pages WHERE pass = {pass} AND cursor IS NOT NULL");
    room.value(&first).as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_first_pass_asks_only_for_what_is_dated_later() {
    let sandbox = Sandbox::start(&["--models", "1000"]);
    for more in ["", "split = { windows = 3 }", "split = { windows = 3, from = \"2022-11-01\" }"] {
        let room = Room::new(&file("2026-03-01", more), &sandbox.base);
        let asked = queries(&room, &sandbox, &[]);
        let expected = dated(&sandbox, "2026-03-01");
        assert!(expected.len() > 100 && expected.len() < 400, "{}", expected.len());
        assert_eq!(stored(&room, 1), expected, "{more}");
        // Each window has a page of its own at most, and the last page is read again.
        assert!(asked.len() <= expected.len().div_ceil(20) + 6, "{more}: {} requests", asked.len());
        assert!(asked.iter().all(|query| query.contains("cursor=2026-")), "{asked:?}");
        assert_eq!(began(&room, 1), "2026-03-01 00:00:00.000|0");
    }
}

#[test]
fn later_passes_never_go_back_before_it_and_nothing_is_gone() {
    for (more, overlap) in [("", false), ("split = { windows = 3 }\nincremental = { overlap = \"3d\" }", true)] {
        let sandbox = Sandbox::start(&["--models", "500"]);
        let room = Room::new(&file("2026-03-01", more), &sandbox.base);
        queries(&room, &sandbox, &[]);
        for pass in 2..=3 {
            // Some of what was listed is unpublished, and models from before the date reappear with a new version.
            let night = pass_night(&sandbox, "0.2");
            assert!(!night["unpublished"].as_array().expect("ids").is_empty(), "{night}");
            let restart = if pass == 3 { &["--restart"][..] } else { &[] };
            let asked = queries(&room, &sandbox, restart);
            assert!(asked.iter().all(|query| query.contains("cursor=2026-")), "{asked:?}");
            let (stored, since) = (stored(&room, pass), dated(&sandbox, "2026-03-01"));
            if overlap && pass != 3 {
                assert!(began(&room, pass).as_str() > "2026-09", "{}", began(&room, pass));
                let missed: Vec<i64> = dated(&sandbox, "2026-10-25").difference(&stored).copied().collect();
                assert!(missed.is_empty(), "{missed:?}");
            } else {
                assert_eq!(began(&room, pass), "2026-03-01 00:00:00.000|0", "{more}");
                assert_eq!(stored, since, "{more}");
            }
            assert_eq!(gone(&room), 0, "{more}");
        }
        let status = room.status();
        assert!(status.contains("no pass has read the whole list yet"), "{status}");
    }
}

#[test]
fn without_its_from_the_walk_reads_the_whole_list_and_finds_things_gone() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let text = file("2026-03-01", OVERLAP);
    let room = Room::new(&text, &sandbox.base);
    queries(&room, &sandbox, &[]);
    let whole = Room::new(&text.replace("from = \"2026-03-01\"\n", ""), &sandbox.base);
    std::fs::rename(room.dataset(), whole.dataset()).unwrap();
    let all = sandbox.truth(&format!("models?{QUESTION}")).len();
    assert!(queries(&whole, &sandbox, &[])[0].contains("limit=20") && all == stored(&whole, 2).len());
    let unpublished = pass_night(&sandbox, "0.2")["unpublished"].as_array().expect("ids").len();
    assert!(unpublished > 5);
    queries(&whole, &sandbox, &["--restart"]);
    assert_eq!(gone(&whole), unpublished as i64);
}

#[test]
fn a_first_pass_that_was_stopped_or_killed_goes_on_from_there() {
    let sandbox = Sandbox::start(&["--models", "1000"]);
    let expected = dated(&sandbox, "2026-03-01");
    for more in ["", "split = { windows = 3 }"] {
        let text = format!("commit = {{ every = \"100ms\" }}\n{}", file("2026-03-01", more));
        let room = Room::new(&text, &sandbox.base);
        assert_exit(&room.run(&["--max-pages", "3"]), 3);
        for nth in [3, 7, 12, 18] {
            killed_at(nth, &room.dataset(), &room.crawl());
            // A run may be killed after its last commit.
            room.status();
        }
        let asked = queries(&room, &sandbox, &[]);
        assert!(asked.iter().all(|query| query.contains("cursor=2026-")), "{asked:?}");
        assert_eq!(stored(&room, 1), expected, "{more}");
        let doubled = "SELECT count(*) FROM (SELECT id FROM models GROUP BY id, page, walk HAVING count(*) > 1)";
        assert_eq!(room.value(doubled), 0);
        assert_eq!(began(&room, 1), "2026-03-01 00:00:00.000|0");
    }
}

#[test]
fn in_the_middle_of_a_pass_it_stays_as_it_is_written() {
    let sandbox = Sandbox::start(&["--models", "1000"]);
    let text = file("2026-03-01", "");
    let room = Room::new(&text, &sandbox.base);
    assert_exit(&room.run(&["--max-pages", "3"]), 3);
    for (other, difference) in [
        ("from = \"2026-02-01\"\n", "`from` was `2026-03-01`, is `2026-02-01`"),
        ("from = \"now - 300d\"\n", "`from` was `2026-03-01`, is `now - 300d`"),
        ("", "`from` was `2026-03-01`, is gone"),
    ] {
        let changed = Room::new(&text.replace("from = \"2026-03-01\"\n", other), &sandbox.base);
        std::fs::rename(room.dataset(), changed.dataset()).unwrap();
        let refused = changed.run(&[]);
        assert_exit(&refused, 2);
        assert!(printed(&refused).contains(difference), "{}", printed(&refused));
        std::fs::rename(changed.dataset(), room.dataset()).unwrap();
    }
    assert_exit(&room.run(&[]), 0);
    assert_eq!(stored(&room, 1), dated(&sandbox, "2026-03-01"));
}

#[test]
fn a_date_that_is_still_to_come_is_refused() {
    let sandbox = Sandbox::start(&["--models", "10"]);
    let room = Room::new(&file("2126-01-01", ""), &sandbox.base);
    let refused = room.run(&[]);
    assert_exit(&refused, 2);
    let said = printed(&refused);
    assert!(said.contains("walk `models` begins at `2126-01-01`") && said.contains("that is still to come"), "{said}");
    assert!(requests(&sandbox).is_empty());
}

#[test]
fn a_plan_counts_what_came_since_the_date_and_each_side_of_the_levels_once() {
    let images =
        |levels: &str| Walk::of("images").named(&format!("of_{levels}")).params(&format!("browsingLevel = {levels}"));
    let models = |from: &str| Walk::of("models").params("sort = \"Oldest\"").with(from);
    let plan = |walks: &[Walk]| {
        let text = format!("server = \"https://civitai.com/api/v1\"\ndataset = \"d\"\n{}", crawl_file(walks));
        let room = Room::new(&text, "");
        let output = program().arg("plan").arg(room.file()).output().unwrap();
        assert_exit(&output, 0);
        printed(&output)
    };
    let both = plan(&[images("3").limit(200), images("28").limit(200)]);
    assert!(both.contains("at most 600 000 requests") && both.matches(" 300 000 ").count() == 2, "{both}");
    assert!(plan(&[images("31").limit(200)]).contains("at most 600 000 requests"));
    for (from, expected, asks) in [
        ("", "at most 9 000 requests", "models?sort=Oldest"),
        ("from = \"now - 30d\"", "at most 202 requests", "models?sort=Oldest from now - 30d on"),
        ("from = \"now - 1s\"", "about 1 request", "models?sort=Oldest from now - 1s on"),
        ("from = \"2010-01-01\"", "at most 9 000 requests", "models?sort=Oldest from 2010-01-01 on"),
    ] {
        let plan = plan(&[models(from)]);
        assert!(plan.contains(expected) && plan.contains(asks), "{plan}");
    }
}

/// A server that knows no cursors but its own, which are numbers: it lists `models`, a page of two at a time.
fn without_dates(models: Arc<Mutex<Vec<u64>>>) -> Server {
    Server::answering(move |Request { target, .. }| {
        let cursor = target.split("cursor=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or("0");
        let Ok(start) = cursor.parse::<usize>() else {
            return answer("400 Bad Request", "", r#"{"error":"Invalid cursor"}"#);
        };
        let models = models.lock().expect("no thread died");
        let model = |id: &u64| format!(r#"{{"id":{id},"modelVersions":[{{"id":{id}}}]}}"#);
        let page: Vec<String> = models.iter().skip(start).take(2).map(model).collect();
        let more = start + 2 < models.len();
        let next = if more { format!(r#""nextCursor":"{}""#, start + 2) } else { String::new() };
        answer("200 OK", "", &format!(r#"{{"items":[{}],"metadata":{{{next}}}}}"#, page.join(",")))
    })
}

#[test]
fn where_the_server_cannot_begin_at_a_date_the_whole_list_is_kept_and_nothing_is_gone() {
    for more in ["", "split = { windows = 3 }", OVERLAP] {
        let models = Arc::new(Mutex::new((1..=9).collect::<Vec<u64>>()));
        let server = without_dates(Arc::clone(&models));
        let walk =
            Walk::of("models").params("sort = \"Oldest\", limit = 2").with(&format!("from = \"2026-03-01\"\n{more}"));
        let room = Room::new(&crawl_file(&[walk]), &server.base);
        for pass in 1..=3 {
            let before = server.requests().len();
            let output = room.run(if pass == 3 { &["--restart"] } else { &[] });
            assert_exit(&output, 0);
            room.assert_sound();
            assert!(printed(&output).contains("the server refuses"), "{}", printed(&output));
            assert!(server.requests()[before].target.contains("cursor=2026-03-01"), "{more}: it is tried in each pass");
            assert_eq!(stored(&room, pass).len(), if pass == 1 { 9 } else { 7 }, "{more}");
            assert_eq!(gone(&room), 0, "{more}");
            models.lock().expect("no thread died").retain(|id| *id < 8);
        }
    }
}

/// Two walks of images that begin at a date.
fn images(from: &str, more: &str) -> String {
    let walk = |name: &str, mask: u32| {
        let params = format!("sort = \"Oldest\", period = \"AllTime\", browsingLevel = {mask}, limit = 100");
        Walk::of("images").named(name).params(&params).with(&format!("from = \"{from}\"\n{more}"))
    };
    crawl_file(&[walk("mild", 3), walk("strong", 28)])
}

/// The images that a perfect client finds dated `day` or later, by mask.
fn images_dated(sandbox: &Sandbox, day: &str) -> [BTreeSet<i64>; 2] {
    [3, 28].map(|mask| {
        let rows = sandbox.truth(&format!("images?sort=Oldest&period=AllTime&browsingLevel={mask}"));
        let later = rows.iter().filter(|row| row["created_at"].as_str().expect("a date") >= day);
        later.map(|row| row["id"].as_i64().expect("an id")).collect()
    })
}

/// The images of a pass, and how many are gone.
fn images_of(room: &Room, pass: u32) -> (BTreeSet<i64>, i64) {
    let rows = room.rows(&format!("SELECT DISTINCT id FROM images WHERE pass = {pass}"));
    let latest = room.dataset().join("latest/images.parquet");
    let gone = room.value(&format!("SELECT count(*) FROM '{}' WHERE gone_at IS NOT NULL", latest.display()));
    (rows.iter().map(|row| row[0].as_i64().expect("an id")).collect(), gone.as_i64().expect("a number"))
}

#[test]
fn images_begin_at_a_date_and_none_is_gone_because_it_is_older_or_deleted() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    for (more, overlap) in [("split = { windows = 3 }", false), (OVERLAP, true)] {
        let room = Room::new(&images("2026-06-01", more), &sandbox.base);
        for pass in 1..=3 {
            let asked = queries(&room, &sandbox, if pass == 3 { &["--restart"] } else { &[] });
            let expected = images_dated(&sandbox, "2026-06-01");
            let all: BTreeSet<i64> = expected.iter().flatten().copied().collect();
            let (stored, gone) = images_of(&room, pass);
            assert!(asked.iter().all(|query| query.contains("cursor=feed%3A17")), "{asked:?}");
            assert_eq!(gone, 0, "{more}");
            if overlap && pass == 2 {
                let new: BTreeSet<i64> = &all - &images_of(&room, 1).0;
                assert!(!new.is_empty() && new.is_subset(&stored), "{:?}", &new - &stored);
                assert!(stored.len() < all.len(), "{} of {}", stored.len(), all.len());
            } else {
                assert_eq!(stored, all, "{more}, pass {pass}");
                let least: usize = expected.iter().map(|ids| ids.len().div_ceil(100)).sum();
                assert!(least > 5 && asked.len() <= least + 12, "{} of {least} requests", asked.len());
            }
            pass_night(&sandbox, "0.1");
        }
    }
}

#[test]
fn where_the_server_knows_no_feed_the_older_list_is_kept_from_its_beginning_and_nothing_is_gone() {
    for trap in ["", "feed-cursor-fails", "feed-cursor-ignored"] {
        let traps = if trap.is_empty() { "all".to_owned() } else { format!("all,{trap}") };
        let sandbox = Sandbox::start(&["--models", "60", "--era", "2026-08", "--traps", &traps]);
        let room = Room::new(&images("2026-06-01", OVERLAP), &sandbox.base);
        for pass in 1..=3 {
            let before = requests(&sandbox).len();
            let output = room.run(if pass == 3 { &["--restart"] } else { &[] });
            assert_exit(&output, 4);
            room.assert_sound();
            assert!(printed(&output).contains("does not know cursors by time"), "{}", printed(&output));
            let asked: Vec<String> = requests(&sandbox).into_iter().skip(before).map(|request| request.query).collect();
            let forged = |query: &&String| query.contains("cursor=feed%3A17802719999");
            assert!(asked.iter().filter(forged).count() >= 2, "the date stays recorded: {asked:?}");
            let (stored, gone) = images_of(&room, pass);
            assert!(stored.is_superset(&images_dated(&sandbox, "2022").into_iter().flatten().collect()), "{trap}");
            assert_eq!(gone, 0, "{trap}");
            pass_night(&sandbox, "0.1");
        }
    }
}
