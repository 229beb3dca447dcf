//! A place as the truth of a dataset: runs on machines that have nothing, or something else, whatever the store answers and
//! whoever else runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::sample::files;
use crate::support::{
    Room, Sandbox, assert_exit, assert_same_rows, assert_sound, copy_tree, killed_at, printed, program,
};

const CRAWL: &str = r#"
commit = { every = "100ms" }
snapshot = { keep = 1 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// A catalog of so many pages, which are slow enough for several commits.
const PAGES: usize = 6;

fn catalog() -> Sandbox {
    Sandbox::start(&["--models", &(10 * PAGES).to_string(), "--traps", "none", "--latency", "40"])
}

/// A machine with nothing but the crawl file, which names this place.
fn machine(sandbox: &Sandbox, store: &str) -> Room {
    Room::new(&format!("store = \"{store}\"\n{CRAWL}"), &sandbox.base)
}

/// The dataset of an undisturbed run.
fn undisturbed(sandbox: &Sandbox) -> Room {
    let room = Room::new(CRAWL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    room
}

/// A run on the directory of a machine that knows nothing of the place.
fn alone(room: &Room, sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let beside = Room::new(&format!("name = \"crawl\"\n{CRAWL}"), &sandbox.base);
    beside.crawl().arg("--dataset").arg(room.dataset()).args(arguments).output().unwrap()
}

fn aside(room: &Room) -> Vec<PathBuf> {
    let Ok(runs) = fs::read_dir(room.dataset().join("aside")) else { return Vec::new() };
    let names = runs.flat_map(|run| fs::read_dir(run.unwrap().path()).unwrap());
    names.map(|name| name.unwrap().path()).collect()
}

/// Goes on to the end of the pass, and fails unless this machine then holds what the undisturbed run has. One that finds nothing to do
/// changes nothing; so another run, which asks for nothing, makes the directory the same.
fn assert_finishes(run: impl Fn() -> Command, room: &Room, undisturbed: &Room) {
    assert_exit(&run().arg("--once").output().unwrap(), 0);
    assert_exit(&run().args(["--max-pages", "0"]).output().unwrap(), 3);
    assert_whole(room, undisturbed);
}

/// Fails unless this machine holds what the undisturbed run has, and all of it is sound.
fn assert_whole(room: &Room, undisturbed: &Room) {
    assert_sound(&room.dataset());
    assert!(room.dataset().join("latest/models.parquet").is_file());
    assert_same_rows(&[undisturbed.dataset(), room.dataset()]);
}

#[test]
fn a_run_goes_on_where_another_machine_stopped_or_was_killed() {
    let (sandbox, place) = (catalog(), TempDir::new().unwrap());
    let undisturbed = undisturbed(&sandbox);
    for nth in (1..).step_by(23) {
        let store = place.path().join(format!("place{nth}"));
        let first = machine(&sandbox, &store.display().to_string());
        // The directory of the dataset and the place, each in turn.
        let killed_in = if nth % 2 == 1 { store.clone() } else { first.dataset() };
        fs::create_dir_all(&killed_in).unwrap();
        let killed = killed_at(nth, &killed_in, &first.crawl());
        let second = machine(&sandbox, &store.display().to_string());
        if killed.is_some() {
            assert_finishes(|| second.crawl(), &second, &undisturbed);
            // The first one has what it has, and follows.
            let output = first.run(&["--once"]);
            assert_exit(&output, 0);
            assert!(printed(&output).contains("nothing to do: pass 1"), "{nth}: {}", printed(&output));
            assert_finishes(|| first.crawl(), &first, &undisturbed);
        } else {
            assert!(nth > 100, "only {nth} calls were made");
            break;
        }
    }
}

#[test]
fn a_directory_follows_the_place_or_adds_to_it_or_is_set_aside() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let undisturbed = undisturbed(&sandbox);
    let place = room.path().join("place");
    let url = place.display().to_string();
    let [one, two, other] = [(); 3].map(|()| machine(&sandbox, &url));
    let head = || fs::read_to_string(place.join("latest.json")).unwrap();
    let commits = |room: &Room| files(&room.dataset(), "commits").len();

    // An empty one, of an empty place.
    assert_exit(&one.run(&["--max-pages", "1"]), 3);
    assert!(head().contains("\"commit\":1,"), "{}", head());
    // Ahead: the commits that the place lacks are sent.
    assert_exit(&alone(&one, &sandbox, &["--max-pages", "1"]), 3);
    assert!(head().contains("\"commit\":1,"));
    assert_exit(&one.run(&["--max-pages", "1"]), 3);
    assert!(head().contains("\"commit\":3,"), "{}", head());
    // Behind, by everything.
    copy_tree(&one.dataset(), &two.dataset());
    assert_exit(&other.run(&["--max-pages", "1"]), 3);
    assert_eq!(commits(&other), 4);
    // Behind by one, and held already: the run that holds it goes on.
    assert_exit(&one.run(&["--max-pages", "1"]), 3);
    assert_eq!((commits(&one), aside(&one).len()), (5, 0));
    // Apart: what only this one has is set aside, and the place counts.
    assert_exit(&alone(&two, &sandbox, &["--max-pages", "1"]), 3);
    let output = two.run(&[]);
    assert_exit(&output, 0);
    assert!(printed(&output).contains("another machine went on with the dataset"), "{}", printed(&output));
    let names: Vec<String> =
        aside(&two).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert!(names.contains(&String::from("record-4.json")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("models-00000004-")), "{names:?}");
    assert_whole(&two, &undisturbed);

    // The same records, and a snapshot of its own, whose rows exist nowhere else: the place's counts.
    assert_exit(&other.run(&["--max-pages", "0"]), 3);
    let third = machine(&sandbox, &url);
    copy_tree(&other.dataset(), &third.dataset());
    for room in [&other, &third] {
        assert_exit(&alone(room, &sandbox, &["--max-pages", "1"]), 3);
        assert_exit(&program().arg("snapshot").arg(room.dataset()).arg("--prune").output().unwrap(), 0);
    }
    assert_exit(&other.run(&["--max-pages", "1"]), 3);
    assert_eq!(aside(&other).len(), 0);
    let output = third.run(&[]);
    assert_exit(&output, 0);
    assert!(printed(&output).contains("set aside"), "{}", printed(&output));
    assert!(aside(&third).iter().any(|path| path.ends_with("snapshot-2")), "{:?}", aside(&third));
    assert_sound(&third.dataset());
    let fresh = machine(&sandbox, &url);
    assert_exit(&fresh.run(&["--max-pages", "0"]), 3);
    assert_sound(&fresh.dataset());
    assert_same_rows(&[third.dataset(), fresh.dataset()]);

    let plan = program().arg("plan").arg(one.file()).output().unwrap();
    assert!(printed(&plan).contains(&format!("the truth is {url}, and")), "{}", printed(&plan));
    let status = program().arg("status").arg(room.path().join("nothing")).output().unwrap();
    assert_exit(&status, 2);
    assert!(printed(&status).contains("`civitrawl pull PLACE DIRECTORY`"), "{}", printed(&status));
    let missing = machine(&sandbox, &room.path().join("not-mounted/place").display().to_string()).run(&[]);
    assert_exit(&missing, 2);
    assert!(printed(&missing).contains("mount its disk"), "{}", printed(&missing));

    // Another crawl's, a directory of something else, and a place of something else: nothing is touched.
    let before = head();
    let text = fs::read_to_string(one.file()).unwrap();
    fs::write(one.file(), format!("name = \"another\"\n{text}")).unwrap();
    let refused = one.run(&[]);
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains("holds the crawl `crawl` of"), "{}", printed(&refused));
    fs::remove_dir_all(one.dataset()).unwrap();
    let refused = one.run(&[]);
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains(&format!("`{url}` holds the crawl `crawl` of")), "{}", printed(&refused));
    assert!(!one.dataset().exists());
    fs::create_dir(two.dataset().with_file_name("photos")).unwrap();
    fs::write(two.dataset().with_file_name("photos").join("photo.jpg"), "mine").unwrap();
    let refused = two.crawl().arg("--dataset").arg(two.dataset().with_file_name("photos")).output().unwrap();
    assert_exit(&refused, 2);
    assert_eq!(head(), before);
    let photos = two.dataset().with_file_name("photos").display().to_string();
    let refused = machine(&sandbox, &photos).run(&[]);
    assert_exit(&refused, 2);
    assert!(printed(&refused).contains("holds `photo.jpg`"), "{}", printed(&refused));
}

