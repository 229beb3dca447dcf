//! Snapshots: what they hold is computed once more from the parts, in SQL and Python; they are whole at every instant.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Room, Sandbox, Server, assert_exit, killed_at, printed, program};

/// Both lists of models, creators, and the images of each version.
const CATALOG: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }
history = ["models", "model_versions"]
snapshot = { keep = 2 }

[[walk]]
name = "models_pg"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", archived = true, limit = 20 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }

[[walk]]
name = "creators"
endpoint = "creators"

[[walk]]
name = "images"
endpoint = "images"
for_each = { table = "model_versions", column = "id", param = "modelVersionId" }
params = { browsingLevel = 3, withMeta = true, flatMeta = true, withTags = true, sort = "Newest", limit = 100 }
"#;

/// One walk, and no snapshot unless it is asked for.
const MODELS: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }
snapshot = { take = false }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }
"#;

/// A sandbox whose answers change when its epoch does: things go and come back, counters move, child rows go.
fn changing(models: &str) -> (Sandbox, String, Arc<AtomicI64>) {
    let sandbox = Sandbox::start(&["--models", models, "--traps", "none"]);
    let epoch = Arc::new(AtomicI64::new(0));
    let now = Arc::clone(&epoch);
    let spoil = move |body: String| match serde_json::from_str::<Value>(&body) {
        Ok(mut page) if page["items"].is_array() => {
            change(&mut page, now.load(Ordering::SeqCst));
            page.to_string()
        }
        _ => body,
    };
    let base = Server::in_front_of(&sandbox, spoil).base;
    (sandbox, base, epoch)
}

fn change(page: &mut Value, epoch: i64) {
    let id = |item: &Value| item["id"].as_i64().or_else(|| item["modelCount"].as_i64()).unwrap_or(1);
    let items = page["items"].as_array_mut().expect("a page has items");
    items.retain(|item| epoch == 0 || (id(item) + epoch) % 5 != 0);
    for item in items {
        let turn = (id(item) + epoch) % 3;
        if turn == 0 && item["stats"]["downloadCount"].is_i64() {
            item["stats"]["downloadCount"] = json!(1_000_000 + epoch);
        }
        if turn == 1 && item["tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
            item["tags"].as_array_mut().expect("it is a list").remove(0);
        }
        if turn == 2 && item["modelVersions"].as_array().is_some_and(|versions| versions.len() > 1) {
            item["modelVersions"].as_array_mut().expect("it is a list").pop();
        }
    }
}

fn snapshot(room: &Room, arguments: &[&str]) -> Output {
    program().arg("snapshot").arg(room.dataset()).args(arguments).output().expect("the program runs")
}

/// Compares the newest snapshot with the parts; gives the rows of each table.
fn compared(room: &Room) -> Value {
    let counts = room.read("snapshot.py", &[]);
    serde_json::from_str(counts.lines().last().unwrap_or_default()).expect("it ends with a line of JSON")
}

/// The numbers of the snapshots, and the one that `latest` leads to.
fn shelf(room: &Room) -> (Vec<String>, PathBuf) {
    let names = std::fs::read_dir(room.dataset().join("snapshots")).expect("there are snapshots");
    let mut names: Vec<String> =
        names.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    (names, std::fs::read_link(room.dataset().join("latest")).expect("`latest` is a link"))
}

fn inventory(room: &Room) -> Value {
    let text = std::fs::read(room.dataset().join("latest/snapshot.json")).expect("it has an inventory");
    serde_json::from_slice(&text).expect("it is JSON")
}

