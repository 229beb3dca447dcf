//! `pseudonymize`: a name that is looked for everywhere in a dataset is nowhere, and its pseudonym stands where it stood.

use std::fs;
use std::path::Path;

use crate::naive::ask;
use crate::proxy;
use crate::support::{Room, Sandbox, assert_exit, read, told};

const NAME: &str = "Canary_7f3e";
const KEY: &str = "a key that nobody guesses";

const CRAWL: &str = r#"
server = "{base}"
dataset = "{dataset}"
pseudonymize = ["username"]
pace = { requests_per_second = 1000.0, burst = 1000 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", nsfw = true, limit = 20 }

[[walk]]
name = "creators"
endpoint = "creators"
params = { limit = 50 }
"#;

/// No file of the directory holds the name, in its name or in its bytes.
fn assert_absent(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            assert_absent(&path);
        } else {
            let bytes = fs::read(&path).unwrap().to_ascii_lowercase();
            let name = NAME.to_ascii_lowercase();
            assert!(!bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn a_hidden_name_is_nowhere_in_the_dataset() {
    let sandbox = Sandbox::start(&["--models", "80"]);
    let page = ask(&format!("{}/models?limit=100&nsfw=true", sandbox.base)).json();
    let victim = page["items"][3]["creator"]["username"].as_str().expect("it has a creator").to_owned();
    // The name in a field nobody knows, in links, and in an item that no table takes.
    let spoil = move |body: String| {
        let body = body.replace(&victim, NAME);
        if !body.contains("\"modelVersions\"") {
            return body;
        }
        let stray = format!("{{\"username\":\"{NAME}\",\"link\":\"https://h/u/{NAME}\"}}");
        body.replacen("{\"items\":[", &format!("{{\"items\":[{stray},"), 1).replacen(
            "\"stats\":{",
            &format!("\"former\":{stray},\"stats\":{{"),
            1,
        )
    };
    let room = Room::new(CRAWL, &proxy::start(&sandbox, Box::new(spoil)));
    let mut crawl = room.crawl();
    let output = crawl.args(["-v", "-v"]).env("CIVITRAWL_PSEUDONYM_KEY", KEY).output().unwrap();
    assert_exit(&output, 4);
    assert!(!told(&output).contains(NAME), "{}", told(&output));
    room.assert_sound();
    assert_absent(&room.dataset());
    let dataset = room.dataset().display().to_string();
    for table in ["models", "creators", "rejects", "pages", "model_versions", "version_images"] {
        let found = format!(
            "SELECT count(*), count(*) FILTER (lower(CAST(t AS VARCHAR)) LIKE '%{}%') FROM {table} t",
            NAME.to_lowercase()
        );
        let told = read("query.py", &[&dataset, &found]);
        assert!(told.ends_with(", 0]\n") && !told.starts_with("[0,"), "{table}: {told}");
    }
    // The same pseudonym in the column, in `extra`, in the links and among the rejects.
    let column = "SELECT creator_username, count(*) FROM models WHERE extra LIKE '%former%' GROUP BY 1";
    assert!(!read("query.py", &[&dataset, column]).is_empty());
    let reject = read("query.py", &[&dataset, "SELECT DISTINCT item FROM rejects WHERE position >= 0 LIMIT 1"]);
    let hidden = reject.split("anon-").nth(1).map(|rest| format!("anon-{}", &rest[..20])).expect("a reject has it");
    let known = format!("SELECT count(*) FROM creators WHERE username = '{hidden}' AND link LIKE '%{hidden}%'");
    assert_ne!(read("query.py", &[&dataset, &known]), "[0]\n");
}

#[test]
fn another_key_in_the_middle_of_a_pass_is_refused() {
    let sandbox = Sandbox::start(&["--models", "80"]);
    let room = Room::new(CRAWL, &sandbox.base);
    let run = |key: &str, arguments: &[&str]| {
        room.crawl().args(arguments).env("CIVITRAWL_PSEUDONYM_KEY", key).output().unwrap()
    };
    assert_exit(&run(KEY, &["--max-pages", "2"]), 3);
    let other = run("another key that nobody guesses", &[]);
    assert_exit(&other, 2);
    assert!(told(&other).contains("`pseudonym_key_digest` was `"), "{}", told(&other));
    assert_exit(&run(&format!("  {KEY}\n"), &["--max-pages", "1"]), 3);
    assert_exit(&run("another key that nobody guesses", &["--restart"]), 0);
    room.assert_sound();
}

#[test]
fn what_would_record_names_is_refused() {
    let sandbox = Sandbox::start(&["--models", "5"]);
    let no_key = Room::new(CRAWL, &sandbox.base).run(&[]);
    assert_exit(&no_key, 2);
    assert!(told(&no_key).contains("CIVITRAWL_PSEUDONYM_KEY"), "{}", told(&no_key));
    let by_name =
        CRAWL.replace("sort = \"Oldest\",", "username = \"somebody\",").replace("pace =", "keep_bodies = true\npace =");
    let refused = Room::new(&by_name, &sandbox.base).run(&[]);
    assert_exit(&refused, 2);
    for word in ["`keep_bodies` keeps answers as received", "walk `models` asks by name"] {
        assert!(told(&refused).contains(word), "{}", told(&refused));
    }
    let other = CRAWL.replace("[\"username\"]", "[\"name\"]");
    assert!(told(&Room::new(&other, &sandbox.base).run(&[])).contains("it takes `username`"));
    let room = Room::new(CRAWL, &sandbox.base);
    let short = room.crawl().env("CIVITRAWL_PSEUDONYM_KEY", "short").output().unwrap();
    assert_exit(&short, 2);
}
