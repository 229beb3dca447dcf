//! Tables in ranges of ids: a night rewrites those in which something changed, links the others unread, and everybody reads them
//! as they read a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};

use civitrawl::dataset::Error;
use civitrawl::dataset::commit::{End, Why};
use civitrawl::dataset::snapshot::{SnapshotOptions, Taken, is_owed, newest, take, threads};
use civitrawl::dataset::store::{Batch, RunInfo};
use civitrawl::table::Table;
use serde_json::{Value, json};

use crate::sample::flip;
use crate::support::{Room, Server, assert_exit, copy_tree, killed_at, open, printed, program, read, verify};

/// A walk over a list whose pages the tests write, and no snapshot unless it is asked for.
pub(crate) const CRAWL: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 1 }
retry = { attempts = 2, elapsed = "5s" }
snapshot = { take = false }

[[walk]]
name = "images"
endpoint = "images"
params = { modelVersionId = 7, sort = "Newest", browsingLevel = 1, withMeta = true, withTags = true, limit = 200 }
"#;

/// The tables of images.
const FAMILY: [&str; 5] = ["images", "image_meta", "image_resources", "image_model_versions", "image_tags"];

/// The ranges that have images in the beginning.
const RANGES: [i64; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

/// The name of the file of a range.
fn range(number: i64) -> String {
    format!("{number:04}.parquet")
}

/// The first id of a range, and so many behind it.
fn ids(range: i64, from: i64, count: i64) -> Vec<i64> {
    (from..from + count).map(|n| (range << 20) + n).collect()
}

/// A list of images: pages of ids, each with a revision. It ends behind the last page once it is `over`.
#[derive(Clone, Default)]
struct List(Arc<Mutex<(Vec<Page>, bool)>>);

/// Ids, each with a revision.
type Page = Vec<(i64, u32)>;

impl List {
    fn start(&self) -> Server {
        let list = self.clone();
        Server::of_json(move |target| {
            let query = target.strip_prefix("images?")?;
            let (pages, over) = &*list.0.lock().unwrap();
            let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            if let Some(single) = value("imageId") {
                let shown = pages.iter().flatten().filter(|(id, _)| id.to_string() == single);
                let items: Vec<Value> = shown.map(|(id, revision)| image(*id, *revision)).take(1).collect();
                return Some(json!({ "items": items, "metadata": {} }).to_string());
            }
            let page = value("cursor").map_or(0, |cursor| cursor.split("%7C").next().unwrap().parse().unwrap());
            let items: Vec<Value> = pages.get(page)?.iter().map(|(id, revision)| image(*id, *revision)).collect();
            let last = *over && page + 1 == pages.len();
            let metadata = if last { json!({}) } else { json!({ "nextCursor": format!("{}|{page}", page + 1) }) };
            Some(json!({ "items": items, "metadata": metadata }).to_string())
        })
    }

    /// Appends a page.
    fn add(&self, ids: impl IntoIterator<Item = i64>, revision: u32) {
        self.0.lock().unwrap().0.push(ids.into_iter().map(|id| (id, revision)).collect());
    }

    /// Ends the list.
    fn end(&self) {
        self.add([], 0);
        self.0.lock().unwrap().1 = true;
    }

    /// Begins a new list, which ends behind its pages.
    fn anew(&self) {
        *self.0.lock().unwrap() = (Vec::new(), true);
    }
}

/// An image, with a row in each table of images.
fn image(id: i64, revision: u32) -> Value {
    json!({
        "id": id, "url": format!("https://image.invalid/{id}"), "createdAt": "2024-01-01T00:00:00.000Z",
        "browsingLevel": 1, "stats": { "likeCount": revision }, "modelVersionIds": [7, 8],
        "tags": [{ "id": 3, "name": "cat" }],
        "meta": { "prompt": format!("{id} {revision}"), "resources": [{ "type": "model", "name": "m" }] },
    })
}

/// A dataset of eight ranges, of which a night adds to one and changes another.
pub(crate) struct Catalog {
    list: List,
    pub(crate) room: Room,
    _server: Server,
}

impl Catalog {
    pub(crate) fn of(text: &str) -> Self {
        let list = List::default();
        for range in RANGES {
            list.add(ids(range, 0, 40), 0);
        }
        let server = list.start();
        let catalog = Self { room: Room::new(text, &server.base), list, _server: server };
        catalog.crawl(8);
        catalog
    }

    /// Asks for more pages of the walk.
    fn crawl(&self, pages: u32) {
        assert_exit(&self.room.run(&["--max-pages", &pages.to_string()]), 3);
    }

    /// Three images more in the last range, and one of the third range seen anew.
    pub(crate) fn night(&self, nth: i64) {
        self.list.add(ids(34, 40 + 3 * nth, 3).into_iter().chain(ids(3, nth, 1)), 1);
        self.crawl(1);
    }

    /// Takes a snapshot, which is compared with the parts.
    fn snapshot(&self, arguments: &[&str]) -> Output {
        let output = snapshot(&self.room.dataset(), arguments);
        assert_exit(&output, 0);
        self.room.assert_sound();
        self.room.read("snapshot.py", &[]);
        output
    }

    /// The files of a table in a snapshot, by range, with what they are on the disk and hold.
    fn files(&self, snapshot: u32, table: &str) -> BTreeMap<String, (u64, Vec<u8>)> {
        let directory = self.room.dataset().join(format!("snapshots/{snapshot:06}/{table}.parquet"));
        files(&directory)
    }
}

fn files(directory: &Path) -> BTreeMap<String, (u64, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let file = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, (path.metadata().unwrap().ino(), fs::read(&path).unwrap()))
    };
    entries.map(|entry| file(entry.unwrap().path())).collect()
}

