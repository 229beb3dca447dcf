//! Datasets damaged in every way (their snapshots: `damaged_snapshot`): `verify` names the damage, `crawl` refuses and touches
//! nothing; a sound one raises no alarm.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use civitrawl::dataset::commit::Record;
use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::scan::Scan;
use civitrawl::dataset::values::distinct;
use civitrawl::storage::Disk;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::sample::{Sample, contents, copy, files, flip, part, record, staged, swap, truncate, zero};

use crate::support::{Room, printed, verify};

/// A way to damage a dataset.
type Damage = Box<dyn Fn(&Path)>;

/// `verify` names it; `crawl` refuses, says the remedy, and changes nothing.
fn assert_refused(sample: &Sample, what: &str, damage: &Damage, named: &str) {
    let room = sample.damaged(damage);
    let before = contents(&room.dataset());
    let found = verify(&room.dataset());
    assert_eq!(found.status.code(), Some(65), "{what}: verify: {}", printed(&found));
    assert!(printed(&found).contains(named), "{what}: verify does not say `{named}`: {}", printed(&found));
    for arguments in [&[][..], &["--restart"]] {
        let refused = room.run(arguments);
        assert_eq!(refused.status.code(), Some(65), "{what}: crawl: {}", printed(&refused));
        for word in [named, "was not touched", "civitrawl verify"] {
            assert!(printed(&refused).contains(word), "{what}: crawl does not say `{word}`: {}", printed(&refused));
        }
    }
    assert!(contents(&room.dataset()) == before, "{what}: the damaged dataset was changed");
}

/// `verify` names it. A crawl adds to the dataset without reading old rows again, so it may continue.
fn assert_found(sample: &Sample, what: &str, damage: &Damage, named: &str) {
    let room = sample.damaged(damage);
    let before = contents(&room.dataset());
    let found = verify(&room.dataset());
    assert_eq!(found.status.code(), Some(65), "{what}: verify: {}", printed(&found));
    assert!(printed(&found).contains(named), "{what}: verify does not say `{named}`: {}", printed(&found));
    assert!(contents(&room.dataset()) == before, "{what}: verify changed the dataset");
}

/// Nobody minds, and the crawl ends complete and sound.
fn assert_sound(sample: &Sample, what: &str, change: &Damage) {
    let room = sample.damaged(change);
    let before = contents(&room.dataset());
    let found = verify(&room.dataset());
    assert_eq!(found.status.code(), Some(0), "{what}: verify: {}", printed(&found));
    assert!(contents(&room.dataset()) == before, "{what}: verify changed the dataset");
    let output = room.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{what}: crawl: {}", printed(&output));
    room.assert_sound();
    assert_tidy(&room, what);
}

/// Nothing that a dead run left is there any more.
fn assert_tidy(room: &Room, what: &str) {
    let left = contents(&room.dataset()).into_keys().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".staged") || name.ends_with(".tmp")
    });
    assert_eq!(left.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "{what}: leftovers");
}

#[test]
fn a_damaged_record_is_refused() {
    let sample = Sample::make();
    let cases: [(&str, Damage, &str); 10] = [
        ("cut", Box::new(|d| truncate(&record(d, 3))), "commit 3 is damaged: it is cut short"),
        ("zeroed", Box::new(|d| zero(&record(d, 2))), "commit 2 is damaged"),
        ("emptied", Box::new(|d| fs::write(record(d, 3), "").unwrap()), "commit 3 is damaged"),
        ("flipped", Box::new(|d| flip(&record(d, 1))), "commit 1 is damaged: its checksum"),
        ("first deleted", Box::new(|d| fs::remove_file(record(d, 1)).unwrap()), "commits 1 to 1 are missing"),
        ("middle deleted", Box::new(|d| fs::remove_file(record(d, 2)).unwrap()), "commits 2 to 2 are missing"),
        ("last deleted", Box::new(|d| fs::remove_file(record(d, 3)).unwrap()), "belongs to no commit"),
        (
            "duplicated",
            Box::new(|d| copy(record(d, 3), record(d, 4))),
            "commit 4 is damaged: it is the record of commit 3",
        ),
        ("swapped", Box::new(|d| swap(&record(d, 2), &record(d, 3))), "it is the record of commit 3"),
        (
            "replaced by an older one",
            Box::new(|d| copy(record(d, 1), record(d, 3))),
            "commit 3 is damaged: it is the record of commit 1",
        ),
    ];
    for (what, damage, named) in &cases {
        assert_refused(&sample, what, damage, named);
    }
}

