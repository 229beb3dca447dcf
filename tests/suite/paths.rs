//! The paths of a crawl file: `~` and variables, the directory that they count from, and datasets that are not where they were.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{SMALL, Sandbox, assert_exit, assert_sound, printed, program, requests};

/// A directory with a crawl file `sub/crawl.toml` that has these lines before its walk.
fn room(sandbox: &Sandbox, lines: &str) -> TempDir {
    let room = TempDir::new().expect("there is room");
    fs::create_dir(room.path().join("sub")).expect("it can be made");
    let text = format!("server = \"{}\"\n{lines}\n{SMALL}", sandbox.base);
    fs::write(room.path().join("sub/crawl.toml"), text).expect("it can be written");
    room
}

/// `civitrawl crawl sub/crawl.toml` in that directory.
fn crawl(room: &TempDir) -> Command {
    let mut command = program();
    command.args(["crawl", "sub/crawl.toml"]).current_dir(room.path());
    command
}

/// Runs a command that must be refused with 2 and these words, and changes no file.
fn assert_refused(room: &TempDir, command: &mut Command, words: &[&str]) {
    let files = || -> Vec<_> {
        let tree = Command::new("find").arg(room.path()).args(["-type", "f"]).output().expect("find runs");
        String::from_utf8_lossy(&tree.stdout).lines().map(str::to_owned).collect()
    };
    let before = files();
    let output = command.output().expect("the program runs");
    assert_exit(&output, 2);
    for word in words {
        assert!(printed(&output).contains(word), "{word}: {}", printed(&output));
    }
    assert_eq!(files(), before);
}

#[test]
fn home_and_variables_name_directories_and_one_that_is_unset_is_named() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    for (dataset, place) in [("~/d", "d"), ("$BASE/$NAME-1", "base/models-1"), ("${BASE}x", "basex"), ("~", "")] {
        let here = room(&sandbox, &format!("dataset = \"{dataset}\""));
        let home = TempDir::new().expect("there is room");
        fs::create_dir(home.path().join("base")).expect("it can be made");
        let mut command = crawl(&here);
        command.env("HOME", home.path()).env("BASE", home.path().join("base")).env("NAME", "models");
        if place.is_empty() {
            // A folder with other things in it is no dataset, however it is named.
            assert_refused(&here, &mut command, &[&home.path().display().to_string()]);
            continue;
        }
        assert_exit(&command.output().expect("the program runs"), 0);
        assert_sound(&home.path().join(place));
    }
    let asked = requests(&sandbox).len();
    for (line, said) in [
        ("dataset = \"$GONE/d\"", "`dataset` is `$GONE/d`, and the variable GONE is not set"),
        ("dataset = \"~/d\"", "variable HOME is not set"),
        ("dataset = \"~bob/d\"", "`./~bob/d`"),
        ("dataset = \"s3://bucket/d\"", "the dataset is a `s3:` URL, and a dataset is a directory"),
        ("dataset = \"$PLACE/d\"", "the dataset is a `s3:` URL, and a dataset is a directory"),
        ("dataset = \"$ODD/d\"", "only a shell replaces `~`"),
        ("dataset = \"${A:-b}\"", "`$NAME` or `${NAME}`"),
        ("dataset = \"d\"\nkey_file = \"$GONE/key\"", "`key_file` is `$GONE/key`, and the variable GONE is not set"),
    ] {
        let here = room(&sandbox, line);
        let mut command = crawl(&here);
        command.env("PLACE", "s3://bucket").env("ODD", "~bob");
        assert_refused(&here, &mut command, &["sub/crawl.toml", said]);
    }
    #[cfg(unix)]
    {
        let here = room(&sandbox, "dataset = \"d\"\nstore = \"$ODD/d\"");
        let mut command = crawl(&here);
        command.env("ODD", <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"));
        assert_refused(&here, &mut command, &["sub/crawl.toml: `store` is `", "which is not UTF-8"]);
    }
    #[cfg(unix)]
    {
        let here = room(&sandbox, "dataset = \"d\"");
        let file = here.path().join("sub/crawl.toml");
        fs::remove_file(&file).expect("it is there");
        std::os::unix::fs::symlink("crawl.toml", &file).expect("it can be made");
        assert_refused(&here, &mut crawl(&here), &["cannot read the crawl file `sub/crawl.toml`"]);
    }
    // A crawl file may be somebody else's, and a path is shown.
    let here = room(&sandbox, "dataset = \"d-$CIVITAI_API_KEY\"");
    let mut command = crawl(&here);
    command.env("CIVITAI_API_KEY", "0123456789abcdef0123456789abcdef");
    let output = command.output().expect("the program runs");
    assert_exit(&output, 2);
    assert!(
        printed(&output).contains("CIVITAI_API_KEY, with KEY in its name, may hold a secret"),
        "{}",
        printed(&output)
    );
    assert!(!printed(&output).contains("0123456789"), "{}", printed(&output));
    assert_eq!(requests(&sandbox).len(), asked, "somebody was asked");
}

