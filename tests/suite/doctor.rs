//! `civitrawl doctor` against sandboxes that differ in one trap from the server that is believed: exactly the probes that
//! look at it move. And it raises no alarm while the catalog changes, sends few requests, and its key to one host only.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use civitrawl::doctor::probes;
use civitrawl::sandbox::Traps;
use tempfile::TempDir;

use crate::support::{ERAS, Logged, Sandbox, printed, program, requests};
use crate::traps::sources;

/// The catalog of the sandboxes. Each page of so many creators shows some that changed places and one without a name, and
/// models that are shown have control bytes, and others halves of characters.
const SIZE: [&str; 8] = ["--models", "400", "--images", "4000", "--creators", "500", "--seed", "11"];
/// The traps of the server that is believed.
const BELIEVED: &str = "all";

/// An examination: what each probe found, and what was asked.
struct Examined {
    exit: Option<i32>,
    printed: String,
    /// By probe: its verdict, and its evidence with `#` for each number.
    findings: BTreeMap<String, (String, String)>,
    asked: Vec<Logged>,
}

impl Examined {
    /// Returns the probes whose verdict or kind of evidence differs from a baseline's, with the sign of their verdict: `+` it
    /// holds, `~` it differs and is handled, `!` it differs, `?` it cannot be told; `=` another evidence of the same verdict.
    fn moved(&self, baseline: &Examined) -> String {
        let sign = |(id, (verdict, evidence)): (&String, &(String, String))| {
            let (before, seen) = &baseline.findings[id];
            let sign = match &**verdict {
                _ if (verdict, evidence) == (before, seen) => return None,
                same if same == before => "=",
                "holds" => "+",
                "differs, handled" => "~",
                "DIFFERS" => "!",
                _ => "?",
            };
            Some(format!("{id}{sign}"))
        };
        self.findings.iter().filter_map(sign).collect::<Vec<_>>().join(" ")
    }
}

/// Starts a sandbox of an era with these traps and further arguments.
fn sandbox(era: &str, traps: &str, more: &[&str]) -> Sandbox {
    Sandbox::start(&[&SIZE, &["--era", era, "--traps", traps][..], more].concat())
}

/// `civitrawl doctor` on a sandbox, in a hurry.
fn doctor(sandbox: &Sandbox, file: &std::path::Path) -> Command {
    let mut command = program();
    command.args(["doctor", "--rate", "1000", "--server", &sandbox.base]).arg("--out").arg(file);
    command
}

/// Examines a sandbox with these options.
fn examine(sandbox: &Sandbox, options: &[&str]) -> Examined {
    let room = TempDir::new().expect("there is room for a directory");
    let file = room.path().join("doctor.jsonl");
    let output = doctor(sandbox, &file).args(options).output().expect("the program runs");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {}", printed(&output)));
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("the file is JSON lines"));
    let finding = |line: serde_json::Value| {
        let finding = line.get("finding")?;
        let text = |key: &str| finding[key].as_str().expect("a finding has texts").to_owned();
        Some((text("id"), (text("verdict"), numberless(&text("evidence")))))
    };
    Examined {
        exit: output.status.code(),
        printed: printed(&output),
        findings: lines.filter_map(finding).collect(),
        asked: requests(sandbox),
    }
}

/// Returns a text with `#` in place of each number, fractions included.
fn numberless(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if kept.ends_with("#.") => drop(kept.pop()),
            '0'..='9' if kept.ends_with('#') => {}
            '0'..='9' => kept.push('#'),
            c => kept.push(c),
        }
    }
    kept
}

