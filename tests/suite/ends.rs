//! Lists that do not end well: a page that always fails, a cursor that lapses, a list without end. Each costs what it
//! hides and nothing else, is named, and takes a bounded number of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use url::form_urlencoded::parse;

use crate::support::{Request, Room, Server, answer, assert_exit, printed};

/// The body of every failure that the server does not explain.
const FAILED: &str = r#"{"error":"An unexpected error occurred","message":"An unexpected error occurred","code":"INTERNAL_SERVER_ERROR"}"#;

/// The cursors of a list, as the server's versions differ.
#[derive(Clone, Copy, PartialEq)]
enum Cursors {
    /// `date|id`, rising.
    Oldest,
    /// `date|id`, falling; the row that a cursor names is not on its page.
    NewestWithout,
    /// `date|id`, falling; it is.
    NewestWith,
    /// `feed:ms:id`, falling, the row of the cursor included.
    Feed,
    /// `offset|ms`.
    Offset,
}

/// A list of rows (instant in ms, id), one of which no page may hold.
struct List {
    rows: Vec<(i64, i64)>,
    bad: BTreeSet<i64>,
    cursors: Cursors,
}

fn date(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

fn instant(date: &str) -> i64 {
    format!("{}Z", date.replace(' ', "T")).parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

impl List {
    /// Rows a minute apart, in pairs of one instant, from 2024 on.
    fn of(count: i64, cursors: Cursors, bad: &[i64]) -> Self {
        let rows = (1..=count).map(|id| (1_704_067_200_000 + id / 2 * 60_000, id)).collect();
        Self { rows, bad: bad.iter().copied().collect(), cursors }
    }

    fn falling(&self) -> Vec<(i64, i64)> {
        let mut rows = self.rows.clone();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows
    }

    fn answer(&self, query: &BTreeMap<String, String>) -> Vec<u8> {
        let mut rows = self.falling();
        if matches!(self.cursors, Cursors::Oldest) {
            rows.reverse();
        }
        let start = query.get("cursor").map_or(0, |cursor| self.start(&rows, cursor));
        let limit: usize = query.get("limit").map_or(100, |limit| limit.parse().unwrap());
        let page = &rows[start.min(rows.len())..(start + limit).min(rows.len())];
        if page.iter().any(|(_, id)| self.bad.contains(id)) {
            return answer("500 Internal Server Error", "", FAILED);
        }
        let next = rows.get(start + limit).map(|(at, id)| match self.cursors {
            Cursors::Oldest | Cursors::NewestWith | Cursors::NewestWithout => format!("{}|{id}", date(*at)),
            Cursors::Feed => format!("feed:{at}:{id}"),
            Cursors::Offset => format!("{}|1704067200000", start + limit),
        });
        list(page.iter().map(|(_, id)| item(*id)).collect::<Vec<_>>(), next)
    }

    fn start(&self, rows: &[(i64, i64)], cursor: &str) -> usize {
        let (first, second) = cursor.trim_start_matches("feed:").split_once(['|', ':']).expect("a cursor of two parts");
        if self.cursors == Cursors::Offset {
            return first.parse().unwrap();
        }
        // `2024-01-02 03:04:05` has colons too.
        let (first, second) =
            if self.cursors == Cursors::Feed { (first, second) } else { cursor.split_once('|').unwrap() };
        let at = if self.cursors == Cursors::Feed { first.parse().unwrap() } else { instant(first) };
        let place = (at, second.parse::<i64>().unwrap());
        let before = |row: &(i64, i64)| match self.cursors {
            Cursors::Oldest => *row < place,
            Cursors::NewestWithout => *row >= place,
            _ => *row > place,
        };
        rows.iter().filter(|row| before(row)).count()
    }
}

fn item(id: i64) -> serde_json::Value {
    // Images name the version that is asked for, which shows the filter to be in force.
    let versions = json!([{"id": id * 10, "name": "v"}]);
    json!({"id": id, "name": "m", "url": "https://x/y.png", "modelVersionIds": [7], "modelVersions": versions})
}

fn list(items: impl AsRef<[serde_json::Value]>, next: Option<String>) -> Vec<u8> {
    let metadata = next.map_or(json!({}), |next| json!({"nextCursor": next}));
    answer("200 OK", "", &json!({"items": items.as_ref(), "metadata": metadata}).to_string())
}

fn query(target: &str) -> BTreeMap<String, String> {
    parse(target.split_once('?').map_or("", |(_, query)| query).as_bytes()).into_owned().collect()
}

/// A server of one list.
fn serve(list: List) -> Server {
    Server::answering(move |Request { target, .. }| list.answer(&query(target)))
}

fn crawl(walk: &str) -> String {
    format!(
        "pace = {{ requests_per_second = 1000.0, burst = 1000, in_flight = 4 }}\n\
         retry = {{ attempts = 1 }}\n\n[[walk]]\nname = \"all\"\n{walk}\n"
    )
}

fn ids(room: &Room, table: &str) -> BTreeSet<i64> {
    let rows = room.query(&format!("SELECT DISTINCT id FROM {table}"));
    rows.lines().map(|line| line.trim_matches(['[', ']']).parse().unwrap()).collect()
}

/// Fails unless every row but these is there, and what is not is named by page and cursor.
fn assert_only_missing(room: &Room, output: &Output, table: &str, count: i64, missing: &[i64], what: &str) {
    assert_eq!(output.status.code(), Some(4), "{what}: {}", printed(output));
    let expected: BTreeSet<i64> = (1..=count).filter(|id| !missing.contains(id)).collect();
    assert_eq!(ids(room, table), expected, "{what}");
    let status = room.status();
    assert!(status.contains("was given up") && status.contains("page "), "{what}: {status}");
    room.assert_sound();
}

#[test]
fn a_page_that_always_fails_costs_its_row_and_nothing_else() {
    let models = |sort: &str| format!("endpoint = \"models\"\nparams = {{ sort = \"{sort}\", limit = 10 }}");
    let windows = format!("{}\nsplit = {{ windows = 3, from = \"2024-01-01\" }}", models("Oldest"));
    let images = "endpoint = \"images\"\nparams = { sort = \"Newest\", limit = 10 }";
    let fan = "endpoint = \"images\"\nparams = { sort = \"Newest\", limit = 10 }\n\
               for_each = { list = [\"7\"], param = \"modelVersionId\" }";
    let cases = [
        ("models", models("Oldest"), Cursors::Oldest),
        ("models", windows, Cursors::Oldest),
        ("models", models("Newest"), Cursors::NewestWithout),
        ("models", models("Newest"), Cursors::NewestWith),
        ("images", images.to_owned(), Cursors::Feed),
        ("images", images.to_owned(), Cursors::Offset),
        ("images", fan.to_owned(), Cursors::Feed),
    ];
    for (table, walk, cursors) in cases {
        // On the first page, in the middle, on the last page, two in a row; at the very beginning where dates lead there.
        let by_date = matches!(cursors, Cursors::Oldest | Cursors::NewestWith | Cursors::NewestWithout);
        let first: &[i64] = if !by_date {
            &[]
        } else if cursors == Cursors::Oldest {
            &[1]
        } else {
            &[60]
        };
        for bad in [&[5, 55][..], &[33], &[30, 31], first] {
            let what = format!("{walk} {bad:?}");
            let server = serve(List::of(60, cursors, bad));
            let room = Room::new(&crawl(&walk), &server.base);
            let output = room.run(&[]);
            if bad.is_empty() {
                assert_exit(&output, 0);
                continue;
            }
            assert_only_missing(&room, &output, table, 60, bad, &what);
            let asked = server.requests().len();
            assert!(asked < if bad == first { 200 } else { 60 }, "{what}: {asked} requests");
        }
    }
}

#[test]
fn of_two_answers_to_one_question_the_fuller_one_is_taken() {
    let images = |limit: usize| format!("endpoint = \"images\"\nparams = {{ sort = \"Newest\", limit = {limit} }}");
    // The last page is full, so it is requested once more; meanwhile rows vanish from its end.
    let other = "another answer to the same question had";
    let whole = [(1, 0, ""), (5, 4, other), (10, 4, other)].map(|case| (images(10), 10, case));
    // Its images do not name the version, so pages are compared with those of the whole list.
    let gallery = images(200) + "\nfor_each = { list = [\"7\"], param = \"modelVersionId\" }";
    let gallery = [(1, 0, ""), (100, 4, other), (200, 4, other)].map(|case| (gallery.clone(), 200, case));
    for (walk, page, (vanished, code, said)) in whole.into_iter().chain(gallery) {
        let full = List::of(2 * page as i64, Cursors::Feed, &[]);
        let asked = AtomicUsize::new(0);
        let names = !walk.contains("modelVersionId");
        let server = Server::answering(move |Request { target, .. }| {
            let query = query(target);
            if !names && !query.contains_key("modelVersionId") {
                return list((1000..1200).map(item).collect::<Vec<_>>(), None);
            }
            let falling = full.falling();
            let from = query.get("cursor").map_or(0, |cursor| full.start(&falling, cursor));
            let is_first = from < page || asked.fetch_add(1, Ordering::SeqCst) == 0;
            let shown = &falling[from..if is_first { from + page } else { from + page - vanished }];
            let next = falling.get(from + page).map(|(at, id)| format!("feed:{at}:{id}"));
            let nameless = |(_, id): &(i64, i64)| json!({ "id": id, "url": "https://x/y.png" });
            list(shown.iter().map(|row| if names { item(row.1) } else { nameless(row) }).collect::<Vec<_>>(), next)
        });
        let room = Room::new(&crawl(&walk), &server.base);
        let output = room.run(&[]);
        assert_eq!(output.status.code(), Some(code), "{vanished}: {}", printed(&output));
        assert!(printed(&output).contains(said), "{vanished}: {}", printed(&output));
        assert_eq!(ids(&room, "images"), (1..=2 * page as i64).collect(), "{vanished}");
        let rows = room.query("SELECT count(*) FROM images WHERE walk NOT LIKE '%recheck%'");
        assert_eq!(rows, format!("[{}]\n", 2 * page), "{vanished}");
        room.assert_sound();
    }
}

/// The key that leads past a cache is one that the server does not know, and a strict one refuses it.
#[test]
fn the_first_answer_is_taken_where_the_server_refuses_to_be_asked_once_more() {
    let said = "asked for it once more, past its cache, the server refused the request: `Unrecognized key`";
    for behind in [false, true] {
        let server = Server::answering(move |Request { target, .. }| {
            let query = query(target);
            match query.get("cursor").map(String::as_str) {
                _ if query.contains_key("_") => answer("400 Bad Request", "", r#"{"error":"Unrecognized key"}"#),
                None => list((1..11).map(item).collect::<Vec<_>>(), Some(String::from("2"))),
                Some("2") => list((11..21).map(item).collect::<Vec<_>>(), behind.then(|| String::from("3"))),
                Some(_) => list([], None),
            }
        });
        let room = Room::new(&crawl("endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }"), &server.base);
        let output = room.run(&[]);
        assert_exit(&output, 4);
        assert!(printed(&output).contains(said), "{}", printed(&output));
        assert_eq!(ids(&room, "models"), (1..21).collect());
        room.assert_sound();
    }
}

/// Some servers report failures with the status of success.
#[test]
fn a_failure_that_is_reported_as_a_page_is_an_outage_and_no_end() {
    let busy = r#"{"error":"Server busy","items":[],"metadata":{}}"#;
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let rows = List::of(30, Cursors::Oldest, &[]);
    let server = Server::answering(move |Request { target, .. }| {
        match query(target).contains_key("cursor") || query(target).contains_key("_") {
            true if is_away.load(Ordering::SeqCst) => answer("200 OK", "", busy),
            _ => rows.answer(&query(target)),
        }
    });
    let room = Room::new(&crawl("endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }"), &server.base);
    let output = room.run(&[]);
    assert_exit(&output, 3);
    assert!(printed(&output).contains("Server busy"), "{}", printed(&output));
    away.store(false, Ordering::SeqCst);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(ids(&room, "models"), (1..31).collect());
    room.assert_sound();
}

#[test]
fn a_total_is_not_believed_beside_a_link_to_a_next_page() {
    let server = Server::answering(|Request { target, .. }| {
        let page: i64 = query(target)["page"].parse().unwrap();
        let names = (0..10).filter(|_| page <= 3).map(|n| json!({ "username": format!("u{}", page * 10 + n) }));
        let mut metadata = json!({ "totalItems": 30, "totalPages": 1, "currentPage": page, "pageSize": 10 });
        if page < 3 {
            metadata["nextPage"] = json!("https://elsewhere.invalid/?page=9");
        }
        answer("200 OK", "", &json!({ "items": names.collect::<Vec<_>>(), "metadata": metadata }).to_string())
    });
    let room = Room::new(&crawl("endpoint = \"creators\"\nparams = { limit = 10 }"), &server.base);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(room.query("SELECT count(DISTINCT username) FROM creators"), "[30]\n");
}

#[test]
fn a_numbered_page_that_always_fails_is_given_up_by_name() {
    let server = Server::answering(|Request { target, .. }| {
        let page: i64 = query(target)["page"].parse().unwrap();
        match page {
            3 => answer("500 Internal Server Error", "", FAILED),
            1..=5 => list((0..10).map(|n| json!({"name": format!("t{}", page * 10 + n)})).collect::<Vec<_>>(), None),
            _ => list(Vec::new(), None),
        }
    });
    let room = Room::new(&crawl("endpoint = \"tags\"\nparams = { limit = 10 }"), &server.base);
    assert_exit(&room.run(&[]), 4);
    assert!(room.status().contains("page 3 was given up: "), "{}", room.status());
    let names = room.query("SELECT count(DISTINCT name) FROM tags");
    assert_eq!(names, "[40]\n");
    room.assert_sound();
}

#[test]
fn a_look_up_that_always_fails_is_given_up_by_name() {
    let server = Server::answering(|Request { target, .. }| {
        match target.split('?').next().and_then(|path| path.rsplit('/').next()) {
            Some("5") => answer("500 Internal Server Error", "", FAILED),
            Some("9") => answer("404 Not Found", "", r#"{"error":"No model with id 9"}"#),
            Some(id) => answer("200 OK", "", &item(id.parse().unwrap()).to_string()),
            None => Vec::new(),
        }
    });
    let room = Room::new(&crawl("endpoint = \"model\"\nfor_each = { range = [2, 9] }"), &server.base);
    assert_exit(&room.run(&[]), 4);
    assert_eq!(ids(&room, "models"), [2, 3, 4, 6, 7, 8].into());
    assert!(room.status().contains("page 1 of `5` was given up: "), "{}", room.status());
    room.assert_sound();
}

#[test]
fn an_outage_is_not_taken_for_a_page_that_always_fails() {
    let away = Arc::new(AtomicBool::new(false));
    let (gone, seen) = (Arc::clone(&away), AtomicUsize::new(0));
    let rows = List::of(100, Cursors::Oldest, &[]);
    let server = Server::answering(move |Request { target, .. }| {
        if seen.fetch_add(1, Ordering::SeqCst) == 3 {
            gone.store(true, Ordering::SeqCst);
        }
        match gone.load(Ordering::SeqCst) {
            true => answer("500 Internal Server Error", "", FAILED),
            false => rows.answer(&query(target)),
        }
    });
    let walk = "endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }";
    let room = Room::new(&crawl(walk), &server.base);
    for _ in 0..2 {
        let output = room.run(&[]);
        assert_exit(&output, 3);
        assert!(printed(&output).contains("page 4 (cursor `2024-01-01 00:"), "{}", printed(&output));
        for words in ["stopped at page 4 (cursor `", "the next run continues at page 4 (cursor `"] {
            assert!(room.status().contains(words), "{}", room.status());
        }
    }
    let asked = server.requests().len();
    assert!(asked <= 12, "{asked} requests");
    away.store(false, Ordering::SeqCst);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(ids(&room, "models").len(), 100);
    room.assert_sound();
}

#[test]
fn nights_continue_behind_a_model_whose_page_always_fails() {
    let rows = Arc::new(Mutex::new(List::of(200, Cursors::Oldest, &[190])));
    let shown = Arc::clone(&rows);
    let server = Server::answering(move |Request { target, .. }| {
        match target.split('?').next().and_then(|path| path.split_once("/models/")) {
            Some((_, "190")) => answer("500 Internal Server Error", "", FAILED),
            Some(_) => answer("404 Not Found", "", r#"{"error":"No model"}"#),
            None => shown.lock().unwrap().answer(&query(target)),
        }
    });
    let walk = "endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }\nincremental = { overlap = \"1h\" }";
    let room = Room::new(&crawl(walk), &server.base);
    assert_only_missing(&room, &room.run(&[]), "models", 200, &[190], "the first pass");
    let mut began: Vec<String> = Vec::new();
    for night in 1..=10 {
        let known = {
            let mut list = rows.lock().unwrap();
            list.rows.extend(
                (1..=40).map(|n| (1_704_067_200_000 + (200 + night * 40 + n) / 2 * 60_000, 200 + (night - 1) * 40 + n)),
            );
            list.rows.len() as i64
        };
        let before = server.requests().len();
        let output = room.run(&[]);
        assert_only_missing(&room, &output, "models", known, &[190], &format!("night {night}"));
        let asked = server.requests()[before..].to_vec();
        assert!(asked.len() <= 45, "night {night}: {} requests", asked.len());
        began.push(query(&asked[0].target)["cursor"].clone());
    }
    assert!(began.windows(2).all(|pair| pair[0] < pair[1]), "the watermark moves: {began:?}");
    assert!(room.status().contains("given up in pass "), "{}", room.status());
    // It can be had again: the next walk through the whole list finds it, and nothing is doubted any more.
    rows.lock().unwrap().bad.clear();
    assert_exit(&room.run(&["--restart"]), 0);
    assert_eq!(ids(&room, "models").len(), 600);
}

#[test]
fn a_feed_cursor_that_lapses_begins_its_list_anew_once() {
    let words = [
        "This cursor cannot be continued with these filters",
        "This cursor can no longer be continued; start again without it",
    ];
    for (words, form) in [(words[0], "message"), (words[1], "error"), (words[1], "message")] {
        for lapses in [1, usize::MAX] {
            let (rows, refused) = (List::of(60, Cursors::Feed, &[]), AtomicUsize::new(0));
            let server = Server::answering(move |Request { target, .. }| {
                let query = query(target);
                let lapsed = query.get("cursor").is_some_and(|cursor| cursor.ends_with(":30"));
                if lapsed && refused.fetch_add(1, Ordering::SeqCst) < lapses {
                    return answer("400 Bad Request", "", &json!({ form: words }).to_string());
                }
                rows.answer(&query)
            });
            let room =
                Room::new(&crawl("endpoint = \"images\"\nparams = { sort = \"Newest\", limit = 10 }"), &server.base);
            // A run that is resumed behind the new beginning does not begin anew once more.
            room.run(&["--max-pages", "5"]);
            let output = room.run(&[]);
            assert_exit(&output, if lapses == 1 { 0 } else { 4 });
            let expected = if lapses == 1 { 60 } else { 30 };
            assert_eq!(ids(&room, "images").len(), expected, "{words}");
            let named = "cursor_refused at page 7 (cursor `feed:";
            assert_eq!(room.status().contains(named), lapses != 1, "{}", room.status());
            assert!(server.requests().len() < 20);
            room.assert_sound();
        }
    }
}

/// Runs it until the pass is over, so many pages at a time; gives the exit code and the requests.
fn until_over(room: &Room, server: &Server, pages: &str) -> (Option<i32>, usize) {
    for _ in 0..40 {
        let output = room.run(&["--max-pages", pages]);
        if output.status.code() != Some(3) {
            return (output.status.code(), server.requests().len());
        }
    }
    (Some(3), server.requests().len())
}

#[test]
fn a_list_without_end_is_left_and_named() {
    let count = |n: &AtomicUsize| n.fetch_add(1, Ordering::SeqCst) as i64;
    let images = "endpoint = \"images\"\nparams = { sort = \"Newest\", limit = 100 }";
    let tags = "endpoint = \"tags\"\nparams = { limit = 10 }";
    type Handler = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;
    let (same, long, empty, rejects) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let names = |first: i64| (first..first + 10).map(|n| json!({"name": format!("t{n}")})).collect::<Vec<_>>();
    let cases: [(&str, &str, Handler, usize); 6] = [
        ("the same item", images, Box::new(move |_| list(vec![item(1)], Some(format!("c{}", count(&same))))), 30),
        (
            "a list that begins again",
            images,
            Box::new(move |_| {
                let page = count(&long);
                list((0..100).map(|n| item(1 + (page * 100 + n) % 3000)).collect::<Vec<_>>(), Some(format!("c{page}")))
            }),
            120,
        ),
        (
            "empty pages whose cursors lead nowhere",
            images,
            Box::new(move |target| match query(target).contains_key("cursor") {
                true => list(Vec::new(), Some(format!("c{}", count(&empty)))),
                false => list(vec![item(1)], Some(String::from("c"))),
            }),
            130,
        ),
        (
            "what no table takes",
            images,
            Box::new(move |_| list(vec![json!({"no": 1})], Some(format!("c{}", count(&rejects))))),
            30,
        ),
        ("a page number that is ignored", tags, Box::new(move |_| list(names(0), None)), 40),
        (
            "two pages in turn",
            tags,
            Box::new(move |target| list(names(query(target)["page"].parse::<i64>().unwrap() % 2 * 10), None)),
            40,
        ),
    ];
    for (what, walk, handler, most) in cases {
        let server = Server::answering(move |Request { target, .. }| handler(target));
        let room = Room::new(&crawl(walk), &server.base);
        let (code, asked) = until_over(&room, &server, "7");
        assert_eq!(code, Some(4), "{what}: {asked} requests; {}", room.status());
        assert!(asked <= most, "{what}: {asked} requests");
        assert!(room.status().contains("endless at page "), "{what}: {}", room.status());
        room.assert_sound();
    }
}

#[test]
fn a_list_that_only_looks_endless_is_walked_to_its_end() {
    // A second walk that repeats every row of the first.
    let server = serve(List::of(600, Cursors::Oldest, &[]));
    let walk = "endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }";
    let second =
        format!("{walk}\n\n[[walk]]\nname = \"again\"\n{}", walk.replace("limit = 10", "nsfw = true, limit = 10"));
    let room = Room::new(&crawl(&second), &server.base);
    for _ in 0..2 {
        assert_exit(&room.run(&[]), 0);
    }
    // Hundreds of empty pages in a row, while the cursor moves on.
    let server = Server::answering(|Request { target, .. }| {
        let at =
            query(target).get("cursor").map_or(0, |cursor| cursor.split('|').next().unwrap().parse::<i64>().unwrap());
        let items = if (100..50_000).contains(&at) { Vec::new() } else { vec![item(1 + at)] };
        list(items, (at < 50_100).then(|| format!("{}|1704067200000", at + 100)))
    });
    let room = Room::new(&crawl("endpoint = \"images\"\nparams = { sort = \"Newest\", limit = 100 }"), &server.base);
    let (code, asked) = until_over(&room, &server, "300");
    assert_eq!(code, Some(0), "{}", room.status());
    assert!(asked < 510, "{asked}");
    assert_eq!(ids(&room, "images"), [1, 50_001, 50_101].into());
}

#[test]
fn a_401_now_and_then_is_asked_again_where_no_key_was_given() {
    let (rows, seen) = (List::of(30, Cursors::Oldest, &[]), AtomicUsize::new(0));
    let never = Arc::new(AtomicBool::new(false));
    let barred = Arc::clone(&never);
    let server = Server::answering(move |Request { target, .. }| {
        let now = seen.fetch_add(1, Ordering::SeqCst) == 1;
        match now || barred.load(Ordering::SeqCst) {
            true => answer("401 Unauthorized", "", "{\"error\":\"Unauthorized\"}"),
            false => rows.answer(&query(target)),
        }
    });
    let walk = crawl("endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }")
        .replace("attempts = 1", "attempts = 4");
    let room = Room::new(&walk, &server.base);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(ids(&room, "models").len(), 30);
    never.store(true, Ordering::SeqCst);
    let output = room.run(&[]);
    assert_exit(&output, 77);
    assert!(printed(&output).contains("no API key was given") && !printed(&output).contains("refused the API key"));
}

/// Names of tags or creators, ten a page, and nothing behind the last page.
fn names(key: &str, page: i64, last: i64) -> Vec<serde_json::Value> {
    (0..10).filter(|_| page <= last).map(|n| json!({ key: format!("n{}", page * 10 + n) })).collect()
}

#[test]
fn a_numbered_page_that_is_empty_or_another_one_is_asked_for_again_and_then_a_doubt() {
    type Spoil = fn(&str, &mut Vec<serde_json::Value>, &mut serde_json::Value);
    let spoils: [(&str, Spoil); 4] = [
        ("page 3 was empty, and page ", |_, items, _| items.clear()),
        ("page 3 was empty, and page ", |_, items, metadata| {
            items.clear();
            metadata["totalPages"] = json!(2);
        }),
        ("page 3 reports a failure, or that it is another page", |key, items, metadata| {
            *items = names(key, 2, 6);
            metadata["currentPage"] = json!(2);
        }),
        ("page 3 reports a failure, or that it is another page", |_, items, metadata| {
            items.truncate(3);
            metadata["failed"] = json!(true);
        }),
    ];
    for (endpoint, key) in [("tags", "name"), ("creators", "username")] {
        for (said, spoil) in spoils {
            for (in_flight, times) in [(1, 1), (4, 1), (1, usize::MAX), (4, usize::MAX)] {
                let spoilt = AtomicUsize::new(0);
                let server = Server::answering(move |Request { target, .. }| {
                    let page: i64 = query(target)["page"].parse().unwrap();
                    let (mut items, mut metadata) = (names(key, page, 6), json!({ "currentPage": page }));
                    if key == "username" {
                        metadata = json!({ "currentPage": page, "totalPages": 6, "totalItems": 60 });
                    }
                    if page == 3 && spoilt.fetch_add(1, Ordering::SeqCst) < times {
                        spoil(key, &mut items, &mut metadata);
                    }
                    let mut body = json!({ "items": items, "metadata": metadata });
                    if body["metadata"]["failed"] == true {
                        body["error"] = json!("a part of it");
                    }
                    answer("200 OK", "", &body.to_string())
                });
                let text = crawl(&format!("endpoint = \"{endpoint}\"\nparams = {{ limit = 10 }}"));
                let text = text.replace("in_flight = 4", &format!("in_flight = {in_flight}"));
                let room = Room::new(&text, &server.base);
                let output = room.run(&[]);
                let what = format!("{endpoint}, {said}, {in_flight}, {times}: {}", printed(&output));
                assert_eq!(output.status.code(), Some(if times == 1 { 0 } else { 4 }), "{what}");
                if times == 1 {
                    assert_eq!(
                        room.query(&format!("SELECT count(DISTINCT {key}) FROM {endpoint}")),
                        "[60]\n",
                        "{what}"
                    );
                } else {
                    assert!(printed(&output).contains(said), "{what}");
                }
                room.assert_sound();
            }
        }
    }
}

#[test]
fn a_number_of_pages_that_shrinks_or_is_too_small_ends_no_list() {
    let few: [fn(i64) -> i64; 3] = [|page| if page == 2 { 2 } else { 6 }, |_| 1, |page| if page == 1 { 1 } else { 6 }];
    for few in few {
        let server = Server::answering(move |Request { target, .. }| {
            let page: i64 = query(target)["page"].parse().unwrap();
            let metadata = json!({ "currentPage": page, "totalPages": few(page), "totalItems": 60 });
            answer("200 OK", "", &json!({ "items": names("username", page, 6), "metadata": metadata }).to_string())
        });
        let text = crawl("endpoint = \"creators\"\nparams = { limit = 10 }").replace("in_flight = 4", "in_flight = 1");
        let room = Room::new(&text, &server.base);
        assert_exit(&room.run(&[]), 0);
        assert_eq!(room.query("SELECT count(DISTINCT username) FROM creators"), "[60]\n");
    }
}

#[test]
fn each_value_of_a_fan_out_is_walked_to_its_last_numbered_page() {
    for (endpoint, key, metadata) in [("tags", "name", json!({})), ("creators", "username", json!({ "totalPages": 3 }))]
    {
        let server = Server::answering(move |Request { target, .. }| {
            let query = query(target);
            let page: i64 = query["page"].parse().unwrap();
            let names = (0..10).filter(|_| page <= 3).map(|n| json!({ key: format!("{}{page}{n}", query["query"]) }));
            let items: Vec<_> = names.collect();
            answer("200 OK", "", &json!({ "items": items, "metadata": metadata }).to_string())
        });
        let walk = format!(
            "endpoint = \"{endpoint}\"\nparams = {{ limit = 10 }}\nfor_each = {{ list = [\"a\", \"b\"], param = \"query\" }}"
        );
        let room = Room::new(&crawl(&walk), &server.base);
        let (code, asked) = until_over(&room, &server, "3");
        assert_eq!(code, Some(0), "{}", room.status());
        assert!(asked <= 24, "{asked} requests");
        assert_eq!(room.query(&format!("SELECT count(DISTINCT {key}) FROM {endpoint}")), "[60]\n");
        room.assert_sound();
    }
}

#[test]
fn a_page_that_is_not_found_although_the_one_before_named_it_is_no_end() {
    let models = "endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }";
    let windows = format!("{models}\nsplit = {{ windows = 2, from = \"2024-01-01\" }}");
    let images = "endpoint = \"images\"\nparams = { sort = \"Newest\", limit = 10 }\n\
                  for_each = { list = [\"7\"], param = \"modelVersionId\" }";
    for (table, walk, cursors) in
        [("models", models, Cursors::Oldest), ("models", &windows, Cursors::Oldest), ("images", images, Cursors::Feed)]
    {
        for times in [1, usize::MAX] {
            let (rows, refused) = (List::of(60, cursors, &[]), AtomicUsize::new(0));
            let server = Server::answering(move |Request { target, .. }| {
                let query = query(target);
                let is_late = query.get("cursor").is_some_and(|cursor| cursor.ends_with(['1', '0']));
                if is_late && refused.fetch_add(1, Ordering::SeqCst) < times {
                    return answer("404 Not Found", "", r#"{"error":"Not found"}"#);
                }
                rows.answer(&query)
            });
            let room = Room::new(&crawl(walk), &server.base);
            let output = room.run(&[]);
            assert_eq!(output.status.code(), Some(if times == 1 { 0 } else { 4 }), "{walk}: {}", printed(&output));
            if times == 1 {
                assert_eq!(ids(&room, table).len(), 60, "{walk}");
            } else {
                assert!(printed(&output).contains("cursor_refused at page "), "{walk}: {}", printed(&output));
            }
            room.assert_sound();
        }
    }
}

/// A proxy or an ingress that lost the server says so with a 404 of its own, or with a notice in JSON and the status of success.
#[test]
fn the_notice_of_what_stands_in_front_of_the_server_is_an_outage() {
    let notices = [
        ("404 Not Found", "default backend - 404"),
        ("404 Not Found", ""),
        ("200 OK", r#"{"status":"maintenance"}"#),
        ("200 OK", r#"{"message":"Too Many Requests"}"#),
        ("200 OK", r#"[{"error":{}}]"#),
    ];
    let list = "endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }";
    let look_up = "endpoint = \"model\"\nfor_each = { range = [1, 30] }";
    for walk in [list, look_up] {
        for (status, notice) in notices {
            let away = Arc::new(AtomicBool::new(true));
            let (is_away, seen) = (Arc::clone(&away), AtomicUsize::new(0));
            let rows = List::of(30, Cursors::Oldest, &[]);
            let server = Server::answering(move |Request { target, .. }| {
                let is_first = seen.fetch_add(1, Ordering::SeqCst) == 0;
                match target.split_once("/models/") {
                    _ if is_away.load(Ordering::SeqCst) && !is_first => answer(status, "", notice),
                    Some((_, id)) => answer("200 OK", "", &item(id.parse().unwrap()).to_string()),
                    None => rows.answer(&query(target)),
                }
            });
            let room = Room::new(&crawl(walk), &server.base);
            let output = room.run(&[]);
            assert_eq!(output.status.code(), Some(3), "{walk} {notice}: {}", printed(&output));
            assert!(server.requests().len() < 40, "{walk} {notice}: {} requests", server.requests().len());
            away.store(false, Ordering::SeqCst);
            assert_exit(&room.run(&[]), 0);
            assert_eq!(ids(&room, "models"), (1..31).collect(), "{walk} {notice}");
            room.assert_sound();
        }
    }
}

#[test]
fn a_part_of_a_page_beside_a_failure_is_no_end() {
    let rows = List::of(30, Cursors::Oldest, &[]);
    let server = Server::answering(move |Request { target, .. }| match query(target).contains_key("cursor") {
        true => {
            answer("200 OK", "", &json!({"error": "a part", "items": [item(11), item(12)], "metadata": {}}).to_string())
        }
        false => rows.answer(&query(target)),
    });
    let room = Room::new(&crawl("endpoint = \"models\"\nparams = { sort = \"Oldest\", limit = 10 }"), &server.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    assert!(printed(&output).contains("or that it failed"), "{}", printed(&output));
    assert_eq!(ids(&room, "models"), (1..13).collect());
}

#[test]
fn a_page_of_another_endpoint_is_asked_for_again_and_then_refused_by_name() {
    let other = |endpoint: &str, id: i64| match endpoint {
        "models" => {
            json!({ "id": id, "url": "https://x.example/1.jpeg", "hash": "U", "width": 8, "height": 8, "type": "image",
            "nsfw": false, "nsfwLevel": 1, "browsingLevel": 1, "createdAt": "2024-01-01T00:00:00.000Z", "postId": 5,
            "stats": {}, "meta": null, "username": "a", "baseModel": "SDXL", "modelVersionIds": [] })
        }
        _ => json!({ "id": id, "name": format!("n{id}"), "type": "LORA", "nsfw": false, "nsfwLevel": 1, "tags": [],
            "creator": { "username": "a" }, "stats": {}, "modelVersions": [] }),
    };
    let tag = json!({ "name": "t", "modelCount": 3, "link": "https://x.example/api/v1/models?tag=t" });
    for (endpoint, key, sort) in
        [("models", "id", "Oldest"), ("images", "id", "Newest"), ("tags", "name", ""), ("creators", "username", "")]
    {
        let numbered = sort.is_empty();
        for times in [1, usize::MAX] {
            let (spoilt, tag) = (AtomicUsize::new(0), tag.clone());
            let server = Server::answering(move |Request { target, .. }| {
                let query = query(target);
                let page: i64 = match numbered {
                    true => query["page"].parse().unwrap(),
                    false => query.get("cursor").map_or(1, |cursor| cursor.parse().unwrap()),
                };
                let names =
                    || (0..10).map(|n| json!({ key: format!("n{}", page * 10 + n), "link": "https://x.example/" }));
                let mut items: Vec<_> =
                    if numbered { names().collect() } else { (0..10).map(|n| item(page * 10 + n)).collect() };
                if page == 3 && spoilt.fetch_add(1, Ordering::SeqCst) < times {
                    let others =
                        (5000..5010).map(|id| if endpoint == "creators" { tag.clone() } else { other(endpoint, id) });
                    items = others.collect();
                }
                items.retain(|_| page <= 5);
                let metadata = match numbered {
                    true => json!({ "currentPage": page, "totalPages": 5 }),
                    false => json!({ "nextCursor": (page < 5).then(|| (page + 1).to_string()) }),
                };
                answer("200 OK", "", &json!({ "items": items, "metadata": metadata }).to_string())
            });
            let sort = if numbered { String::new() } else { format!(", sort = \"{sort}\"") };
            let room =
                Room::new(&crawl(&format!("endpoint = \"{endpoint}\"\nparams = {{ limit = 10{sort} }}")), &server.base);
            let output = room.run(&[]);
            let what = format!("{endpoint}, {times}: {}", printed(&output));
            assert_eq!(output.status.code(), Some(if times == 1 { 0 } else { 4 }), "{what}");
            if times == 1 {
                assert_eq!(
                    room.query(&format!(
                        "SELECT count(DISTINCT {key}) FROM {endpoint} WHERE length({key}::VARCHAR) < 4"
                    )),
                    "[50]\n",
                    "{what}"
                );
            } else {
                assert!(printed(&output).contains("the server ignores what page 3 asks for: it is no "), "{what}");
            }
            room.assert_sound();
        }
    }
}