fn snapshot(dataset: &Path, arguments: &[&str]) -> Output {
    program().arg("snapshot").arg(dataset).args(arguments).output().expect("the program runs")
}

/// The content of every file of the tables in a dataset's newest snapshot.
fn contents(dataset: &Path) -> BTreeMap<String, Vec<u8>> {
    let of_table = |table: &&str| {
        let files = files(&dataset.join(format!("latest/{table}.parquet")));
        files.into_iter().map(|(name, (_, content))| (format!("{table}/{name}"), content)).collect::<Vec<_>>()
    };
    FAMILY.iter().flat_map(of_table).collect()
}

#[test]
fn a_night_rewrites_the_ranges_in_which_something_changed_and_links_the_others() {
    let catalog = Catalog::of(&CRAWL.replace("take = false", "take = false, keep = 9"));
    catalog.snapshot(&["--keep", "9"]);
    for nth in 0..2 {
        catalog.night(nth);
        let said = printed(&catalog.snapshot(&["--keep", "9"]));
        assert!(said.contains("2 of 8 files rewritten"), "{said}");
        let (before, after) = (nth as u32 + 1, nth as u32 + 2);
        for table in FAMILY {
            let (before, after) = (catalog.files(before, table), catalog.files(after, table));
            let names: Vec<&String> = after.keys().collect();
            assert_eq!(names, RANGES.map(range).iter().collect::<Vec<_>>(), "{table}");
            let moved: Vec<&String> = names.into_iter().filter(|name| after[*name].0 != before[*name].0).collect();
            assert_eq!(moved, ["0003.parquet", "0034.parquet"], "{table}");
        }
    }
    // From the parts alone, every file has the same bytes.
    let anew = tempfile::TempDir::new().unwrap();
    let dataset = anew.path().join("dataset");
    copy_tree(&catalog.room.dataset(), &dataset);
    fs::remove_dir_all(dataset.join("snapshots")).unwrap();
    assert_exit(&snapshot(&dataset, &[]), 0);
    let (anew, grown) = (contents(&dataset), contents(&catalog.room.dataset()));
    assert_eq!(anew.len(), 8 * FAMILY.len());
    let differs: Vec<&String> = anew.keys().filter(|name| anew.get(*name) != grown.get(*name)).collect();
    assert!(differs.is_empty() && anew.len() == grown.len(), "{differs:?}");
}

