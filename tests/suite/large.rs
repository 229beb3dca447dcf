//! Large datasets: what reads one whole takes the same memory however many partitions, names and runs there are, and finds the same.
//! `scripts/scale` makes a million models and ten million images.

use std::fs;
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use civitrawl::dataset::store::{Batch, RunInfo};
use civitrawl::table;
use serde_json::json;

use crate::support::{Room, Sandbox, TWO_WALKS, assert_exit, most_memory, open, printed, program, read};

/// Rows of a commit.
const ROWS: i64 = 20_000;

/// A small catalog, crawled.
fn crawled() -> Room {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "none"]);
    let room = Room::new(TWO_WALKS, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    room
}

/// Numbers or texts of a column, by the row.
enum Values<'a> {
    Numbers(&'a dyn Fn(i64) -> i64),
    Texts(&'a dyn Fn(i64) -> String),
}

/// Adds a commit for each table that is named: its first row in the dataset as many times, with other values in some columns.
fn add(room: &Room, name: &str, rows: Range<i64>, pages: u64, values: &[(&str, Values<'_>)]) {
    let mut store = open(&room.dataset());
    let last = store.manifest().last.clone().unwrap();
    let part = store.manifest().live_parts().find(|part| part.table.name == name).unwrap().clone();
    let table = table::named(name).unwrap();
    let first = store.rows(&part).unwrap().swap_remove(0);
    let same = take_record_batch(&first, &UInt32Array::from(vec![0; (rows.end - rows.start) as usize])).unwrap();
    let column = |(name, column): (&String, &ArrayRef)| -> ArrayRef {
        match values.iter().find(|(other, _)| other == name) {
            Some((_, Values::Numbers(of))) => Arc::new(rows.clone().map(of).collect::<Int64Array>()),
            Some((_, Values::Texts(of))) => Arc::new(StringArray::from_iter_values(rows.clone().map(of))),
            None => Arc::clone(column),
        }
    };
    let schema = same.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let columns = names.iter().zip(same.columns()).map(column).collect();
    let tables = vec![(table, RecordBatch::try_new(schema, columns).unwrap())];
    let mut walks = last.walks.clone();
    walks.get_mut("models").unwrap().pages += pages;
    store.commit(&RunInfo::of(&last), Batch { tables, pass: last.pass, walks, prune: Vec::new() }).unwrap();
}

/// Runs a command on a room's dataset, which must succeed; returns the most memory that it had, in MiB.
fn peak(room: &Room, command: &str, more: &[&str]) -> u64 {
    let mut run: Command = program();
    run.arg(command).arg(room.dataset()).args(more);
    let (output, kib) = most_memory(&mut run);
    assert_exit(&output, 0);
    assert!(kib > 0, "{}", printed(&output));
    kib >> 10
}

#[test]
fn verify_holds_no_partition_that_is_over() {
    let room = crawled();
    let grown_to = |from: i64, to: i64| {
        for first in (from..to).step_by(ROWS as usize) {
            // The pages of some values go on in the next commit.
            let value = |n: i64| format!("models/{}", n / 3);
            let values = [("walk", Values::Texts(&value)), ("page", Values::Numbers(&|n| n % 3 + 1))];
            add(&room, "pages", first..first + ROWS, ROWS as u64, &values);
        }
        peak(&room, "verify", &[])
    };
    let (small, large) = (grown_to(0, ROWS), grown_to(ROWS, 20 * ROWS));
    assert!(large < small + 12, "{small} MiB became {large}");
    // A page that nobody fetched is counted, and one that is missing between others is named.
    add(
        &room,
        "pages",
        0..1,
        1,
        &[("walk", Values::Texts(&|_| String::from("models/x"))), ("page", Values::Numbers(&|_| 2))],
    );
    let found = program().arg("verify").arg(room.dataset()).output().unwrap();
    assert_exit(&found, 65);
    assert!(printed(&found).contains("pass 1, walk `models/x`: page 1 of 2 is missing"), "{}", printed(&found));
}

#[test]
fn a_report_counts_names_exactly_and_holds_few_of_them() {
    let room = crawled();
    let page = room.dataset().with_extension("html");
    let to = ["-o", page.to_str().unwrap()];
    assert_exit(&program().arg("snapshot").arg(room.dataset()).output().unwrap(), 0);
    let small = peak(&room, "report", &to);
    // Each model has a hundred tags that no other one has, and one that half of them have.
    let (models, tags) = (6_000, 100);
    let (walk, one) = (|_: i64| String::from("models"), |_: i64| 1);
    let place = [("walk", Values::Texts(&walk)), ("page", Values::Numbers(&one))];
    let [on_walk, on_page] = place;
    let named = |n: i64| if n % (2 * tags) == 0 { String::from("shared") } else { format!("{n:0>60}") };
    add(&room, "models", 0..models, 0, &[("id", Values::Numbers(&|n| 10_000_000 + n)), on_walk, on_page]);
    for first in (0..models * tags).step_by(ROWS as usize) {
        let values = [
            ("model_id", Values::Numbers(&|n| 10_000_000 + n / 100)),
            ("position", Values::Numbers(&|n| n % 100)),
            ("tag", Values::Texts(&named)),
            ("walk", Values::Texts(&walk)),
            ("page", Values::Numbers(&one)),
        ];
        add(&room, "model_tags", first..first + ROWS, 0, &values);
    }
    // Runs of other passes, over the years.
    let report = json!({ "pass": 77, "doubts": vec!["x".repeat(40); 400] }).to_string();
    for run in 0..2000 {
        fs::write(room.dataset().join(format!("runs/20200101T000000Z-{run:04}.json")), &report).unwrap();
    }
    assert_exit(&program().arg("snapshot").arg(room.dataset()).output().unwrap(), 0);
    let large = peak(&room, "report", &to);
    assert!(large < small + 55, "{small} MiB became {large}");
    read("page.py", &[&room.dataset().display().to_string(), &page.display().to_string()]);
}
