//! Images of two level masks in two walks of the feed: one whose level changes moves between them, and is not gone for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Request, Room, Sandbox, Server, answer, assert_exit, pass_night, printed};

const LEVELS: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }
retry = { attempts = 2, elapsed = "2s" }

[[walk]]
name = "mild"
endpoint = "images"
params = { sort = "Oldest", browsingLevel = 3, limit = 10 }

[[walk]]
name = "strong"
endpoint = "images"
params = { sort = "Oldest", browsingLevel = 28, limit = 10 }
"#;

/// The first instant of the feed; each image is a second later than the one before.
const BEGINS: u64 = 1_700_000_000_000;

/// The images of a server, and its faults.
#[derive(Debug, Default)]
struct Shown {
    /// The level of each image in the feed.
    listed: BTreeMap<u64, u64>,
    /// The level of each image that its id finds, listed or not.
    found: BTreeMap<u64, u64>,
    /// The mask for which the server knows no cursors by time.
    refused: Option<u64>,
}

fn image(id: u64, level: u64) -> Value {
    let at = jiff::Timestamp::from_millisecond((BEGINS + id * 1000) as i64).unwrap().to_string();
    let named = if level > 2 { "X" } else { "None" };
    json!({ "id": id, "url": format!("https://x.test/{id}.jpeg"), "createdAt": at, "browsingLevel": level,
            "nsfwLevel": named, "nsfw": level > 2, "type": "image", "postId": id, "username": "a" })
}