#[test]
fn a_full_record_is_guarded_like_any_other() {
    let (sample, before) = (Sample::restated(), Sample::make());
    assert_eq!(files(&sample.dataset(), "commits"), [5, 6].map(|n| record(&sample.dataset(), n)));
    let older = before.dataset();
    let cases: [(&str, Damage, &str); 8] = [
        ("cut", Box::new(|d| truncate(&record(d, 5))), "commit 5 is damaged: it is cut short"),
        ("zeroed", Box::new(|d| zero(&record(d, 5))), "commit 5 is damaged: it is cut short"),
        ("flipped", Box::new(|d| flip(&record(d, 5))), "commit 5 is damaged: its checksum"),
        ("deleted", Box::new(|d| fs::remove_file(record(d, 5)).unwrap()), "commits 1 to 5 are missing"),
        (
            "duplicated",
            Box::new(|d| copy(record(d, 5), record(d, 7))),
            "commit 7 is damaged: it is the record of commit 5",
        ),
        ("swapped", Box::new(|d| swap(&record(d, 5), &record(d, 6))), "it is the record of commit 6"),
        (
            "replaced by an older one",
            Box::new(move |d| copy(record(&older, 3), record(d, 5))),
            "commit 5 is damaged: it is the record of commit 3",
        ),
        ("the one behind it deleted", Box::new(|d| fs::remove_file(record(d, 6)).unwrap()), "of commit 2 is missing"),
    ];
    for (what, damage, named) in &cases {
        assert_refused(&sample, what, damage, named);
    }
    let older = before.dataset();
    let sound: [(&str, Damage); 3] = [
        ("untouched", Box::new(|_| ())),
        ("a record before it is there again", Box::new(move |d| copy(record(&older, 2), record(d, 2)))),
        ("a record before it is there, and damaged", Box::new(|d| fs::write(record(d, 4), "{").unwrap())),
    ];
    for (what, change) in &sound {
        assert_sound(&sample, what, change);
    }
}

#[test]
fn a_part_that_was_removed_is_no_part_any_more() {
    let sample = Sample::restated();
    let dataset = sample.dataset();
    let last = Record::decode(6, &fs::read(record(&dataset, 6)).unwrap()).unwrap();
    let removed = last.pruned[0].name.to_string();
    assert!(!dataset.join("parts/models").join(&removed).exists());
    let there = part(&dataset, "models", 1);
    let interrupted: Damage = Box::new(move |d| copy(&there, d.join("parts/models").join(&removed)));
    assert_sound(&sample, "its removal was interrupted", &interrupted);
    let name = last.pruned[0].name.to_string().replacen("00000002", "00000001", 1);
    let there = part(&dataset, "models", 1);
    let later: Damage = Box::new(move |d| copy(&there, d.join("parts/models").join(&name)));
    assert_refused(&sample, "it comes back later", &later, "belongs to no commit");
}

/// Writes the last commit's part of models anew, without one of its columns, as if an older version had made it.
fn take_column(dataset: &Path, column: &str) {
    let path = part(dataset, "models", 3);
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(fs::read(&path).unwrap())).unwrap();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let mut rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    rows.remove_column(rows.schema().index_of(column).unwrap());
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut content, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    fs::write(&path, &content).unwrap();
    let mut changed = Record::decode(3, &fs::read(record(dataset, 3)).unwrap()).unwrap();
    let named = changed.parts.iter_mut().find(|part| part.table == "models").unwrap();
    (named.bytes, named.hash) = (content.len() as u64, blake3::hash(&content).to_string());
    fs::write(record(dataset, 3), changed.encode().unwrap()).unwrap();
}

#[test]
fn a_part_of_an_older_version_may_lack_a_column() {
    let sample = Sample::make();
    let older: Damage = Box::new(|d| take_column(d, "availability"));
    assert_sound(&sample, "a column less", &older);
    let room = sample.damaged(older);
    let rows = Scan::open(&Layout::new(room.dataset()), &Disk, &civitrawl::table::models::TABLE).unwrap();
    assert!(!distinct(&rows, "availability", Vec::new()).unwrap().is_empty(), "the other parts have it");
    assert_eq!(distinct(&rows, "id", Vec::new()).unwrap().len(), 30);
    let never_null: Damage = Box::new(|d| take_column(d, "page"));
    assert_found(&sample, "a column less that is never null", &never_null, "cannot be read");
}

#[test]
fn every_record_deleted_is_refused() {
    let sample = Sample::make();
    let damage: Damage = Box::new(|d| files(d, "commits").iter().for_each(|file| fs::remove_file(file).unwrap()));
    assert_refused(&sample, "all deleted", &damage, "belongs to no commit");
}

#[test]
fn a_part_of_another_size_or_name_is_refused() {
    let sample = Sample::make();
    let models = |d: &Path, n| part(d, "models", n);
    let cases: [(&str, Damage, &str); 7] = [
        ("cut", Box::new(move |d| truncate(&models(d, 1))), "were committed"),
        ("emptied", Box::new(move |d| fs::write(models(d, 3), "").unwrap()), "has 0 bytes"),
        ("deleted", Box::new(move |d| fs::remove_file(models(d, 2)).unwrap()), "of commit 2 is missing"),
        ("the last deleted", Box::new(move |d| fs::remove_file(models(d, 3)).unwrap()), "of commit 3 is missing"),
        (
            "duplicated",
            Box::new(move |d| copy(models(d, 1), models(d, 1).with_file_name("copy.parquet"))),
            "`models/copy.parquet` belongs to no commit",
        ),
        ("swapped", Box::new(move |d| swap(&models(d, 1), &models(d, 2))), "were committed"),
        ("replaced by an older one", Box::new(move |d| copy(models(d, 1), models(d, 3))), "were committed"),
    ];
    for (what, damage, named) in &cases {
        assert_refused(&sample, what, damage, named);
    }
}

