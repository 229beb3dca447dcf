//! The image feed by time: walks that begin at forged `feed:` cursors, against servers that know them, refuse them, or only
//! seem to know them.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::{Request, Room, Sandbox, Server, answer, assert_exit, printed, requests};

/// 2024-01-01 in milliseconds since 1970: no image is older.
const FIRST: i64 = 1_704_067_200_000;
/// Hits that the older list shows before it ends as if that were all.
const DEPTH: usize = 60;
/// The sentence about a list whose end is not known.
const OLDER: &str =
    "the server does not know cursors by time (`feed:…`), and its older list ends after some ten thousand images";

/// A server's way with cursors of the feed service.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Knows {
    /// It continues behind the row.
    All,
    /// It answers 400 with these words.
    Refuses(&'static str),
    /// It answers 500.
    Fails,
    /// It answers with its first page.
    Ignores,
    /// It answers every such request but each third one with its first page.
    Seldom,
    /// It answers each third such request, and the one behind it, with its first page.
    Mostly,
    /// It refuses those that name no row.
    Named,
    /// As all, and once tells each walker to begin again.
    Lapses,
}

/// A server of images: `(id, instant)`, in the order of its list.
#[derive(Clone)]
struct Feed {
    images: Arc<Mutex<Vec<(i64, i64)>>>,
    knows: Arc<Mutex<Knows>>,
    /// True if each page begins with the row that its cursor names.
    repeats: bool,
    /// True if each second page shows none of its rows.
    empties: bool,
    /// True if a first page without a cursor comes from the older list.
    old_first: bool,
    asked: Arc<AtomicUsize>,
}

impl Feed {
    /// Images at very uneven dates, many of them at one instant; within an instant ids rise, or fall.
    fn of(count: i64, falls: bool) -> Self {
        let instant = |n: i64| match n {
            n if n < count / 4 => FIRST + n * 86_400_000,
            n if n < count / 2 => FIRST + (count / 4) * 86_400_000 + n,
            n => FIRST + (count / 4) * 86_400_000 + count / 2 + n / 23 * 1000,
        };
        let mut images: Vec<(i64, i64)> = (0..count).map(|n| (1000 + n, instant(n))).collect();
        images.sort_by_key(|(id, at)| (*at, if falls { -id } else { *id }));
        Self {
            images: Arc::new(Mutex::new(images)),
            knows: Arc::new(Mutex::new(Knows::All)),
            repeats: false,
            empties: false,
            old_first: false,
            asked: Arc::default(),
        }
    }

    fn that(self, knows: Knows) -> Self {
        *self.knows.lock().unwrap() = knows;
        self
    }