fn page(shown: &Shown, target: &str) -> Vec<u8> {
    let text = target.split_once('?').map_or("", |(_, text)| text);
    let sent: BTreeMap<String, String> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let number = |name: &str| sent.get(name).and_then(|value| value.parse::<u64>().ok());
    let mask = number("browsingLevel").unwrap_or(1);
    let body = |items: Vec<Value>, next: Option<String>| {
        let metadata = next.map_or_else(|| json!({}), |next| json!({ "nextCursor": next }));
        answer("200 OK", "", &json!({ "items": items, "metadata": metadata }).to_string())
    };
    if let Some(id) = number("imageId") {
        let found = shown.found.get(&id).filter(|level| *level & mask != 0);
        return body(found.map(|level| image(id, *level)).into_iter().collect(), None);
    }
    let limit = number("limit").unwrap_or(100) as usize;
    let all = || shown.listed.iter().filter(|(_, level)| *level & mask != 0).map(|(id, level)| (*id, *level));
    let Some(cursor) = sent.get("cursor").and_then(|cursor| cursor.strip_prefix("feed:")) else {
        // The older path, which knows offsets.
        let start = sent.get("cursor").and_then(|cursor| cursor.split('|').next()?.parse().ok()).unwrap_or(0);
        let items: Vec<Value> = all().skip(start).take(limit).map(|(id, level)| image(id, level)).collect();
        let next = (start + limit < all().count()).then(|| format!("{}|1700000000000", start + limit));
        return body(items, next);
    };
    if shown.refused == Some(mask) {
        return answer("400 Bad Request", "", r#"{"message":"Invalid cursor"}"#);
    }
    let (at, id) = cursor.split_once(':').map(|(at, id)| (at.parse().unwrap(), id.parse().unwrap())).unwrap();
    let behind: Vec<(u64, u64)> = all().filter(|(row, _)| (BEGINS + row * 1000, *row) > (at, id)).collect();
    let items: Vec<Value> = behind.iter().take(limit).map(|(id, level)| image(*id, *level)).collect();
    let last = behind.get(..limit).filter(|_| behind.len() > limit).and_then(<[(u64, u64)]>::last);
    body(items, last.map(|(id, _)| format!("feed:{}:{id}", BEGINS + id * 1000)))
}

/// A server after a first pass over 60 mild images and 30 strong ones.
struct Stage {
    shown: Arc<Mutex<Shown>>,
    server: Server,
    room: Room,
}

impl Stage {
    fn set() -> Self {
        let all: BTreeMap<u64, u64> = (1..=90).map(|id| (id, if id % 3 == 0 { 8 } else { 1 })).collect();
        let shown = Arc::new(Mutex::new(Shown { listed: all.clone(), found: all, refused: None }));
        let of_server = Arc::clone(&shown);
        let server =
            Server::answering(move |Request { target, .. }| page(&of_server.lock().expect("no thread died"), target));
        let room = Room::new(LEVELS, &server.base);
        assert_exit(&room.run(&[]), 0);
        assert_eq!(room.value("SELECT count(DISTINCT id) FROM images"), 90);
        Self { shown, server, room }
    }

    /// One more pass after this change: its exit code, what it printed, the images that are gone, and the requests by id.
    fn pass(&self, change: impl FnOnce(&mut Shown)) -> (Option<i32>, String, Vec<u64>, Vec<String>) {
        change(&mut self.shown.lock().expect("no thread died"));
        let before = self.server.requests().len();
        let output = self.room.run(&[]);
        self.room.assert_sound();
        let latest = self.room.dataset().join("latest/images.parquet");
        let sql = format!("SELECT id FROM '{}' WHERE gone_at IS NOT NULL ORDER BY id", latest.display());
        let gone = self.room.rows(&sql).iter().map(|row| row[0].as_u64().expect("an id")).collect();
        let asked = self.server.requests().into_iter().skip(before).map(|request| request.target);
        (output.status.code(), printed(&output), gone, asked.filter(|target| target.contains("imageId=")).collect())
    }
}

#[test]
fn an_image_whose_level_changed_is_not_gone_and_a_deleted_one_is() {
    let stage = Stage::set();
    // One moves up, one down; none is asked for singly.
    let (code, said, gone, asked) = stage.pass(|shown| {
        for (id, level) in [(1, 8), (3, 2)] {
            shown.listed.insert(id, level);
            shown.found.insert(id, level);
        }
    });
    assert_eq!((code, gone, asked), (Some(0), vec![], vec![]), "{said}");
    let moved = "SELECT walk FROM images WHERE pass = 2 AND id IN (1, 3) ORDER BY id";
    assert_eq!(stage.room.query(moved).trim(), "[\"strong\"]\n[\"mild\"]");
    // One is deleted from each list: it is asked for at all levels, and at those that are shown whatever tags it has.
    let (code, said, gone, asked) = stage.pass(|shown| {
        for id in [6, 7] {
            shown.listed.remove(&id);
            shown.found.remove(&id);
        }
    });
    assert_eq!((code, gone), (Some(0), vec![6, 7]), "{said}");
    for id in [6, 7] {
        let of = |levels: &str| {
            let about = |target: &&String| target.ends_with(&format!("imageId={id}&browsingLevel={levels}"));
            asked.iter().filter(about).count()
        };
        assert_eq!((of("31"), of("3")), (1, 1), "{asked:?}");
    }
    // It comes back.
    let (code, said, gone, _) = stage.pass(|shown| {
        shown.listed.insert(7, 1);
        shown.found.insert(7, 1);
    });
    assert_eq!((code, gone), (Some(0), vec![6]), "{said}");
}

#[test]
fn an_image_that_no_list_shows_and_its_id_does_is_not_gone() {
    let stage = Stage::set();
    // It moved up behind the one walk and before the other.
    let (code, said, gone, asked) = stage.pass(|shown| {
        shown.listed.remove(&1);
        shown.found.insert(1, 8);
    });
    assert_eq!((code, gone), (Some(0), vec![]), "{said}");
    assert_eq!(asked.iter().filter(|target| target.contains("imageId=1&")).count(), 1, "{asked:?}");
}

#[test]
fn a_list_that_fell_back_finds_nothing_gone_nor_does_the_one_beside_it_more_than_it_can_ask_for() {
    let stage = Stage::set();
    let (code, said, gone, _) = stage.pass(|shown| {
        shown.refused = Some(28);
        for id in [3, 6, 9] {
            shown.listed.remove(&id);
            shown.found.remove(&id);
        }
        shown.listed.remove(&2);
        shown.found.remove(&2);
    });
    assert_eq!((code, gone), (Some(4), vec![2]), "{said}");
    let deleted: Vec<u64> = (1..72).filter(|id| id % 3 == 1).collect();
    let (code, said, gone, _) = stage.pass(|shown| {
        for id in &deleted {
            shown.listed.remove(id);
            shown.found.remove(id);
        }
    });
    assert_eq!((code, gone), (Some(4), vec![2]), "{said}");
    assert!(said.contains("a walk beside this one, which may list some of them now, is not believed either"), "{said}");
    let (code, said, gone, _) = stage.pass(|shown| shown.refused = None);
    let mut expected = [deleted, vec![2, 3, 6, 9]].concat();
    expected.sort_unstable();
    assert_eq!((code, gone), (Some(0), expected), "{said}");
}

/// The mask of each image that a perfect client of both walks gets.
fn truth(sandbox: &Sandbox) -> BTreeMap<u64, u64> {
    let of = |mask: u64| {
        let rows = sandbox.truth(&format!("images?sort=Oldest&period=AllTime&browsingLevel={mask}"));
        rows.into_iter().map(move |row| (row["id"].as_u64().expect("an id"), mask))
    };
    [3, 28].into_iter().flat_map(of).collect()
}

#[test]
fn nights_delete_some_images_and_move_others() {
    let sandbox = Sandbox::start(&["--models", "150"]);
    for split in ["", "split = { windows = 3, from = \"2022-11-01\" }\n"] {
        let text = LEVELS.replace("limit = 10 }", &format!("limit = 200 }}\n{split}"));
        let room = Room::new(&text, &sandbox.base);
        assert_exit(&room.run(&[]), 0);
        let (mut before, mut seen) = (truth(&sandbox), BTreeSet::new());
        for pass in 2..=3 {
            seen.extend(before.keys().copied());
            pass_night(&sandbox, "0.02");
            let after = truth(&sandbox);
            let deleted = before.keys().filter(|id| !after.contains_key(id)).count();
            let moved = before.iter().filter(|(id, mask)| after.get(id).is_some_and(|now| now != *mask)).count();
            assert!(deleted > 5 && moved > 5, "{deleted} {moved}");
            let output = room.run(&[]);
            assert_exit(&output, 0);
            room.assert_sound();
            let latest = room.dataset().join("latest/images.parquet");
            let sql = format!("SELECT id, split_part(walk, '/', 1), gone_at IS NOT NULL FROM '{}'", latest.display());
            let rows = room.rows(&sql);
            let walk_of = |mask: u64| if mask == 3 { "mild" } else { "strong" };
            for row in &rows {
                let id = row[0].as_u64().expect("an id");
                assert_eq!(row[2], !after.contains_key(&id), "pass {pass}: {row}");
                assert!(after.get(&id).is_none_or(|mask| row[1] == walk_of(*mask)), "pass {pass}: {row}");
            }
            seen.extend(after.keys().copied());
            assert_eq!(rows.len(), seen.len());
            before = after;
        }
    }
}
