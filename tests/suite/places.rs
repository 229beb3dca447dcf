//! Copies of a dataset: pushed to a place and pulled from it, whenever either is killed, whatever the place holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::sample::{Sample, contents, flip, truncate};
use crate::support::{Room, assert_exit, assert_sound, copy_tree, killed_at, printed, program, verify};

pub(crate) const CRAWL: &str = r#"
snapshot = { keep = 1, prune = true }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 20 }
"#;

/// A way to damage a file.
type Damage = fn(&Path);

fn copying(verb: &str, from: &Path, to: &Path) -> Command {
    let mut command = program();
    command.arg(verb).arg(from).arg(to);
    command
}

fn push(dataset: &Path, place: &Path) -> Output {
    copying("push", dataset, place).output().unwrap()
}

fn pull(place: &Path, dataset: &Path) -> Output {
    copying("pull", place, dataset).output().unwrap()
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    contents(directory).into_keys().filter(|path| path.is_file()).collect()
}

/// The records and parts of a dataset, by their names in it.
pub(crate) fn kept(dataset: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let found = contents(dataset).into_iter().map(|(path, (content, _))| (path, content));
    let named = found.map(|(path, content)| (path.strip_prefix(dataset).unwrap().to_owned(), content));
    named.filter(|(path, _)| path.starts_with("commits") || path.starts_with("parts")).collect()
}

#[test]
fn a_copy_is_the_dataset_and_is_carried_on_elsewhere() {
    let sample = Sample::of(CRAWL, &["--models", "60", "--traps", "none"]);
    let elsewhere = Room::new(CRAWL, "http://127.0.0.1:1");
    fs::copy(sample.room.file(), elsewhere.file()).unwrap();
    let text = fs::read_to_string(elsewhere.file()).unwrap();
    let (here, there) = (sample.dataset(), elsewhere.dataset());
    fs::write(elsewhere.file(), text.replace(here.to_str().unwrap(), there.to_str().unwrap())).unwrap();
    let place = sample.room.dataset().with_file_name("place");
    // In turns: each run goes on where the other one stopped.
    for turn in 0..4 {
        let (room, other) = if turn % 2 == 0 { (&sample.room, &elsewhere) } else { (&elsewhere, &sample.room) };
        let output = room.run(&["--max-pages", "1"]);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", printed(&output));
        assert_exit(&push(&room.dataset(), &place), 0);
        assert_exit(&pull(&place, &other.dataset()), 0);
        other.assert_sound();
        assert_eq!(kept(&room.dataset()), kept(&other.dataset()), "turn {turn}");
    }
    assert!(there.join("latest/models.parquet").is_file());
    // A repetition sends nothing, and changes nothing but the head.
    let again = push(&there, &place);
    assert!(printed(&again).contains("0 files of 0 B sent"), "{}", printed(&again));
    let again = pull(&place, &here);
    assert!(printed(&again).contains("0 files of 0 B sent"), "{}", printed(&again));
}

#[test]
fn a_push_or_pull_killed_at_any_call_is_repeated() {
    let sample = Sample::restated();
    let room = TempDir::new().unwrap();
    let at = |name: &str| room.path().join(name);
    let mut nth = 1;
    loop {
        let (place, copy) = (at(&format!("place{nth}")), at(&format!("copy{nth}")));
        let killed = killed_at(nth, room.path(), &copying("push", &sample.dataset(), &place));
        let early = pull(&place, &copy);
        // Before the end of the first push there is nothing to pull.
        assert_exit(&early, if place.join("latest.json").exists() { 0 } else { 2 });
        assert_exit(&push(&sample.dataset(), &place), 0);
        assert_exit(&pull(&place, &copy), 0);
        assert_sound(&copy);
        assert_eq!(kept(&sample.dataset()), kept(&copy), "killed at call {nth}");
        if killed.is_none() {
            break;
        }
        nth += 11;
    }
    assert!(nth > 50, "only {nth} calls were made");
    let place = at("place1");
    for nth in (1..).step_by(11) {
        let copy = at(&format!("pulled{nth}"));
        let killed = killed_at(nth, room.path(), &copying("pull", &place, &copy));
        let found = verify(&copy);
        // Between two records, parts of the first may be missing that the second has pruned. It is never called sound then.
        assert!(matches!(found.status.code(), Some(0 | 2 | 65)), "killed at call {nth}: {}", printed(&found));
        assert_exit(&pull(&place, &copy), 0);
        assert_sound(&copy);
        assert_eq!(kept(&sample.dataset()), kept(&copy), "killed at call {nth}");
        if killed.is_none() {
            assert!(nth > 50, "only {nth} calls were made");
            break;
        }
    }
}