/// Each trap that probes notice: the probes that move when it is switched, in era 2026-08 and in era 2026-09, signed as
/// [`Examined::moved`] does. Traps of the server that is believed are switched off, the others on.
const NOTICED: &[(&str, [&str; 2])] = &[
    ("trimmed-fractions", ["B5~", "B5~"]),
    ("newest-lost-row", ["B3+", ""]),
    ("text-licences", ["S1+", "S1+"]),
    ("null-counters", ["S2+", "S2+"]),
    ("numeric-usernames", ["S3+", "S3+"]),
    ("absent-creators", ["S4+", "S4+"]),
    ("odd-fields", ["S5+", "S5+"]),
    ("control-bytes", ["S6+", "S6+"]),
    ("lone-surrogates", ["S7+", "S7+"]),
    ("foreign-links", ["A3+", "A3+"]),
    ("unordered-creators", ["F3?", "F3?"]),
    ("dummy-totals", ["F2~", "F2~"]),
    ("host-difference", ["I1+", "I1+"]),
    ("posted-with", ["E2?", "E2?"]),
    ("region-clamp", ["C3! E4!", "C3! E4!"]),
    ("forged-cursors-refused", ["B5? B6! B7!", "B5? B6! B7! E12? E7! E9?"]),
    ("feed-cursor-fails", ["E7=", ""]),
    ("feed-cursor-ignored", ["E7=", ""]),
    ("users-ids-ignored", ["E11!", "E11!"]),
    ("oldest-lost-row", ["B2!", "B2!"]),
    ("strict-ids", ["B4!", "B3~ B4!"]),
    ("long-fractions", ["B1! B4!", "B1!"]),
    ("offset-cursors", ["B8~", "B8~"]),
    ("cursors-fail", ["B9~", "B9~"]),
    ("pages-served", ["C1~", "C1~"]),
    ("mature-by-default", ["C2~", "C2~"]),
    ("ids-ignored", ["C4!", "C4!"]),
    ("ids-newest-version", ["C5!", "C5!"]),
    ("tag-filters", ["C6~", "C6~"]),
    ("unknown-users-empty", ["C7~", "C7~"]),
    ("larger-limits", ["C8~", "C8~"]),
    ("bare-lookups", ["D1~", "D1~"]),
    ("html-negatives", ["D2!", "D2!"]),
    ("zoned-scans", ["D3~", "D3~"]),
    ("other-hash", ["D4!", "D4!"]),
    ("images-lost-row", ["E3!", "E12! E3!"]),
    ("image-id-ignored", ["E5!", "E5!"]),
    ("image-users-refused", ["E6~", "E6~"]),
    ("escaped-likes", ["F1!", "F1!"]),
    ("text-totals", ["F4~", "F4~"]),
    ("new-words", ["F5~", "F5~"]),
    ("no-accounts", ["G1~", "G1~"]),
    ("no-edge-cache", ["A2~ C7= D2=", "A2~ C7= D2="]),
    ("rate-headers", ["A5~", "A5~"]),
    ("logins-demanded", ["H1~ H2?", "H1~ H2?"]),
    ("no-ranges", ["H2~", "H2~"]),
    ("old-first-pages", ["", "E1~"]),
    ("feed-ties-descend", ["", "E12~"]),
    ("feed-row-repeats", ["", "E3~"]),
    ("image-ids-ignored", ["", "E8~"]),
    ("feed-filters-ignored", ["", "E9~"]),
];