#[test]
fn paths_count_from_the_crawl_file_and_those_of_options_from_the_working_directory() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let key = "key_file = \"key\"\ndataset = \"data/x\"";
    let here = room(&sandbox, key);
    let file = here.path().join("sub/key");
    fs::write(&file, "0123456789abcdef0123456789abcdef\n").expect("it can be written");
    #[cfg(unix)]
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it can be");
    let output = crawl(&here).output().expect("the program runs");
    assert_exit(&output, 0);
    assert!(printed(&output).contains("into sub/data/x"), "{}", printed(&output));
    assert!(requests(&sandbox).iter().any(|request| request.authorization), "the key beside the file was not used");
    // From anywhere, it is the same dataset.
    let elsewhere = TempDir::new().expect("there is room");
    let mut command = program();
    command.arg("crawl").arg(here.path().join("sub/crawl.toml")).current_dir(elsewhere.path());
    let output = command.output().expect("the program runs");
    assert_exit(&output, 0);
    assert!(printed(&output).contains("pass 2 of"), "{}", printed(&output));
    assert_eq!(fs::read_dir(elsewhere.path()).expect("it is there").count(), 0);
    assert_exit(&crawl(&here).args(["--dataset", "data/y"]).output().expect("the program runs"), 0);
    for dataset in ["sub/data/x", "data/y"] {
        assert_sound(&here.path().join(dataset));
    }
}

/// A dataset once counted from the working directory. It is never left behind and crawled anew.
#[test]
fn a_dataset_in_the_working_directory_is_not_left_behind() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let here = room(&sandbox, "dataset = \"data/x\"");
    let stop = crawl(&here).args(["--dataset", "data/x", "--max-pages", "2"]).output().expect("the program runs");
    assert_exit(&stop, 3);
    let asked = requests(&sandbox).len();
    let words = ["`sub/data/x`", "`data/x` in the working directory", "move it there", "--dataset data/x"];
    assert_refused(&here, &mut crawl(&here), &words);
    assert_refused(&here, program().args(["plan", "sub/crawl.toml"]).current_dir(here.path()), &words);
    // One whose records cannot be read may be it.
    let record = here.path().join("data/x/commits/00000001.json");
    let text = fs::read(&record).expect("it is there");
    fs::write(&record, "{").expect("it can be written");
    assert_refused(&here, &mut crawl(&here), &words);
    fs::write(&record, text).expect("it can be written");
    assert_eq!(requests(&sandbox).len(), asked, "the server was asked");
    // Another crawl's is nobody's business.
    let other = here.path().join("sub/other.toml");
    fs::copy(here.path().join("sub/crawl.toml"), &other).expect("it can be copied");
    assert_exit(&program().arg("plan").arg(&other).current_dir(here.path()).output().expect("the program runs"), 0);
    // Both remedies.
    assert_exit(&crawl(&here).args(["--dataset", "data/x", "--max-pages", "1"]).output().expect("it runs"), 3);
    fs::create_dir(here.path().join("sub/data")).expect("it can be made");
    fs::rename(here.path().join("data/x"), here.path().join("sub/data/x")).expect("it can be moved");
    let rest = crawl(&here).output().expect("the program runs");
    assert_exit(&rest, 0);
    assert!(printed(&rest).contains("pass 1 of"), "{}", printed(&rest));
    let log = requests(&sandbox);
    let pages: std::collections::BTreeSet<_> = log.iter().map(|request| &request.query).collect();
    assert_eq!(pages.len(), log.len(), "a page was asked for twice");
    assert_sound(&here.path().join("sub/data/x"));
}

/// Where the directory above a dataset is missing, its disk may not be mounted.
#[test]
fn no_dataset_begins_where_a_disk_may_be_missing() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let disk = TempDir::new().expect("there is room");
    let dataset = disk.path().join("mounted/civitai");
    let here = room(&sandbox, &format!("dataset = \"{}\"", dataset.display()));
    let above = format!("no directory `{}`", disk.path().join("mounted").display());
    assert_refused(&here, &mut crawl(&here), &[&above, "mount its disk", "create the directory"]);
    assert!(requests(&sandbox).is_empty() && !disk.path().join("mounted").exists());
    fs::create_dir(disk.path().join("mounted")).expect("it can be made");
    assert_exit(&crawl(&here).output().expect("the program runs"), 0);
    fs::rename(disk.path().join("mounted"), disk.path().join("away")).expect("it can be moved");
    assert_refused(&here, &mut crawl(&here), &[&above, "move the dataset back"]);
    fs::rename(disk.path().join("away"), disk.path().join("mounted")).expect("it can be moved");
    let output = crawl(&here).output().expect("the program runs");
    assert_exit(&output, 0);
    assert!(printed(&output).contains("pass 2 of"), "{}", printed(&output));
    assert_sound(Path::new(&dataset));
}
