//! A crawl file may be somebody else's: it decides neither where the user's key goes, nor which file is sent as one.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{Room, Sandbox, Server, answer, assert_exit, printed, program, requests};

const CRAWL: &str = r#"
retry = { attempts = 1 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", nsfw = true, limit = 100 }
"#;
const KEY: &str = "canary-4f1d9c27b3";

/// Writes a file that only its owner may read.
fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A crawl, a look-up and a download from this server.
fn commands(base: &str, room: &Room) -> [Command; 3] {
    let mut get = program();
    get.args(["get", "version", "80", "--server", base]);
    let mut download = program();
    download.args(["download", "80", "--server", base, "--into"]).arg(room.file().with_file_name("files"));
    [room.crawl(), get, download]
}

#[test]
fn the_key_of_the_user_goes_to_the_service_and_where_the_user_says() {
    // A proxy sees each host that is asked, and asks none.
    let proxy = Server::answering(|_| answer("502 Bad Gateway", "", ""));
    for (host, named, may) in [
        ("civitai.com", None, true),
        ("civitai.red", None, true),
        ("CIVITAI.com", None, true),
        ("mirror.example", None, false),
        ("mirror.example", Some(""), false),
        ("mirror.example", Some("mirror.example"), true),
        ("mirror.example", Some("Mirror.Example"), true),
        ("mirror.example:8443", Some("mirror.example"), true),
        ("mirror.example", Some("example"), false),
        ("mirror.example", Some("https://mirror.example"), false),
        ("civitai.com.example", None, false),
        ("xcivitai.com", None, false),
        ("www.civitai.com", None, false),
        ("files.civitai.com", None, false),
        ("civitai.com.", None, false),
        ("civit\u{430}i.com", None, false),
        ("192.168.7.7", None, false),
        ("192.168.7.7", Some("192.168.7.7"), true),
        ("[2001:db8::7]", Some("[2001:db8::7]"), true),
    ] {
        let base = format!("https://{host}/api/v1");
        let room = Room::new(CRAWL, &base);
        let key_file = room.file().with_file_name("key");
        private(&key_file, KEY);
        for (mut command, from_file) in commands(&base, &room).into_iter().zip([false, true, false]) {
            let before = proxy.requests().len();
            match from_file {
                true => command.env("CIVITAI_API_KEY_FILE", &key_file),
                false => command.env("CIVITAI_API_KEY", KEY),
            };
            command.env("HTTPS_PROXY", proxy.base.trim_end_matches("/api/v1"));
            command.envs(named.map(|named| ("CIVITAI_API_KEY_HOST", named)));
            let output = until(command, || proxy.requests().len() > before);
            let asked = &proxy.requests()[before..];
            assert_eq!(!asked.is_empty(), may, "{host} {named:?}: {}", printed(&output));
            assert!(asked.iter().all(|request| request.header("authorization").is_empty()), "{host}");
            if !may {
                assert_exit(&output, 2);
                assert!(printed(&output).contains("CIVITAI_API_KEY_HOST"), "{host}: {}", printed(&output));
                assert!(!room.dataset().exists());
            }
            assert!(!printed(&output).contains(KEY), "{host}: the key was printed");
        }
    }
}

/// Runs a command until it ends or `seen` is true.
fn until(mut command: Command, seen: impl Fn() -> bool) -> Output {
    let streams = || std::process::Stdio::piped();
    let mut child = command.stdout(streams()).stderr(streams()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && !seen() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

#[test]
fn a_crawl_file_names_no_key_file_but_its_own() {
    for setting in ["key_file", "pseudonym_key_file"] {
        let (sandbox, elsewhere) = (Sandbox::start(&["--models", "20"]), TempDir::new().unwrap());
        let token = elsewhere.path().join("token");
        private(&token, KEY);
        let more = if setting == "key_file" { "" } else { "pseudonymize = [\"username\"]\n" };
        let room = |file: &Path| {
            let room = Room::new(CRAWL, &sandbox.base);
            let text = fs::read_to_string(room.file()).unwrap();
            fs::write(room.file(), format!("{setting} = {:?}\n{more}{text}", file.display().to_string())).unwrap();
            room
        };
        let folder = |room: &Room| room.file().parent().unwrap().to_owned();
        let remedy = if setting == "key_file" { "--key-file" } else { "CIVITRAWL_PSEUDONYM_KEY" };
        let refused = |room: &Room, command: &mut Command| {
            let output = command.output().unwrap();
            assert_exit(&output, 2);
            for words in [setting, "does not lie beside that crawl file", remedy] {
                assert!(printed(&output).contains(words), "{}", printed(&output));
            }
            assert!(!printed(&output).contains(KEY) && !room.dataset().exists());
        };
        // Named by its place, around corners, and through links of the key and of the crawl file.
        let outside = room(&token);
        refused(&outside, &mut outside.crawl());
        let around = room(Path::new(&format!("sub/../../{}/token", elsewhere.path().file_name().unwrap().display())));
        fs::create_dir(folder(&around).join("sub")).unwrap();
        refused(&around, around.crawl().current_dir(folder(&around)));
        let linked = room(Path::new("key"));
        symlink(&token, folder(&linked).join("key")).unwrap();
        refused(&linked, linked.crawl().current_dir(folder(&linked)));
        let by_link = room(&token);
        let link = elsewhere.path().join("crawl.toml");
        symlink(by_link.file(), &link).unwrap();
        refused(&by_link, program().arg("crawl").arg(link));
        assert!(requests(&sandbox).is_empty(), "{setting}: it was asked");

        // Beside the crawl file or below, whatever way it is named.
        let below = room(Path::new("./sub/../sub/key"));
        fs::create_dir(folder(&below).join("sub")).unwrap();
        private(&folder(&below).join("sub/key"), KEY);
        assert_exit(&below.crawl().current_dir(folder(&below)).output().unwrap(), 0);
        let asked = requests(&sandbox).len();

        // The user may name the same file, or give the key itself.
        let named = room(&token);
        if setting == "key_file" {
            assert_exit(&named.crawl().arg("--key-file").arg(&token).output().unwrap(), 0);
            assert_exit(&named.crawl().env("CIVITAI_API_KEY_FILE", &token).output().unwrap(), 0);
            assert!(requests(&sandbox)[asked..].iter().all(|request| request.authorization));
        } else {
            assert_exit(&named.crawl().env("CIVITRAWL_PSEUDONYM_KEY", KEY).output().unwrap(), 0);
        }
        assert!(requests(&sandbox).len() > asked);
    }
}

#[test]
fn a_key_file_is_a_small_regular_file_of_one_line() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let room = Room::new(CRAWL, &sandbox.base);
    let path = |name: &str| room.file().with_file_name(name);
    private(&path("two-lines"), &format!("{KEY}\nsecond\n"));
    private(&path("large"), &"x".repeat(1 << 20));
    private(&path("empty"), "\n");
    private(&path("two-words"), &format!("{KEY} second"));
    fs::create_dir(path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg("-m").arg("600").arg(path("pipe")).status().unwrap().success());
    let names = ["two-lines", "large", "empty", "two-words", "folder", "pipe", "missing"].map(path);
    for file in names.iter().map(|name| name.as_path()).chain([Path::new("/dev/zero")]) {
        let refused = room.crawl().arg("--key-file").arg(file).output().unwrap();
        assert_exit(&refused, 2);
        assert!(!printed(&refused).contains(KEY), "{}", printed(&refused));
    }
    assert!(requests(&sandbox).is_empty());
}
