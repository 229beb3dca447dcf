//! Records that were damaged in every way are refused; whatever instant a publish died at, the plan finishes it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dataset::commit::{End, FORMAT, PartitionState, WalkState, Why};
use crate::dataset::layout::{FileHash, RunId};
use crate::table::named;

fn run() -> RunId {
    RunId::try_from("20261123T080000Z-beef".to_owned()).unwrap()
}

fn part(table: &str, commit: u64) -> Part {
    let name = PartName { commit, run: run() };
    Part { table: named(table).unwrap(), name, rows: 7, bytes: 100 + commit, hash: FileHash::of(b"") }
}

fn record(commit: u64, previous: &str) -> Record {
    let partition =
        PartitionState { cursor: Some(format!("2024-01-01|{commit}")), pages: commit, ..PartitionState::default() };
    let partitions = BTreeMap::from([(String::new(), partition)]);
    let walk = WalkState { partitions, pages: commit, ..WalkState::default() };
    Record {
        format: FORMAT,
        commit,
        previous: previous.to_owned(),
        at: "2026-11-23T08:00:00Z".parse().unwrap(),
        version: "0.1.0".to_owned(),
        run: run(),
        crawl: "models".to_owned(),
        server: "h/api/v1".to_owned(),
        definition: json!({ "walks": [] }),
        pass: 1,
        walks: BTreeMap::from([("models".to_owned(), walk)]),
        parts: vec![part("models", commit), part("pages", commit)],
        pruned: Vec::new(),
        before: None,
    }
}

fn encoded(record: &Record) -> Vec<u8> {
    record.encode().unwrap().into_bytes()
}

/// The files of a sound chain of this many records.
fn chain(length: u64) -> Files {
    let mut files = Files::new();
    for commit in 1..=length {
        let previous = files.last().map_or_else(String::new, |(_, content)| chain_hash(content));
        files.push((commit, encoded(&record(commit, &previous))));
    }
    files
}

#[test]
fn a_sound_chain_is_read_back() {
    let (manifest, damages) = check_chain(&chain(4));
    assert_eq!(damages, []);
    assert_eq!(manifest.history.parts.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(manifest.last, Some(Record::decode(4, &chain(4)[3].1).unwrap()));
    assert_eq!(check_chain(&[]), (Manifest::default(), Vec::new()));
}

/// Records' files.
type Files = Vec<(u64, Vec<u8>)>;
/// A damage done to the files.
type Change<T> = Box<dyn Fn(&mut T)>;

#[test]
fn every_damage_to_a_chain_is_named() {
    let other = |commit: u64, change: fn(&mut Record)| {
        let mut changed = Record::decode(commit, &chain(4)[commit as usize - 1].1).unwrap();
        change(&mut changed);
        encoded(&changed)
    };
    let cases: [(&str, Change<Files>, &[&str]); 13] = [
        ("a missing record", Box::new(|f| drop(f.remove(1))), &["commits 2 to 2 are missing"]),
        ("several missing", Box::new(|f| drop(f.drain(0..3))), &["commits 1 to 3 are missing"]),
        ("cut short", Box::new(|f| f[2].1.truncate(200)), &["commit 3 is damaged: it is cut short", "commit 4"]),
        (
            "cut in its last byte",
            Box::new(|f| f[3].1.truncate(chain(4)[3].1.len() - 1)),
            &["commit 4 is damaged: its checksum"],
        ),
        ("emptied", Box::new(|f| f[3].1.clear()), &["commit 4 is damaged: it is cut short"]),
        ("zeroed", Box::new(|f| f[3].1.fill(0)), &["commit 4 is damaged: it is cut short"]),
        ("no text", Box::new(|f| f[3].1[5] = 0xff), &["commit 4 is damaged: it is no text"]),
        ("a flipped bit", Box::new(|f| f[3].1[40] ^= 1), &["commit 4 is damaged: its checksum"]),
        (
            "swapped",
            Box::new(|f| {
                let third = std::mem::replace(&mut f[2].1, chain(4)[3].1.clone());
                f[3].1 = third;
            }),
            &["commit 3 is damaged: it is the record of commit 4", "commit 4 is damaged: it is the record of commit 3"],
        ),
        (
            "duplicated",
            Box::new(|f| f.push((5, f[3].1.clone()))),
            &["commit 5 is damaged: it is the record of commit 4"],
        ),
        (
            "of another chain",
            Box::new(|f| f[1].1 = encoded(&record(2, "beef"))),
            &["commit 2 is damaged: it does not follow", "commit 3 is damaged: it does not follow"],
        ),
        (
            "of another time",
            Box::new(move |f| f[2].1 = other(3, |record| record.pass = 9)),
            &["commit 4 is damaged: it does not follow the record of commit 3"],
        ),
        (
            "of a later version",
            Box::new(move |f| f[3].1 = other(4, |record| record.format = 2)),
            &["a record was written by civitrawl 0.1.0 in format 2; this is 0.1.0, which reads format 1"],
        ),
    ];
    for (what, damage, expected) in cases {
        let mut files = chain(4);
        damage(&mut files);
        let found: Vec<String> = check_chain(&files).1.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{what}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{what}: `{found}` does not say `{expected}`");
        }
    }
}