#[test]
fn a_directory_has_one_run_at_a_time() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let url = room.path().join("place").display().to_string();
    let rooms = [(); 4].map(|()| machine(&sandbox, &url));
    let ends = race(rooms.each_ref().map(|room| (room, room.crawl())));
    assert!(ends.iter().any(|end| *end != 75), "{ends:?}");
    let undisturbed = undisturbed(&sandbox);
    let last = machine(&sandbox, &url);
    assert_finishes(|| last.crawl(), &last, &undisturbed);
}

#[test]
fn a_run_with_nothing_to_do_or_refused_ends_no_other_and_changes_nothing() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let url = room.path().join("place").display().to_string();
    let [one, empty, behind] = [(); 3].map(|()| machine(&sandbox, &url));
    assert_exit(&behind.run(&["--max-pages", "1"]), 3);
    assert_exit(&one.run(&[]), 0);
    // It goes on with the next pass, and has committed nothing of it.
    let going = Asleep::behind_its_fence(&room.path().join("place"), &one);
    for (room, held) in [(&empty, false), (&behind, true), (&one, true)] {
        let before = (crate::sample::contents(Path::new(&url)), held.then(|| crate::sample::contents(&room.dataset())));
        for arguments in [["--once"].as_slice(), &["--if-older-than", "20h"]] {
            let output = room.run(arguments);
            assert_exit(&output, 0);
            let text = printed(&output);
            assert!(text.contains("nothing to do: pass 1 ended at"), "{text}");
            let remedy = format!("to fetch that: civitrawl pull {url} {}", room.dataset().display());
            assert_eq!(text.contains(&remedy), room.dataset() != one.dataset(), "{text}");
        }
        // Neither does one of another crawl file, of which nothing can come.
        let text = fs::read_to_string(room.file()).unwrap();
        fs::write(room.file(), format!("{text}\nfrom = \"2999-01-01\"\n")).unwrap();
        assert_exit(&room.run(&[]), 2);
        fs::write(room.file(), text).unwrap();
        let after = (crate::sample::contents(Path::new(&url)), held.then(|| crate::sample::contents(&room.dataset())));
        assert!(before == after, "{}", room.dataset().display());
        assert_eq!(room.dataset().exists(), held);
    }
    assert_exit(&going.woken(), 0);
    // One that must crawl takes the place, whatever it was before.
    let output = empty.run(&["--if-older-than", "1ms"]);
    assert_exit(&output, 0);
    assert!(printed(&output).contains("pass 3 of `crawl` is complete"), "{}", printed(&output));
    assert_sound(&empty.dataset());
}