#[test]
fn an_earlier_copy_follows_a_dataset_that_was_pruned_since() {
    let sample = Sample::of(CRAWL, &["--models", "60", "--traps", "none"]);
    let (place, copy) = (sample.dataset().with_file_name("place"), sample.dataset().with_file_name("copy"));
    assert_exit(&sample.room.run(&["--max-pages", "2"]), 3);
    assert_exit(&push(&sample.dataset(), &place), 0);
    assert_exit(&pull(&place, &copy), 0);
    for _ in 0..2 {
        assert_exit(&sample.room.run(&[]), 0);
    }
    assert_exit(&push(&sample.dataset(), &place), 0);
    let earlier = sample.dataset().with_file_name("earlier");
    for nth in (1..).step_by(17) {
        copy_tree(&copy, &earlier);
        let killed = killed_at(nth, &earlier, &copying("pull", &place, &earlier));
        assert_exit(&pull(&place, &earlier), 0);
        assert_sound(&earlier);
        assert_eq!(kept(&sample.dataset()), kept(&earlier), "killed at call {nth}");
        fs::remove_dir_all(&earlier).unwrap();
        if killed.is_none() {
            break;
        }
    }
}

#[test]
fn a_place_that_was_damaged_is_refused_and_the_copy_stays_as_it_was() {
    let sample = Sample::restated();
    let place = sample.dataset().with_file_name("place");
    assert_exit(&push(&sample.dataset(), &place), 0);
    // An orphan is not pulled.
    fs::write(place.join("parts/models/orphan.parquet"), "no").unwrap();
    fs::write(place.join("records/00000009.json"), "no").unwrap();
    let named = files(&place).into_iter().filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        // The logs are for other readers: a pull needs none.
        let is_log = path.parent().unwrap().ends_with("_delta_log");
        !name.contains("orphan") && name != "00000009.json" && !name.starts_with('.') && !is_log
    });
    let damages: [(&str, Damage); 3] =
        [("flipped", flip), ("cut", truncate), ("missing", |path| fs::remove_file(path).unwrap())];
    let mut tried = 0;
    for (at, path) in named.enumerate() {
        let (what, damage) = damages[at % 3];
        if path.ends_with("latest.json") && what == "missing" {
            continue;
        }
        let whole = fs::read(&path).unwrap();
        damage(&path);
        let copy = TempDir::new().unwrap();
        let output = pull(&place, copy.path());
        assert_eq!(output.status.code(), Some(65), "{what}: {}: {}", path.display(), printed(&output));
        assert!(printed(&output).contains(place.to_str().unwrap()), "{}", printed(&output));
        assert!(kept(copy.path()).iter().all(|(path, _)| path.extension().is_none_or(|end| end != "json")));
        fs::write(&path, whole).unwrap();
        assert_exit(&pull(&place, copy.path()), 0);
        assert_eq!(kept(&sample.dataset()), kept(copy.path()), "{what}: {}", path.display());
        tried += 1;
    }
    assert!(tried > 10, "{tried}");
    // A dataset that rots is not pushed.
    let rotten = sample.damaged(|dataset| flip(&crate::sample::files(dataset, "parts/models")[0]));
    let fresh = TempDir::new().unwrap();
    assert_exit(&push(&rotten.dataset(), fresh.path()), 65);
    assert_exit(&pull(fresh.path(), &rotten.dataset().with_file_name("copy")), 2);
}

