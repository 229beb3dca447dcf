//! Copies of a dataset in an object store: whatever the store answers, and whoever else pushes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::places::{CRAWL, kept};
use crate::sample::{Sample, flip};
use crate::support::bucket::{Call, SECRET, Store, Way};
use crate::support::{Room, Server, Trap, assert_exit, assert_sound, printed, program, terminate};

const URL: &str = "s3://models/a/b";

/// Variables that are set or removed.
type Environment = &'static [(&'static str, Option<&'static str>)];

/// A push or pull with short timeouts.
fn copying(store: &Store, verb: &str, dataset: &Path, url: &str) -> Command {
    let mut command = program();
    match verb {
        "push" => command.arg(verb).arg(dataset).arg(url),
        _ => command.arg(verb).arg(url).arg(dataset),
    };
    store.used_by(&mut command).env("AWS_TIMEOUT", "1s");
    command
}

fn push(store: &Store, dataset: &Path) -> Output {
    copied(&mut copying(store, "push", dataset, URL))
}

fn pull(store: &Store, dataset: &Path) -> Output {
    copied(&mut copying(store, "pull", dataset, URL))
}

/// Runs a copy, which prints nothing that is secret or that the store made up.
fn copied(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = printed(&output);
    assert!(!text.to_lowercase().contains("canary") && !text.contains(SECRET), "{text}");
    output
}

/// Fails unless both have the same records and parts.
fn assert_same(one: &Path, other: &Path) {
    let files = |dataset: &Path| kept(dataset).into_iter().filter(|(name, _)| name.extension().is_some()).collect();
    let [one, other]: [Vec<(PathBuf, Vec<u8>)>; 2] = [one, other].map(files);
    let names = |kept: &[(PathBuf, Vec<u8>)]| kept.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    assert!(one == other);
}

/// Fails unless a fresh pull is this dataset.
fn assert_holds(store: &Store, dataset: &Path) {
    let copy = TempDir::new().unwrap();
    assert_exit(&pull(store, copy.path()), 0);
    assert_sound(copy.path());
    assert_same(dataset, copy.path());
}

fn is_head_put(call: &Call) -> bool {
    call.method == "PUT" && call.key.ends_with("latest.json")
}

#[test]
fn a_copy_is_the_dataset_and_is_carried_on_elsewhere() {
    let sample = Sample::of(CRAWL, &["--models", "60", "--traps", "none"]);
    let store = Store::start();
    let first = sample.dataset();
    assert_exit(&sample.room.run(&["--max-pages", "1"]), 3);
    let rooms: Vec<Room> = (0..4).map(|_| sample.damaged(|_| ())).collect();
    let mut before = first;
    for (turn, room) in [&sample.room].into_iter().chain(&rooms).enumerate() {
        let here = room.dataset();
        if turn > 0 {
            // A machine with nothing but the bucket.
            fs::remove_dir_all(&here).unwrap();
            assert_exit(&pull(&store, &here), 0);
            assert_same(&before, &here);
        }
        let output = room.run(&["--max-pages", "1"]);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", printed(&output));
        assert_exit(&push(&store, &here), 0);
        before = here;
    }
    assert_holds(&store, &before);
    assert!(before.join("latest/models.parquet").is_file());
    // A repetition sends nothing, not even the head.
    store.answers(|_, _| Way::Well);
    let again = push(&store, &before);
    assert!(printed(&again).contains("0 files of 0 B sent"), "{}", printed(&again));
    assert!(store.calls().iter().all(|call| call.method == "GET"));
    assert!(store.objects().keys().all(|key| key.starts_with("a/b/")));
    // What is beside the prefix is not the place's; what is in it, and no push made, is.
    let mut objects = store.objects();
    objects.insert(String::from("a/bc"), Vec::new());
    objects.insert(String::from("a/b/"), Vec::new());
    store.hold(objects.clone());
    assert_exit(&push(&store, &before), 0);
    for (name, said) in [("photo.jpg", "holds `photo.jpg`"), ("/x", "holds a file that no push made")] {
        let mut objects = objects.clone();
        objects.insert(format!("a/b/{name}"), Vec::new());
        store.hold(objects);
        let refused = push(&store, &before);
        assert_exit(&refused, 2);
        assert!(printed(&refused).contains(&format!("`s3://models/a/b` {said}")), "{}", printed(&refused));
    }
}

