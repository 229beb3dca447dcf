//! `drop`: tables and columns that a crawl leaves out take no room, and everything that reads the dataset still works.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Room, Sandbox, assert_exit, printed, program, query, shipped};

const MODELS: &str = "[[walk]]\nname = \"models\"\nendpoint = \"models\"\n\
    params = { sort = \"Oldest\", period = \"AllTime\", nsfw = true, archived = true, limit = 20 }\n";
const DROP: &str = "drop = [\"description\", \"file_hashes\", \"image_tags\", \"image_meta.prompt\"]\n";

/// Returns the one value of a query over a table of the newest snapshot.
fn value(room: &Room, what: &str, table: &str) -> Value {
    let rows = query(&room.dataset(), &format!("SELECT {what} FROM '{}'", latest(room, table)));
    serde_json::from_str::<Value>(rows.trim()).expect("a row is JSON")[0].clone()
}

/// Returns the file of a table in the newest snapshot, or the files of one in ranges.
fn latest(room: &Room, table: &str) -> String {
    let path = room.dataset().join("latest").join(table).with_extension("parquet");
    let path = if path.is_dir() { path.join("*.parquet") } else { path };
    path.display().to_string()
}

/// Returns the names of all entries of a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it is there");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it is").file_name().display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn what_is_dropped_takes_no_room_and_everything_reads_the_rest() {
    let sandbox = Sandbox::start(&["--models", "200", "--images", "2000"]);
    let whole = Room::new(
        &shipped("sandbox").replace("[sandbox]\nmodels = 1000\nseed = 1\ntraps = \"all\"\n", ""),
        &sandbox.base,
    );
    let text = fs::read_to_string(whole.file()).expect("it is there");
    let part = Room::new(&format!("{DROP}{}", text.replace(&whole.dataset().display().to_string(), "{dataset}")), "");
    for room in [&whole, &part] {
        let output = room.run(&[]);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
        room.assert_sound();
        for command in ["status", "report", "snapshot"] {
            let mut command = {
                let mut program = program();
                program.arg(command).arg(room.dataset());
                program
            };
            let output = command.current_dir(room.file().parent().expect("it lies somewhere")).output();
            let output = output.expect("the program runs");
            assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
        }
        let views = program().args(["schema", "--format", "sql", "--dataset"]).arg(room.dataset()).output();
        assert_exit(&views.expect("the program runs"), 0);
    }
    // The same tables and columns, so that every query runs; and the same values in all others.
    assert_eq!(names(&whole.dataset().join("latest")), names(&part.dataset().join("latest")));
    for (table, dropped) in [("models", "description"), ("model_versions", "description"), ("image_meta", "prompt")] {
        assert_eq!(value(&part, &format!("count({dropped})"), table), 0, "{table}.{dropped}");
        assert_ne!(value(&whole, &format!("count({dropped})"), table), 0, "{table}.{dropped}");
        // The times of two crawls differ.
        let rest = |room: &Room| {
            let seen = if table == "image_meta" { "" } else { ", first_seen_at, last_seen_at" };
            let all =
                format!("SELECT * EXCLUDE ({dropped}, fetched_at, page, walk{seen}) FROM '{}'", latest(room, table));
            query(&room.dataset(), &format!("SELECT count(*), sum(hash(rows)::HUGEINT) FROM ({all}) rows"))
        };
        assert_eq!(rest(&whole), rest(&part), "{table}");
    }
    for table in ["file_hashes", "image_tags"] {
        assert_eq!(value(&part, "count(*)", table), 0, "{table}");
        assert_ne!(value(&whole, "count(*)", table), 0, "{table}");
        assert!(!names(&part.dataset().join("parts")).contains(&table.to_owned()), "{table} has parts");
    }
}

#[test]
fn it_is_of_the_pass_and_a_later_pass_without_it_fills_what_it_sees() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    let text = fs::read_to_string(room.file()).expect("it is there");
    let write = |text: &str| fs::write(room.file(), text).expect("it can be written");
    let filled = || ["models", "model_versions"].map(|table| value(&room, "count(description)", table) != json!(0));
    write(&format!("{DROP}{text}"));
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    write(&text);
    let refused = room.run(&[]);
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains("`drop`") && printed(&refused).contains("--restart"), "{}", printed(&refused));
    write(&format!("{DROP}{text}"));
    assert_exit(&room.run(&[]), 0);
    assert_eq!((filled(), value(&room, "count(*)", "file_hashes")), ([false, false], json!(0)));
    write(&text);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(filled(), [true, true]);
    assert_ne!(value(&room, "count(*)", "file_hashes"), 0);
    room.assert_sound();
    // Again with it: the newest observation counts.
    write(&format!("{DROP}{text}"));
    assert_exit(&room.run(&[]), 0);
    assert_eq!((filled(), value(&room, "count(*)", "file_hashes")), ([false, false], json!(0)));
    room.assert_sound();
}

#[test]
fn a_replay_fills_it_from_the_answers_that_were_kept() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "none"]);
    let room = Room::new(&format!("keep_bodies = true\n{DROP}{MODELS}"), &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(value(&room, "count(description)", "models"), 0);
    assert_exit(&program().arg("replay").arg(room.dataset()).output().expect("the program runs"), 0);
    assert_ne!(value(&room, "count(description)", "models"), 0);
    assert_ne!(value(&room, "count(*)", "file_hashes"), 0);
    room.assert_sound();
}

#[test]
fn what_is_needed_cannot_be_dropped() {
    let room = |drop: &str| {
        let each = "for_each = { table = \"file_hashes\", column = \"version_id\" }";
        let walk = format!("[[walk]]\nname = \"files\"\nendpoint = \"model_version\"\n{each}\n");
        Room::new(&format!("drop = [\"{drop}\"]\n{MODELS}{walk}"), "http://127.0.0.1:9/api/v1")
    };
    for (drop, said) in [
        ("models", "what there is and what is gone"),
        ("file_hashes", "walk `files` takes its values from `file_hashes`"),
        ("models.id", "sorted, joined or dated by it"),
        ("pages", "shows what a crawl has asked for"),
        ("desription", "Did you mean `description`?"),
    ] {
        let refused = room(drop).run(&[]);
        assert_exit(&refused, 2);
        assert!(printed(&refused).contains(said), "{drop}: {}", printed(&refused));
    }
}
