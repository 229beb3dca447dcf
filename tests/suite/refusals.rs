//! Refusals: each mistake has its message and exit code, and nothing is lost.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{Room, Sandbox, assert_exit, printed, program};

const CRAWL: &str = r#"
commit = { every = "100ms" }
retry = { attempts = 2, elapsed = "2s" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// Fails unless it ended with this code and said all of this.
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    assert_exit(output, code);
    for word in words {
        assert!(printed(output).contains(word), "it does not say `{word}`: {}", printed(output));
    }
}

#[test]
fn every_mistake_of_a_crawl_file_is_named_at_once_with_its_line() {
    let text = r#"
colour = "blue"

[pace]
requests_per_second = "fast"

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", nfsw = true }

[[walk]]
name = "models"
endpoint = "modles"
"#;
    let room = Room::new(text, "http://127.0.0.1:9/api/v1");
    let expected = [
        "crawl.toml:4: ",
        "`colour`",
        "crawl.toml:7: ",
        "requests_per_second",
        "crawl.toml:12: ",
        "`nfsw`",
        "`nsfw`",
        "crawl.toml:15: ",
        "the walk of line 10",
        "`modles`",
        "`models`",
    ];
    assert_refused(&room.run(&[]), 2, &expected);
    assert!(!room.dataset().exists(), "nothing is made for a crawl file with mistakes");
}