#[test]
fn a_range_whose_images_are_gone_is_rewritten_once() {
    let catalog =
        Catalog::of(&CRAWL.replace("snapshot = { take = false }", "history = [\"images\"]\nsnapshot = { keep = 9 }"));
    catalog.list.add(ids(55, 0, 5), 0);
    catalog.list.end();
    assert_exit(&catalog.room.run(&[]), 0);
    // What no later pass shows is gone since the second one.
    for pass in [2, 3] {
        catalog.list.anew();
        RANGES.iter().for_each(|range| catalog.list.add(ids(*range, 0, 40), pass));
        assert_exit(&catalog.room.run(&[]), 0);
        catalog.room.assert_sound();
        catalog.room.read("snapshot.py", &[]);
        for table in ["images", "image_tags", "images_history"] {
            let (before, after) = (catalog.files(pass - 1, table), catalog.files(pass, table));
            assert_eq!(after.len(), RANGES.len() + 1, "{table}");
            let moved: BTreeSet<&String> = after.keys().filter(|name| before[*name].0 != after[*name].0).collect();
            assert_eq!(
                (moved.len(), moved.contains(&range(55))),
                (if pass == 2 { 9 } else { 8 }, pass == 2),
                "{table}"
            );
        }
        let dataset = catalog.room.dataset().display().to_string();
        let sql = format!("SELECT count(gone_at) FROM '{dataset}/latest/images.parquet'");
        assert_eq!(catalog.room.query(&sql), "[5]\n");
    }
}

#[test]
fn turning_it_off_and_on_makes_the_next_snapshot_anew_with_the_same_rows() {
    let catalog = Catalog::of(CRAWL);
    catalog.list.end();
    let set = |split: &str| {
        let text = fs::read_to_string(catalog.room.file()).unwrap();
        let line = text.lines().find(|line| line.starts_with("snapshot =")).unwrap().to_owned();
        fs::write(catalog.room.file(), text.replace(&line, &format!("snapshot = {{ keep = 9{split} }}"))).unwrap();
    };
    let rows = |table: &str| {
        let dataset = catalog.room.dataset().display().to_string();
        let sql = format!(
            "SELECT count(*), sum(hash(rows)::HUGEINT)::VARCHAR FROM '{dataset}/latest/{table}.parquet' AS rows"
        );
        catalog.room.query(&sql)
    };
    set("");
    assert_exit(&catalog.room.run(&[]), 0);
    let (split, before) = (contents(&catalog.room.dataset()), FAMILY.map(rows));
    assert_eq!(split.len(), 8 * FAMILY.len());
    // Nothing is to be done by a later command, which follows the newest snapshot.
    let nothing = |split: &str| {
        let output = snapshot(&catalog.room.dataset(), &["--keep", "9"]);
        assert!(printed(&output).contains("nothing new"), "{split}: {}", printed(&output));
    };
    nothing("as it is");
    for (nth, setting) in
        [(2, ", split = []"), (3, ", split = [\"posts\", \"images\"]"), (4, ", split = [\"models\"]"), (5, "")]
    {
        set(setting);
        catalog.list.anew();
        RANGES.iter().for_each(|range| catalog.list.add(ids(*range, 0, 40), 0));
        assert_exit(&catalog.room.run(&[]), 0);
        catalog.room.assert_sound();
        catalog.room.read("snapshot.py", &[]);
        nothing(setting);
        let is_split = setting.is_empty() || setting.contains("images");
        for table in FAMILY {
            let path = catalog.room.dataset().join(format!("snapshots/{nth:06}/{table}.parquet"));
            assert_eq!(path.is_dir(), is_split, "{setting}: {table}");
        }
        let counts = FAMILY.map(|table| rows(table).split(',').next().unwrap().to_owned());
        assert_eq!(counts, before.clone().map(|rows| rows.split(',').next().unwrap().to_owned()));
    }
}

/// Rewrites the inventory of a snapshot as it was before there were ranges.
fn age(dataset: &Path) {
    let path = fs::canonicalize(dataset.join("latest/snapshot.json")).unwrap();
    let mut inventory: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    inventory.as_object_mut().unwrap().remove("checksum");
    for file in inventory["files"].as_array_mut().unwrap() {
        file.as_object_mut().unwrap().remove("written_for");
        assert_eq!(file.get("range"), None);
    }
    let mut text = inventory.to_string();
    text.pop();
    let sum = blake3::hash(text.as_bytes());
    fs::write(path, format!("{text},\"checksum\":\"{sum}\"}}\n")).unwrap();
}