    fn start(&self) -> Server {
        let feed = self.clone();
        Server::answering(move |request| feed.answer(request))
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        if !request.target.starts_with("/api/v1/images?") {
            return answer("404 Not Found", "", r#"{"error":"No such thing"}"#);
        }
        let (images, knows) = (self.images.lock().unwrap(), *self.knows.lock().unwrap());
        let (limit, cursor) = (number(request, "limit").unwrap_or(100), value(request, "cursor"));
        if let Some(id) = number(request, "imageId") {
            return page(images.iter().filter(|(known, _)| *known == id as i64), None);
        }
        let Some((at, id)) = cursor.as_deref().and_then(keys) else {
            let offset = cursor.as_deref().and_then(|cursor| cursor.split('|').next()?.parse().ok()).unwrap_or(0);
            let is_older =
                self.old_first || cursor.is_some() || !matches!(knows, Knows::All | Knows::Named | Knows::Lapses);
            return if is_older { self.older(&images, offset, limit) } else { self.behind(&images, 0, limit) };
        };
        let place = images.iter().position(|image| *image == (id, at));
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        match knows {
            Knows::Refuses(words) => return answer("400 Bad Request", "", &json!({ "message": words }).to_string()),
            Knows::Fails => {
                return answer("500 Internal Server Error", "", r#"{"error":"An unexpected error occurred"}"#);
            }
            Knows::Ignores => return self.older(&images, 0, limit),
            Knows::Seldom if nth % 3 != 2 => return self.older(&images, 0, limit),
            Knows::Mostly if nth % 9 > 6 => return self.older(&images, 0, limit),
            Knows::Named if place.is_none() => {
                return answer(
                    "400 Bad Request",
                    "",
                    r#"{"message":"This cursor cannot be continued with these filters"}"#,
                );
            }
            Knows::Lapses if nth == 7 => {
                let words = "This cursor can no longer be continued; start again without it";
                return answer("400 Bad Request", "", &json!({ "message": words }).to_string());
            }
            _ => {}
        }
        // A cursor that names no row is behind all of its instant with lower ids, in either order.
        let falls = images.windows(2).any(|pair| pair[0].1 == pair[1].1 && pair[0].0 > pair[1].0);
        let is_behind = |(other, then): &(i64, i64)| {
            (*then, if falls { -other } else { *other }) > (at, if falls { -id } else { id })
        };
        let from = images.iter().position(is_behind).unwrap_or(images.len());
        self.behind(&images, from.saturating_sub(usize::from(self.repeats && place.is_some())), limit)
    }

    /// A page of the feed service.
    fn behind(&self, images: &[(i64, i64)], from: usize, limit: usize) -> Vec<u8> {
        let shown = &images[from..images.len().min(from + limit)];
        let next = shown.last().filter(|_| from + limit < images.len()).map(|(id, at)| format!("feed:{at}:{id}"));
        let is_empty = self.empties && next.is_some() && (from / limit).is_multiple_of(2);
        page(shown.iter().filter(|_| !is_empty), next)
    }

    /// A page of the older list.
    fn older(&self, images: &[(i64, i64)], from: usize, limit: usize) -> Vec<u8> {
        let (end, all) = (from + limit, images.len().min(DEPTH));
        let next = (end < all).then(|| format!("{end}|{}", images[end - 1].1));
        page(images[from.min(all)..end.min(all)].iter(), next)
    }

    fn ids(&self) -> BTreeSet<i64> {
        self.images.lock().unwrap().iter().map(|(id, _)| *id).collect()
    }
}

fn page<'a>(images: impl Iterator<Item = &'a (i64, i64)>, next: Option<String>) -> Vec<u8> {
    let date = |at: i64| jiff::Timestamp::from_millisecond(at).unwrap().to_string();
    let item = |(id, at): &(i64, i64)| json!({ "id": id, "createdAt": date(*at), "browsingLevel": 1 });
    let items: Vec<Value> = images.map(item).collect();
    let metadata = next.map_or(json!({}), |next| json!({ "nextCursor": next }));
    answer("200 OK", "", &json!({ "items": items, "metadata": metadata }).to_string())
}

/// The sort value and the id in a cursor of the feed service.
fn keys(cursor: &str) -> Option<(i64, i64)> {
    let (at, id) = cursor.strip_prefix("feed:")?.split_once(':')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

fn value(request: &Request, name: &str) -> Option<String> {
    let (_, query) = request.target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn number(request: &Request, name: &str) -> Option<usize> {
    value(request, name)?.parse().ok()
}

/// A walk over the whole feed in pages of ten; `more` are further lines.
fn walk(more: &str) -> String {
    format!(
        "pace = {{ requests_per_second = 1000.0, burst = 1000, in_flight = 4 }}\nretry = {{ attempts = 2, elapsed = \"5s\" }}\n\
         commit = {{ every = \"100ms\" }}\n\
         [[walk]]\nname = \"images\"\nendpoint = \"images\"\nparams = {{ sort = \"Oldest\", browsingLevel = 1, limit = 10 }}\n{more}\n"
    )
}

const WINDOWS: &str = "split = { windows = 4, from = \"2024-01-01\" }";

/// The ids of a pass's rows.
fn ids(room: &Room, pass: u32) -> BTreeSet<i64> {
    let rows = room.rows(&format!("SELECT DISTINCT id FROM images WHERE pass = {pass}"));
    rows.iter().map(|row| row[0].as_i64().expect("ids are numbers")).collect()
}

/// The cursors that a server was sent with requests for the list.
fn cursors(server: &Server) -> Vec<Option<String>> {
    let list = server.requests().into_iter().filter(|request| request.target.contains("sort=Oldest"));
    list.map(|request| value(&request, "cursor")).collect()
}

#[test]
fn every_image_is_there_whatever_the_order_at_one_instant_and_whatever_pages_show() {
    for falls in [false, true] {
        for (repeats, empties, old_first) in
            [(false, false, false), (true, false, false), (false, true, false), (true, false, true)]
        {
            for more in ["", WINDOWS] {
                let feed = Feed { repeats, empties, old_first, ..Feed::of(700, falls) };
                // Rows that no page shows cannot be there.
                let shown = |feed: &Feed| if feed.empties { None } else { Some(feed.ids()) };
                let server = feed.start();
                let room = Room::new(&walk(more), &server.base);
                assert_exit(&room.run(&[]), 0);
                room.assert_sound();
                let case =
                    format!("falls {falls}, repeats {repeats}, empties {empties}, old first {old_first}, `{more}`");
                assert!(shown(&feed).is_none_or(|all| all == ids(&room, 1)), "{case}");
                assert!(
                    cursors(&server).iter().all(|cursor| cursor.as_deref().is_some_and(|c| keys(c).is_some())),
                    "{case}"
                );
                if !more.is_empty() {
                    let windows = room.rows("SELECT count(DISTINCT walk) FROM pages WHERE walk NOT LIKE '%recheck%'");
                    assert!(windows[0][0].as_u64() > Some(3), "{case}: {windows:?}");
                }
            }
        }
    }
}

#[test]
fn a_server_that_does_not_know_the_feed_is_walked_as_far_as_its_older_list_goes() {
    for knows in [Knows::Refuses("Invalid cursor: x"), Knows::Refuses("anything else"), Knows::Fails, Knows::Ignores] {
        for more in ["", WINDOWS] {
            let feed = Feed::of(400, false).that(knows);
            let server = feed.start();
            let room = Room::new(&walk(more), &server.base);
            let output = room.run(&[]);
            assert_exit(&output, 4);
            let said = printed(&output);
            assert_eq!(said.matches(OLDER).count(), 1, "{knows:?} `{more}`: {said}");
            assert!(said.contains("the server refuses the cursor at which this pass was to begin"), "{said}");
            assert_eq!(ids(&room, 1), feed.ids().into_iter().take(DEPTH).collect(), "{knows:?} `{more}`");
            let twice = room.rows("SELECT id FROM images GROUP BY id HAVING count(*) > 1");
            assert!(twice.is_empty(), "{knows:?} `{more}`: {twice:?}");
            let forged = cursors(&server).into_iter().flatten().filter(|cursor| keys(cursor).is_some()).count();
            assert!(forged <= 6, "{knows:?} `{more}`: {forged} forged cursors were sent");
        }
    }
}

#[test]
fn a_first_pass_that_fell_back_finds_nothing_gone_and_the_next_one_asks_by_time_again() {
    let feed = Feed::of(300, false);
    let server = feed.start();
    let room = Room::new(&walk("incremental = { overlap = \"1h\" }"), &server.base);
    assert_exit(&room.run(&[]), 0);
    let newest = |room: &Room| room.value("SELECT max(created_at)::VARCHAR FROM images");
    let began = |room: &Room, pass: u32| {
        let first = room.rows(&format!("SELECT cursor FROM pages WHERE pass = {pass} ORDER BY page LIMIT 1"));
        first[0][0].as_str().and_then(keys)
    };
    // New images, and a night on which the feed service is away.
    let last = feed.images.lock().unwrap().last().map(|(_, at)| *at).expect("there are images");
    feed.images.lock().unwrap().extend((0..30).map(|n| (5000 + n, last + 60_000 * (n + 1))));
    *feed.knows.lock().unwrap() = Knows::Ignores;
    assert_exit(&room.run(&[]), 4);
    assert_eq!(began(&room, 2), None);
    *feed.knows.lock().unwrap() = Knows::All;
    let output = room.run(&[]);
    assert_exit(&output, 0);
    assert_eq!(began(&room, 3).map(|(at, _)| at), Some(last - 3_600_000 - 1), "{}", newest(&room));
    let new: BTreeSet<i64> = (5000..5030).collect();
    assert!(ids(&room, 3).is_superset(&new));
    let gone = room.rows(
        "SELECT id FROM read_parquet('DATASET/latest/images.parquet') WHERE gone_at IS NOT NULL"
            .replace("DATASET", &room.dataset().display().to_string())
            .as_str(),
    );
    assert!(gone.is_empty(), "{gone:?}");
    // The next night begins by its overlap before the newest image.
    assert_exit(&room.run(&[]), 0);
    assert_eq!(began(&room, 4).map(|(at, _)| at), Some(last + 60_000 * 30 - 3_600_000 - 1));
}

#[test]
fn a_server_that_only_sometimes_continues_a_cursor_loses_no_row() {
    for knows in [Knows::Seldom, Knows::Mostly, Knows::Named, Knows::Lapses] {
        for more in ["", WINDOWS] {
            let feed = Feed::of(400, false).that(knows);
            let server = feed.start();
            let room = Room::new(&walk(more), &server.base);
            let output = room.run(&[]);
            room.assert_sound();
            let all = ids(&room, 1) == feed.ids();
            // It is complete, or it says that it may not be.
            let code = output.status.code();
            assert!(code == Some(4) || (code == Some(0) && all), "{knows:?} `{more}`: {all}, {}", printed(&output));
            if matches!(knows, Knows::Named | Knows::Lapses) {
                assert!(code == Some(0), "{knows:?} `{more}`: {}", printed(&output));
            }
        }
    }
}

#[test]
fn runs_of_few_pages_end_like_one_run_whether_the_feed_is_known_or_not() {
    for (knows, code) in [(Knows::All, 0), (Knows::Named, 0), (Knows::Ignores, 4)] {
        let feed = Feed::of(400, false).that(knows);
        let server = feed.start();
        let room = Room::new(&walk(WINDOWS), &server.base);
        let mut runs = 1;
        let output = loop {
            let output = room.run(&["--max-pages", "3"]);
            match output.status.code() {
                Some(3) if runs < 60 => runs += 1,
                _ => break output,
            }
        };
        assert_exit(&output, code);
        room.assert_sound();
        assert!(runs > 2, "{knows:?}: {runs} runs");
        let shown = if code == 0 { feed.images.lock().unwrap().len() } else { DEPTH };
        assert_eq!(ids(&room, 1), feed.ids().into_iter().take(shown).collect(), "{knows:?}");
        // A page is asked for once, whatever runs there are.
        let pages = "SELECT walk, page FROM pages GROUP BY ALL HAVING count(*) > 1";
        assert_eq!(room.rows(pages), [Value::Null; 0], "{knows:?}");
        // What the server refused once in a pass it is not asked again.
        if knows == Knows::Ignores {
            let forged = cursors(&server).into_iter().flatten().filter(|cursor| keys(cursor).is_some()).count();
            assert!(forged <= 6, "{forged} forged cursors were sent in {runs} runs");
        }
    }
}

/// A walk over the feed of a sandbox in small windows.
const SANDBOX: &str = "pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }\nretry = { attempts = 2, elapsed = \"5s\" }\n\
    [[walk]]\nname = \"images\"\nendpoint = \"images\"\nparams = { sort = \"Oldest\", browsingLevel = 3, limit = 40 }\n\
    split = { windows = 4, from = \"2022-11-01\" }\n";

fn listed(rows: &[Value], column: &str) -> BTreeSet<i64> {
    rows.iter().map(|row| row[column].as_i64().expect("ids are numbers")).collect()
}

#[test]
fn the_feed_of_a_sandbox_is_whole_behind_its_traps() {
    for traps in
        ["all,feed-ties-descend,big-image-ties", "all,feed-row-repeats,old-first-pages", "all,feed-restarts", "none"]
    {
        let sandbox = Sandbox::start(&["--models", "200", "--images", "3000", "--traps", traps]);
        let room = Room::new(SANDBOX, &sandbox.base);
        assert_exit(&room.run(&[]), 0);
        room.assert_sound();
        let all = listed(&sandbox.truth("images?browsingLevel=3&sort=Oldest"), "id");
        assert_eq!(ids(&room, 1), all, "{traps}");
    }
}

#[test]
fn an_older_sandbox_shows_what_its_older_list_has_in_each_way_of_refusing() {
    for trap in ["", ",feed-cursor-fails", ",feed-cursor-ignored"] {
        let traps = format!("depth-cap{trap}");
        let sandbox = Sandbox::start(&["--models", "200", "--images", "3000", "--era", "2026-08", "--traps", &traps]);
        let room = Room::new(SANDBOX, &sandbox.base);
        let output = room.run(&[]);
        assert_exit(&output, 4);
        assert!(printed(&output).contains(OLDER), "{traps}: {}", printed(&output));
        let all = listed(&sandbox.truth("images?browsingLevel=3&sort=Oldest"), "id");
        assert_eq!(ids(&room, 1), all, "{traps}");
        let forged = requests(&sandbox).into_iter().filter(|request| request.query.contains("cursor=feed")).count();
        assert!((1..=8).contains(&forged), "{traps}: {forged} forged cursors were sent");
    }
}

#[test]
fn kills_in_windows_of_images_lose_nothing_and_double_nothing() {
    for (era, code) in [("2026-09", 0), ("2026-08", 4)] {
        let traps = ["--traps", "all,feed-restarts", "--era", era, "--latency", "10"];
        let sandbox = Sandbox::start(&[&["--models", "200", "--images", "3000"][..], &traps].concat());
        let room = Room::new(&SANDBOX.replace("[[walk]]", "commit = { every = \"100ms\" }\n[[walk]]"), &sandbox.base);
        for asked in [4, 12, 20, 20] {
            let before = requests(&sandbox).len();
            let mut run = room.crawl().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
            while run.try_wait().expect("it is a child").is_none() && requests(&sandbox).len() < before + asked {}
            let _ = run.kill();
            run.wait().expect("it is a child");
            room.assert_sound();
        }
        assert_exit(&room.run(&[]), code);
        room.assert_sound();
        let all = listed(&sandbox.truth("images?browsingLevel=3&sort=Oldest"), "id");
        assert_eq!(ids(&room, 1), all, "{era}");
        let pages = "SELECT walk FROM pages GROUP BY walk HAVING count(*) <> max(page) OR min(page) <> 1";
        assert_eq!(room.rows(pages), [Value::Null; 0], "{era}");
    }
}