#[test]
fn a_missing_crawl_file_is_named() {
    let output = program().args(["crawl", "crawls/nowhere.toml"]).output().unwrap();
    assert_refused(&output, 2, &["`crawls/nowhere.toml`", "No such file"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_crawl_file_without_an_end_is_refused() {
    let output = program().args(["plan", "/dev/zero"]).output().unwrap();
    assert_refused(&output, 2, &["`/dev/zero`", "larger than 67108864 bytes"]);
}

#[test]
fn an_unreachable_server_leaves_the_crawl_resumable() {
    // A port that is free, and will be the sandbox's when it comes.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let room = Room::new(CRAWL, &format!("http://127.0.0.1:{port}/api/v1"));
    let refused = room.run(&[]);
    assert_refused(&refused, 3, &["could not be reached", "after `2` requests", "run again later"]);
    let sandbox = Sandbox::start(&["--models", "30", "--port", &port.to_string()]);
    assert_exit(&room.run(&["--max-pages", "2"]), 3);
    drop(sandbox);
    assert_exit(&room.run(&[]), 3);
    room.assert_sound();
    let _sandbox = Sandbox::start(&["--models", "30", "--port", &port.to_string()]);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(room.query("SELECT count(*) = max(page) FROM pages"), "[true]\n");
}

#[test]
fn a_dataset_of_another_crawl_is_refused() {
    let sandbox = Sandbox::start(&["--models", "30"]);
    let room = Room::new(CRAWL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let before = room.query("SELECT count(*) FROM pages");
    let other = room.file().with_file_name("other.toml");
    fs::copy(room.file(), &other).unwrap();
    for arguments in [&[][..], &["--restart"]] {
        let refused = program().arg("crawl").arg(&other).args(arguments).output().unwrap();
        assert_refused(&refused, 2, &["belongs to the crawl `crawl`", "`other`", "`--dataset`"]);
    }
    assert_eq!(room.query("SELECT count(*) FROM pages"), before);
}

#[test]
fn a_definition_changed_in_the_middle_of_a_pass_is_refused_without_restart() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let room = Room::new(CRAWL, &sandbox.base);
    assert_exit(&room.run(&["--max-pages", "2"]), 3);
    let text = fs::read_to_string(room.file()).unwrap();
    fs::write(room.file(), text.replace("limit = 10", "limit = 20")).unwrap();
    assert_refused(&room.run(&[]), 2, &["pass 1", "`limit` was `10`, is `20`", "`--restart`"]);

    // How fast and how often may change at any time; so may the file be changed back.
    let faster = text.replace("requests_per_second = 1000.0", "requests_per_second = 900.0");
    fs::write(room.file(), faster).unwrap();
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    assert_eq!(room.query("SELECT DISTINCT pass FROM pages"), "[1]\n");

    fs::write(room.file(), text.replace("limit = 10", "limit = 20")).unwrap();
    assert_exit(&room.run(&["--restart"]), 0);
    room.assert_sound();
    let passes =
        room.query("SELECT pass, count(*), min(page), max(page) = count(*) FROM pages GROUP BY pass ORDER BY 1");
    assert!(passes.starts_with("[1, 3, 1, true]\n[2, "), "{passes}");
}

/// A crawl in the background that begins where the last one was killed.
fn contender(room: &Room) -> Child {
    room.crawl().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn of_four_processes_exactly_one_writes() {
    let sandbox = Sandbox::start(&["--models", "400", "--latency", "200"]);
    let room = Room::new(CRAWL, &sandbox.base);
    for race in 1..=20 {
        let mut contenders: Vec<Child> = (0..4).map(|_| contender(&room)).collect();
        let mut refused = 0;
        // The winner's crawl takes long, so whoever ends meanwhile has lost.
        while refused < 3 {
            sleep(Duration::from_millis(10));
            contenders.retain_mut(|child| match child.try_wait().unwrap() {
                None => true,
                Some(status) => {
                    assert_eq!(status.code(), Some(75), "race {race}: a second writer, or none");
                    refused += 1;
                    false
                }
            });
        }
        let [mut winner] = <[Child; 1]>::try_from(contenders).unwrap();
        assert!(winner.try_wait().unwrap().is_none(), "race {race}: nobody won");
        winner.kill().unwrap();
        winner.wait().unwrap();
    }
    assert_exit(&room.run(&["--max-pages", "3"]), 3);
    room.assert_sound();
}

#[test]
fn a_second_process_learns_that_the_dataset_is_held() {
    let sandbox = Sandbox::start(&["--models", "60", "--latency", "500"]);
    let room = Room::new(CRAWL, &sandbox.base);
    let mut first = contender(&room);
    while !room.dataset().join("commits").exists() {
        sleep(Duration::from_millis(10));
    }
    assert_refused(&room.run(&[]), 75, &["another crawl holds the dataset", "`--dataset`"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new(CRAWL, "http://127.0.0.1:9/api/v1");
    let key = room.file().with_file_name("key");
    fs::write(&key, "canary-in-a-file\n").unwrap();
    let text = fs::read_to_string(room.file()).unwrap();
    fs::write(room.file(), format!("key_file = {:?}\n{text}", key.display().to_string())).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let refused = room.run(&[]);
        assert_refused(&refused, 2, &["key file", &format!("mode {mode:o}"), "chmod 600"]);
        assert!(!printed(&refused).contains("canary"), "{}", printed(&refused));
    }
    fs::remove_file(&key).unwrap();
    assert_refused(&room.run(&[]), 2, &["key file"]);
    assert!(!room.dataset().exists());
}

#[test]
fn a_dataset_that_is_no_directory_is_refused() {
    let sandbox = Sandbox::start(&["--models", "10"]);
    let room = Room::new(CRAWL, &sandbox.base);
    fs::write(room.dataset(), "notes").unwrap();
    let refused = room.run(&[]);
    // Another argument helps, so it is a mistake in the arguments and no failure of the disk.
    assert_refused(&refused, 2, &[&format!("`{}` is no dataset", room.dataset().display())]);
    let absent = room.dataset().with_file_name("absent");
    for command in ["verify", "status", "snapshot", "replay", "report"] {
        for dataset in [&room.dataset(), &absent, &room.file()] {
            let refused = program().arg(command).arg(dataset).output().unwrap();
            let said = format!("there is no dataset at `{}`; name the directory", dataset.display());
            assert_refused(&refused, 2, &[&said, "`civitrawl pull PLACE DIRECTORY`"]);
        }
    }
    assert_eq!(fs::read_to_string(room.dataset()).unwrap(), "notes");
}

#[test]
fn a_crawl_file_that_is_none_is_named_with_what_to_do() {
    let room = Room::new(CRAWL, "http://127.0.0.1:9/api/v1");
    let absent = room.file().with_file_name("nightly");
    for command in ["crawl", "plan"] {
        let directory = absent.parent().unwrap();
        for (file, remedy) in
            [(absent.as_path(), "`civitrawl init` lists"), (directory, "name the file that says what to fetch")]
        {
            let refused = program().arg(command).arg(file).output().unwrap();
            assert_refused(&refused, 2, &[&format!("cannot read the crawl file `{}`: ", file.display()), remedy]);
        }
    }
}

#[test]
fn a_parameter_of_any_length_is_planned() {
    let room = Room::new(&CRAWL.replace("limit = 10", &format!("username = \"{}\"", "x".repeat(70_000))), "sandbox");
    let plan = program().arg("plan").arg(room.file()).output().unwrap();
    assert_exit(&plan, 0);
}
