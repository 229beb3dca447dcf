//! `--set` and `--each`: one crawl file for many questions, part of the pass's definition, so that the same line resumes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{Room, Sandbox, assert_exit, printed, program, requests};

/// Runs the crawl with this stdin.
fn fed(room: &Room, arguments: &[&str], stdin: &str) -> Output {
    let mut crawl = room.crawl();
    crawl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = crawl.spawn().expect("the program starts");
    child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

const MODELS: &str =
    "[[walk]]\nname = \"models\"\nendpoint = \"models\"\nparams = { sort = \"Oldest\", nsfw = true, limit = 20 }\n";
const CHOSEN: &str =
    "[[walk]]\nname = \"chosen\"\nendpoint = \"model\"\nfor_each = { table = \"models\", column = \"id\" }\n";

fn ids(room: &Room) -> BTreeSet<i64> {
    room.rows("SELECT DISTINCT id FROM models").iter().filter_map(|row| row[0].as_i64()).collect()
}

#[test]
fn a_parameter_that_is_set_is_of_the_pass_and_another_one_is_refused() {
    let sandbox = Sandbox::start(&["--models", "120", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    let set = ["--set", "models.types=[\"LORA\", \"VAE\"]", "--set", "models.limit=5"];
    assert_exit(&room.run(&[&set[..], &["--max-pages", "2"]].concat()), 3);
    for (other, said) in [
        (&[][..], "param `types` was `LORA`, `VAE`, is gone"),
        (&["--set", "models.types=LORA", "--set", "models.limit=5"], "param `types` was `LORA`, `VAE`, is `LORA`"),
        (&[&set[..], &["--set", "models.limit=6"]].concat(), "`limit` was `5`, is `6`"),
    ] {
        let refused = room.run(other);
        assert_exit(&refused, 2);
        let words = printed(&refused);
        assert!(words.contains(said) && words.contains("in `--set`") && words.contains("--restart"), "{words}");
    }
    assert_exit(&room.run(&set), 0);
    assert!(requests(&sandbox).iter().all(|request| request.query.contains("types=LORA&types=VAE")));
    let types = room.rows("SELECT DISTINCT type FROM models ORDER BY 1");
    assert!(types.iter().all(|row| row[0] == "LORA" || row[0] == "VAE") && !types.is_empty(), "{types:?}");
    let plan = program().arg("plan").arg(room.file()).args(set).output().expect("the program runs");
    assert!(printed(&plan).contains("types=LORA&types=VAE") && printed(&plan).contains("as in pass 1"));
    let wrong = room.run(&["--set", "model.types=LORA"]);
    assert_exit(&wrong, 2);
    assert!(printed(&wrong).contains("--set model.types=LORA: the file has no walk of the name `model`. Did you mean"));
    room.assert_sound();
}

#[test]
fn values_from_stdin_are_recorded_and_the_same_line_resumes_without_them() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "none"]);
    let all: Vec<String> = sandbox.truth("models").iter().take(8).map(|row| row["id"].to_string()).collect();
    let room = Room::new(CHOSEN, &sandbox.base);
    let none = fed(&room, &["--each", "-"], "");
    assert_exit(&none, 2);
    assert!(printed(&none).contains("stdin has no values"), "{}", printed(&none));
    assert_exit(&fed(&room, &["--each", "-", "--max-pages", "3"], &all.join("\n")), 3);
    // In another order they are the same; others are another question.
    let backwards: Vec<&str> = all.iter().rev().map(|id| &**id).collect();
    assert_exit(&fed(&room, &["--each", "-", "--max-pages", "2"], &backwards.join("\n")), 3);
    let fewer = fed(&room, &["--each", "-"], &all[1..].join("\n"));
    assert_exit(&fewer, 2);
    assert!(printed(&fewer).contains("in `--each`") && printed(&fewer).contains("--restart"), "{}", printed(&fewer));
    let without = room.run(&[]);
    assert_exit(&without, 2);
    assert!(printed(&without).contains("for_each source"), "{}", printed(&without));
    // The line of cron, whose stdin is empty: it continues, and begins the next pass.
    for pass in 1..=2 {
        let resumed = room.run(&["--each", "-"]);
        assert_exit(&resumed, 0);
        let said = printed(&resumed);
        assert!(said.contains(&format!("pass {pass} of `crawl` is complete")), "{said}");
        assert!(said.contains("the 8 values that pass 1 recorded") || pass == 2, "{said}");
    }
    assert_eq!(requests(&sandbox).len(), 2 * all.len(), "each was asked for once a pass");
    let wanted: BTreeSet<i64> = all.iter().filter_map(|id| id.parse().ok()).collect();
    assert_eq!(ids(&room), wanted);
    room.assert_sound();
}

#[test]
fn several_fan_outs_are_named() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "none"]);
    let two = CHOSEN.to_owned() + &CHOSEN.replace("\"chosen\"", "\"others\"").replace("\"model\"", "\"model_version\"");
    let room = Room::new(&two, &sandbox.base);
    let model = &sandbox.truth("models")[0]["id"];
    let ambiguous = fed(&room, &["--each", "-"], "1\n");
    assert_exit(&ambiguous, 2);
    assert!(printed(&ambiguous).contains("`chosen`, `others`; name one: `--each WALK=-`"), "{}", printed(&ambiguous));
    assert_exit(&fed(&room, &["--each", "elsewhere"], "1\n"), 2);
    let named = fed(&room, &["--each", "chosen=-", "--set", "chosen.x=1"], "1\n");
    assert_exit(&named, 2);
    assert_exit(&fed(&room, &["--each", "chosen=-"], &format!("{model},a name\n")), 0);
    assert_eq!(room.value("SELECT count(*) FROM pages WHERE walk LIKE 'chosen%'"), Value::from(1));
}

#[test]
fn a_pass_that_is_over_is_not_repeated_once_or_too_soon_and_a_new_one_is_announced() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    // Neither keeps a first pass from beginning, nor an unfinished one from going on.
    let first = room.run(&["--once", "--max-pages", "1"]);
    assert_exit(&first, 3);
    let rest = room.run(&["--if-older-than", "20h", "--progress", "always"]);
    assert_exit(&rest, 0);
    assert!(printed(&rest).contains("pass 1 of `crawl` is complete"), "{}", printed(&rest));
    assert!(!printed(&rest).contains("begins"), "{}", printed(&rest));
    let asked = requests(&sandbox).len();
    for option in [&["--once"][..], &["--if-older-than", "20h"]] {
        let nothing = room.run(option);
        assert_exit(&nothing, 0);
        assert!(printed(&nothing).contains("nothing to do: pass 1 ended at 20"), "{}", printed(&nothing));
    }
    assert_eq!(requests(&sandbox).len(), asked);
    let again = room.run(&["--if-older-than", "1ms", "--progress", "always"]);
    assert_exit(&again, 0);
    assert!(printed(&again).contains("pass 2 begins, behind pass 1"), "{}", printed(&again));
    // Another question is not done by the last answer.
    let other = room.run(&["--once", "--set", "models.types=LORA"]);
    assert_exit(&other, 0);
    assert!(printed(&other).contains("pass 3 of `crawl` is complete"), "{}", printed(&other));
    assert_exit(&room.run(&["--once", "--restart"]), 2);
    room.assert_sound();
}