#[test]
fn it_holds_what_the_parts_and_passes_say() {
    let (_sandbox, base, epoch) = changing("50");
    let room = Room::new(CATALOG, &base);
    for pass in 0..4 {
        epoch.store(pass, Ordering::SeqCst);
        if pass == 2 {
            // Taken in the middle of a pass: what the rest of it says comes later.
            assert_exit(&room.run(&["--max-pages", "40"]), 3);
            assert_exit(&snapshot(&room, &[]), 0);
            assert_eq!(inventory(&room)["state"], "unfinished");
            compared(&room);
        }
        assert_exit(&room.run(&[]), 0);
        let counts = compared(&room);
        assert_eq!(counts["from"].is_null(), pass == 0, "{counts}");
        assert_eq!(counts["gone"].as_u64() > Some(0), pass > 0, "{counts}");
        room.assert_sound();
    }
    let merged = compared(&room);
    assert!(merged["models_history"].as_u64() > merged["models"].as_u64(), "{merged}");
    let (numbers, latest) = shelf(&room);
    assert_eq!((numbers, latest), (vec!["000004".into(), "000005".into()], "snapshots/000005".into()));

    // From the parts alone it is the same, and histories start from the beginning.
    std::fs::remove_dir_all(room.dataset().join("snapshots")).expect("they can be removed");
    assert_exit(&room.run(&[]), 0);
    let anew = compared(&room);
    assert!(anew["from"].is_null() && anew["models_history"].as_u64() >= merged["models_history"].as_u64(), "{anew}");
}

#[test]
fn a_table_without_new_rows_is_taken_over() {
    use std::os::unix::fs::MetadataExt as _;
    let (_sandbox, base, _) = changing("30");
    let room = Room::new(CATALOG, &base);
    assert_exit(&room.run(&[]), 0);
    // Of a table in ranges those of its files.
    let file = |snapshot: &str, table: &str| {
        let path = room.dataset().join("snapshots").join(snapshot).join(format!("{table}.parquet"));
        let ino = |path: &Path| std::fs::metadata(path).expect("it is there").ino();
        match std::fs::read_dir(&path) {
            Ok(files) => files.map(|file| ino(&file.expect("it can be listed").path())).collect(),
            Err(_) => vec![ino(&path)],
        }
    };
    // Two pages of models: nothing of creators and images.
    assert_exit(&room.run(&["--max-pages", "2", "--in-flight", "1"]), 3);
    let output = snapshot(&room, &[]);
    assert_exit(&output, 0);
    assert!(printed(&output).contains("taken over") && printed(&output).contains("rewritten"), "{}", printed(&output));
    for table in ["images", "image_meta", "image_tags"] {
        assert_eq!(file("000001", table), file("000002", table), "{table}");
    }
    assert_ne!(file("000001", "models"), file("000002", "models"));
    compared(&room);
    room.assert_sound();
    // Nothing has happened since.
    let output = snapshot(&room, &[]);
    assert!(printed(&output).contains("nothing new"), "{}", printed(&output));
    assert_eq!(inventory(&room)["snapshot"], 2);
}

#[test]
fn many_small_parts_become_one_file() {
    let sandbox = Sandbox::start(&["--models", "120", "--traps", "none"]);
    let room = Room::new(&MODELS.replace("limit = 20", "limit = 2"), &sandbox.base);
    // More than can be open at once, twice over.
    let mut runs = 0;
    while room.run(&["--max-pages", "1"]).status.code() == Some(3) {
        runs += 1;
    }
    assert!(runs > 40, "{runs} runs");
    assert_exit(&snapshot(&room, &[]), 0);
    assert_eq!(compared(&room)["models"], 120);
    let left = std::fs::read_dir(room.dataset().join("latest")).expect("it is there");
    let left: Vec<_> = left.map(|entry| entry.expect("it can be listed").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".run")), "{left:?}");
}