#[test]
fn a_snapshot_from_before_there_were_ranges_is_what_the_next_one_is_made_of() {
    for prune in [false, true] {
        let catalog = Catalog::of(&CRAWL.replace("take = false", "take = false, split = []"));
        catalog.list.end();
        let text = fs::read_to_string(catalog.room.file()).unwrap();
        fs::write(catalog.room.file(), text.replace("take = false", &format!("prune = {prune}"))).unwrap();
        assert_exit(&catalog.room.run(&[]), 0);
        age(&catalog.room.dataset());
        let dataset = catalog.room.dataset();
        assert!(dataset.join("latest/images.parquet").is_file());
        catalog.room.assert_sound();
        let there = dataset.display().to_string();
        let report = program().args(["report", &there, "--output", &format!("{there}.html")]).output().unwrap();
        assert_exit(&report, 0);
        // Nothing has changed but the form, and a command without a crawl file has the default one.
        let output = snapshot(&dataset, &[]);
        assert_exit(&output, 0);
        catalog.room.assert_sound();
        assert_eq!(contents(&dataset).len(), 8 * FAMILY.len());
        let inventory: Value =
            serde_json::from_slice(&fs::read(dataset.join("latest/snapshot.json")).unwrap()).unwrap();
        assert_eq!((&inventory["snapshot"], &inventory["from"]), (&json!(2), &json!(1)));
        let count = read("ranges.py", &[&[&*dataset.display().to_string()], &FAMILY[..]].concat());
        assert!(count.contains("\"images\": 320"), "{count}");
    }
}

#[test]
fn whatever_ids_a_server_sends_there_are_few_files() {
    let list = List::default();
    let spread: Vec<i64> = (0..150).map(|n| n << 40).chain([i64::MAX, i64::MIN, -1, 1 << 31, (1 << 31) - 1]).collect();
    list.add(spread, 0);
    list.end();
    let server = list.start();
    let room = Room::new(&CRAWL.replace("take = false", "keep = 1"), &server.base);
    let output = room.run(&[]);
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
    room.assert_sound();
    room.read("snapshot.py", &[]);
    let names: BTreeSet<String> = files(&room.dataset().join("latest/images.parquet")).into_keys().collect();
    assert!(names.contains("2047.parquet") && names.len() <= 2, "{names:?}");
}

#[test]
fn an_empty_table_is_a_directory_with_one_empty_file() {
    let nothing =
        Server::of_json(|target| target.starts_with("images?").then(|| String::from("{\"items\":[],\"metadata\":{}}")));
    let bare = Server::of_json(|target| {
        let item = json!({ "id": 9_000_000, "createdAt": "2024-01-01T00:00:00.000Z", "browsingLevel": 1 });
        target.starts_with("images?").then(|| json!({ "items": [item], "metadata": {} }).to_string())
    });
    for (server, images) in [(nothing, 0), (bare, 1)] {
        let room = Room::new(&CRAWL.replace("take = false", "keep = 9"), &server.base);
        room.run(&[]);
        room.assert_sound();
        let dataset = room.dataset().display().to_string();
        for table in FAMILY {
            assert_eq!(files(&room.dataset().join(format!("latest/{table}.parquet"))).len(), 1, "{table}");
        }
        let counts = read("ranges.py", &[&[&*dataset], &FAMILY[..]].concat());
        assert!(counts.contains(&format!("\"images\": {images}, \"image_meta\": 0,")), "{counts}");
        read("views.py", &[&dataset, env!("CARGO_BIN_EXE_civitrawl")]);
        // The empty file is the same in the next one.
        room.run(&[]);
        room.assert_sound();
        room.read("snapshot.py", &[]);
    }
}

#[test]
fn readers_and_the_programs_own_see_every_row() {
    let catalog = Catalog::of(CRAWL);
    catalog.snapshot(&[]);
    catalog.night(0);
    assert_exit(&snapshot(&catalog.room.dataset(), &["--prune"]), 0);
    let dataset = catalog.room.dataset().display().to_string();
    let counts = read("ranges.py", &[&[&*dataset], &FAMILY[..]].concat());
    assert!(counts.contains("\"images\": 323, \"image_meta\": 323,"), "{counts}");
    let folder = tempfile::TempDir::new().unwrap();
    for name in ["plain", "[a] 2026", "it's *", "what?"] {
        let there = folder.path().join(name);
        copy_tree(&catalog.room.dataset(), &there);
        let seen = read("views.py", &[&there.display().to_string(), env!("CARGO_BIN_EXE_civitrawl")]);
        assert!(seen.contains(", 323], \"image_meta\""), "{name}: {seen}");
    }
    assert!(catalog.room.status().contains("7 tables"), "{}", catalog.room.status());
    let page = format!("{dataset}.html");
    assert_exit(&program().args(["report", &dataset, "--output", &page]).output().unwrap(), 0);
    assert!(fs::read_to_string(page).unwrap().contains("323"));
}

