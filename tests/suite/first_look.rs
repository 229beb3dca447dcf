//! The first hour: a look at the real service in ten requests, tables after a stop, and every ready query on the first dataset.

use std::path::Path;
use std::process::Command;

use crate::support::{Room, SMALL, Sandbox, assert_exit, printed, program, requests, shipped};

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
