//! Clocks that are wrong, or are set while a crawl runs, and crawls that race: neither changes a row, and nobody waits for a
//! date that is years away. Clocks are set by `libfaketime`; its monotonic clock stays the machine's, as in real life.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Request, Room, Sandbox, Server, answer, assert_exit, printed, program, read};

/// A split walk, whose windows end today, and one of many commits.
const CRAWL: &str = r#"
commit = { every = "100ms" }
retry = { elapsed = "20s" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }

[[walk]]
name = "windows"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
split = { windows = 3, from = "2022-11-01" }
"#;

const DAY: i64 = 24 * 3600;
const THIRTY_YEARS: i64 = 30 * 365 * DAY;

/// The library's place in Debian; `scripts/test` leaves these tests out where there is none.
fn library() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").expect("there is /usr/lib").flatten();
    let found = places.map(|entry| entry.path().join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.max().expect("there is libfaketime")
}

/// `command` with its clock off by this many seconds, at every look what the file says, if there is one.
fn skew(mut command: Command, library: &PathBuf, offset: i64) -> Command {
    command.env("LD_PRELOAD", library).env("FAKETIME", format!("{offset:+}"));
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_NO_CACHE", "1");
    command
}

/// The runs in the order of their commits, each once.
fn runs(room: &Room) -> Vec<String> {
    let rows = room.query("SELECT DISTINCT run FROM pages");
    rows.lines().map(str::to_owned).collect()
}

fn assert_same_rows(rooms: &[Room]) {
    // The window and the page in which a model is found depend on when the windows were split.
    let rows = "SELECT DISTINCT CAST(m AS VARCHAR) AS row FROM \
                (SELECT split_part(walk, '/', 1) AS name, * EXCLUDE (fetched_at, page, walk) FROM models) m";
    let sql = format!("SELECT md5(string_agg(row, ';' ORDER BY row)), count(*) FROM ({rows})");
    let all: Vec<String> = rooms.iter().map(|room| room.query(&sql)).collect();
    assert!(all[0].contains(", 240]") && all.iter().all(|rows| *rows == all[0]), "{all:?}");
}

#[test]
fn rows_are_the_same_whatever_the_clock_says() {
    let library = library();
    let sandbox = Sandbox::start(&["--models", "120"]);
    let mut rooms = vec![Room::new(CRAWL, &sandbox.base)];
    assert_exit(&rooms[0].run(&[]), 0);
    for offset in [-THIRTY_YEARS, THIRTY_YEARS] {
        let room = Room::new(CRAWL, &sandbox.base);
        assert_exit(&skew(room.crawl(), &library, offset).output().unwrap(), 0);
        let year = room.query("SELECT max(year(fetched_at)) FROM models");
        assert!(!year.contains("[202"), "the clock was not set: {year}");
        rooms.push(room);
    }
    // One dataset, a run in every age, the later ones mostly in earlier years.
    let room = Room::new(CRAWL, &sandbox.base);
    for offset in [THIRTY_YEARS, 0, -THIRTY_YEARS, THIRTY_YEARS / 2] {
        let stopped = skew(room.crawl(), &library, offset).args(["--max-pages", "5"]).output().unwrap();
        assert_exit(&stopped, 3);
        room.assert_sound();
        assert_exit(&program().arg("status").arg(room.dataset()).output().unwrap(), 3);
    }
    assert_exit(&room.run(&[]), 0);
    assert_eq!(runs(&room).len(), 5);
    rooms.push(room);
    rooms.iter().for_each(Room::assert_sound);
    assert_same_rows(&rooms);
}

#[test]
fn rows_are_the_same_while_the_clock_jumps() {
    let library = library();
    let sandbox =
        Sandbox::start(&["--models", "120", "--latency", "60", "--fault", "kind=status,code=503,retry_after=1,nth=9"]);
    let (steady, room) = (Room::new(CRAWL, &sandbox.base), Room::new(CRAWL, &sandbox.base));
    assert_exit(&steady.run(&[]), 0);
    let clock = room.file().with_file_name("clock");
    let set = |offset: i64| {
        // Replaced whole, so that nobody reads half of it.
        let next = clock.with_extension("next");
        std::fs::write(&next, format!("{offset:+}\n")).unwrap();
        std::fs::rename(&next, &clock).unwrap();
    };
    set(0);
    let over = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            for offset in [-THIRTY_YEARS, THIRTY_YEARS, 0, -3600, 3600, -1, 1].into_iter().cycle() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                set(offset);
                thread::sleep(Duration::from_millis(15));
            }
        });
        let mut crawl = skew(room.crawl(), &library, 0);
        let output = crawl.env_remove("FAKETIME").env("FAKETIME_TIMESTAMP_FILE", &clock).output().unwrap();
        over.store(true, Ordering::SeqCst);
        output
    });
    assert_exit(&output, 0);
    // The elapsed time is from a clock that nobody sets.
    assert!(!printed(&output).contains(" d ") && !printed(&output).contains(" h "), "{}", printed(&output));
    let years = room.query("SELECT DISTINCT year(fetched_at) FROM pages");
    assert!(years.lines().count() >= 2, "the clock did not jump: {years}");
    room.assert_sound();
    assert_same_rows(&[steady, room]);
}

