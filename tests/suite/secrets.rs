//! The API key goes to the server it is for, in its header, and nowhere else: a canary is looked for everywhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::log::requests;
use crate::proxy;
use crate::support::{Room, Sandbox, assert_exit, program, told};

const CANARY: &str = "canary-4f1d9c27b3";

const CRAWL: &str = r#"
server = "{base}"
dataset = "{dataset}"
keep_bodies = true
pace = { requests_per_second = 1000.0, burst = 1000 }
retry = { attempts = 3 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// Where the key comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Environment,
    File,
}

const SOURCES: [Source; 2] = [Source::Environment, Source::File];

/// Talkative in every way there is.
const TALKATIVE: [&[&str]; 2] =
    [&["-v", "-v", "--log-format", "text", "--progress", "always"], &["-v", "-v", "-v", "--log-format", "json"]];

fn room(source: Source, base: &str) -> Room {
    let room = Room::new(CRAWL, base);
    if let Source::File = source {
        let key = room.file().with_file_name("key");
        fs::write(&key, format!("{CANARY}\n")).unwrap();
        restrict(&key);
        let text = fs::read_to_string(room.file()).unwrap();
        fs::write(room.file(), format!("key_file = {:?}\n{text}", key.display().to_string())).unwrap();
    }
    room
}

#[cfg(unix)]
fn restrict(key: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_: &Path) {}

/// Runs a command that has the key; neither what it prints nor the dataset may show it.
fn run(mut command: Command, source: Source, room: &Room) -> Output {
    if let Source::Environment = source {
        command.env("CIVITAI_API_KEY", CANARY);
    }
    let output = command.env("RUST_BACKTRACE", "1").output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        assert!(!shows(text), "{source:?}: the key was printed: {}", told(&output));
    }
    if room.dataset().exists() {
        assert_secret(&room.dataset());
    }
    output
}

fn crawl(room: &Room, source: Source, arguments: &[&str]) -> Output {
    let mut command = room.crawl();
    command.args(arguments);
    run(command, source, room)
}

fn shows(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

/// No file of the directory holds the key, in its name or in its content.
fn assert_secret(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        assert!(!shows(path.as_os_str().as_encoded_bytes()), "{}", path.display());
        if path.is_dir() {
            assert_secret(&path);
        } else {
            assert!(!shows(&fs::read(&path).unwrap()), "the key is in {}", path.display());
        }
    }
}

#[test]
fn the_key_reaches_its_server_and_is_shown_nowhere() {
    for source in SOURCES {
        for arguments in TALKATIVE {
            let sandbox = Sandbox::start(&["--models", "40", "--traps", "foreign-links"]);
            let room = room(source, &sandbox.base);
            assert_exit(&crawl(&room, source, arguments), 0);
            let log = requests(&sandbox);
            // Every page came from here, although each one named another host for the next.
            assert!(log.len() >= 4, "{source:?}: {log:?}");
            assert!(log.iter().all(|request| request.authorization), "{source:?}: the key was not sent");
            assert!(log.iter().all(|request| !request.query.contains(CANARY)), "{source:?}: the key is in the URL");
        }
    }
}

#[test]
fn a_hostile_next_page_is_not_asked() {
    let hosts: [fn(&str, &str) -> String; 4] = [
        |_, trap| trap.to_owned(),
        |_, trap| trap.replace("http:", ""),
        |own, trap| trap.replace("//", &format!("//{}@", own.trim_start_matches("http://"))),
        |own, trap| format!("{own}/../../{}", trap.trim_start_matches("http://")),
    ];
    for source in SOURCES {
        let (sandbox, trap) = (Sandbox::start(&["--models", "20"]), Sandbox::start(&["--models", "20"]));
        let origin = |sandbox: &Sandbox| sandbox.base.trim_end_matches("/api/v1").to_owned();
        let (own, foreign) = (origin(&sandbox), origin(&trap));
        for host in hosts {
            let (named, own) = (format!("\"nextPage\":\"{}", host(&own, &foreign)), format!("\"nextPage\":\"{own}"));
            let spoil = move |body: String| body.replace(&own, &named);
            let room = room(source, &proxy::start(&sandbox, Box::new(spoil)));
            assert_exit(&crawl(&room, source, &["-v", "-v"]), 0);
        }
        let log = requests(&trap);
        assert!(log.is_empty(), "{source:?}: the link was followed: {log:?}");
    }
}

#[test]
fn without_a_key_nothing_is_sent() {
    let sandbox = Sandbox::start(&["--models", "10"]);
    assert_exit(&Room::new(CRAWL, &sandbox.base).run(&[]), 0);
    assert!(requests(&sandbox).iter().all(|request| !request.authorization));
}

#[test]
fn a_redirect_takes_the_key_to_no_other_origin() {
    for source in SOURCES {
        let trap = Sandbox::start(&["--models", "40"]);
        for nth in [1, 2] {
            let fault = format!("kind=redirect,nth={nth},times=0,to={}/models", trap.base);
            let sandbox = Sandbox::start(&["--models", "40", "--fault", &fault]);
            for arguments in TALKATIVE {
                let room = room(source, &sandbox.base);
                let stopped = crawl(&room, source, arguments);
                assert_exit(&stopped, 3);
                assert!(told(&stopped).contains("redirects to `127.0.0.1`"), "{}", told(&stopped));
            }
        }
        let log = requests(&trap);
        assert!(log.is_empty(), "{source:?}: the redirect was followed: {log:?}");
    }
}

#[test]
fn no_error_shows_the_key() {
    for source in SOURCES {
        let refusing = Sandbox::start(&["--models", "40", "--fault", "kind=status,code=401,nth=2,times=0"]);
        let room = room(source, &refusing.base);
        for arguments in TALKATIVE {
            assert_exit(&crawl(&room, source, arguments), 77);
            let bad_url = [&["--server", "http://civitai.example/api/v1?x=1"], arguments].concat();
            assert_exit(&crawl(&room, source, &bad_url), 2);
            let nobody = [&["--server", "http://127.0.0.1:9/api/v1", "--restart"], arguments].concat();
            assert_exit(&crawl(&room, source, &nobody), 3);
        }
        let record = room.dataset().join("commits/00000001.json");
        let content = fs::read(&record).unwrap();
        fs::write(&record, &content[..content.len() / 2]).unwrap();
        for arguments in TALKATIVE {
            assert_exit(&crawl(&room, source, arguments), 65);
        }
        for word in ["verify", "status"] {
            let mut command = program();
            command.arg(word).arg(room.dataset());
            run(command, source, &room);
        }
        let mut plan = program();
        plan.arg("plan").arg(room.file());
        assert_exit(&run(plan, source, &room), 0);
    }
}

#[test]
fn a_key_that_cannot_be_one_is_not_shown() {
    let room = Room::new(CRAWL, "http://127.0.0.1:9/api/v1");
    for key in [format!("{CANARY} and more"), format!("{CANARY}\u{7}"), format!("{CANARY}é")] {
        let mut command = room.crawl();
        command.env("CIVITAI_API_KEY", &key);
        assert_exit(&run(command, Source::File, &room), 2);
    }
}
