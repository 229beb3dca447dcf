//! Every session in the README is what the program prints, numbers and times aside.

use std::path::Path;

use tempfile::TempDir;

use crate::support::program;

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

/// The text with every number, time and run of blanks made the same: they differ from run to run.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let is_number = word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit());
        match (is_number, word.trim_end()) {
            (_, "") => {}
            (true, _) if masked.ends_with("# ") => {}
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
}