#[test]
fn copies_that_went_different_ways_and_places_of_others_are_refused() {
    let sample = Sample::make();
    let room = TempDir::new().unwrap();
    let at = |name: &str| room.path().join(name);
    let place = at("place");
    assert_exit(&push(&sample.dataset(), &place), 0);
    let forked = sample.damaged(|_| ());
    for room in [&sample.room, &forked] {
        assert_exit(&room.run(&["--max-pages", "1"]), 3);
    }
    assert_exit(&push(&forked.dataset(), &place), 0);
    let other = Sample::make();
    let taken = at("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("photo.jpg"), "mine").unwrap();
    let file = at("file");
    fs::write(&file, "mine").unwrap();
    let refused: [(&str, Output, &str); 10] = [
        ("a fork is pushed", push(&sample.dataset(), &place), "went another way"),
        ("a fork is pulled into", pull(&place, &sample.dataset()), "went another way"),
        ("another dataset is pushed", push(&other.dataset(), &place), "another dataset"),
        ("another dataset is pulled into", pull(&place, &other.dataset()), "another dataset"),
        ("a folder of pictures", push(&sample.dataset(), &taken), "holds `photo.jpg`"),
        ("a copy in a folder of pictures", pull(&place, &taken), "is no dataset"),
        ("a file", push(&sample.dataset(), &file), "is no directory"),
        ("nothing is pushed", push(&at("nothing"), &at("empty")), "there is no dataset"),
        ("a secret", push(&sample.dataset(), Path::new("s3://user:secret@bucket/x")), "from the environment"),
        ("a page", push(&sample.dataset(), Path::new("https://user:secret@bucket/x")), "is a URL with `@`"),
    ];
    for (what, output, said) in refused {
        assert_eq!(output.status.code(), Some(2), "{what}: {}", printed(&output));
        assert!(printed(&output).contains(said), "{what}: {}", printed(&output));
        assert!(!printed(&output).contains("secret"), "{what}");
    }
    assert_eq!(fs::read(taken.join("photo.jpg")).unwrap(), b"mine");
    assert!(!at("empty").exists());
    // The copy that is ahead is neither turned back, nor lost.
    let copy = at("copy");
    assert_exit(&pull(&place, &copy), 0);
    assert_exit(&forked.run(&["--max-pages", "1"]), 3);
    let ahead = pull(&place, &forked.dataset());
    assert_exit(&ahead, 2);
    assert!(printed(&ahead).contains("is ahead"), "{}", printed(&ahead));
    assert_exit(&push(&forked.dataset(), &place), 0);
    assert_exit(&push(&copy, &place), 2);
    // `file:///` is the same place.
    let url = PathBuf::from(format!("file://{}", place.display()));
    assert_exit(&pull(&url, &copy), 0);
    assert_eq!(kept(&forked.dataset()), kept(&copy));
}

#[test]
fn a_push_beside_a_crawl_is_a_state_of_the_dataset() {
    let sample = Sample::of(CRAWL, &["--models", "400", "--traps", "none"]);
    let place = sample.dataset().with_file_name("place");
    assert_exit(&sample.room.run(&["--max-pages", "1"]), 3);
    for _ in 0..2 {
        let mut crawl = sample.room.crawl().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut last = 0;
        while crawl.try_wait().unwrap().is_none() {
            assert_exit(&push(&sample.dataset(), &place), 0);
            let copy = TempDir::new().unwrap();
            assert_exit(&pull(&place, copy.path()), 0);
            assert_sound(copy.path());
            let now = crate::sample::files(copy.path(), "commits").len();
            last = last.max(now);
        }
        assert!(last > 0);
    }
}