#[test]
fn a_damaged_range_is_noticed_by_who_reads_it_and_by_who_removes_its_copies() {
    for pruned in [false, true] {
        let catalog = Catalog::of(CRAWL);
        let dataset = catalog.room.dataset();
        let arguments: &[&str] = if pruned { &["--keep", "9", "--prune"] } else { &["--keep", "9"] };
        catalog.snapshot(&["--keep", "9"]);
        let file = |snapshot: u32, range: u32| {
            dataset.join(format!("snapshots/{snapshot:06}/images.parquet/{range:04}.parquet"))
        };
        if pruned {
            assert_exit(&snapshot(&dataset, arguments), 0);
        }
        // One that is read: the snapshot is made of the parts, or, where these are gone, refused.
        let sound = fs::read(file(1, 3)).unwrap();
        flip(&file(1, 3));
        catalog.night(0);
        let output = snapshot(&dataset, arguments);
        assert_exit(&output, if pruned { 65 } else { 0 });
        if pruned {
            assert!(printed(&output).contains("images.parquet/0003.parquet"), "{}", printed(&output));
            fs::write(file(1, 3), &sound).unwrap();
            assert_exit(&snapshot(&dataset, arguments), 0);
        }
        catalog.room.assert_sound();
        // One that is linked: it is not read, and keeps its recorded hash.
        let sound = fs::read(file(2, 5)).unwrap();
        flip(&file(2, 5));
        catalog.night(1);
        assert_exit(&snapshot(&dataset, arguments), 0);
        let found = verify(&dataset);
        assert_exit(&found, 65);
        assert!(
            printed(&found).contains("`images.parquet/0005.parquet` is not what was written"),
            "{}",
            printed(&found)
        );
        // It stays so for as long as other copies of its rows are there.
        fs::remove_file(file(2, 5)).unwrap();
        fs::write(file(2, 5), &sound).unwrap();
        fs::write(dataset.join("snapshots/000002/snapshot.json"), "{").unwrap();
        let parts = fs::read_dir(dataset.join("parts/images")).map_or(0, Iterator::count);
        catalog.night(2);
        let output = snapshot(&dataset, if pruned { &["--keep", "1"] } else { &["--prune", "--keep", "9"] });
        assert_exit(&output, 65);
        assert!(printed(&output).contains("0005.parquet"), "{}", printed(&output));
        assert_eq!(fs::read_dir(dataset.join("parts/images")).map_or(0, Iterator::count), parts + 1);
        assert_eq!(file(2, 5).exists(), pruned);
    }
}