#[test]
fn a_fault_at_any_call_is_repeated_or_named() {
    let sample = Sample::restated();
    let store = Store::start();
    assert_exit(&push(&store, &sample.dataset()), 0);
    let (whole, calls) = (store.objects(), store.calls().len());
    store.answers(|_, _| Way::Well);
    assert_holds(&store, &sample.dataset());
    let pulled = store.calls().len();
    assert!(calls > 30 && pulled > 15, "{calls} {pulled}");
    for (at, way) in Way::FAULTS.into_iter().enumerate() {
        // Each way at some calls, another one's at others: all of them would take minutes.
        for nth in (at..calls).step_by(41) {
            store.hold(BTreeMap::new());
            store.answers(move |number, _| if number == nth { way } else { Way::Well });
            let output = push(&store, &sample.dataset());
            let code = output.status.code().unwrap();
            let expected: &[i32] = match way {
                Way::Refusal(403, _) => &[2],
                // It is read back, so a store that made it up is found out.
                Way::Flipped | Way::Forgotten | Way::Straying => &[0, 2, 3, 65, 75],
                _ => &[0],
            };
            assert!(expected.contains(&code), "{way:?} at {nth}: {}", printed(&output));
            store.answers(|_, _| Way::Well);
            assert_exit(&push(&store, &sample.dataset()), 0);
            assert!(store.objects() == whole, "{way:?} at {nth}");
        }
        for nth in (at..pulled).step_by(19) {
            let copy = TempDir::new().unwrap();
            store.answers(move |number, _| if number == nth { way } else { Way::Well });
            let output = pull(&store, copy.path());
            let expected: &[i32] = match way {
                Way::Refusal(403, _) => &[2],
                Way::Flipped => &[0, 65],
                _ => &[0],
            };
            let code = output.status.code().unwrap();
            assert!(expected.contains(&code), "{way:?} at {nth}: {}", printed(&output));
            store.answers(|_, _| Way::Well);
            assert_exit(&pull(&store, copy.path()), 0);
            assert_same(&sample.dataset(), copy.path());
        }
    }
}

#[test]
fn a_list_may_have_empty_pages() {
    let (sample, store, copy) = (Sample::make(), Store::start(), TempDir::new().unwrap());
    store.answers(|_, _| Way::Sparse);
    assert_exit(&push(&store, &sample.dataset()), 0);
    assert_exit(&push(&store, &sample.dataset()), 0);
    assert_exit(&pull(&store, copy.path()), 0);
    assert_same(&sample.dataset(), copy.path());
}

#[test]
fn a_store_that_answers_nothing_else_ends_a_copy() {
    let sample = Sample::make();
    let trap = Trap::open();
    let cases = [
        (Way::Refusal(503, "SlowDown"), 3, "answers 503 SlowDown"),
        (Way::Refusal(500, "canary"), 3, "answers 500; run it again"),
        (Way::Refusal(409, "canary"), 3, "another request is in the way"),
        (Way::Reset, 3, "does not answer"),
        (Way::Hang, 3, "does not answer"),
        (Way::Noise, 3, "does not answer"),
        (Way::Cut, 3, "does not answer"),
        (Way::Endless, 3, "lists files without end"),
        (Way::Wordy, 3, "makes up a name of 70000 bytes"),
        (Way::Straying, 3, "lists files that were not asked for"),
        (Way::Redirect(trap.port), 2, "a redirect (307), which is not followed"),
        (Way::Refusal(403, "SignatureDoesNotMatch"), 2, "refuses these credentials (403 SignatureDoesNotMatch)"),
        (Way::Refusal(403, "canary"), 2, "refuses these credentials (403)"),
        (Way::Refusal(404, "NoSuchBucket"), 2, "does not exist (404 NoSuchBucket)"),
        (Way::Refusal(501, "NotImplemented"), 2, "cannot do what a copy needs"),
    ];
    thread::scope(|scope| {
        for (way, code, said) in cases {
            let sample = &sample;
            scope.spawn(move || {
                let store = Store::start();
                assert_exit(&push(&store, &sample.dataset()), 0);
                store.answers(move |_, _| way);
                let output = push(&store, &sample.dataset());
                assert_eq!(output.status.code(), Some(code), "{way:?}: {}", printed(&output));
                assert!(printed(&output).contains(said), "{way:?}: {}", printed(&output));
                assert!(printed(&output).contains("`s3://models/a/b"), "{way:?}: {}", printed(&output));
                assert!(store.calls().len() < 10, "{way:?}: {}", store.calls().len());
            });
        }
    });
    assert_eq!(trap.visitors(), 0);
}