#[test]
fn a_directory_with_what_the_place_lacks_sends_it_although_its_pass_is_over() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let undisturbed = undisturbed(&sandbox);
    let place = room.path().join("place");
    let one = machine(&sandbox, &place.display().to_string());
    assert_exit(&one.run(&["--max-pages", "1"]), 3);
    assert_exit(&alone(&one, &sandbox, &[]), 0);
    let output = one.run(&["--once"]);
    assert_exit(&output, 0);
    assert!(printed(&output).contains("nothing to do: pass 1"), "{}", printed(&output));
    let copy = machine(&sandbox, "unused");
    assert_exit(&program().arg("pull").arg(&place).arg(copy.dataset()).output().unwrap(), 0);
    assert_whole(&copy, &undisturbed);
}

#[test]
fn another_place_takes_all_that_the_directory_has_and_without_one_says_what_begins() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let undisturbed = undisturbed(&sandbox);
    let [old, new, third] = ["old", "new", "third"].map(|name| room.path().join(name));
    let one = machine(&sandbox, &old.display().to_string());
    let begins = |output: &Output| printed(output).contains("are empty, so a new dataset begins with pass 1");
    let output = one.run(&["--max-pages", "2"]);
    assert_exit(&output, 3);
    assert!(begins(&output), "{}", printed(&output));
    let moved = |room: &Room, from: &Path, to: &Path| {
        let text = fs::read_to_string(room.file()).unwrap();
        fs::write(room.file(), text.replace(from.to_str().unwrap(), to.to_str().unwrap())).unwrap();
    };
    // In the middle of a pass: the new place gets everything, and the pass goes on where it was.
    moved(&one, &old, &new);
    let before = fs::read(old.join("latest.json")).unwrap();
    let output = one.run(&[]);
    assert_exit(&output, 0);
    assert!(!begins(&output) && printed(&output).contains("pass 1 of `crawl` is complete"), "{}", printed(&output));
    assert_whole(&one, &undisturbed);
    assert_eq!(fs::read(old.join("latest.json")).unwrap(), before);
    fs::remove_dir_all(&old).unwrap();
    let copy = machine(&sandbox, &new.display().to_string());
    assert_exit(&copy.run(&["--max-pages", "0"]), 3);
    assert_whole(&copy, &undisturbed);
    // On a machine without a disk that names a new place, nothing can be known of the old one; so it says what begins, and the remedy.
    let bare = machine(&sandbox, &third.display().to_string());
    let output = bare.run(&["--max-pages", "0"]);
    assert_exit(&output, 3);
    let remedy = format!("stop this run, and fetch it first: civitrawl pull PLACE {}", bare.dataset().display());
    assert!(begins(&output) && printed(&output).contains(&remedy), "{}", printed(&output));
    assert_exit(&program().arg("pull").arg(&new).arg(bare.dataset()).output().unwrap(), 0);
    let output = bare.run(&["--once"]);
    assert_exit(&output, 0);
    assert!(!begins(&output) && printed(&output).contains("nothing to do: pass 1"), "{}", printed(&output));
    let copy = machine(&sandbox, &third.display().to_string());
    assert_exit(&copy.run(&["--max-pages", "0"]), 3);
    assert_whole(&copy, &undisturbed);
}