#[test]
fn a_file_with_the_same_bytes_is_another_copy_of_its_rows() {
    let catalog = Catalog::of(CRAWL);
    let dataset = catalog.room.dataset();
    let take = |split: &[&'static Table], keep: usize| {
        let mut store = open(&dataset);
        let keep = &|newer, _| newer < keep;
        take(&mut store, &SnapshotOptions { tables: &[], history: &[], split, keep, prune: true, threads: threads() })
    };
    // The third snapshot has the bytes of the first one, and no link to it.
    let images = &[&civitrawl::table::images::TABLE];
    for split in [&images[..], &[], &images[..]] {
        assert!(matches!(take(split, 9), Ok(Taken::New(_))));
    }
    let (first, third) = (catalog.files(1, "images"), catalog.files(3, "images"));
    assert!(first.iter().all(|(name, (ino, bytes))| third[name].0 != *ino && third[name].1 == *bytes));
    let file = |snapshot: u32| dataset.join(format!("snapshots/{snapshot:06}/images.parquet/0005.parquet"));
    flip(&file(3));
    catalog.night(0);
    match take(images, 1) {
        Err(Error::Rotten { path, .. }) => assert!(path.ends_with("images.parquet/0005.parquet"), "{path:?}"),
        other => panic!("{other:?}"),
    }
    assert!(file(1).exists() && file(2).parent().unwrap().parent().unwrap().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_kill_at_any_call_leaves_the_ranges_whole_old_or_new() {
    let catalog = Catalog::of(CRAWL);
    let dataset = catalog.room.dataset();
    let mut taking = program();
    taking.arg("snapshot").arg(&dataset).args(["--keep", "1", "--prune"]);
    assert_exit(&taking.output().unwrap(), 0);
    let mut nights = 0;
    for nth in (1..).step_by(17) {
        catalog.night(nights);
        nights += 1;
        let killed = killed_at(nth, &dataset, &taking);
        catalog.room.assert_sound();
        if killed.is_none() {
            println!("{} kills, up to call {nth}", nights - 1);
            assert!(nth > 150, "only {nth} calls were made");
            break;
        }
        assert_exit(&taking.output().unwrap(), 0);
    }
    catalog.room.assert_sound();
    let counts = read("ranges.py", &[&*dataset.display().to_string(), "images", "image_meta"]);
    assert!(
        counts.contains(&format!("\"images\": {rows}, \"image_meta\": {rows}", rows = 320 + 3 * nights)),
        "{counts}"
    );
    let left: BTreeSet<String> = files(&dataset.join("latest/images.parquet")).into_keys().collect();
    assert!(left.iter().eq(&RANGES.map(range)), "{left:?}");
    assert_eq!(fs::read_dir(dataset.join("snapshots")).unwrap().count(), 1);
}

#[test]
fn a_pass_that_ends_without_a_row_has_its_snapshot() {
    let catalog = Catalog::of(CRAWL);
    catalog.snapshot(&[]);
    let mut store = open(&catalog.room.dataset());
    let last = store.manifest().last.clone().unwrap();
    let mut walks = last.walks.clone();
    walks.values_mut().for_each(|walk| walk.end = Some(End { why: Why::Complete, detail: None }));
    let batch = Batch { tables: Vec::new(), pass: last.pass, walks, prune: Vec::new() };
    store.commit(&RunInfo::of(&last), batch).unwrap();
    assert!(is_owed(store.manifest(), newest(&store).unwrap().as_ref()));
    drop(store);
    let said = printed(&catalog.snapshot(&[]));
    assert!(said.contains("taken over") && !said.contains("rewritten"), "{said}");
    let store = open(&catalog.room.dataset());
    assert!(!is_owed(store.manifest(), newest(&store).unwrap().as_ref()));
}

/// A way to damage a dataset, and the words that `verify` has for it.
type Damage = (&'static str, fn(&Path), &'static str);

#[test]
fn every_damage_of_a_directory_is_named_and_healed() {
    let damages: [Damage; 7] = [
        (
            "a range cut",
            |images| crate::sample::truncate(&images.join("0005.parquet")),
            "0005.parquet` is not what was written",
        ),
        ("a range gone", |images| fs::remove_file(images.join("0005.parquet")).unwrap(), "0005.parquet` is missing"),
        (
            "a range once more",
            |images| crate::sample::copy(images.join("0005.parquet"), images.join("0006.parquet")),
            "images.parquet/0006.parquet` is not of it",
        ),
        (
            "two exchanged",
            |images| crate::sample::swap(&images.join("0003.parquet"), &images.join("0005.parquet")),
            "0003.parquet` is not what was written",
        ),
        (
            "folders of others",
            |images| {
                fs::create_dir_all(images.join(".ipynb_checkpoints/deep")).unwrap();
                fs::write(images.join(".ipynb_checkpoints/deep/notes.txt"), "mine").unwrap();
            },
            ".ipynb_checkpoints` is not of it, and readers may read it; remove it",
        ),
        ("no directory", |images| fs::remove_dir_all(images).unwrap(), "0001.parquet` is missing"),
        (
            "a file",
            |images| {
                fs::remove_dir_all(images).unwrap();
                fs::write(images, "PAR1").unwrap();
            },
            "0001.parquet` is missing",
        ),
    ];
    let catalog = Catalog::of(CRAWL);
    catalog.snapshot(&[]);
    catalog.night(0);
    for (what, damage, named) in damages {
        let folder = tempfile::TempDir::new().unwrap();
        let dataset = folder.path().join("dataset");
        copy_tree(&catalog.room.dataset(), &dataset);
        damage(&dataset.join("snapshots/000001/images.parquet"));
        let found = verify(&dataset);
        assert_exit(&found, 65);
        assert!(printed(&found).contains(named), "{what}: {}", printed(&found));
        let output = snapshot(&dataset, &["--keep", "1"]);
        assert_exit(&output, 0);
        // Whole: the damaged one is no base, and is gone.
        assert_exit(&verify(&dataset), 0);
        read("snapshot.py", &[&dataset.display().to_string()]);
    }
}