#[test]
fn a_push_never_undoes_another() {
    let sample = Sample::make();
    let store = Store::start();
    for (way, code) in [
        // Another push replaced the head since it was read; the store refuses, or it does not care.
        (Way::Before, 75),
        (Way::After, 75),
        // The head is ours, whatever the store says.
        (Way::Lost, 0),
        (Way::Unconditional, 0),
        // It is not, whatever the store says; once is forgiven.
        (Way::Forgotten, 0),
    ] {
        store.hold(BTreeMap::new());
        let mut tries = 0;
        store.answers(move |_, call| if is_head_put(call) { way } else { Way::Well });
        while way == Way::Forgotten && tries == 0 {
            tries += 1;
            assert_exit(&push(&store, &sample.dataset()), 3);
            store.answers(|_, _| Way::Well);
        }
        let output = push(&store, &sample.dataset());
        assert_eq!(output.status.code(), Some(code), "{way:?}: {}", printed(&output));
        if code == 75 {
            assert!(printed(&output).contains("went ahead of this one"), "{}", printed(&output));
            assert_eq!(store.objects()["a/b/latest.json"], b"another");
        } else {
            assert_holds(&store, &sample.dataset());
        }
    }
    // Two that went different ways push at once: one of them at most is the head, and the other one knows that it is not.
    store.answers(|_, _| Way::Well);
    store.hold(BTreeMap::new());
    assert_exit(&push(&store, &sample.dataset()), 0);
    let base = store.objects();
    for _ in 0..6 {
        store.hold(base.clone());
        let forks = [sample.damaged(|_| ()), sample.damaged(|_| ())];
        forks.iter().for_each(|fork| assert_exit(&fork.run(&["--max-pages", "1"]), 3));
        let pushes = thread::scope(|scope| {
            let begun = forks.each_ref().map(|fork| scope.spawn(|| push(&store, &fork.dataset())));
            begun.map(|push| push.join().unwrap())
        });
        let codes = pushes.each_ref().map(|output| output.status.code().unwrap());
        let winner = codes.iter().position(|code| *code == 0).unwrap();
        assert!(matches!(codes[1 - winner], 2 | 75), "{}", printed(&pushes[1 - winner]));
        assert_holds(&store, &forks[winner].dataset());
    }
}

#[test]
fn a_bucket_that_was_damaged_is_refused_and_the_copy_stays_as_it_was() {
    let sample = Sample::restated();
    let store = Store::start();
    assert_exit(&push(&store, &sample.dataset()), 0);
    let whole = store.objects();
    // The logs are for other readers: a pull needs none.
    for (at, key) in whole.keys().filter(|key| !key.contains("/_delta_log/")).enumerate() {
        let mut objects = whole.clone();
        let content = objects.get_mut(key).unwrap();
        let middle = content.len() / 2;
        match at % 3 {
            0 => content[middle] ^= 0x10,
            1 => content.truncate(middle),
            _ if key.ends_with("latest.json") => content.clear(),
            _ => drop(objects.remove(key)),
        }
        store.hold(objects);
        let copy = TempDir::new().unwrap();
        let output = pull(&store, copy.path());
        assert_eq!(output.status.code(), Some(65), "{key}: {}", printed(&output));
        assert!(printed(&output).contains(&format!("`s3://models/{key}`")), "{key}: {}", printed(&output));
        assert!(kept(copy.path()).iter().all(|(path, _)| path.extension().is_none_or(|end| end != "json")));
        store.hold(whole.clone());
        assert_exit(&pull(&store, copy.path()), 0);
        assert_same(&sample.dataset(), copy.path());
    }
    let mut objects = whole;
    objects.insert(String::from("a/b/latest.json"), Vec::new());
    store.hold(objects);
    for output in [pull(&store, TempDir::new().unwrap().path()), push(&store, &sample.dataset())] {
        assert_exit(&output, 65);
        assert!(printed(&output).contains("`s3://models/a/b/latest.json` is empty"), "{}", printed(&output));
    }
    let rotten = sample.damaged(|dataset| flip(&crate::sample::files(dataset, "parts/models")[0]));
    store.hold(BTreeMap::new());
    assert_exit(&push(&store, &rotten.dataset()), 65);
    assert!(!store.objects().contains_key("a/b/latest.json"));
}

