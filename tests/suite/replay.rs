//! Replays: what `pages` keeps is enough to make every row again, whatever interrupts it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use civitrawl::api::ENDPOINTS;
use civitrawl::dataset::commit::Part;
use civitrawl::dataset::store::{Batch, RunInfo};
use civitrawl::table;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Room, Sandbox, ask, assert_exit, assert_sound, calls_made, copy_tree, killed_at, open, printed, program, query,
    read,
};

/// A walk over every endpoint, with answers kept, and one whose sixth page nobody can read.
const CRAWL: &str = r#"
keep_bodies = true
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }
commit = { every = "200ms" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }

[[walk]]
name = "spoilt"
endpoint = "models"
params = { sort = "Newest", period = "AllTime", nsfw = true, limit = 2 }

[[walk]]
name = "creators"
endpoint = "creators"
params = { limit = 50 }

[[walk]]
name = "tags"
endpoint = "tags"
params = { limit = 50 }

[[walk]]
name = "versions"
endpoint = "model_version"
for_each = { list = ["16", "17", "32", "999999999"] }

[[walk]]
name = "images"
endpoint = "images"
for_each = { table = "models", column = "creator_username", param = "username" }
params = { browsingLevel = 3, withMeta = true, flatMeta = true, withTags = true, sort = "Newest", limit = 100 }
"#;

/// Walks over every endpoint that the crawl above has not.
const OTHERS: &str = r#"
[[walk]]
name = "models-by-id"
endpoint = "model"
for_each = { range = [1, 20] }

[[walk]]
name = "hashes"
endpoint = "model_version_by_hash"
for_each = { list = ["HASH", "00ff00ff"] }

[[walk]]
name = "galleries"
endpoint = "images"
for_each = { table = "model_versions", column = "id", param = "modelVersionId" }

[[walk]]
name = "posts"
endpoint = "post"
for_each = { list = ["POST"] }

[[walk]]
name = "users"
endpoint = "users"
for_each = { table = "models", column = "user_id", param = "ids", batch = 20 }

[[walk]]
name = "words"
endpoint = "enums"
"#;

fn replay(dataset: &Path) -> Output {
    program().arg("replay").arg(dataset).output().expect("the program runs")
}