#[test]
fn a_date_to_wait_for_is_read_by_the_servers_clock_or_not_for_long() {
    let library = library();
    for (offset, date) in [(-THIRTY_YEARS, true), (THIRTY_YEARS, true), (-THIRTY_YEARS, false), (THIRTY_YEARS, false)] {
        let first = AtomicBool::new(true);
        let lure = Server::answering(move |_| {
            if first.swap(false, Ordering::SeqCst) {
                let now = if date { "date: Sun, 01 Nov 2026 12:00:00 GMT\r\n" } else { "" };
                let headers = format!("{now}retry-after: Sun, 01 Nov 2026 12:00:01 GMT\r\n");
                return answer("429 Too Many Requests", &headers, r#"{"error":"slow down"}"#);
            }
            answer("200 OK", "", r#"{"items":[{"id":1,"modelVersions":[{"id":1}]}],"metadata":{}}"#)
        });
        let text = CRAWL.split("[[walk]]").take(2).collect::<Vec<_>>().join("[[walk]]").replace("20s", "3s");
        let room = Room::new(&text, &lure.base);
        let output = skew(room.crawl(), &library, offset).arg("-v").output().unwrap();
        // Without the server's own date, a clock that is behind seems to have to wait for 30 years: it waits as long as a page may take.
        let code = if date || offset > 0 { 0 } else { 3 };
        assert_eq!(output.status.code(), Some(code), "{offset} {date}: {}", printed(&output));
        assert_eq!(lure.requests().len(), if code == 0 { 2 } else { 1 }, "{offset} {date}");
    }
}

/// A list of two models whose last cursor is in the future; a third appears behind them.
const INCREMENTAL: &str = r#"

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest" }
incremental = { overlap = "3d" }
"#;

#[test]
fn one_wrong_clock_or_date_moves_no_watermark_beyond_now() {
    let library = library();
    let future = "date: Thu, 31 Dec 2099 23:59:59 GMT\r\n";
    let soon = jiff::Timestamp::now().strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
    for (date, offset) in [(future.to_owned(), 0), (soon, 70 * THIRTY_YEARS / 30), (String::new(), 0)] {
        let differ = !date.is_empty();
        let lure = Server::answering(move |Request { target, .. }| {
            let behind = target.contains("cursor=2099");
            let items = if behind { "" } else { r#"{"id":1,"modelVersions":[{"id":1}]}"# };
            let next = if behind { "" } else { r#""nextCursor":"2099-06-01 00:00:00.000|2""# };
            answer("200 OK", &date, &format!("{{\"items\":[{items}],\"metadata\":{{{next}}}}}"))
        });
        let room = Room::new(INCREMENTAL, &lure.base);
        let first = skew(room.crawl(), &library, offset).arg("-v").output().unwrap();
        assert_exit(&first, 0);
        assert_eq!(printed(&first).contains("the clocks differ"), differ, "{offset}: {}", printed(&first));
        let before = lure.requests().len();
        assert_exit(&room.run(&[]), 0);
        let asked = lure.requests()[before].target.clone();
        assert!(asked.contains("cursor=20") && !asked.contains("cursor=2099"), "{offset}: {asked}");
    }
}

#[test]
fn a_watermark_in_the_future_heals_in_the_next_pass() {
    let library = library();
    let lure = Server::answering(|Request { target, .. }| {
        let behind = target.contains("cursor=2090");
        let items = if behind { "" } else { r#"{"id":1,"modelVersions":[{"id":1}]}"# };
        let next = if behind { "" } else { r#""nextCursor":"2090-06-01 00:00:00.000|2""# };
        answer("200 OK", "", &format!("{{\"items\":[{items}],\"metadata\":{{{next}}}}}"))
    });
    let room = Room::new(INCREMENTAL, &lure.base);
    // Nothing but this machine's clock says when it is, and that is wrong.
    assert_exit(&skew(room.crawl(), &library, 70 * THIRTY_YEARS / 30).output().unwrap(), 0);
    let before = lure.requests().len();
    let healed = room.run(&[]);
    assert_exit(&healed, 0);
    assert!(printed(&healed).contains("which is later than now"), "{}", printed(&healed));
    assert!(!lure.requests()[before].target.contains("cursor="), "{:?}", lure.requests()[before]);
    let before = lure.requests().len();
    let next = room.run(&[]);
    assert_exit(&next, 0);
    assert!(!printed(&next).contains("which is later than now"), "{}", printed(&next));
    assert!(lure.requests()[before].target.contains("cursor=20"), "{:?}", lure.requests()[before]);
}

/// A walk that begins at this time before now.
fn begun(from: &str) -> String {
    format!(
        "commit = {{ every = \"100ms\" }}\n\n[[walk]]\nname = \"models\"\nendpoint = \"models\"\n\
         params = {{ sort = \"Oldest\", nsfw = true, archived = true, limit = 10 }}\nfrom = \"{from}\"\n"
    )
}

/// The date that the sandbox sends.
const SANDBOX: &str = "2026-10-16T00:00:00Z";

/// Returns the days between the first page of a pass and the date of the sandbox.
fn began(room: &Room, pass: u32) -> f64 {
    let cursor = "min(CAST(split_part(cursor, '|', 1) AS TIMESTAMP))";
    let days = format!("round(date_diff('minute', {cursor}, TIMESTAMP '{SANDBOX}') / 1440.0)");
    let days = room.value(&format!("SELECT {days} FROM pages WHERE pass = {pass} AND cursor IS NOT NULL"));
    days.as_f64().expect("a number of days")
}

#[test]
fn rows_are_from_a_time_before_the_first_pass_for_ever() {
    let library = library();
    let sandbox = Sandbox::start(&["--models", "500"]);
    let room = Room::new(&begun("now - 250d"), &sandbox.base);
    // The first run of the first pass was 20 days before, and was stopped.
    let now = SANDBOX.parse::<jiff::Timestamp>().unwrap().duration_since(jiff::Timestamp::now()).as_secs();
    assert_exit(&skew(room.crawl(), &library, now - 20 * DAY).args(["--max-pages", "3"]).output().unwrap(), 3);
    for (pass, offset, arguments) in [(1, now, &[][..]), (2, now, &[]), (3, 0, &["--restart"])] {
        assert_exit(&skew(room.crawl(), &library, offset).args(arguments).output().unwrap(), 0);
        room.assert_sound();
        assert_eq!(began(&room, pass), 270.0, "pass {pass}");
    }
    // Another time is fixed anew.
    let other = Room::new(&begun("now - 251d"), &sandbox.base);
    std::fs::rename(room.dataset(), other.dataset()).unwrap();
    assert_exit(&skew(other.crawl(), &library, now).output().unwrap(), 0);
    assert_eq!(began(&other, 4), 251.0);
}

#[test]
fn rows_are_from_a_time_before_the_servers_now_whatever_this_clock_says() {
    let library = library();
    let sandbox = Sandbox::start(&["--models", "500"]);
    let now = SANDBOX.parse::<jiff::Timestamp>().unwrap().duration_since(jiff::Timestamp::now()).as_secs();
    for windows in ["", "split = { windows = 3 }\n"] {
        let mut rows = Vec::new();
        for offset in [now, now + 20 * DAY, THIRTY_YEARS] {
            let room = Room::new(&format!("{}{windows}", begun("now - 250d")), &sandbox.base);
            let first = skew(room.crawl(), &library, offset).arg("-v").output().unwrap();
            assert_exit(&first, 0);
            let moved = printed(&first).contains("by the server's clock `from` is earlier");
            assert_eq!(moved, offset > now, "{offset}: {}", printed(&first));
            room.assert_sound();
            assert_exit(&room.run(&["--restart"]), 0);
            assert_eq!((began(&room, 1), began(&room, 2)), (250.0, 250.0), "{offset}");
            rows.push(room.query("SELECT pass, count(DISTINCT id) FROM models GROUP BY pass ORDER BY pass"));
        }
        assert!(rows.iter().all(|seen| *seen == rows[0]), "{rows:?}");
    }
    let room = Room::new(&begun("now - 250d"), &sandbox.base);
    let refused = skew(room.crawl(), &library, -THIRTY_YEARS).output().unwrap();
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains("the catalog is younger; set the clock"), "{}", printed(&refused));
    // What a pass has recorded is no matter of this clock.
    assert_exit(&room.run(&["--max-pages", "3"]), 3);
    for pass in 1..=2 {
        assert_exit(&skew(room.crawl(), &library, -THIRTY_YEARS).output().unwrap(), 0);
        assert_eq!(began(&room, pass), 250.0);
    }
}

#[test]
fn of_crawls_that_race_one_writes() {
    read("../../scripts/races", &["40", "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}