#[test]
fn large_files_go_in_parts_and_come_in_ranges() {
    // Text that does not shrink.
    let text = |seed: u64, bytes: usize| {
        let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        let mut half = vec![0; bytes / 2];
        reader.fill(&mut half);
        half.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let item = |id: u64| {
        format!(r#"{{"id":{id},"name":"m","type":"LORA","description":"{}","modelVersions":[]}}"#, text(id, 3 << 20))
    };
    let items: Vec<String> = (1..=7).map(item).collect();
    let server = Server::of_models(format!(r#"{{"items":[{}],"metadata":{{}}}}"#, items.join(",")));
    let room = Room::new(CRAWL, &server.base);
    let output = room.run(&[]);
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
    assert!(fs::metadata(room.dataset().join("latest/models.parquet")).unwrap().len() > 9 << 20);
    let store = Store::start();
    for (way, step) in [
        (Way::Well, "begin"),
        (Way::Lost, "begin"),
        (Way::Lost, "part"),
        (Way::Refusal(503, ""), "part"),
        (Way::Lost, "end"),
        (Way::Reset, "end"),
    ] {
        store.hold(BTreeMap::new());
        let first = std::sync::atomic::AtomicBool::new(true);
        store.answers(move |_, call| {
            let is_it = call.step_of_upload() == Some(step);
            if is_it && first.swap(false, std::sync::atomic::Ordering::Relaxed) { way } else { Way::Well }
        });
        let output = copied(copying(&store, "push", &room.dataset(), URL).env("AWS_TIMEOUT", "30s"));
        assert_eq!(output.status.code(), Some(0), "{way:?} {step}: {}", printed(&output));
        assert!(store.calls().iter().filter(|call| call.step_of_upload().is_some()).count() >= 4);
        // An upload of which nothing was heard is begun anew; a rule of the bucket removes it.
        let unheard = (way == Way::Lost && step == "begin") as usize;
        assert_eq!(store.uploads(), unheard, "{way:?} {step}");
    }
    // A range that breaks off is asked for again.
    let cut = std::sync::atomic::AtomicBool::new(true);
    store.answers(move |_, call| {
        let is_large = call.method == "GET" && call.key.contains("tables/models/");
        if is_large && cut.swap(false, std::sync::atomic::Ordering::Relaxed) { Way::Cut } else { Way::Well }
    });
    let copy = TempDir::new().unwrap();
    assert_exit(&copied(copying(&store, "pull", copy.path(), URL).env("AWS_TIMEOUT", "30s")), 0);
    assert_sound(copy.path());
    let [here, there] = [&room.dataset(), copy.path()].map(|dataset| fs::read(dataset.join("latest/models.parquet")));
    assert!(here.unwrap() == there.unwrap());
    // An upload of a name that no request can hold is not begun.
    store.hold(BTreeMap::new());
    store.answers(|_, call| if call.step_of_upload() == Some("begin") { Way::Wordy } else { Way::Well });
    let output = push(&store, &room.dataset());
    assert_exit(&output, 3);
    assert!(printed(&output).contains("makes up a name"), "{}", printed(&output));
    // A push that is given up leaves no parts behind.
    store.hold(BTreeMap::new());
    store.answers(|_, call| if call.step_of_upload() == Some("part") { Way::Refusal(403, "") } else { Way::Well });
    assert_exit(&push(&store, &room.dataset()), 2);
    assert_eq!(store.uploads(), 0);
}

#[test]
fn eight_files_are_under_way_at_once_and_a_fault_of_one_ends_all() {
    let sample = Sample::make();
    let store = Store::start();
    for refused in [false, true, false] {
        store.hold(BTreeMap::new());
        store.gather(8);
        let seen = std::sync::atomic::AtomicUsize::new(0);
        store.answers(move |_, call| {
            let is_part = call.method == "PUT" && call.key.contains("/parts/");
            let nth = if is_part { seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) } else { 0 };
            if refused && nth == 4 { Way::Refusal(403, "AccessDenied") } else { Way::Well }
        });
        // As long as it takes until eight are there.
        let patient = |verb, dataset: &Path| copied(copying(&store, verb, dataset, URL).env("AWS_TIMEOUT", "30s"));
        let output = patient("push", &sample.dataset());
        assert_eq!(output.status.code(), Some(if refused { 2 } else { 0 }), "{}", printed(&output));
        assert_eq!(store.gathered(), 8);
        let puts = store.calls().into_iter().filter(|call| call.method == "PUT");
        let (parts, others): (Vec<Call>, Vec<Call>) = puts.partition(|call| call.key.contains("/parts/"));
        if refused {
            // No record goes before the parts that it names.
            assert!(parts.len() >= 8 && others.is_empty(), "{others:?}");
            assert!(printed(&output).contains("(403 AccessDenied)"), "{}", printed(&output));
            assert!(!store.objects().contains_key("a/b/latest.json"));
        } else {
            store.gather(8);
            let copy = TempDir::new().unwrap();
            assert_exit(&patient("pull", copy.path()), 0);
            assert_same(&sample.dataset(), copy.path());
            assert_eq!(store.gathered(), 8);
        }
    }
}

#[test]
fn addresses_and_environments_that_are_wrong_are_refused_before_anything_is_sent() {
    let sample = Sample::make();
    let store = Store::start();
    let (dataset, trap) = (sample.dataset(), Trap::open());
    let nobody = format!("http://127.0.0.1:{}", trap.port);
    let refused: [(&str, Environment, &str); 14] = [
        ("s3://key:canary@models/a", &[], "credentials are taken from the environment"),
        ("s3://models/a?token=canary", &[], "credentials are taken from the environment"),
        ("s3://models/a/../b", &[], "is not names"),
        (URL, &[("AWS_ENDPOINT_URL", Some("http://canary@127.0.0.1"))], "an endpoint with credentials"),
        (URL, &[("AWS_ENDPOINT_URL", Some("http://store.example.com"))], "AWS_ALLOW_HTTP=true"),
        (URL, &[("AWS_ENDPOINT_URL", Some("http://127.0.0.1 "))], "an endpoint that is no URL"),
        (URL, &[("AWS_TIMEOUT", Some("soon"))], "AWS_*"),
        // As read from a file with its line break.
        (URL, &[("AWS_ACCESS_KEY_ID", Some("canary\n"))], "`AWS_ACCESS_KEY_ID` as it is"),
        (URL, &[("AWS_SESSION_TOKEN", Some("canary\n"))], "`AWS_SESSION_TOKEN` as it is"),
        (URL, &[("AWS_REGION", Some("us-east-1\n"))], "`AWS_REGION` as it is"),
        ("az://models/a", &[("AZURE_STORAGE_ACCOUNT_NAME", Some("canary\n"))], "`AZURE_STORAGE_ACCOUNT_NAME` as it is"),
        (URL, &[("AWS_SECRET_ACCESS_KEY", None)], "AWS_*"),
        (
            URL,
            &[
                ("AWS_SECRET_ACCESS_KEY", None),
                ("AWS_ACCESS_KEY_ID", None),
                ("AWS_METADATA_ENDPOINT", Some("http://127.0.0.1:1")),
            ],
            "needs credentials: set AWS_ACCESS_KEY_ID",
        ),
        ("az://models/a", &[("AZURE_STORAGE_ACCOUNT_NAME", None)], "AZURE_*"),
    ];
    for (url, environment, said) in refused {
        for verb in ["push", "pull"] {
            let mut command = copying(&store, verb, &dataset, url);
            for (name, value) in environment {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            let output = copied(&mut command);
            assert_eq!(output.status.code(), Some(2), "{url} {environment:?}: {}", printed(&output));
            assert!(printed(&output).contains(said), "{url} {environment:?}: {}", printed(&output));
        }
    }
    assert!(store.calls().is_empty());
    // A proxy never sees what is for this machine.
    let mut command = copying(&store, "push", &dataset, URL);
    assert_exit(&copied(command.env("HTTP_PROXY", &nobody).env("http_proxy", &nobody)), 0);
    let mut command = copying(&store, "pull", &dataset, URL);
    let wrong = copied(command.env("AWS_ACCESS_KEY_ID", "AKIAOTHER"));
    assert_exit(&wrong, 2);
    assert!(printed(&wrong).contains("refuses these credentials (403 InvalidAccessKeyId)"), "{}", printed(&wrong));
    assert_eq!(trap.visitors(), 0);
}

#[test]
fn a_copy_is_stopped_while_a_store_hangs() {
    let sample = Sample::make();
    let store = Store::start();
    assert_exit(&push(&store, &sample.dataset()), 0);
    store.answers(|number, _| if number >= 2 { Way::Hang } else { Way::Well });
    let (room, here) = (TempDir::new().unwrap(), sample.dataset());
    for (verb, dataset) in [("push", here.as_path()), ("pull", room.path())] {
        let mut command = copying(&store, verb, dataset, URL);
        let child = command.env_remove("AWS_TIMEOUT").stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        while store.calls().len() < 3 {
            thread::sleep(Duration::from_millis(5));
        }
        terminate(&child);
        let output = child.wait_with_output().unwrap();
        assert_exit(&output, 3);
        assert!(printed(&output).contains("stopped early: SIGTERM received; run it again"), "{}", printed(&output));
        store.answers(|number, _| if number >= 2 { Way::Hang } else { Way::Well });
    }
}
