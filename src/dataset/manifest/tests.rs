//! A chain that begins at any full record says what the whole chain says.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dataset::commit::{End, FORMAT, PartitionState, WalkState, Why, chain_hash, fingerprint};
use crate::dataset::layout::{FileHash, PartName, RunId};
use crate::dataset::recovery::check_chain;
use crate::table::{self, named};

/// One commit of a random history.
#[derive(Debug, Clone)]
struct Act {
    /// Tables it adds parts to.
    tables: Vec<&'static str>,
    /// The parts that it removes, as indexes.
    prune: Vec<prop::sample::Index>,
    /// True if the walk ends with it, so that the next commit begins the next pass.
    over: bool,
    definition: u8,
    /// True if its record is a full one.
    full: bool,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let tables = prop::sample::subsequence(vec!["models", "images", "pages"], 0..=3);
    let prune = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let act = (tables, prune, any::<bool>(), 0..2_u8, any::<bool>());
    let act = act.prop_map(|(tables, prune, over, definition, full)| Act { tables, prune, over, definition, full });
    prop::collection::vec(act, 1..12)
}

/// The record that an act makes behind what is there.
fn record(act: &Act, manifest: &Manifest, previous: &str) -> Record {
    let commit = manifest.last_commit() + 1;
    let over = manifest.last.as_ref().is_none_or(Record::is_pass_over);
    let pass = manifest.last_pass() + u64::from(over);
    let run = RunId::try_from("20261123T080000Z-beef".to_owned()).unwrap();
    let name = PartName { commit, run: run.clone() };
    let part = |table: &&str| Part {
        table: named(table).unwrap(),
        name: name.clone(),
        rows: commit,
        bytes: 1,
        hash: FileHash::of(b""),
    };
    let there: Vec<&Part> = manifest.live_parts().collect();
    let pruned: BTreeSet<PrunedPart> =
        act.prune.iter().filter(|_| !there.is_empty()).map(|at| there[at.index(there.len())].into()).collect();
    let partition = PartitionState {
        cursor: Some(format!("|{commit}")),
        new_cursors: vec![fingerprint(&commit.to_string())],
        tail: vec![7],
        ..PartitionState::default()
    };
    let partitions = if act.over { BTreeMap::new() } else { BTreeMap::from([(String::new(), partition)]) };
    let end = act.over.then_some(End { why: Why::Complete, detail: None });
    Record {
        format: FORMAT,
        commit,
        previous: previous.to_owned(),
        at: jiff::Timestamp::from_second(i64::try_from(commit).unwrap()).unwrap(),
        version: "0.1.0".to_owned(),
        run,
        crawl: "models".to_owned(),
        server: "h/api/v1".to_owned(),
        definition: if over { json!(act.definition) } else { manifest.last.as_ref().unwrap().definition.clone() },
        pass,
        walks: BTreeMap::from([(
            "models".to_owned(),
            WalkState { partitions, end, pages: commit, ..WalkState::default() },
        )]),
        parts: act.tables.iter().map(part).collect(),
        pruned: pruned.into_iter().collect(),
        before: act.full.then(|| Box::new(manifest.history.clone())),
    }
}

proptest! {
    #[test]
    fn a_chain_says_the_same_from_every_full_record_on(acts in acts()) {
        let (mut manifest, mut files) = (Manifest::default(), Vec::new());
        for act in &acts {
            let previous = files.last().map_or_else(String::new, |(_, content): &(u64, Vec<u8>)| chain_hash(content));
            let record = record(act, &manifest, &previous);
            files.push((record.commit, record.encode().unwrap().into_bytes()));
            manifest.add(record);
        }
        let begins = |(at, act): (usize, &Act)| (at == 0 || act.full).then_some(at);
        for first in acts.iter().enumerate().filter_map(begins) {
            let (found, damages) = check_chain(&files[first..]);
            prop_assert_eq!(damages, []);
            prop_assert_eq!(&found, &manifest, "from record {} on", first + 1);
        }
        for first in (1..acts.len()).filter(|first| !acts[*first].full) {
            prop_assert!(!check_chain(&files[first..]).1.is_empty(), "record {} is no beginning", first + 1);
        }
    }
}

#[test]
fn a_pass_is_kept_with_its_definition_its_end_and_what_it_missed() {
    let acts = [(false, 0), (true, 0), (true, 0), (true, 1)].map(|(over, definition)| Act {
        tables: vec!["models"],
        prune: Vec::new(),
        over,
        definition,
        full: false,
    });
    let mut manifest = Manifest::default();
    for act in &acts {
        manifest.add(record(act, &manifest.clone(), ""));
    }
    let ended: Vec<_> =
        manifest.history.passes.values().map(|pass| pass.ended_at.map(jiff::Timestamp::as_second)).collect();
    assert_eq!(ended, [Some(2), Some(3), Some(4)]);
    assert_eq!(manifest.history.definitions.len(), 2, "equal ones are kept once");
    assert_eq!([1, 2, 3].map(|pass| manifest.definition(pass).cloned()), [json!(0), json!(0), json!(1)].map(Some));
    assert!(manifest.history.passes.values().all(PassSummary::is_complete));
    // A commit behind a pass's end, as one that only removes parts, does not move that end.
    let mut late = record(&acts[0], &manifest.clone(), "");
    (late.pass, late.walks, late.parts) = (3, manifest.history.passes[&3].walks.clone(), Vec::new());
    manifest.add(late);
    assert_eq!(manifest.history.passes[&3].ended_at.map(jiff::Timestamp::as_second), Some(4));
    assert_eq!(manifest.last_commit(), 5);
}

