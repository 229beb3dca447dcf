//! Snapshots damaged in every way: `verify` names the damage. While the parts are there, a snapshot follows from them: the next
//! one is whole, whoever takes it. Of a pruned dataset it is the only place of some rows: `crawl` refuses, and touches nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;

use crate::sample::{Sample, contents, copy, files, flip, part, replace_part, swap, truncate, zero};

use crate::support::{Room, assert_exit, copy_tree, printed, program, query, read, verify};

const CRAWL: &str = r#"
snapshot = { keep = 2 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }
"#;

/// The same walk in a dataset that has no snapshot by itself.
const WITHOUT_SNAPSHOTS: &str = r#"
snapshot = { take = false }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }
"#;

/// A dataset of two passes, with a snapshot behind each.
fn two_passes() -> Sample {
    let sample = Sample::of(CRAWL, &["--models", "20", "--traps", "none"]);
    for _ in 0..2 {
        assert_exit(&sample.room.run(&[]), 0);
    }
    sample
}

/// The same, pruned: the second snapshot is the only place of rows.
fn pruned() -> Sample {
    let sample = two_passes();
    let pruning = program().arg("snapshot").arg(sample.dataset()).args(["--keep", "2", "--prune"]).output();
    assert_exit(&pruning.unwrap(), 0);
    sample
}

/// A way to damage a dataset.
type Damage = fn(&Path);

/// Something in the second snapshot, which is the newest one.
fn newest(dataset: &Path, name: &str) -> std::path::PathBuf {
    dataset.join("snapshots/000002").join(name)
}

/// Something in the first one.
fn older(dataset: &Path, name: &str) -> std::path::PathBuf {
    dataset.join("snapshots/000001").join(name)
}

/// Lets `latest` lead elsewhere.
fn lead(dataset: &Path, target: &str) {
    fs::remove_file(dataset.join("latest")).unwrap();
    std::os::unix::fs::symlink(target, dataset.join("latest")).unwrap();
}

/// Damages of a snapshot's files, and what `verify` says of them.
const OF_FILES: [(&str, Damage, &str); 14] = [
    ("a table cut", |d| truncate(&newest(d, "models.parquet")), "`models.parquet` is not what was written"),
    ("a table zeroed", |d| zero(&newest(d, "models.parquet")), "`models.parquet` is not what was written"),
    ("a table flipped", |d| flip(&newest(d, "models.parquet")), "`models.parquet` is not what was written"),
    (
        "a table deleted",
        |d| fs::remove_file(newest(d, "model_tags.parquet")).unwrap(),
        "`model_tags.parquet` is missing",
    ),
    (
        "two tables swapped",
        |d| swap(&newest(d, "models.parquet"), &newest(d, "model_tags.parquet")),
        "`models.parquet` is not what was written",
    ),
    (
        "a table replaced by an older one",
        |d| copy(older(d, "pages.parquet"), newest(d, "pages.parquet")),
        "`pages.parquet` is not what was written",
    ),
    ("the inventory cut", |d| truncate(&newest(d, "snapshot.json")), "`snapshot.json` is damaged: it is cut short"),
    ("the inventory zeroed", |d| zero(&newest(d, "snapshot.json")), "`snapshot.json` is damaged"),
    ("the inventory flipped", |d| flip(&newest(d, "snapshot.json")), "`snapshot.json` is damaged: its checksum"),
    ("the inventory deleted", |d| fs::remove_file(newest(d, "snapshot.json")).unwrap(), "it has no inventory"),
    (
        "the inventory replaced by an older one",
        |d| copy(older(d, "snapshot.json"), newest(d, "snapshot.json")),
        "it is the inventory of snapshot 1",
    ),
    ("all of it deleted", |d| fs::remove_dir_all(newest(d, "")).unwrap(), "snapshot 2, which is missing"),
    (
        "all of it swapped with an older one",
        |d| {
            fs::rename(newest(d, ""), d.join("aside")).unwrap();
            fs::rename(older(d, ""), newest(d, "")).unwrap();
            fs::rename(d.join("aside"), older(d, "")).unwrap();
        },
        "it is the inventory of snapshot 1",
    ),
    (
        "all of it replaced by an older one",
        |d| {
            fs::remove_dir_all(newest(d, "")).unwrap();
            copy_tree(&older(d, ""), &newest(d, ""));
        },
        "it is the inventory of snapshot 1",
    ),
];