#[test]
fn an_unknown_field_is_refused_although_its_checksum_matches() {
    let text = String::from_utf8(encoded(&record(1, ""))).unwrap();
    let mut forged: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    forged.remove("checksum");
    forged.insert("passage".to_owned(), 1.into());
    let forged = checksummed_json::encode(&forged).unwrap();
    assert!(Record::decode(1, forged.as_bytes()).unwrap_err().to_string().contains("passage"));
}

/// The sizes of the files in the parts directories, by table and name.
type Disk = BTreeMap<(&'static str, String), u64>;

fn listed(disk: &Disk) -> BTreeMap<&'static str, Vec<Entry>> {
    let mut files: BTreeMap<&str, Vec<Entry>> = BTreeMap::from([("models", Vec::new()), ("pages", Vec::new())]);
    for ((table, name), bytes) in disk {
        files.entry(table).or_default().push(Entry { name: name.clone(), bytes: *bytes });
    }
    files
}

/// The sound disk behind these commits.
fn published(commits: std::ops::RangeInclusive<u64>) -> Disk {
    let parts = commits.flat_map(|commit| [("models", part("models", commit)), ("pages", part("pages", commit))]);
    parts.map(|(table, part)| ((table, part.name.to_string()), part.bytes)).collect()
}

fn staged(commit: u64) -> [(&'static str, String); 2] {
    ["models", "pages"].map(|table| (table, part(table, commit).name.staged()))
}

/// Does what a plan says.
fn carry_out(plan: &Recovery, disk: &mut Disk) {
    for Part { table, name, .. } in &plan.publish {
        let bytes = disk.remove(&(table.name, name.staged())).unwrap();
        disk.entry((table.name, name.to_string())).or_insert(bytes);
    }
    for (table, name) in &plan.sweep {
        disk.retain(|(there, file), _| there != table || file != name);
    }
}

#[test]
fn a_publish_that_died_anywhere_is_finished() {
    let manifest = check_chain(&chain(2)).0;
    let staging: Disk = staged(2).into_iter().map(|file| (file, 102)).collect();
    let [a, b] = staged(2);
    let finals = ["models", "pages"].map(|table| (table, part(table, 2).name.to_string()));
    // Linked, linked, unlinked, unlinked: a kill may fall behind each; unsynced links may also appear in any order.
    let states: [(&str, Vec<_>, Vec<_>); 7] = [
        ("nothing linked", vec![], vec![]),
        ("one linked", vec![&finals[0]], vec![]),
        ("the other linked first", vec![&finals[1]], vec![]),
        ("both linked", vec![&finals[0], &finals[1]], vec![]),
        ("one unlinked", vec![&finals[0], &finals[1]], vec![&a]),
        ("the other unlinked first", vec![&finals[0], &finals[1]], vec![&b]),
        ("both unlinked", vec![&finals[0], &finals[1]], vec![&a, &b]),
    ];
    for (what, linked, unlinked) in states {
        let mut disk: Disk = published(1..=1).into_iter().chain(staging.clone()).collect();
        disk.extend(linked.into_iter().map(|file| (file.clone(), 102)));
        disk.retain(|file, _| !unlinked.contains(&file));
        let plan = plan_recovery(&manifest, &listed(&disk)).unwrap();
        assert_eq!(plan.sweep, [], "{what}: a committed part must not be swept");
        carry_out(&plan, &mut disk);
        assert_eq!(disk, published(1..=2), "{what}");
        assert_eq!(plan_recovery(&manifest, &listed(&disk)), Ok(Recovery::default()), "{what}: recovered twice");
    }
}

#[test]
fn what_was_staged_and_not_committed_is_swept() {
    let manifest = check_chain(&chain(2)).0;
    for staged_bytes in [0, 55, 103] {
        let mut disk = published(1..=2);
        disk.extend(staged(3).into_iter().map(|file| (file, staged_bytes)));
        // A leftover of an older commit, too: its part was published long ago.
        disk.extend(staged(1).into_iter().map(|file| (file, staged_bytes)));
        let plan = plan_recovery(&manifest, &listed(&disk)).unwrap();
        assert_eq!((plan.publish.len(), plan.sweep.len()), (0, 4));
        carry_out(&plan, &mut disk);
        assert_eq!(disk, published(1..=2));
    }
}

#[test]
fn what_no_crash_can_cause_is_damage() {
    let manifest = check_chain(&chain(2)).0;
    let name = |commit| part("models", commit).name.to_string();
    let cases: [(&str, Change<Disk>, &str); 6] = [
        (
            "an old part is gone",
            Box::new(move |d| {
                d.remove(&("models", name(1)));
            }),
            "of commit 1 is missing",
        ),
        (
            "an old part is staged only, and shorter",
            Box::new(move |d| {
                d.remove(&("models", name(1)));
                d.insert(staged(1)[0].clone(), 5);
            }),
            "has 5 bytes; 101 were",
        ),
        (
            "the last part is gone",
            Box::new(move |d| {
                d.remove(&("models", name(2)));
            }),
            "of commit 2 is missing",
        ),
        (
            "a part is shorter",
            Box::new(move |d| {
                d.insert(("models", name(2)), 5);
            }),
            "has 5 bytes; 102 were",
        ),
        (
            "a staged part is shorter",
            Box::new(move |d| {
                d.remove(&("models", name(2)));
                d.insert(staged(2)[0].clone(), 5);
            }),
            "has 5 bytes; 102 were",
        ),
        (
            "a part of no record",
            Box::new(move |d| {
                d.insert(("models", name(3)), 9);
            }),
            "belongs to no commit",
        ),
    ];
    for (what, damage, expected) in cases {
        let mut disk = published(1..=2);
        damage(&mut disk);
        let found = plan_recovery(&manifest, &listed(&disk)).unwrap_err();
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        assert!(found[0].to_string().contains(expected), "{what}: {}", found[0]);
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_noticed(at: prop::sample::Index, mask in 1u8..) {
        let mut content = encoded(&record(1, ""));
        let at = at.index(content.len());
        content[at] ^= mask;
        prop_assert!(Record::decode(1, &content).is_err());
    }

    #[test]
    fn any_cut_and_any_addition_is_noticed(at: prop::sample::Index, added in proptest::collection::vec(any::<u8>(), 1..9)) {
        let content = encoded(&record(1, ""));
        prop_assert!(Record::decode(1, &content[..at.index(content.len())]).is_err());
        prop_assert!(Record::decode(1, &[&content[..], &added[..]].concat()).is_err());
        prop_assert!(Record::decode(1, &[&added[..], &content[..]].concat()).is_err());
    }

    #[test]
    fn any_text_of_a_server_is_read_back(cursor in "\\PC*|[,\"{}:\\\\]{0,9},\"checksum\":\"", detail: Option<String>) {
        let mut sent = record(1, "");
        let walk = sent.walks.get_mut("models").unwrap();
        walk.partitions.insert(cursor.clone(), PartitionState { cursor: Some(cursor), ..PartitionState::default() });
        walk.end = Some(End { why: Why::Refused, detail });
        prop_assert_eq!(Record::decode(1, &encoded(&sent)), Ok(sent));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(content: Vec<u8>) {
        prop_assert!(Record::decode(1, &content).is_err());
    }
}