#[test]
fn snapshots_stay_by_number_or_by_age() {
    let sandbox = Sandbox::start(&["--models", "20", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    let numbers = |keep: &str| {
        assert_exit(&room.run(&[]), 0);
        assert_exit(&snapshot(&room, &["--keep", keep]), 0);
        shelf(&room).0
    };
    assert_eq!(numbers("2"), ["000001"]);
    assert_eq!(numbers("30d"), ["000001", "000002"]);
    assert_eq!(numbers("2"), ["000002", "000003"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(numbers("1s"), ["000004"]);
    let refused = snapshot(&room, &["--keep", "0"]);
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains("30d"), "{}", printed(&refused));
}

#[test]
fn downloads_per_week_by_base_model_are_one_query() {
    let (_sandbox, base, epoch) = changing("30");
    let room = Room::new(&MODELS.replace("snapshot = { take = false }", "history = [\"models\"]"), &base);
    for pass in 0..3 {
        epoch.store(pass, Ordering::SeqCst);
        assert_exit(&room.run(&[]), 0);
    }
    let history = room.dataset().join("latest/models_history.parquet");
    let moved = room.query(&format!(
        "SELECT sum(downloads)::BIGINT FROM (SELECT base_models, date_trunc('week', valid_from) AS week, \
             download_count - lag(download_count) OVER (PARTITION BY id ORDER BY valid_from) AS downloads \
             FROM '{}') WHERE downloads IS NOT NULL",
        history.display()
    ));
    // The same from the observations: what each model's last one counts more than its first one.
    let seen = room.query(
        "SELECT sum(moved)::BIGINT FROM (SELECT arg_max(download_count, fetched_at) - arg_min(download_count, \
         fetched_at) AS moved FROM models WHERE download_count IS NOT NULL GROUP BY id)",
    );
    assert_ne!(seen, "[0]\n", "nothing moved");
    assert_eq!(moved, seen);
}

#[cfg(target_os = "linux")]
#[test]
fn a_kill_at_any_call_leaves_latest_whole_old_or_new() {
    let sandbox = Sandbox::start(&["--models", "10", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    assert_exit(&snapshot(&room, &[]), 0);
    let aside = TempDir::new().expect("there is room for a directory");
    let mut taking = program();
    taking.arg("snapshot").arg(room.dataset()).args(["--keep", "1", "--prune"]);
    let mut seen = 1;
    for nth in 1.. {
        assert_exit(&room.run(&[]), 0);
        keep_parts(&room, aside.path());
        let killed = killed_at(nth, &room.dataset(), &taking);
        // Whole: every file is what its inventory says, and readers can follow the link.
        room.assert_sound();
        let now = inventory(&room)["snapshot"].as_u64().expect("it is numbered");
        assert!(now >= seen, "killed at call {nth}: `latest` went back from {seen} to {now}");
        if killed.is_none() {
            println!("{} kills", nth - 1);
            assert!(nth > 60, "only {nth} calls were made");
            break;
        }
        // Whatever was left is finished.
        assert_exit(&taking.output().expect("the program runs"), 0);
        seen = inventory(&room)["snapshot"].as_u64().expect("it is numbered");
    }
    compared_with(&room, aside.path());
    assert_eq!(shelf(&room).0.len(), 1, "something is left: {:?}", shelf(&room));
}

/// Keeps the parts there are, and those kept before, in another directory.
fn keep_parts(room: &Room, aside: &Path) {
    let status = Command::new("cp").arg("-rnl").arg(room.dataset().join("parts")).arg(aside).status();
    assert!(status.expect("cp runs").success());
}

/// Compares the newest snapshot with parts that were kept aside.
fn compared_with(room: &Room, aside: &Path) -> Value {
    let counts = room.read("snapshot.py", &[&aside.display().to_string()]);
    serde_json::from_str(counts.lines().last().unwrap_or_default()).expect("it ends with a line of JSON")
}

/// Returns the number of parts of a table.
fn parts(room: &Room, table: &str) -> usize {
    std::fs::read_dir(room.dataset().join("parts").join(table)).map_or(0, Iterator::count)
}

#[test]
fn pruned_parts_are_missed_by_nobody() {
    let (_sandbox, base, epoch) = changing("30");
    let room = Room::new(CATALOG, &base);
    let aside = TempDir::new().expect("there is room for a directory");
    let mut requests = Vec::new();
    for pass in 0..4 {
        epoch.store(pass % 2, Ordering::SeqCst);
        assert_exit(&room.run(&[]), 0);
        keep_parts(&room, aside.path());
        let pages =
            room.query(&format!("SELECT count(*) FROM pages WHERE pass = {} AND walk LIKE 'images%'", pass + 1));
        requests.push(pages);
        assert_exit(&snapshot(&room, &["--prune"]), 0);
        assert_eq!((parts(&room, "models"), parts(&room, "images")), (0, 0));
        assert!(parts(&room, "pages") > 0);
        room.assert_sound();
        let counts = compared_with(&room, aside.path());
        assert_eq!(counts["gone"].as_u64() > Some(0), pass > 0, "{counts}");
    }
    // A fan-out still finds every version that was ever seen, wherever its row is now.
    assert_eq!(requests[1], requests[3], "{requests:?}");
}
