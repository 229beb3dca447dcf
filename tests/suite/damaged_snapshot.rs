//! Snapshots damaged in every way: `verify` names the damage. While the parts are there, a snapshot follows from them: the next
//! one is whole, whoever takes it. Of a pruned dataset it is the only place of some rows: `crawl` refuses, and touches nothing.

use std::fs;
use std::path::Path;

use crate::sample::{Sample, contents, copy, flip, swap, truncate, zero};

use crate::support::{Room, assert_exit, copy_tree, printed, program, read, verify};

const CRAWL: &str = r#"
snapshot = { keep = 2 }

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