#[test]
fn a_second_run_on_a_place_that_is_a_directory_says_what_helps() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let place = room.path().join("place");
    let [one, two] = [(); 2].map(|()| machine(&sandbox, &place.display().to_string()));
    let going = Asleep::behind_its_fence(&place, &one);
    let output = two.run(&[]);
    assert_exit(&output, 75);
    let text = printed(&output);
    assert!(text.contains(&format!("another push or run works on the place `{}` (", place.display())), "{text}");
    assert!(text.contains("wait for it to end") && !text.contains("--dataset"), "{text}");
    assert_exit(&going.woken(), 0);
}

/// A run that was stopped.
struct Asleep(Child);

impl Asleep {
    /// Begins a run, and stops it once it has replaced the head of a place that is a directory.
    fn behind_its_fence(place: &Path, room: &Room) -> Self {
        let head = place.join("latest.json");
        let before = fs::read(&head).ok();
        let run = room.crawl().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while fs::read(&head).ok() == before {
            thread::sleep(Duration::from_millis(1));
        }
        let asleep = Self(run);
        asleep.signal("-STOP");
        asleep
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(name).arg(self.0.id().to_string()).status().unwrap().success());
    }

    /// Lets it go on to its end.
    fn woken(self) -> Output {
        self.signal("-CONT");
        self.0.wait_with_output().unwrap()
    }
}

#[test]
fn a_run_whose_readers_do_not_see_its_snapshot_ends_with_4_and_names_the_log() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let place = room.path().join("place");
    let one = machine(&sandbox, &place.display().to_string());
    assert_exit(&one.run(&[]), 0);
    let log = place.join("tables/models/_delta_log");
    fs::write(log.join("00000000000000000000.json"), "mine").unwrap();
    for _ in 0..2 {
        let output = one.run(&[]);
        assert_exit(&output, 4);
        let text = printed(&output);
        assert!(text.contains(&format!("the Delta log `{}` ", log.display())), "{text}");
        assert!(text.contains("remove that log and push again") && text.contains("is complete"), "{text}");
    }
    // The remedy is what the message says.
    fs::remove_dir_all(&log).unwrap();
    assert_exit(&program().arg("push").arg(one.dataset()).arg(&place).output().unwrap(), 0);
    assert!(log.join("00000000000000000000.json").is_file());
    assert_exit(&one.run(&[]), 0);
}

#[test]
fn a_place_that_lost_its_head_is_not_begun_anew() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let place = room.path().join("place");
    let url = place.display().to_string();
    let [one, fresh] = [(); 2].map(|()| machine(&sandbox, &url));
    assert_exit(&one.run(&["--max-pages", "2"]), 3);
    let pushed = |from: &Room| program().arg("push").arg(from.dataset()).arg(&place).output().unwrap();
    let head = fs::read(place.join("latest.json")).unwrap();
    let lost = || fs::remove_file(place.join("latest.json")).unwrap();
    lost();
    let refused = |output: Output| {
        assert_exit(&output, 2);
        let text = printed(&output);
        assert!(text.contains(&format!("`{url}` has no `latest.json`, but `records/")), "{text}");
        assert!(text.contains("push the copy that has it") && !place.join("latest.json").exists(), "{text}");
    };
    refused(fresh.run(&[]));
    // Neither by a dataset with as many commits, pushed or as the copy of a run.
    assert_exit(&alone(&fresh, &sandbox, &[]), 0);
    refused(pushed(&fresh));
    refused(fresh.run(&[]));
    let pulled = program().args(["pull", &url]).arg(room.path().join("copy")).output().unwrap();
    assert_exit(&pulled, 2);
    assert!(printed(&pulled).contains(&format!("nothing was pushed to `{url}`")), "{}", printed(&pulled));
    // The remedy is what the message says, and the run that has the commits needs none.
    assert_exit(&pushed(&one), 0);
    assert!(place.join("latest.json").is_file());
    lost();
    assert_exit(&one.run(&["--max-pages", "1"]), 3);
    assert_ne!(fs::read(place.join("latest.json")).unwrap(), head);
}