/// Damages beside the snapshot that the dataset needs.
const BESIDE: [(&str, Damage, &str); 4] = [
    (
        "the whole of it once more",
        |d| copy_tree(&newest(d, ""), &d.join("snapshots/000003")),
        "the inventory of snapshot 2",
    ),
    ("an older one flipped", |d| flip(&older(d, "models.parquet")), "newer ones do not need it"),
    ("a link cut", |d| lead(d, "snapshots"), "`latest` leads to `snapshots`, which is no snapshot's place"),
    ("a link flipped", |d| lead(d, "snapshots/000006"), "`latest` leads to snapshot 6, which is missing"),
];

/// Changes that are no damage: a crash may leave them, or nobody reads the file.
const HARMLESS: [(&str, Damage); 5] = [
    ("untouched", |_| ()),
    ("no link", |d| fs::remove_file(d.join("latest")).unwrap()),
    ("an older link", |d| lead(d, "snapshots/000001")),
    ("the link once more", |d| std::os::unix::fs::symlink("snapshots/000002", d.join("latest~")).unwrap()),
    ("a table once more", |d| copy(newest(d, "models.parquet"), newest(d, "models~.parquet"))),
];

/// `verify` names it, and changes nothing.
fn assert_found(room: &Room, what: &str, named: &str) {
    let before = contents(&room.dataset());
    let found = verify(&room.dataset());
    assert_eq!(found.status.code(), Some(65), "{what}: verify: {}", printed(&found));
    assert!(printed(&found).contains(named), "{what}: verify does not say `{named}`: {}", printed(&found));
    assert!(contents(&room.dataset()) == before, "{what}: verify changed the dataset");
}

/// Fails unless a crawl continues, or takes the snapshot that is due, and readers see every model, as in the parts.
fn assert_heals(room: &Room, what: &str, has_parts: bool) {
    let output = room.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{what}: crawl: {}", printed(&output));
    room.assert_sound();
    let dataset = room.dataset().display().to_string();
    if has_parts {
        read("snapshot.py", &[&dataset]);
    }
    let models = room.query(&format!("SELECT count(*) FROM '{dataset}/latest/models.parquet'"));
    assert_eq!(models, "[20]\n", "{what}");
}

#[test]
fn a_damaged_snapshot_is_named_and_made_anew_from_parts() {
    let sample = two_passes();
    for (what, damage, named) in OF_FILES.iter().chain(&BESIDE) {
        let room = sample.damaged(*damage);
        assert_found(&room, what, named);
        assert_heals(&room, what, true);
    }
}

#[test]
fn what_only_a_damaged_snapshot_held_is_missed_at_once() {
    let sample = pruned();
    for (what, damage, named) in OF_FILES {
        let room = sample.damaged(damage);
        assert_found(&room, what, named);
        let before = contents(&room.dataset());
        let refused = room.run(&[]);
        assert_eq!(refused.status.code(), Some(65), "{what}: crawl: {}", printed(&refused));
        // Other bytes in a file of the same size are only found by who reads it, in the middle of the pass.
        let is_read = ["a table zeroed", "a table flipped"].contains(&what);
        let said = if is_read { "models.parquet` is not what was written" } else { "no snapshot is sound" };
        for word in [said, "civitrawl verify", "from a backup"] {
            assert!(printed(&refused).contains(word), "{what}: crawl does not say `{word}`: {}", printed(&refused));
        }
        assert!(is_read || contents(&room.dataset()) == before, "{what}: the damaged dataset was changed");
    }
    for (what, damage, named) in BESIDE {
        let room = sample.damaged(damage);
        assert_found(&room, what, named);
        assert_heals(&room, what, false);
    }
}