/// The traps that no probe notices: why 45 requests do not show them, and the test by which a crawl does.
const UNNOTICED: &[(&str, &str, &str)] = &[
    ("short-pages", "a page short of a few rows looks like a filter", "trap_04_an_empty_page_of_models_is_not_the_end"),
    ("empty-pages", "a run of removed rows is somewhere in a walk", "trap_04_an_empty_page_of_models_is_not_the_end"),
    ("null-dates", "such models are at the far end of a walk", "each_trap_alone_costs_nothing"),
    (
        "tied-dates",
        "a tie is somewhere in a walk",
        "a_tie_longer_than_a_page_costs_nothing_and_one_longer_than_any_page_is_named",
    ),
    (
        "hidden-minors",
        "a hidden model is seen only beside its look-up",
        "trap_14_nsfw_hides_models_and_the_list_hides_versions",
    ),
    (
        "hidden-early-access",
        "a hidden version is seen only beside its look-up",
        "trap_14_versions_kept_back_from_the_list_are_asked_for_by_id",
    ),
    ("empty-versions", "two models in a hundred have it", "trap_21_models_without_versions_are_looked_up"),
    ("false-ends", "one page in 25 has it, the first time only", "trap_04_an_empty_page_of_images_is_not_the_end"),
    ("depth-cap", "the end is a thousand rows deep", "a_feed_that_ends_early_is_sliced"),
    ("cached-negatives", "one look-up in ten has it", "trap_15_a_cached_404_is_not_believed"),
    (
        "foreign-filter",
        "one page in 40 has it, the first time only",
        "trap_07_a_page_that_ignores_its_filter_is_asked_for_again",
    ),
    ("hidden-persons", "a hidden model is nowhere to be seen", "trap_14_nsfw_hides_models_and_the_list_hides_versions"),
    ("big-ties", "the tie is somewhere in a walk", "rows_that_no_cursor_reaches_are_named"),
    ("future-dates", "a date ahead of the clock changes no page", "a_date_far_ahead_hides_nothing_from_later_passes"),
    ("feed-restarts", "one walk in ten has it, once", "the_feed_of_a_sandbox_is_whole_behind_its_traps"),
    ("big-image-ties", "the tie is somewhere in a walk", "the_feed_of_a_sandbox_is_whole_behind_its_traps"),
    ("posts-limit", "posts are refused after 60 requests", "a_limit_that_others_used_up_is_waited_for_beside_the_rest"),
    ("outage", "it begins after 150 requests", "trap_05_an_outage_finds_nothing_gone_and_is_named"),
    ("early-end", "one page in 17 has it", "trap_05_a_list_that_ends_early_is_not_complete"),
    (
        "link-without-cursor",
        "one page in ten has it, the first time only",
        "trap_05_a_link_without_a_cursor_is_asked_for_again",
    ),
    ("mutation", "a list that changed is asked for again", "no_alarm_while_the_catalog_changes"),
];

/// The probes that no trap moves, and why.
const UNMOVED: &[(&str, &str)] = &[
    ("A1", "without it no other probe has an answer, as servers made by hand show"),
    ("A4", "the sandbox knows gzip only"),
    ("G2", "only a key makes it be asked, which another test sends"),
];

/// The probes that differ between a server of era 2026-08 and one of 2026-09, signed as in [`NOTICED`].
const NEWER: &str = "B3+ E1+ E10+ E12+ E7+ E8+ E9+";

/// The options with which every probe is judged that needs no key.
fn examine_all(sandbox: &Sandbox, more: &[&str]) -> Examined {
    let other = sandbox.base.replace("127.0.0.1", "localhost");
    examine(sandbox, &[&["--download", "--other-host", &other], more].concat())
}

/// Examines a sandbox of each era for each trap that probes notice, and for those named here; fails if other probes move than
/// those of the table.
fn assert_matrix(era: &str) {
    let place = ERAS.iter().position(|known| *known == era).expect("it is an era");
    let baseline = examine_all(&sandbox(era, BELIEVED, &[]), &[]);
    assert_eq!(baseline.exit, Some(0), "{}", baseline.printed);
    let mut wrong = Vec::new();
    for (trap, about) in Traps::NAMES.iter().filter(|(trap, _)| *trap != "mutation") {
        let expected = NOTICED.iter().find(|(noticed, _)| noticed == trap).map_or("", |(_, moved)| moved[place]);
        let switch = if about.contains("not part of all") { "" } else { "-" };
        let switched = examine_all(&sandbox(era, &format!("{BELIEVED},{switch}{trap}"), &[]), &[]);
        let moved = switched.moved(&baseline);
        if moved != expected {
            wrong.push(format!("{trap}: `{moved}` instead of `{expected}`"));
        }
        let alarm = if expected.contains('!') { Some(4) } else { Some(0) };
        if switched.exit != alarm {
            wrong.push(format!("{trap}: exit code {:?} instead of {alarm:?}", switched.exit));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), baseline.printed);
}

#[test]
fn each_trap_moves_its_probes_in_era_2026_08() {
    assert_matrix(ERAS[0]);
}

#[test]
fn each_trap_moves_its_probes_in_era_2026_09() {
    assert_matrix(ERAS[1]);
}

