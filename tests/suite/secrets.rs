//! The API key goes to the server it is for, in its header, and nowhere else: a canary is looked for everywhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::support::{Room, Sandbox, Server, assert_exit, printed, program, requests};

/// Written otherwise in a URL, in base64 and in hexadecimal digits, and looked for in all of these.
pub(crate) const CANARY: &str = "canary+4f/1d9c=27b3";

const CRAWL: &str = r#"
keep_bodies = true
retry = { attempts = 3 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// The source of the key.
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
    let output = command.env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        assert!(!shows(text), "{source:?}: the key was printed: {}", printed(&output));
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

pub(crate) fn shows(bytes: &[u8]) -> bool {
    let bytes = bytes.to_ascii_lowercase();
    FORMS.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// The canary as it is, percent-encoded, escaped as in JSON and HTML, in hexadecimal digits, as a list of numbers, and in
/// base64 wherever in a text it stands.
static FORMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let hex = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let numbers = CANARY.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let percent = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    let json = CANARY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let html = CANARY.bytes().map(|byte| format!("&#{byte};")).collect();
    let plain = [CANARY.to_owned(), CANARY[..12].to_owned(), CANARY[7..].to_owned(), hex, numbers, percent, json, html];
    // The first and the last digits of each alignment hold bits of what stands around.
    let aligned = (0..3).map(|skip| base64(&CANARY.as_bytes()[skip..][..15]));
    plain.into_iter().chain(aligned).map(|form| form.to_ascii_lowercase().into_bytes()).collect()
});

/// Whole groups of three bytes in base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
    let digits = |bits: usize| [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]));
    bytes.chunks_exact(3).flat_map(|three| digits(group(three))).collect()
}

#[test]
fn the_canary_is_found_in_every_form() {
    assert_eq!(base64(b"Bearer xyz.."), "QmVhcmVyIHh5ei4u");
    let text = |before: &str| format!("{before}{CANARY} and more");
    for before in ["", "x", "xx", "Bearer "] {
        let text = text(before);
        let whole = &text.as_bytes()[..text.len() / 3 * 3];
        assert!(shows(base64(whole).as_bytes()) && shows(text.as_bytes()), "{before:?}");
        assert!(shows(format!("{:?}", text.as_bytes()).as_bytes()) && shows(format!("{text:?}").as_bytes()));
    }
    assert!(shows(b"key=CANARY%2B4f%2F1d9c%3D27b3") && shows(b"63616e6172792B34662F316439633D32376233"));
    assert!(!shows(b"canary+ and 4f/1d9c"));
}

/// No file of the directory holds the key, in its name or in its content.
pub(crate) fn assert_secret(directory: &Path) {
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
            // Every page is from here, although each one named another host for the next.
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
            let room = room(source, &Server::in_front_of(&sandbox, spoil).base);
            assert_exit(&crawl(&room, source, &["-v", "-v"]), 0);
        }
        let log = requests(&trap);
        assert!(log.is_empty(), "{source:?}: the link was followed: {log:?}");
    }
}

