//! The first hour: a look at the real service in ten requests, tables after a stop, and every ready query on the first dataset.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Room, SMALL, Sandbox, assert_exit, printed, program, query, requests, shipped};

#[test]
fn a_first_look_takes_ten_requests_and_ends_with_tables_and_a_query() {
    let sandbox = Sandbox::start(&["--models", "2000"]);
    let room = Room::new(&shipped("first-look"), &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 0);
    assert!(requests(&sandbox).len() <= 10, "{} requests", requests(&sandbox).len());
    let said = printed(&output);
    assert!(said.contains("duckdb -c"), "{said}");
    for table in ["models", "model_versions", "version_files", "file_hashes", "version_images", "users", "enums"] {
        assert!(room.dataset().join("latest").join(table).with_extension("parquet").exists(), "{table}");
    }
    room.assert_sound();
}

#[test]
fn a_run_that_stops_early_says_how_to_read_what_is_there() {
    let sandbox = Sandbox::start(&["--models", "100"]);
    let room = Room::new(SMALL, &sandbox.base);
    let output = room.run(&["--max-pages", "2"]);
    assert_exit(&output, 3);
    let said = printed(&output);
    let line = said.lines().find(|line| line.contains("civitrawl snapshot ")).unwrap_or_else(|| panic!("{said}"));
    let (_, dataset) = line.split_once("civitrawl snapshot ").expect("it has the command");
    let snapshot = Command::new(program().get_program()).arg("snapshot").arg(dataset).output().expect("it runs");
    assert_exit(&snapshot, 0);
    assert!(Path::new(dataset).join("latest/models.parquet").exists());
    let rest = room.run(&[]);
    assert_exit(&rest, 0);
    assert!(!printed(&rest).contains("civitrawl snapshot"), "{}", printed(&rest));
    room.assert_sound();
}

#[test]
fn crawl_files_and_queries_are_inside_the_program_and_written_over_nothing() {
    let here = TempDir::new().expect("there is room");
    let init = |names: &[&str]| program().arg("init").args(names).current_dir(here.path()).output().expect("it runs");
    let list = init(&[]);
    assert_exit(&list, 0);
    assert!(printed(&list).contains("first-look.toml") && printed(&list).contains("top-creators.sql"));
    assert_eq!(std::fs::read_dir(here.path()).expect("it is there").count(), 0, "a list writes nothing");
    assert_exit(&init(&["models", "nope"]), 2);
    assert_exit(&init(&["first-look", "top-creators.sql"]), 0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, from) in [("first-look.toml", "crawls"), ("top-creators.sql", "scripts/queries")] {
        let [written, shipped] =
            [here.path().join(name), root.join(from).join(name)].map(|path| std::fs::read(path).expect("it is there"));
        assert_eq!(written, shipped);
    }
    let mine = here.path().join("models.toml");
    std::fs::write(&mine, "mine").expect("it can be written");
    let refused = init(&["models", "tags"]);
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains("`models.toml` is there already"), "{}", printed(&refused));
    assert_eq!(std::fs::read_to_string(&mine).expect("it is there"), "mine");
    let names =
        std::fs::read_dir(here.path()).expect("it is there").map(|entry| entry.expect("it is there").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("it is text")).collect();
    names.sort_unstable();
    assert_eq!(names, ["first-look.toml", "models.toml", "tags.toml", "top-creators.sql"]);
}

/// The commands are those of the README, and the sandbox answers.
#[test]
fn the_top_loras_and_their_prompts_are_a_file_a_run_and_a_query() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("it is there");
    let (before, _) = readme.split_once("(cd data/top-loras && ").expect("the README has it");
    let commands: Vec<&str> = before.rsplit_once("```sh\n").expect("it is a session").1.lines().collect();
    let sandbox = Sandbox::start(&["--models", "1000", "--images", "20000"]);
    let here = TempDir::new().expect("there is room");
    for line in commands {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("civitrawl"), "{line}");
        let mut command = program();
        command.args(words).current_dir(here.path());
        if line.contains(" crawl ") {
            command.args(["--server", &sandbox.base, "--rate", "1000"]);
        }
        assert_exit(&command.output().expect("the program runs"), 0);
    }
    // The query reads `latest` in the dataset's directory.
    let dataset = here.path().join("data/top-loras");
    let sql = std::fs::read_to_string(here.path().join("loras-and-prompts.sql")).expect("it is written");
    let latest = format!("'{}/", dataset.join("latest").display());
    let rows = query(&dataset, sql.replace("'latest/", &latest).trim_end().trim_end_matches(';'));
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("rows are JSON")).collect();
    assert!(rows.iter().any(|row| row[4].as_i64() > Some(0) && row[5].is_string()), "{rows:#?}");
    for first in rows.iter().filter(|row| row[1] == 1) {
        let of_base = rows.iter().filter(|row| row[0] == first[0]);
        assert!(of_base.clone().all(|row| row[3].as_i64() <= first[3].as_i64()), "{rows:#?}");
        assert!(of_base.count() <= 10);
    }
}
