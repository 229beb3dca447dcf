//! The documents beside the program show what it prints: every session in the README, numbers and times aside, and the
//! requests and the time that each shipped crawl file opens with.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{assert_exit, program, read};

/// A command of a session, and what follows it.
struct Command {
    line: String,
    output: String,
}

fn sessions(readme: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => commands.push(Command { line: command.to_owned(), output: String::new() }),
                None => commands.last_mut().expect("a session begins with a command").output += &format!("{line}\n"),
            },
            (false, _) => {}
        }
    }
    commands
}

/// The text with every number, size, time and run of blanks made the same: they differ from run to run.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let is_number = word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit());
        match (is_number, word.trim_end()) {
            (_, "") => {}
            (true, _) if masked.ends_with("# ") => {}
            (false, "B" | "kB" | "MB" | "GB") if masked.ends_with("# ") => {}
            (true, _) => masked.push_str("# "),
            (false, word) => masked.push_str(&format!("{word} ")),
        }
        if word.ends_with('\n') {
            masked.push('\n');
        }
    }
    masked
}

#[test]
fn every_session_is_what_the_program_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let here = TempDir::new().unwrap();
    for shared in ["crawls", "tests"] {
        std::os::unix::fs::symlink(root.join(shared), here.path().join(shared)).unwrap();
    }
    let commands = sessions(&readme);
    assert!(commands.len() >= 4, "the README has lost its sessions");
    for command in commands {
        let mut words = command.line.split(' ');
        assert_eq!(words.next(), Some("civitrawl"), "{}", command.line);
        let output = program().args(words).current_dir(here.path()).output().unwrap();
        let printed = [output.stderr, output.stdout].concat();
        assert_eq!(masked(&String::from_utf8(printed).unwrap()), masked(&command.output), "{}", command.line);
    }
    read("readme.py", &[&root.join("README.md").display().to_string(), &here.path().display().to_string()]);
}

#[test]
fn every_key_of_a_crawl_file_is_documented() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let here = TempDir::new().unwrap();
    let file = here.path().join("odd.toml");
    let walk = "[[walk]]\nname = \"a\"\nendpoint = \"models\"\nODD = 1";
    let each = walk.replace("ODD = 1", "for_each = { list = [1], param = \"ids\", ODD = 1 }");
    let split = walk.replace("ODD = 1", "split = { windows = 2, ODD = 1 }");
    let later = walk.replace("ODD = 1", "incremental = { overlap = \"1d\", ODD = 1 }");
    let sections =
        ["pace", "timeouts", "retry", "commit", "sandbox", "snapshot"].map(|name| format!("[{name}]\nODD = 1"));
    let (mut count, mut places) = (0, vec![String::from("ODD = 1"), walk.to_owned(), each, split, later]);
    places.extend(sections);
    for place in places {
        let text = format!("server = \"sandbox\"\ndataset = \"d\"\n{}\n", place.replace("ODD", "qqqqqqqqqqqq"));
        std::fs::write(&file, text).unwrap();
        let refused = program().arg("plan").arg(&file).output().unwrap();
        assert_exit(&refused, 2);
        let words = String::from_utf8(refused.stderr).unwrap();
        let known = words.split("there is no key `qqqqqqqqqqqq`").nth(1).unwrap_or_else(|| panic!("{words}"));
        let known = known.split("Known are ").nth(1).unwrap_or_else(|| panic!("{words}"));
        for key in known.lines().next().unwrap().split('`').skip(1).step_by(2) {
            let ways = [format!("`{key}`"), format!("{key} = "), format!("[{key}]"), format!("\n{key} ")];
            assert!(ways.iter().any(|way| readme.contains(way)), "`{key}` is not in the README: {words}");
            count += 1;
        }
    }
    assert!(count > 40, "{count} keys are known");
}

#[test]
fn every_crawl_file_opens_with_what_its_plan_says() {
    let crawls = Path::new(env!("CARGO_MANIFEST_DIR")).join("crawls");
    let files: Vec<_> = std::fs::read_dir(crawls).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let planned = program().arg("plan").arg(&file).output().unwrap();
        assert_exit(&planned, 0);
        let planned = String::from_utf8(planned.stdout).unwrap();
        let (total, _) = planned
            .lines()
            .find(|line| line.contains(", retries"))
            .unwrap()
            .split_once(", retries and rechecks aside")
            .unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let head = text.lines().take_while(|line| line.starts_with('#'));
        let head = head.map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ");
        // Plans group digits by blanks, files by commas.
        let head = head.replace(',', " ");
        assert!(head.contains(total), "{}: `{total}` is not in: {head}", file.display());
    }
}