#[test]
fn a_part_of_other_bytes_is_found() {
    let sample = Sample::make();
    let cases: [(&str, Damage, &str); 3] = [
        ("zeroed", Box::new(|d| zero(&part(d, "models", 1))), "is not what was written: its hash is another"),
        ("flipped", Box::new(|d| flip(&part(d, "pages", 2))), "is not what was written: its hash is another"),
        (
            "its last byte",
            Box::new(|d| {
                let path = part(d, "file_hashes", 3);
                let mut content = fs::read(&path).unwrap();
                *content.last_mut().unwrap() ^= 1;
                fs::write(path, content).unwrap();
            }),
            "is not what was written: its hash is another",
        ),
    ];
    for (what, damage, named) in &cases {
        assert_found(&sample, what, damage, named);
    }
}

/// Puts the last commit's part of a table back where it was before it was published.
fn unpublish(dataset: &Path) -> PathBuf {
    let part = part(dataset, "models", 3);
    fs::rename(&part, staged(&part)).unwrap();
    staged(&part)
}

#[test]
fn a_staged_file_that_a_record_needs_is_guarded_like_its_part() {
    let sample = Sample::make();
    let refused: [(&str, Damage, &str); 3] = [
        ("cut", Box::new(|d| truncate(&unpublish(d))), "were committed"),
        ("deleted", Box::new(|d| fs::remove_file(unpublish(d)).unwrap()), "of commit 3 is missing"),
        ("replaced by an older one", Box::new(|d| copy(part(d, "models", 1), unpublish(d))), "were committed"),
    ];
    for (what, damage, named) in &refused {
        assert_refused(&sample, what, damage, named);
    }
    let other_bytes: [(&str, Damage); 2] =
        [("zeroed", Box::new(|d| zero(&unpublish(d)))), ("flipped", Box::new(|d| flip(&unpublish(d))))];
    for (what, damage) in &other_bytes {
        assert_found(&sample, what, damage, "is not what was written: its hash is another");
    }
}

#[test]
fn what_a_crash_may_leave_is_sound() {
    let sample = Sample::make();
    let cases: [(&str, Damage); 8] = [
        ("untouched", Box::new(|_| ())),
        ("not published", Box::new(|d| drop(unpublish(d)))),
        ("published and still staged", Box::new(|d| copy(part(d, "models", 3), staged(&part(d, "models", 3))))),
        ("staged and cut, published whole", Box::new(|d| fs::write(staged(&part(d, "models", 3)), "PAR1").unwrap())),
        (
            "staged and never committed",
            Box::new(|d| {
                let name = ".00000004-20261123T080000Z-beef.parquet.staged";
                fs::write(d.join("parts/models").join(name), "PAR1 and half of it").unwrap();
            }),
        ),
        ("a draft of a record", Box::new(|d| fs::write(d.join("commits/.4.tmp"), "{\"format\":1,").unwrap())),
        ("a draft of a report", Box::new(|d| fs::write(d.join("runs/.x.tmp"), "{").unwrap())),
        ("reports gone", Box::new(|d| fs::remove_dir_all(d.join("runs")).unwrap())),
    ];
    for (what, change) in &cases {
        assert_sound(&sample, what, change);
    }
}

#[test]
fn the_lock_file_holds_nothing_worth_damaging() {
    let sample = Sample::make();
    let lock = |d: &Path| d.join(".lock");
    let cases: [(&str, Damage); 3] = [
        ("deleted", Box::new(move |d| fs::remove_file(lock(d)).unwrap())),
        ("full of zeros", Box::new(move |d| fs::write(lock(d), vec![0; 4096]).unwrap())),
        ("duplicated", Box::new(move |d| copy(lock(d), d.join(".lock~")))),
    ];
    for (what, change) in &cases {
        assert_sound(&sample, what, change);
    }
}

#[test]
fn a_damaged_crawl_file_leaves_the_dataset_alone() {
    let sample = Sample::make();
    let cases: [(&str, Damage); 4] = [
        ("cut", Box::new(truncate)),
        ("zeroed", Box::new(zero)),
        ("deleted", Box::new(|file| fs::remove_file(file).unwrap())),
        (
            "an older copy",
            Box::new(|file| {
                let text = fs::read_to_string(file).unwrap();
                fs::write(file, text.replace("limit = 10", "limit = 20")).unwrap();
            }),
        ),
    ];
    for (what, damage) in &cases {
        let room = sample.damaged(|_| ());
        damage(&room.file());
        let before = contents(&room.dataset());
        let refused = room.run(&[]);
        assert_eq!(refused.status.code(), Some(2), "{what}: {}", printed(&refused));
        assert!(contents(&room.dataset()) == before, "{what}: the dataset was changed");
    }
}