#[test]
fn a_damaged_file_of_a_place_is_sent_again_as_the_message_says() {
    let (sandbox, room) = (catalog(), TempDir::new().unwrap());
    let place = room.path().join("place");
    let one = machine(&sandbox, &place.display().to_string());
    assert_exit(&one.run(&[]), 0);
    for folder in ["", "records", "snapshots", "parts/models", "tables/models"] {
        let folder = place.join(folder);
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file());
        let file = files.filter(|file| !file.ends_with(".push.lock")).max().unwrap();
        fs::write(&file, "rotten").unwrap();
        let pull = |to: &str| program().arg("pull").arg(&place).arg(room.path().join(to)).output().unwrap();
        let pulled = pull("copy");
        assert_exit(&pulled, 65);
        let text = printed(&pulled);
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert!(text.contains("in a place: move the file and `latest.json` elsewhere, and push"), "{text}");
        for gone in [&file, &place.join("latest.json")] {
            let _ = fs::remove_file(gone);
        }
        assert_exit(&program().arg("push").arg(one.dataset()).arg(&place).output().unwrap(), 0);
        assert_exit(&pull("copy"), 0);
        assert_sound(&room.path().join("copy"));
        fs::remove_dir_all(room.path().join("copy")).unwrap();
    }
}

/// Begins four runs at once, each good for two pages. Returns their ends.
fn race(runs: [(&Room, Command); 4]) -> Vec<i32> {
    let begun = runs.map(|(_, mut run)| {
        run.args(["--max-pages", "2"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        run.spawn().unwrap()
    });
    let ends = begun.map(|run| run.wait_with_output().unwrap());
    ends.iter().for_each(|end| assert!(matches!(end.status.code(), Some(0 | 3 | 75)), "{}", printed(end)));
    ends.iter().map(|end| end.status.code().unwrap()).collect()
}

#[test]
fn stores_that_are_none_are_refused_and_named_without_their_secrets() {
    for (store, said) in [
        ("s3://key:canary@models/a", "credentials are taken from the environment"),
        ("az://models/a?sig=canary", "credentials are taken from the environment"),
        ("s3:/key:canary@models", "`./s3:…` for a directory"),
        (".", "of which neither is in the other"),
        ("canary://models", "write `s3://bucket/prefix`"),
        ("s3://x/canary", "without a bucket's name"),
        ("az://models/canary canary", "a prefix that is not names"),
        ("{dataset}", "of which neither is in the other"),
        ("{dataset}/place", "of which neither is in the other"),
    ] {
        let room = Room::new(&format!("store = \"{store}\"\n{CRAWL}"), "http://127.0.0.1:1/api/v1");
        for verb in ["crawl", "plan"] {
            let output = program().arg(verb).arg(room.file()).output().unwrap();
            assert_exit(&output, 2);
            let text = printed(&output);
            assert!(text.contains(said) && text.contains("crawl.toml:"), "{store}: {text}");
            assert!(!text.contains("canary"), "{store}: {text}");
        }
        assert!(!room.dataset().exists());
    }
}

#[cfg(feature = "stores")]
mod in_a_bucket {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::support::bucket::{Call, SECRET, Store, Way};

    const URL: &str = "s3://models/a/b";

    fn run(store: &Store, room: &Room) -> Command {
        let mut run = room.crawl();
        store.used_by(&mut run).env("AWS_TIMEOUT", "1s");
        run
    }

    /// Runs a crawl to its end, which prints nothing that is secret.
    fn ended(run: &mut Command) -> Output {
        let output = run.output().unwrap();
        let text = printed(&output);
        assert!(!text.to_lowercase().contains("canary") && !text.contains(SECRET), "{text}");
        output
    }

    fn is_head_put(call: &Call) -> bool {
        call.method == "PUT" && call.key.ends_with("latest.json")
    }

    /// Some numbers, which look like chance.
    fn chance(seed: usize) -> usize {
        let hash = blake3::hash(&seed.to_le_bytes());
        u32::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], 0]) as usize
    }

    /// Fails unless a machine with nothing but the bucket has all commits of these, which were acknowledged.
    fn assert_kept(store: &Store, sandbox: &Sandbox, rooms: &[&Room]) -> Room {
        let last = machine(sandbox, URL);
        assert!(matches!(ended(run(store, &last).args(["--max-pages", "0"])).status.code(), Some(0 | 3)));
        for room in rooms {
            for record in files(&room.dataset(), "commits") {
                let there = fs::read(last.dataset().join("commits").join(record.file_name().unwrap()));
                assert!(there.is_ok_and(|there| there == fs::read(&record).unwrap()), "{}", record.display());
            }
        }
        last
    }

    #[test]
    fn runs_killed_at_any_request_on_machines_that_change_lose_and_double_nothing() {
        let sandbox = catalog();
        let undisturbed = undisturbed(&sandbox);
        for seed in 0..2 {
            let store = Store::start();
            let mut machines: Vec<Room> = (0..5).map(|_| machine(&sandbox, URL)).collect();
            let mut kills = 0;
            loop {
                let turn = 100 * seed + kills;
                let (at, way) = (1 + chance(turn) % 250, [Way::Hang, Way::Deaf][kills % 2]);
                let reached = Arc::new(AtomicUsize::new(0));
                let seen = Arc::clone(&reached);
                store.answers(move |number, call| {
                    if number == at {
                        seen.store(1, Ordering::Release);
                        way
                    } else if is_head_put(call) && chance(1000 * turn + number).is_multiple_of(10) {
                        Way::Lost
                    } else {
                        Way::Well
                    }
                });
                let room = &machines[kills % 5];
                let mut child = run(&store, room).stdout(std::process::Stdio::null()).spawn().unwrap();
                let status = loop {
                    if let Some(status) = child.try_wait().unwrap() {
                        break Some(status);
                    }
                    if reached.load(Ordering::Acquire) == 1 {
                        child.kill().unwrap();
                        child.wait().unwrap();
                        break None;
                    }
                    thread::sleep(Duration::from_millis(1));
                };
                if let Some(status) = status {
                    assert_eq!(status.code(), Some(0), "{seed}, after {kills} kills");
                    assert_whole(room, &undisturbed);
                    break;
                }
                kills += 1;
                // Most come back with nothing.
                if kills % 3 > 0 {
                    machines[(kills - 1) % 5] = machine(&sandbox, URL);
                }
                assert!(kills < 80, "no end");
            }
        }
    }

    #[test]
    fn of_four_runs_begun_at_once_one_goes_on() {
        let sandbox = catalog();
        let undisturbed = undisturbed(&sandbox);
        for _ in 0..3 {
            let store = Store::start();
            let rooms = [(); 4].map(|()| machine(&sandbox, URL));
            let ends = race(rooms.each_ref().map(|room| (room, run(&store, room))));
            let winners: Vec<&Room> =
                rooms.iter().zip(&ends).filter(|(_, end)| **end != 75).map(|(room, _)| room).collect();
            assert!(!winners.is_empty(), "{ends:?}");
            assert_kept(&store, &sandbox, &winners);
            // Those that were too late follow, whatever they had committed for themselves.
            rooms.iter().for_each(|room| assert_finishes(|| run(&store, room), room, &undisturbed));
        }
    }

    #[test]
    fn a_run_that_slept_while_another_went_on_ends() {
        let sandbox = catalog();
        let undisturbed = undisturbed(&sandbox);
        // The other one need not commit anything, opening is enough. It sleeps before its parts, its record or its head are sent, or before it hears that they were.
        for (what, way, pages) in [
            ("parts/", Way::Deaf, "0"),
            ("records/", Way::Hang, "1"),
            ("latest.json", Way::Deaf, "0"),
            ("latest.json", Way::Hang, "1"),
        ] {
            let store = Store::start();
            let [sleeper, other] = [(); 2].map(|()| machine(&sandbox, URL));
            let asleep = Arc::new(AtomicUsize::new(0));
            let falls = Arc::clone(&asleep);
            store.answers(move |number, call| {
                // Behind the opening and a commit.
                let is_it = call.method == "PUT" && call.key.contains(what) && number > 20;
                if is_it && falls.fetch_add(1, Ordering::AcqRel) == 0 { way } else { Way::Well }
            });
            let begun = run(&store, &sleeper).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut begun = Asleep(begun);
            while asleep.load(Ordering::Acquire) == 0 {
                assert!(begun.0.try_wait().unwrap().is_none(), "{what}: it ended before");
                thread::sleep(Duration::from_millis(1));
            }
            begun.signal("-STOP");
            // What the sleeper sent may have been the last page.
            let output = ended(run(&store, &other).args(["--max-pages", pages]));
            assert!(matches!(output.status.code(), Some(0 | 3)), "{}", printed(&output));
            let output = begun.woken();
            assert_eq!(output.status.code(), Some(75), "{what} {way:?}: {}", printed(&output));
            assert!(
                printed(&output).contains("another run went on with the dataset in `s3://models/a/b`"),
                "{}",
                printed(&output)
            );
            assert_kept(&store, &sandbox, &[&other]);
            assert_finishes(|| run(&store, &sleeper), &sleeper, &undisturbed);
        }
    }

    #[test]
    fn a_store_that_ignores_conditions_is_refused_before_anything_is_sent() {
        let sandbox = catalog();
        for condition in ["if-match", "if-none-match"] {
            let store = Store::start();
            store.answers(move |_, call| if call.says(condition).is_some() { Way::Unconditional } else { Way::Well });
            let room = machine(&sandbox, URL);
            let output = ended(&mut run(&store, &room));
            assert_exit(&output, 2);
            assert!(printed(&output).contains("`s3://models/a/b` ignores conditions"), "{}", printed(&output));
            assert!(
                store.objects().keys().all(|key| key.contains("records/00000000-")),
                "{:?}",
                store.objects().keys()
            );
        }
    }

    #[test]
    fn a_fault_at_any_request_is_repeated_or_ends_the_run_and_the_next_one_goes_on() {
        let sandbox = catalog();
        let undisturbed = undisturbed(&sandbox);
        let store = Store::start();
        assert_exit(&ended(run(&store, &machine(&sandbox, URL)).args(["--max-pages", "2"])), 3);
        let (begun, calls) = (store.objects(), 40);
        let (mut rooms, mut whole) = (Vec::new(), vec![undisturbed.dataset()]);
        for (at, way) in Way::FAULTS.into_iter().chain([Way::Before, Way::After]).enumerate() {
            for nth in (at..calls).step_by(29) {
                store.hold(begun.clone());
                let is_head_taken = matches!(way, Way::Before | Way::After);
                store.answers(move |number, call| {
                    let is_it = number == nth && (!is_head_taken || is_head_put(call));
                    if is_it { way } else { Way::Well }
                });
                let output = ended(run(&store, &machine(&sandbox, URL)).args(["--max-pages", "1"]));
                let code = output.status.code().unwrap();
                let expected: &[i32] = match way {
                    Way::Refusal(403, _) => &[2, 3],
                    Way::Flipped | Way::Forgotten => &[2, 3, 65, 75],
                    Way::Before | Way::After => &[3, 75],
                    _ => &[3],
                };
                assert!(expected.contains(&code), "{way:?} at {nth}: {}", printed(&output));
                if store.objects()["a/b/latest.json"] == b"another" {
                    continue;
                }
                store.answers(|_, _| Way::Well);
                let last = machine(&sandbox, URL);
                let output = ended(&mut run(&store, &last));
                // What a store only called written is missing, and named.
                if way == Way::Forgotten && output.status.code() == Some(65) {
                    continue;
                }
                assert_eq!(output.status.code(), Some(0), "{way:?} at {nth}: {}", printed(&output));
                whole.push(last.dataset());
                rooms.push(last);
            }
        }
        whole.iter().for_each(|dataset| assert_sound(dataset));
        assert_same_rows(&whole);
    }

    #[test]
    fn a_store_that_goes_away_ends_the_run_and_the_machine_sends_the_rest_later() {
        let sandbox = catalog();
        let undisturbed = undisturbed(&sandbox);
        let (store, room) = (Store::start(), machine(&sandbox, URL));
        assert_exit(&ended(run(&store, &room).args(["--max-pages", "1"])), 3);
        let before = store.objects();
        store.answers(|_, call| {
            if is_head_put(call) && call.says("if-match").is_some() { Way::Refusal(503, "") } else { Way::Well }
        });
        let output = ended(&mut run(&store, &room));
        assert_exit(&output, 3);
        assert!(printed(&output).contains("answers 503; run it again"), "{}", printed(&output));
        assert_eq!(store.objects()["a/b/latest.json"], before["a/b/latest.json"]);
        // It goes away behind the fence.
        store.answers(|number, call| if is_head_put(call) && number > 20 { Way::Refusal(503, "") } else { Way::Well });
        assert_exit(&ended(&mut run(&store, &room)), 3);
        let here = files(&room.dataset(), "commits").len();
        let head = String::from_utf8(store.objects()["a/b/latest.json"].clone()).unwrap();
        assert!(head.contains(&format!("\"commit\":{},", here - 1)), "{here} {head}");
        store.answers(|_, _| Way::Well);
        assert_exit(&ended(&mut run(&store, &room)), 0);
        assert_eq!(aside(&room).len(), 0);
        assert_whole(&room, &undisturbed);
        assert_kept(&store, &sandbox, &[&room]);
    }

    #[test]
    fn a_commit_costs_few_requests_and_no_list() {
        let sandbox = catalog();
        let (store, room) = (Store::start(), machine(&sandbox, URL));
        assert_exit(&ended(run(&store, &room).args(["--max-pages", "1"])), 3);
        store.answers(|_, _| Way::Well);
        assert_exit(&ended(run(&store, &room).args(["--max-pages", "1"])), 3);
        let calls = store.calls();
        let mut by_kind: BTreeMap<(String, &str), usize> = BTreeMap::new();
        for call in &calls {
            let kind = ["parts/", "records/", "latest.json"].into_iter().find(|kind| call.key.contains(kind));
            *by_kind.entry((call.method.clone(), kind.unwrap_or("list"))).or_default() += 1;
        }
        println!("{by_kind:?}");
        assert_eq!(by_kind[&(String::from("GET"), "list")], 1, "{by_kind:?}");
        let parts = fs::read_dir(room.dataset().join("parts")).unwrap().count();
        assert_eq!(by_kind[&(String::from("PUT"), "parts/")], parts, "{by_kind:?}");
        // Three to try the store, one of the commit.
        assert_eq!(by_kind[&(String::from("PUT"), "records/")], 4, "{by_kind:?}");
        assert_eq!(by_kind[&(String::from("PUT"), "latest.json")], 2, "{by_kind:?}");
        // It is read at the beginning, and behind each put.
        assert_eq!(by_kind[&(String::from("GET"), "latest.json")], 3, "{by_kind:?}");
    }

    #[test]
    fn a_log_that_a_killed_run_left_behind_is_completed_by_the_next_opening() {
        let sandbox = catalog();
        let is_log = |call: &Call| {
            call.key.contains("/_delta_log/") || call.lists().is_some_and(|folder| folder.contains("_delta_log"))
        };
        let logs = |store: &Store| {
            let objects = store.objects().into_iter();
            objects.filter(|(key, _)| key.contains("/_delta_log/")).collect::<BTreeMap<_, _>>()
        };
        let store = Store::start();
        assert_exit(&ended(&mut run(&store, &machine(&sandbox, URL))), 0);
        let whole = logs(&store).into_keys().collect::<Vec<_>>();
        assert!(whole.len() > 5, "{whole:?}");
        // Killed before the first version, in the midst of them, or before the head says that all are there.
        let marks = |call: &Call| is_head_put(call) && call.has("\"logged\":true");
        for nth in [0, 3, whole.len()] {
            let store = Store::start();
            let reached = Arc::new(AtomicUsize::new(0));
            let (seen, before) = (Arc::clone(&reached), AtomicUsize::new(0));
            store.answers(move |_, call| {
                let is_version = call.method == "PUT" && is_log(call);
                let is_it = marks(call) || is_version && before.fetch_add(1, Ordering::AcqRel) >= nth;
                if is_it {
                    seen.store(1, Ordering::Release);
                }
                if is_it { Way::Deaf } else { Way::Well }
            });
            let first = machine(&sandbox, URL);
            let mut child = run(&store, &first).stdout(Stdio::null()).spawn().unwrap();
            while reached.load(Ordering::Acquire) == 0 {
                assert!(child.try_wait().unwrap().is_none(), "it ended before");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(300));
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(logs(&store).len(), nth);
            // It has no snapshot to take.
            store.answers(|_, _| Way::Well);
            assert_exit(&ended(run(&store, &machine(&sandbox, URL)).args(["--max-pages", "1"])), 3);
            assert_eq!(logs(&store).into_keys().collect::<Vec<_>>(), whole, "{nth}");
            // And neither it nor any later opening looks at a log that is complete.
            store.answers(|_, _| Way::Well);
            assert_exit(&ended(run(&store, &machine(&sandbox, URL)).args(["--max-pages", "1"])), 3);
            assert!(!store.calls().iter().any(is_log));
        }
    }

    #[test]
    fn a_run_with_nothing_to_do_puts_nothing_and_asks_for_little() {
        let sandbox = catalog();
        let store = Store::start();
        assert_exit(&ended(&mut run(&store, &machine(&sandbox, URL))), 0);
        let before = store.objects();
        store.answers(|_, _| Way::Well);
        let room = machine(&sandbox, URL);
        assert_exit(&ended(run(&store, &room).arg("--once")), 0);
        let calls = store.calls();
        assert!(store.objects() == before && !room.dataset().exists());
        // The names at the top, the head, its records and its inventory; no part and no table.
        assert!(calls.iter().all(|call| call.method == "GET" && !call.key.contains("/parts/")), "{calls:?}");
        assert!(calls.iter().all(|call| !call.key.contains("/tables/")), "{calls:?}");
        assert_eq!(calls.iter().filter(|call| call.key.ends_with("latest.json")).count(), 1);
    }

    #[test]
    fn no_secret_is_in_the_bucket_or_the_directory() {
        let sandbox = catalog();
        let (store, room) = (Store::start(), machine(&sandbox, URL));
        assert_exit(&ended(&mut run(&store, &room)), 0);
        let all = crate::sample::contents(&room.dataset());
        let contents = store.objects().into_values().chain(all.into_values().map(|(content, _)| content));
        for content in contents {
            for secret in [SECRET, crate::support::bucket::KEY_ID] {
                assert!(!content.windows(secret.len()).any(|window| window == secret.as_bytes()));
            }
        }
    }
}