fn assert_same(datasets: &[&Path]) {
    let texts: Vec<String> = datasets.iter().map(|dataset| dataset.display().to_string()).collect();
    read("same.py", &[&["--exactly"], &texts.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
}

/// Returns the number of rows of each table of the latest snapshot, and their hash.
fn latest(dataset: &Path) -> Vec<String> {
    let files = fs::read_dir(dataset.join("latest")).expect("there is a snapshot");
    let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    let summary = |file: &std::path::PathBuf| {
        let sql = format!("SELECT count(*), sum(hash(rows)::HUGEINT)::VARCHAR FROM '{}' AS rows", file.display());
        format!("{:?}: {}", file.file_name(), query(dataset, &sql))
    };
    assert!(files.len() > 10, "{files:?}");
    files.iter().map(summary).collect()
}

/// A crawl of everything that a small sandbox has, traps included.
fn crawled(text: &str) -> Room {
    let fault = "kind=invalid-json,path=models,page=6,times=0";
    let arguments = ["--models", "80", "--images", "300", "--traps", "all,-empty-pages", "--fault", fault];
    let sandbox = Sandbox::start(&arguments);
    let room = Room::new(text, &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    room
}

#[test]
fn a_pruned_dataset_is_not_replayed_and_not_touched() {
    let room = crawled(CRAWL);
    let pruned = program().arg("snapshot").arg(room.dataset()).arg("--prune").output().expect("the program runs");
    assert_exit(&pruned, 0);
    let before = latest(&room.dataset());
    let output = replay(&room.dataset());
    assert_exit(&output, 2);
    assert!(printed(&output).contains("was pruned through commit"), "{}", printed(&output));
    assert_sound(&room.dataset());
    assert_eq!(latest(&room.dataset()), before);
}

#[test]
fn a_replay_makes_every_row_again_and_fills_what_was_lost() {
    let room = crawled(CRAWL);
    let elsewhere = TempDir::new().expect("there is room");
    let dataset = elsewhere.path().join("dataset");
    copy_tree(&room.dataset(), &dataset);
    let before = latest(&dataset);
    // Twice: the second one replays what the first one made.
    for _ in 0..2 {
        let output = replay(&dataset);
        assert_exit(&output, 0);
        assert_sound(&dataset);
        assert_same(&[&room.dataset(), &dataset]);
        assert_eq!(latest(&dataset), before, "the snapshot holds what it held");
    }
    let kept = query(&dataset, "SELECT count(*) FROM rejects WHERE position = -1");
    assert_eq!(kept, "[1]\n", "the page that cannot be read is still named");

    // As an older version would have written it: columns that it did not know are null.
    lose(&dataset, &["models.description", "model_versions.air", "images.base_model", "version_files.scanned_at"]);
    let lost = query(&dataset, "SELECT count(description) FROM models");
    assert_eq!(lost, "[0]\n");
    assert_exit(&replay(&dataset), 0);
    assert_sound(&dataset);
    assert_same(&[&room.dataset(), &dataset]);
}

#[test]
fn every_endpoint_is_replayed() {
    let sandbox = Sandbox::start(&["--models", "30", "--images", "300"]);
    let hashes = sandbox.truth("file_hashes?sort=Oldest&nsfw=true");
    let hash = hashes[0]["hash"].as_str().expect("files have hashes");
    let post = ask(&format!("{}/images?limit=1", sandbox.base)).json()["items"][0]["postId"].to_string();
    let others = OTHERS.replace("HASH", hash).replace("POST", &post);
    let room = Room::new(&format!("{CRAWL}{others}"), &sandbox.base);
    assert_exit(&room.run(&[]), 4);
    // A new endpoint needs a walk here.
    let replayed = room.rows("SELECT DISTINCT endpoint FROM pages WHERE status = 200 AND items > 0 ORDER BY 1");
    let mut known: Vec<Value> = ENDPOINTS.iter().map(|endpoint| json!([endpoint.name])).collect();
    known.sort_by_key(Value::to_string);
    assert_eq!(replayed, known);
    for table in ENDPOINTS.iter().flat_map(|endpoint| endpoint.tables) {
        assert_ne!(room.value(&format!("SELECT count(*) FROM {}", table.name)), 0, "{}", table.name);
    }
    let elsewhere = TempDir::new().expect("there is room");
    let dataset = elsewhere.path().join("dataset");
    copy_tree(&room.dataset(), &dataset);
    let before = latest(&dataset);
    assert_exit(&replay(&dataset), 0);
    assert_sound(&dataset);
    assert_same(&[&room.dataset(), &dataset]);
    assert_eq!(latest(&dataset), before);
    // As a version would have written it that did not know these columns.
    lose(&dataset, &["posts.user_id", "post_tags.tag", "users.username"]);
    assert_exit(&replay(&dataset), 0);
    assert_same(&[&room.dataset(), &dataset]);
}

/// Commits every commit's rows once more, some columns without their values, in place of the old.
fn lose(dataset: &Path, columns: &[&str]) {
    let mut store = open(dataset);
    let commits: Vec<Vec<Part>> = store.manifest().history.parts.values().cloned().collect();
    for parts in commits {
        let mut tables: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
        for part in &parts {
            let rows = store
                .rows(part)
                .expect("it can be read")
                .into_iter()
                .map(|rows| without(part.table.name, &rows, columns));
            tables.entry(part.table.name).or_default().extend(rows);
        }
        let whole = tables.into_iter().map(|(name, batches)| {
            let table = table::named(name).expect("it is a table");
            (table, arrow::compute::concat_batches(&table.schema(), &batches).expect("they are alike"))
        });
        let last = store.manifest().last.clone().expect("there are commits");
        let info = RunInfo::of(&last);
        let prune = parts.iter().map(Into::into).collect();
        let batch = Batch { tables: whole.collect(), pass: last.pass, walks: last.walks, prune };
        store.commit(&info, batch).expect("it can be written");
    }
}

fn without(table: &str, rows: &RecordBatch, columns: &[&str]) -> RecordBatch {
    let schema = rows.schema();
    let lost = |name: &str| columns.contains(&format!("{table}.{name}").as_str());
    let arrays = schema.fields().iter().zip(rows.columns()).map(|(field, array)| match lost(field.name()) {
        true => new_null_array(field.data_type(), rows.num_rows()),
        false => Arc::clone(array),
    });
    RecordBatch::try_new(rows.schema(), arrays.collect()).expect("nulls are allowed")
}

#[test]
fn pages_without_their_answer_keep_their_rows() {
    // The first pass keeps no answers, the second one does.
    let sandbox = Sandbox::start(&["--models", "60"]);
    let text = CRAWL.split("[[walk]]\nname = \"spoilt\"").next().expect("it begins so").to_owned();
    let room = Room::new(&text.replace("keep_bodies = true", "keep_bodies = false"), &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let output = replay(&room.dataset());
    assert_exit(&output, 2);
    assert!(printed(&output).contains("keep_bodies = true"), "{}", printed(&output));

    let file = fs::read_to_string(room.file()).expect("it is there");
    fs::write(room.file(), file.replace("keep_bodies = false", "keep_bodies = true")).expect("it can be written");
    assert_exit(&room.run(&[]), 0);
    let elsewhere = TempDir::new().expect("there is room");
    copy_tree(&room.dataset(), &elsewhere.path().join("dataset"));
    let output = replay(&room.dataset());
    assert_exit(&output, 4);
    assert!(printed(&output).contains("walk `models`: no answer is kept of 3 pages"), "{}", printed(&output));
    assert_sound(&room.dataset());
    assert_same(&[&elsewhere.path().join("dataset"), &room.dataset()]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_replay_killed_at_any_call_is_finished_by_the_next() {
    let room = crawled(&CRAWL.replace("200ms", "100ms"));
    let elsewhere = TempDir::new().expect("there is room");
    let mut datasets = vec![room.dataset()];
    for nth in (1..).step_by(79) {
        let dataset = elsewhere.path().join(nth.to_string());
        copy_tree(&room.dataset(), &dataset);
        let mut replaying = program();
        replaying.arg("replay").arg(&dataset);
        let killed = killed_at(nth, &dataset, &replaying);
        assert_sound(&dataset);
        if killed.is_none() {
            break;
        }
        assert_exit(&replay(&dataset), 0);
        assert_sound(&dataset);
        datasets.push(dataset);
    }
    println!("{} kills", datasets.len() - 1);
    assert!(datasets.len() > 3, "only {} kills", datasets.len() - 1);
    assert_same(&datasets.iter().map(AsRef::as_ref).collect::<Vec<_>>());
}

#[cfg(target_os = "linux")]
#[test]
fn a_replay_killed_at_any_call_of_its_snapshot_leaves_latest_whole_old_or_new() {
    let room = crawled(CRAWL);
    let before = latest(&room.dataset());
    let elsewhere = TempDir::new().expect("there is room");
    let fresh = |name: &str| {
        let dataset = elsewhere.path().join(name);
        copy_tree(&room.dataset(), &dataset);
        let mut replaying = program();
        replaying.arg("replay").arg(&dataset);
        (dataset, replaying)
    };
    let (whole, replaying) = fresh("whole");
    let calls = calls_made(&whole, &replaying);
    assert_eq!(latest(&whole), before, "the snapshot holds what it held");
    let (mut drafts, mut shown) = (0, [0, 0]);
    // From the last call back, into the last commit.
    for nth in (0..100).step_by(9).map(|back| calls - back) {
        let (dataset, replaying) = fresh(&nth.to_string());
        let killed = killed_at(nth, &dataset, &replaying);
        let link = fs::read_link(dataset.join("latest")).expect("`latest` is a link");
        let new = usize::from(link == Path::new("snapshots/000002"));
        assert!(new == 1 || link == Path::new("snapshots/000001"), "killed at call {nth}: {}", link.display());
        // Every file is what its inventory says, and the rows are in order.
        assert_sound(&dataset);
        if killed.is_some() {
            let draft = dataset.join("snapshots/000002.tmp");
            drafts += u32::from(draft.exists());
            shown[new] += 1;
            assert_exit(&replay(&dataset), 0);
            assert_sound(&dataset);
            assert!(!draft.exists(), "killed at call {nth}: a draft is left");
        }
        fs::remove_dir_all(&dataset).expect("it can be removed");
    }
    println!("of {calls} calls; {drafts} drafts were left, shown were {shown:?}");
    assert!(drafts >= 3 && shown[0] >= 5 && shown[1] >= 1, "{drafts} drafts were left, shown were {shown:?}");
}