#[test]
fn a_full_record_is_due_when_those_behind_the_last_one_share_its_cost() {
    let part = |table: &str| Part {
        table: named(table).unwrap(),
        name: PartName { commit: 1, run: RunId::try_from("a".to_owned()).unwrap() },
        rows: 1,
        bytes: 1,
        hash: FileHash::of(b""),
    };
    let none = Act { tables: Vec::new(), prune: Vec::new(), over: false, definition: 0, full: false };
    let last = record(&none, &Manifest::default(), "");
    for (full, last_commit, parts, due) in [
        (0, 98, 0, false),
        (0, 99, 0, true),
        (100, 198, 3200, false),
        (100, 199, 3200, true),
        (100, 199, 6400, false),
        (100, 299, 6400, true),
    ] {
        let last = Some(Record { commit: last_commit, ..last.clone() });
        let parts = BTreeMap::from([(1, vec![part("models"); parts])]);
        let manifest = Manifest { last, full, history: History { parts, ..History::default() } };
        assert_eq!(manifest.is_full_due(FULL_EVERY), due, "{full} {last_commit}");
    }
}

/// Parts of several commits and runs.
fn parts() -> impl Strategy<Value = BTreeMap<u64, Vec<Part>>> {
    let table = prop::sample::select(table::ALL.to_vec());
    let hash = any::<[u8; 32]>().prop_map(|bytes| FileHash::of(&bytes));
    let part = (table, any::<u64>(), any::<u64>(), hash);
    let commit = (prop::collection::vec(part, 0..4), 0..2_u64);
    prop::collection::btree_map(any::<u64>(), commit, 0..6).prop_map(|commits| {
        let mut all = BTreeMap::new();
        for (commit, (parts, run)) in commits {
            let name = PartName { commit, run: RunId::new(&jiff::Timestamp::UNIX_EPOCH, run) };
            let part = |(table, rows, bytes, hash)| Part { table, name: name.clone(), rows, bytes, hash };
            all.insert(commit, parts.into_iter().map(part).collect());
        }
        all
    })
}

proptest! {
    #[test]
    fn a_full_record_is_read_as_it_was_written_and_written_as_it_was_read(parts in parts()) {
        let act = Act { tables: vec!["models"], prune: Vec::new(), over: false, definition: 0, full: true };
        let manifest = Manifest { history: History { parts, ..History::default() }, ..Manifest::default() };
        let sent = record(&act, &manifest, "");
        let text = sent.encode().unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        for (commit, parts) in &sent.before.as_ref().unwrap().parts {
            for (at, part) in parts.iter().enumerate() {
                let expected = json!({ "table": part.table.name, "name": part.name.to_string(), "rows": part.rows,
                    "bytes": part.bytes, "hash": part.hash.to_string() });
                prop_assert_eq!(&json["before"]["parts"][commit.to_string()][at], &expected);
            }
        }
        let read = Record::decode(1, text.as_bytes()).unwrap();
        prop_assert_eq!(&read.encode().unwrap(), &text);
        // Many parts take little room because those of a run share its id.
        let parts = read.before.as_ref().unwrap().parts.values().flatten();
        for (part, next) in parts.clone().zip(parts.skip(1)).filter(|(part, next)| part.name.run == next.name.run) {
            prop_assert_eq!(part.name.run.second().map(str::as_ptr), next.name.run.second().map(str::as_ptr));
        }
        prop_assert_eq!(read, sent);
    }
}

#[test]
fn a_record_that_names_an_unknown_table_or_another_spelling_of_a_hash_is_refused() {
    let act = Act { tables: vec!["models"], prune: Vec::new(), over: false, definition: 0, full: false };
    let mut manifest = Manifest::default();
    let first = record(&act, &manifest, "");
    manifest.add(first);
    let whole = Record { before: Some(Box::new(manifest.history.clone())), ..record(&act, &manifest, "") };
    let hash = FileHash::of(b"").to_string();
    // Once in its own parts, and once in those that it restates.
    for (at, (sent, forged, expected)) in [
        ("\"models\",\"name\"", "\"modules\",\"name\"", "names the table `modules`, which this version does not know"),
        (&*hash, &*hash.to_uppercase(), "is no hash"),
        (&*hash, &hash[1..], "is no hash"),
    ]
    .into_iter()
    .flat_map(|case| [(0, case), (1, case)])
    {
        let text = whole.encode().unwrap();
        let (body, _) = text.rsplit_once(",\"checksum\"").unwrap();
        assert_eq!(body.matches(sent).count(), 2, "{sent}");
        let start = body.match_indices(sent).nth(at).unwrap().0;
        let body = format!("{}{forged}{}", &body[..start], &body[start + sent.len()..]);
        let text = format!("{body},\"checksum\":\"{}\"}}\n", blake3::hash(body.as_bytes()));
        let refused = Record::decode(2, text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