#[test]
fn look_ups_and_downloads_take_the_key_as_crawls_do() {
    let sandbox = Sandbox::start(&["--models", "40"]);
    for source in SOURCES {
        let room = room(source, &sandbox.base);
        let key = room.file().with_file_name("key");
        let into = room.file().with_file_name("files");
        let arguments: [&[&str]; 3] = [
            &["get", "version", "80"],
            &["get", "version", "80", "--dataset", "looked-up"],
            &["download", "80", "--into", "files"],
        ];
        for (words, talk) in arguments.iter().flat_map(|words| TALKATIVE.map(|talk| (words, talk))) {
            let before = requests(&sandbox).len();
            let mut command = program();
            command.args(*words).args(["--server", &sandbox.base, "--rate", "1000"]).args(talk);
            if let Source::File = source {
                command.arg("--key-file").arg(&key);
            }
            let _ = fs::remove_dir_all(&into);
            command.current_dir(room.file().parent().expect("it lies somewhere"));
            assert_exit(&run(command, source, &room), 0);
            let log = requests(&sandbox).split_off(before);
            let (api, storage): (Vec<_>, Vec<_>) = log.iter().partition(|request| request.path.starts_with("/api/"));
            assert!(!api.is_empty() && api.iter().all(|request| request.authorization), "{words:?}: {log:?}");
            assert!(storage.iter().all(|request| !request.authorization), "{words:?}: {log:?}");
        }
        for place in ["looked-up", "files"] {
            assert_secret(&room.file().with_file_name(place));
        }
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let room = room(Source::File, "http://127.0.0.1:9/api/v1");
    let key = room.file().with_file_name("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let server = ["--server", "http://127.0.0.1:9/api/v1"];
    let mut get = program();
    get.args(["get", "version", "80", "--key-file"]).arg(&key).args(server);
    let mut download = program();
    download.args(["download", "80", "--into"]).arg(room.file().with_file_name("files"));
    download.arg("--key-file").arg(&key).args(server);
    for command in [get, download, room.crawl()] {
        let refused = run(command, Source::File, &room);
        assert_exit(&refused, 2);
        let words = printed(&refused);
        assert!(words.contains(&key.display().to_string()) && words.contains("chmod 600"), "{words}");
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
            let fault = format!("kind=redirect,path=models,nth={nth},times=0,to={}/models", trap.base);
            let sandbox = Sandbox::start(&["--models", "40", "--fault", &fault]);
            for arguments in TALKATIVE {
                let room = room(source, &sandbox.base);
                let stopped = crawl(&room, source, arguments);
                assert_exit(&stopped, 3);
                assert!(printed(&stopped).contains("redirects to `127.0.0.1`"), "{}", printed(&stopped));
            }
        }
        let log = requests(&trap);
        assert!(log.is_empty(), "{source:?}: the redirect was followed: {log:?}");
    }
}

#[test]
fn no_error_shows_the_key() {
    for source in SOURCES {
        let refusing = Sandbox::start(&["--models", "40", "--fault", "kind=status,code=401,path=models,nth=2,times=0"]);
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

/// The words of `civitrawl help`, so that a new command is tried here without being named.
fn commands() -> Vec<String> {
    let help = program().arg("help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let words = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    words.filter(|word| !word.is_empty() && *word != "help").map(str::to_owned).collect()
}

#[test]
fn no_command_at_any_verbosity_shows_the_key() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    for source in SOURCES {
        let room = room(source, &sandbox.base);
        for (verbosity, format) in (0..4).flat_map(|n| ["text", "json"].map(|format| (n, format))) {
            let mut arguments = vec!["--restart", "--log-format", format];
            arguments.extend(vec!["-v"; verbosity]);
            assert_exit(&crawl(&room, source, &arguments), 0);
        }
        let (file, dataset) = (room.file(), room.dataset());
        let commands = commands();
        assert!(["plan", "status", "verify"].iter().all(|word| commands.contains(&(*word).to_owned())), "{commands:?}");
        for word in &commands {
            // Whatever it takes: what it is for, the wrong thing, or too much.
            for subject in [&[dataset.as_path()][..], &[&file], &[&file, &dataset], &[Path::new("--no-such-flag")], &[]]
            {
                if word == "sandbox" && subject.is_empty() {
                    continue;
                }
                let mut command = program();
                // Whatever it writes where it stands is looked at as well.
                command.arg(word).args(subject).current_dir(file.parent().expect("it lies somewhere"));
                run(command, source, &room);
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_crawl_that_is_refused_memory_or_files_dies_without_showing_the_key() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let mut ends = Vec::new();
    for source in SOURCES {
        for limit in ["-v 20000", "-v 40000", "-v 80000", "-v 120000", "-n 4", "-n 7", "-n 9", "-n 12", "-s 64"] {
            let room = room(source, &sandbox.base);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -c 0 && ulimit {limit} && exec \"$@\""), "sh"]);
            shell.arg(env!("CARGO_BIN_EXE_civitrawl")).arg("crawl").arg(room.file()).args(["-v", "-v", "-v"]);
            shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            ends.push((limit, run(shell, source, &room).status.code()));
        }
    }
    assert!(ends.iter().any(|(_, code)| *code != Some(0)), "no limit was felt: {ends:?}");
    println!("{ends:?}");
}