#[test]
fn a_link_that_became_a_directory_is_refused_until_it_is_removed() {
    let sample = two_passes();
    let room = sample.damaged(|d| {
        fs::remove_file(d.join("latest")).unwrap();
        copy_tree(&newest(d, ""), &d.join("latest"));
    });
    assert_found(&room, "a directory", "`latest` is no link");
    let before = contents(&room.dataset());
    let refused = room.run(&[]);
    assert_exit(&refused, 65);
    assert!(printed(&refused).contains("remove it"), "{}", printed(&refused));
    assert!(contents(&room.dataset()) == before, "the damaged dataset was changed");
    fs::remove_dir_all(room.dataset().join("latest")).unwrap();
    assert_heals(&room, "removed", true);
}

/// The content of a part, written anew without statistics.
fn without_statistics(content: Vec<u8>) -> Vec<u8> {
    let properties = WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content)).unwrap();
    let mut written = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut written, Arc::clone(reader.schema()), Some(properties)).unwrap();
    reader.build().unwrap().for_each(|rows| writer.write(&rows.unwrap()).unwrap());
    writer.close().unwrap();
    written
}

/// The same content, but for a footer in which the least and the greatest id are these.
fn with_ids(mut content: Vec<u8>, ids: [i64; 2]) -> Vec<u8> {
    let footer = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content.clone())).unwrap();
    let Some(Statistics::Int64(known)) = footer.metadata().row_group(0).column(0).statistics() else { panic!() };
    let known = [known.min_opt(), known.max_opt()].map(|id| id.unwrap().to_le_bytes());
    let end = content.len() - 8;
    let length = u32::from_le_bytes(content[end..end + 4].try_into().unwrap()) as usize;
    for at in end - length..end - 8 {
        if let Some(which) = known.iter().position(|id| content[at..at + 8] == *id) {
            content[at..at + 8].copy_from_slice(&ids[which].to_le_bytes());
        }
    }
    content
}

#[test]
fn a_part_with_wrong_statistics_or_none_gives_no_wrong_rows() {
    let sample = Sample::of(WITHOUT_SNAPSHOTS, &["--models", "60", "--traps", "none"]);
    // The last part of models is of the last commit: that run stops before its walk is closed.
    assert_exit(&sample.room.run(&[]), 0);
    assert_exit(&sample.room.run(&["--max-pages", "1"]), 3);
    let last = files(&sample.dataset(), "parts/models").len();
    let snapshot = |room: &Room| program().arg("snapshot").arg(room.dataset()).output().unwrap();
    let rows = |room: &Room| {
        let of_table = |table: &str| {
            let file = room.dataset().join(format!("latest/{table}.parquet"));
            let sql = format!("SELECT string_agg(r::VARCHAR, '|' ORDER BY r::VARCHAR) FROM '{}' r", file.display());
            query(&room.dataset(), &sql)
        };
        ["models", "model_tags"].map(of_table)
    };
    let changed = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        sample.damaged(|d| replace_part(d, "models", last, &change(fs::read(part(d, "models", last)).unwrap())))
    };
    let untouched = changed(&|content| content);
    assert_exit(&snapshot(&untouched), 0);
    for (what, room) in
        [("none", changed(&without_statistics)), ("too wide", changed(&|content| with_ids(content, [-5, i64::MAX])))]
    {
        assert_exit(&snapshot(&room), 0);
        assert_eq!(rows(&room), rows(&untouched), "{what}");
    }
    // By these the part of the other pass follows it, and would be read behind it.
    let room = changed(&|content| with_ids(content, [0, 0]));
    let refused = snapshot(&room);
    assert_exit(&refused, 65);
    for word in ["/parts/models/", "its rows are not in the order of keys"] {
        assert!(printed(&refused).contains(word), "{}", printed(&refused));
    }
    assert!(!room.dataset().join("latest").exists(), "a snapshot was shown");
}

#[test]
fn what_is_no_damage_of_a_snapshot_raises_no_alarm() {
    for (sample, has_parts) in [(two_passes(), true), (pruned(), false)] {
        for (what, change) in HARMLESS {
            let room = sample.damaged(change);
            assert_exit(&verify(&room.dataset()), 0);
            assert_heals(&room, what, has_parts);
        }
    }
}
