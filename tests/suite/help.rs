//! Help: every exit code, ending, table and column explained in the words of its declaration; pages, completions, hints.

use std::path::Path;
use std::process::Output;

use crate::support::{assert_exit, printed, program};

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program runs")
}

fn shown(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_exit(&output, 0);
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn exit_codes_are_described_in_the_same_words_everywhere() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split("| exit code | meaning |").nth(1).expect("the README has a table of exit codes");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 10);
    let help = shown(&["--help"]);
    // Terminals wrap it.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for row in rows {
        let (code, meaning) = row.trim_matches('|').split_once('|').unwrap();
        let (code, meaning) = (code.trim(), meaning.trim());
        assert_eq!(shown(&["explain", code]), format!("exit code {code}: {meaning}\n"));
        assert!(help.contains(&format!("{code} {meaning}")), "{code}: {help}");
    }
}

#[test]
fn every_column_is_explained() {
    let schema: serde_json::Value = serde_json::from_str(&shown(&["schema", "--format", "json"])).unwrap();
    // A process each is slow: the first and last column of every table.
    for table in schema["tables"].as_array().unwrap() {
        let (name, columns) = (table["name"].as_str().unwrap(), table["columns"].as_array().unwrap());
        assert!(shown(&["explain", name]).contains(table["doc"].as_str().unwrap()));
        for column in [columns.first(), columns.last()].into_iter().flatten() {
            let explained = shown(&["explain", &format!("{name}.{}", column["name"].as_str().unwrap())]);
            assert!(explained.contains(column["doc"].as_str().unwrap()), "{explained}");
        }
    }
}

#[test]
fn columns_of_snapshots_are_explained_too() {
    assert!(shown(&["explain", "models.gone_at"]).contains("had ended without it"));
    let schema = shown(&["schema", "models"]);
    for column in ["first_seen_at", "last_seen_at", "gone_at"] {
        assert_eq!(schema.matches(&format!("| {column} |")).count(), 1, "{schema}");
    }
}

/// Every word that the README names as the outcome of a download.
#[test]
fn outcomes_of_downloads_are_explained_and_all_are_documented() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let list = readme.split("Each version gets a line: ").nth(1).and_then(|rest| rest.split(". ").next());
    let documented: Vec<&str> = list.expect("the README lists them").split('`').skip(1).step_by(2).collect();
    let unknown = run(&["explain", "nonsense"]);
    let known = printed(&unknown);
    let known = known.split("download states: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert_eq!(documented, known.split(", ").collect::<Vec<_>>());
    for word in documented {
        assert!(shown(&["explain", word]).starts_with(&format!("download state {word}: ")));
    }
}

#[test]
fn ends_and_reasons_are_explained_and_unknown_words_are_not() {
    assert!(shown(&["explain", "page_given_up: gave up after `8` requests"]).contains("`rejects.item`"));
    assert!(shown(&["explain", "endless"]).contains("600 empty pages"));
    assert!(shown(&["explain", "cursor_loop"]).starts_with("walk end cursor_loop: "));
    assert!(shown(&["explain", "missing_key"]).contains("`rejects.item`"));
    assert!(shown(&["explain", "foreign:", "it", "is", "model", "1,", "not", "2"]).contains("filter"));
    for word in ["5", "models.nope", "nope.id", "whatever"] {
        let output = run(&["explain", word]);
        assert_exit(&output, 2);
        assert!(printed(&output).contains(&format!("there is no code `{word}`")), "{}", printed(&output));
    }
}

#[test]
fn every_command_has_its_page_its_help_and_its_completion() {
    let completions = shown(&["completions", "bash"]);
    let program = shown(&["man"]);
    for command in [
        "init",
        "crawl",
        "plan",
        "get",
        "download",
        "doctor",
        "status",
        "verify",
        "push",
        "pull",
        "schema",
        "explain",
        "sandbox",
        "man",
        "completions",
    ] {
        assert!(completions.contains(command) && program.contains(command), "{command}");
        assert!(shown(&["man", command]).contains(&format!(".TH civitrawl-{command} 1")));
        let (short, long) = (shown(&[command, "-h"]), shown(&[command, "--help"]));
        let words = |text: &str| text.split_whitespace().count();
        let usage = format!("Usage: civitrawl {command}");
        assert!(short.contains(&usage) && words(&long) >= words(&short), "{command}");
    }
    assert_exit(&run(&["man", "nope"]), 2);
}

#[test]
fn all_parameters_of_an_endpoint_are_listed_with_their_values_and_traps() {
    let models = shown(&["schema", "--params", "models"]);
    assert!(models.starts_with("## models\n") && !models.contains("## images"), "{models}");
    assert!(models.contains("| types | one of, or a list of, `Checkpoint`"), "{models}");
    assert!(models.contains("| tag | text | a tag the server does not know is no filter"), "{models}");
    assert!(models.contains("| cursor | cannot be asked for: "), "{models}");
    let all = shown(&["schema", "--params"]);
    assert!(all.contains(models.trim_end()) && all.contains("## images\n") && all.contains("## users\n"), "{all}");
    let wrong = run(&["schema", "--params", "model_tags"]);
    assert_exit(&wrong, 2);
    assert!(printed(&wrong).contains("there is no endpoint `model_tags`; the endpoints are models, "));
    assert_exit(&run(&["schema", "--params", "--format", "json"]), 2);
}

#[test]
fn parameters_are_explained_with_their_values_and_traps() {
    assert!(shown(&["explain", "models.types"]).contains("a list of, `Checkpoint`"));
    assert!(shown(&["explain", "models.sort"]).contains("`Oldest`"));
    assert!(shown(&["explain", "creators.page"]).contains("cannot be asked for: "));
    assert!(shown(&["explain", "images.limit"]).contains("a whole number from"));
    // A column and a parameter of one name are both explained.
    let both = shown(&["explain", "images.username"]);
    assert!(
        both.starts_with("images.username (VARCHAR") && both.contains("\nparameter username of `images`: text."),
        "{both}"
    );
    assert_exit(&run(&["explain", "models.typos"]), 2);
}