#[test]
fn every_trap_and_every_probe_has_its_counterpart_or_a_reason() {
    let mut known: Vec<&str> = NOTICED.iter().map(|(trap, _)| *trap).collect();
    known.extend(UNNOTICED.iter().map(|(trap, ..)| *trap));
    let switches: BTreeSet<&str> = Traps::NAMES.iter().map(|(trap, _)| *trap).collect();
    assert_eq!(known.iter().copied().collect::<BTreeSet<_>>(), switches);
    assert_eq!(known.len(), switches.len(), "a trap is in the tables twice");
    let tests = sources("tests/suite") + &sources("tests/suite/traps");
    for (trap, _, test) in UNNOTICED {
        assert!(tests.contains(&format!("fn {test}()")), "{trap}: there is no test `{test}`");
    }
    let words = NOTICED.iter().flat_map(|(_, moved)| moved).chain([&NEWER]).flat_map(|moved| moved.split(' '));
    let mut moved: BTreeSet<&str> = words.map(|word| word.trim_end_matches(['+', '~', '!', '?', '='])).collect();
    moved.remove("");
    assert!(UNMOVED.iter().all(|(probe, _)| moved.insert(probe)), "a probe that a trap moves is listed as unmoved");
    assert_eq!(moved, probes::all().map(|probe| probe.id).collect());
}

#[test]
fn the_eras_differ_where_the_servers_do() {
    let [older, newer] = ERAS.map(|era| examine_all(&sandbox(era, BELIEVED, &[]), &[]));
    assert_eq!(newer.moved(&older), NEWER, "{}\n{}", older.printed, newer.printed);
    for examined in [&older, &newer] {
        assert_eq!((examined.exit, examined.printed.contains("DIFFERS")), (Some(0), false), "{}", examined.printed);
    }
}

#[test]
fn no_alarm_while_the_catalog_changes() {
    for era in ERAS {
        // The changes take 480 requests: some ten examinations.
        let changing =
            Sandbox::start(&["--models", "12000", "--images", "12000", "--era", era, "--traps", "all,mutation"]);
        let runs: Vec<Examined> = (0..25).map(|_| examine(&changing, &[])).collect();
        for examined in &runs {
            assert_eq!((examined.exit, examined.printed.contains("DIFFERS")), (Some(0), false), "{}", examined.printed);
            let untold = examined.findings.values().filter(|(verdict, _)| verdict == "cannot tell").count();
            assert!(untold < examined.findings.len() / 4, "{}", examined.printed);
        }
    }
}

#[test]
fn requests_are_few_and_follow_each_other() {
    for era in ERAS {
        let few = examine(&sandbox(era, BELIEVED, &["--latency", "10"]), &[]);
        assert!((30..=50).contains(&few.asked.len()), "{} requests", few.asked.len());
        assert!(few.asked.windows(2).all(|pair| pair[1].at - pair[0].at >= 0.010), "two were in flight");
        let fault = ["--fault", "kind=status,code=502,every=2"];
        let most = examine_all(&sandbox(era, BELIEVED, &fault), &[]);
        assert!((few.asked.len()..=60).contains(&most.asked.len()), "{} requests", most.asked.len());
    }
}

#[test]
fn the_key_is_sent_to_its_server_only_and_judged() {
    for era in ERAS {
        for (key, traps, exit, verdict) in [
            ("some-key", "all", 0, Some("holds")),
            ("some-key", "all,no-accounts", 0, Some("differs, handled")),
            ("dead-key", "all", 77, None),
        ] {
            let room = TempDir::new().expect("there is room for a directory");
            let file = room.path().join("key");
            std::fs::write(&file, key).expect("it can be written");
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
            let sandbox = sandbox(era, traps, &[]);
            let examined = examine_all(&sandbox, &["--key-file", file.to_str().expect("it is text")]);
            assert_eq!(examined.exit, Some(exit), "{}", examined.printed);
            assert_eq!(verdict, verdict.and(examined.findings.get("G2").map(|(verdict, _)| &**verdict)));
            let host =
                sandbox.base.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches("/api/v1");
            let keyed: Vec<&Logged> = examined.asked.iter().filter(|request| request.authorization).collect();
            assert!(!keyed.is_empty() && keyed.iter().all(|request| request.host == host), "{keyed:?}");
            assert!(examined.asked.iter().any(|request| request.host.starts_with("localhost:")) || exit == 77);
        }
    }
}
