//! Whole crawl files through [`parse`]: the exact text of every mistake, defaults, and no text that panics.

mod params;
mod partitions;

use std::time::Duration;

use proptest::prelude::*;

use super::{Crawl, Keep, Mistakes, Place, Server, Snapshot, Warning, parse};
use crate::api::ENDPOINTS;
use crate::table;

const MODELS: &str = include_str!("../../crawls/models.toml");
const SANDBOX: &str = include_str!("../../crawls/sandbox.toml");
/// A file that is right, on three lines; cases add to it from line 4.
const HEAD: &str = "server = \"https://civitai.com/api/v1\"\ndataset = \"data/x\"\n\n";
/// A walk that is right, on four lines.
const WALK: &str = "[[walk]]\nname = \"w\"\nendpoint = \"models\"\nparams = { sort = \"Oldest\" }\n";

fn read(text: &str) -> Result<(Crawl, Vec<Warning>), Mistakes> {
    parse("x", text, ENDPOINTS)
}

/// Returns the text's mistakes as displayed; empty if there are none.
fn mistakes(text: &str) -> String {
    read(text).err().map(|mistakes| mistakes.lines("x.toml").join("\n")).unwrap_or_default()
}

/// The shipped crawls, which must be right.
fn shipped() -> [Crawl; 2] {
    [("models", MODELS), ("sandbox", SANDBOX)].map(|(name, text)| match parse(name, text, ENDPOINTS) {
        Ok((crawl, warnings)) if warnings.is_empty() => crawl,
        other => unreachable!("{name}: {other:?}"),
    })
}

#[test]
fn shipped_crawls_are_right_and_raise_no_warning() {
    for crawl in shipped() {
        let names: Vec<&str> = crawl.walks.iter().map(|walk| walk.name.as_str()).collect();
        assert_eq!(names[..2], ["models", "models_pg"], "{}", crawl.name);
        let full = [("sort", "Oldest"), ("period", "AllTime"), ("nsfw", "true"), ("archived", "true")];
        let full: Vec<(String, String)> = full.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(crawl.walks[0].params, full);
        assert_eq!(crawl.walks[1].params, [full[0].clone(), full[1].clone(), full[3].clone()]);
        assert!(crawl.walks[..2].iter().all(|walk| walk.limit == 100));
    }
    let [models, sandbox] = shipped();
    assert_eq!((models.pace.requests_per_second, models.pace.burst, models.pace.in_flight), (1.0, 2, 2));
    assert_eq!((sandbox.server, sandbox.sandbox.models), (Server::Sandbox, 1000));
}

#[test]
fn defaults_are_those_documented() {
    let (crawl, warnings) = read(&format!("{HEAD}{WALK}")).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
    assert_eq!(warnings, []);
    assert_eq!((crawl.pace.requests_per_second, crawl.pace.burst, crawl.pace.in_flight), (1.0, 1, 4));
    let timeouts = [crawl.timeouts.connect, crawl.timeouts.idle, crawl.timeouts.total].map(|time| time.as_secs());
    assert_eq!(timeouts, [10, 60, 300]);
    assert_eq!((crawl.retry.attempts, crawl.retry.elapsed.as_secs()), (8, 900));
    assert_eq!((crawl.commit.every.as_secs(), crawl.commit.bytes), (60, 64 << 20));
    assert_eq!((crawl.keep_bodies, crawl.insecure_http, crawl.key_file), (false, false, None));
    let split = vec![&table::images::TABLE, &table::gallery_images::TABLE, &table::posts::TABLE];
    assert_eq!(
        (crawl.snapshot, crawl.history),
        (Snapshot { take: true, keep: Keep::Count(3), prune: false, split, verify_every: None }, Vec::new())
    );
    assert_eq!((crawl.sandbox.models, crawl.sandbox.seed, crawl.sandbox.traps.as_str()), (2000, 1, "all"));
    assert_eq!((crawl.sandbox.faults.len(), crawl.sandbox.latency), (0, Duration::ZERO));
    assert_eq!((crawl.name.as_str(), crawl.walks[0].limit), ("x", 100));
}

#[test]
fn a_crawl_has_the_name_of_its_file_or_its_own() {
    let named = |name: &str| read(&format!("name = {name}\n{HEAD}{WALK}")).map(|(crawl, _)| crawl.name);
    assert_eq!(named("\"top-loras\""), Ok("top-loras".to_owned()));
    for refused in ["\"\"", "\"a/b\"", "\"a b\"", "7"] {
        assert!(named(refused).is_err(), "{refused}");
    }
}

#[test]
fn flat_meta_alone_is_warned_of() {
    let warned = |params: &str| {
        let params = format!("params = {{ sort = \"Oldest\", {params} }}");
        let walk = format!("{HEAD}[[walk]]\nname = \"w\"\nendpoint = \"images\"\n{params}\n");
        let (_, warnings) = read(&walk).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
        warnings.iter().any(|warning| warning.place == Place::Line(7) && warning.text.starts_with("`flatMeta` without"))
    };
    assert!(warned("flatMeta = true") && warned("flatMeta = true, withMeta = false"));
    assert!(!warned("flatMeta = true, withMeta = true") && !warned("flatMeta = false") && !warned("withMeta = true"));
}

#[test]
fn every_setting_is_read() {
    let text = "server = \"sandbox\"\ndataset = \"d\"\nkeep_bodies = true\nkey_file = \"k\"\ninsecure_http = true\n\
        pace = { requests_per_second = 3, burst = 5, in_flight = 6 }\n\
        timeouts = { connect = \"1s\", idle = \"2s\", total = \"3s\" }\nretry = { attempts = 2, elapsed = \"1h 30m\" }\n\
        commit = { every = \"100ms\", bytes = \"2MiB\" }\n\
        sandbox = { models = 7, seed = 9, era = \"2023\", traps = \"none\", faults = [\"kind=reset\"], latency = \"5ms\" }\n";
    let (crawl, _) = read(&format!("{text}{WALK}")).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
    assert_eq!((crawl.pace.requests_per_second, crawl.pace.burst, crawl.pace.in_flight), (3.0, 5, 6));
    let timeouts = [crawl.timeouts.connect, crawl.timeouts.idle, crawl.timeouts.total].map(|time| time.as_secs());
    assert_eq!(timeouts, [1, 2, 3]);
    assert_eq!((crawl.retry.attempts, crawl.retry.elapsed.as_secs()), (2, 5400));
    assert_eq!((crawl.commit.every.as_millis(), crawl.commit.bytes), (100, 2 << 20));
    assert_eq!((crawl.keep_bodies, crawl.insecure_http), (true, true));
    assert_eq!(crawl.key_file.as_deref(), Some(std::path::Path::new("k")));
    assert_eq!((crawl.sandbox.models, crawl.sandbox.seed, crawl.sandbox.traps.as_str()), (7, 9, "none"));
    assert_eq!(crawl.sandbox.era, "2023");
    assert_eq!(
        (crawl.sandbox.faults, crawl.sandbox.latency),
        (vec!["kind=reset".to_owned()], Duration::from_millis(5))
    );
}

/// The words that [`MISTAKES`] abbreviates to ENDPOINTS.
const KNOWN: &str = "`models`, `model`, `model_version`, `model_version_by_hash`, `images`, `creators`, `tags`, `post`, `users`, `enums`";

/// Lines added after the head of a file, with the mistakes expected for them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "burst = 4",
        "x.toml:4: there is no key `burst` here. Known are `name`, `server`, `dataset`, `store`, `insecure_http`, \
          `keep_bodies`, `snapshot`, `history`, `key_file`, `pace`, `timeouts`, `retry`, `commit`, `absence`, `sandbox`, `walk`, `pseudonymize`, \
          `pseudonym_key_file`, `drop`.",
    ),
    ("keepbodies = true", "x.toml:4: there is no key `keepbodies` here. Did you mean `keep_bodies`?"),
    (
        "history = [\"models\", \"model_version\"]",
        "x.toml:4: `history` names `model_version`, which is no table with a history. Did you mean `model_versions`?",
    ),
    (
        "history = [\"model_tags\"]",
        "x.toml:4: `history` names `model_tags`, which is no table with a history. Did you mean `models`?",
    ),
    (
        "snapshot = { keep = 0 }",
        "x.toml:4: `snapshot.keep` is `0`; it takes how many, from `1` to `1000`, or an age such as `\"30d\"`.",
    ),
    (
        "snapshot = { keep = \"3\" }",
        "x.toml:4: `snapshot.keep` is `\"3\"`; it takes how many, from `1` to `1000`, or an age such as `\"30d\"`.",
    ),
    (
        "snapshot = { verify_every = 0 }",
        "x.toml:4: `snapshot.verify_every` is `0`; it takes how many passes, from `1` to `1000`.",
    ),
    (
        "snapshot = { split = [\"image_meta\"] }",
        "x.toml:4: `snapshot.split` names `image_meta`, which cannot be split by itself. Did you mean `images`?",
    ),
    ("snapshot = { kep = 3 }", "x.toml:4: there is no key `kep` in `[snapshot]`. Did you mean `keep`?"),
    ("keep_bodies = \"yes\"", "x.toml:4: `keep_bodies` is `\"yes\"`; it takes `true` or `false`, without quotes."),
    ("key_file = \" \"", "x.toml:4: `key_file` is `\" \"`; it takes text in quotes that is not empty."),
    ("pace = 3", "x.toml:4: `pace` is `3`; it takes a table."),
    ("[pace]\nbrust = 1", "x.toml:5: there is no key `brust` in `[pace]`. Did you mean `burst`?"),
    ("[pace]\nburst = 0", "x.toml:5: `pace.burst` is `0`; it takes a whole number from 1 to 1000."),
    ("[pace]\nin_flight = 2.5", "x.toml:5: `pace.in_flight` is `2.5`; it takes a whole number from 1 to 256."),
    (
        "[pace]\nrequests_per_second = nan",
        "x.toml:5: `pace.requests_per_second` is `nan`; it takes a number from 0.01 to 1000.",
    ),
    (
        "[retry]\nattempts = 99999999999999999999999999999999999999999",
        "x.toml:5: `retry.attempts` is `99999999999999999999999999999999999999999`; it takes a whole number from 1 to 100.",
    ),
    (
        "[timeouts]\nidle = 60",
        "x.toml:5: `timeouts.idle` is `60`; it takes a duration from 100ms to 1h, \
          such as `\"90s\"` or `\"1h 30m\"`.",
    ),
    (
        "[commit]\nevery = \"1ms\"",
        "x.toml:5: `commit.every` is `\"1ms\"`; it takes a duration from 100ms to 24h, \
          such as `\"90s\"` or `\"1h 30m\"`.",
    ),
    (
        "[commit]\nbytes = \"512KiB\"",
        "x.toml:5: `commit.bytes` is `\"512KiB\"`; it takes a size from 1MiB to 8GiB \
          in KiB, MiB or GiB, such as `\"64MiB\"`.",
    ),
    (
        "[sandbox]\nmodels = 5",
        "x.toml:4: `[sandbox]` has a meaning only with `server = \"sandbox\"`; remove it, \
          or change the server.",
    ),
    (
        "api_key = \"CANARY\"",
        "x.toml:4: `api_key`: an API key never goes into a crawl file. Set the environment \
          variable CIVITAI_API_KEY, or name a file that holds the key: `key_file = \"…\"`.",
    ),
    (
        "[pace]\ntoken = \"CANARY\"",
        "x.toml:5: `token`: an API key never goes into a crawl file. Set the environment \
          variable CIVITAI_API_KEY, or name a file that holds the key: `key_file = \"…\"`.",
    ),
    (
        "[[walk]]\nendpoint = \"models\"\nparams = { sort = \"Oldest\" }",
        "x.toml:4: this walk has no `name`; give it one that no other walk of the file has.",
    ),
    ("[[walk]]\nname = \"a\"", "x.toml:4: this walk has no `endpoint`; known are ENDPOINTS."),
    (
        "[[walk]]\nname = \"a b\"\nendpoint = \"models\"",
        "x.toml:5: `name` is `a b`; it takes letters, digits, `-` and `_`, at most 64 of them.",
    ),
    ("[[walk]]\nname = \"a\"\nendpoint = \"modls\"", "x.toml:6: there is no endpoint `modls`. Did you mean `models`?"),
    (
        "[[walk]]\nname = \"a\"\nendpoint = \"bounties\"",
        "x.toml:6: there is no endpoint `bounties`. Known are ENDPOINTS.",
    ),
    (
        "[[walk]]\nname = \"a\"\nendpoint = \"users\"",
        "x.toml:4: `users` asks for nobody; set `ids`, or let `for_each` do it.",
    ),
    (
        "[[walk]]\nname = \"a\"\nendpoint = \"models\"\nlimit = 5",
        "x.toml:7: there is no key `limit` in a `[[walk]]`. Known are `name`, `endpoint`, `params`, `unchecked`, \
          `split`, `for_each`, `from`, `incremental`, `confirm_gone`.",
    ),
    ("[[walk]]\nname = \"a\"\nendpoint = \"models\"\nparams = 5", "x.toml:7: `params` is `5`; it takes a table."),
];

#[test]
fn each_mistake_has_its_line_and_says_what_is_right() {
    for (added, expected) in MISTAKES {
        let expected = expected.replace("ENDPOINTS", KNOWN);
        assert_eq!(mistakes(&format!("{HEAD}{added}\n{WALK}")), expected, "{added}");
    }
}

#[test]
fn what_is_missing_or_double_is_named() {
    let long = "a".repeat(65);
    let cases = [
        ("".to_owned(), "x.toml:1: `server` is missing; write `server = \"https://civitai.com/api/v1\"`, or \
          `\"sandbox\"`.\n\nx.toml:1: `dataset` is missing; name the directory to write to: `dataset = \"data/catalog\"`.\
          \n\nx.toml:1: there is no walk; write at least one `[[walk]]` with a `name` and an `endpoint`.".to_owned()),
        (format!("{HEAD}walk = []"),
         "x.toml:4: there is no walk; write at least one `[[walk]]` with a `name` and an `endpoint`.".to_owned()),
        (format!("{HEAD}walk = [1]"), "x.toml:4: `walk` holds `1`; each walk is a table: `[[walk]]`.".to_owned()),
        (format!("{HEAD}[walk]\nname = \"a\""),
         "x.toml:4: `walk` is not a list; open each walk with `[[walk]]`, in double brackets.".to_owned()),
        (format!("{HEAD}{WALK}{WALK}"),
         "x.toml:9: `name` is `w`, which the walk of line 5 is called already; change one.".to_owned()),
        (format!("{HEAD}{}", WALK.replace("\"w\"", &format!("\"{long}\""))),
         format!("x.toml:5: `name` is `{}…`; it takes letters, digits, `-` and `_`, at most 64 of them.", &long[..60])),
        (format!("{HEAD}x = \n{WALK}y = [[[[\n"), "x.toml:4: this is not TOML: string values must be quoted, expected \
          literal string.\n\nx.toml:9: this is not TOML: unclosed array, expected `]`.".to_owned()),
        (format!("{HEAD}{WALK}").replace("/v1", "/v1/?token=CANARY"), "x.toml:1: the server's URL has a trailing slash \
          and has a query; write `https://civitai.com/api/v1`.".to_owned()),
        (format!("{HEAD}{WALK}").replace("https", "http"), "x.toml:1: the server `civitai.com` would be asked without \
          encryption; write `https:`, or allow it with `insecure_http = true`.".to_owned()),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(&text), expected, "{text}");
    }
    // One slip, one mistake, however often the parser stumbles over it.
    assert_eq!(mistakes(&format!("{HEAD}x = {}", "[".repeat(100))).lines().count(), 1);
    assert_eq!(
        mistakes(&format!("\u{feff}{HEAD}keep_bodies = 5\n{WALK}")),
        "x.toml:4: `keep_bodies` is `5`; it takes `true` or `false`, without quotes."
    );
    assert_eq!(mistakes(&format!("insecure_http = true\n{HEAD}{WALK}").replace("https", "http")), "");
}

#[test]
fn a_fast_pace_is_noted_unless_the_server_is_local() {
    let fast = format!("{HEAD}{WALK}[pace]\nrequests_per_second = 20");
    let expected = "`pace.requests_per_second` is `20`: the service publishes no limit, but callers faster than about \
        2 a second report being blocked.";
    let warnings = |text: &str| read(text).map(|(_, warnings)| warnings);
    assert_eq!(warnings(&fast), Ok(vec![Warning { place: Place::Line(9), text: expected.to_owned() }]));
    assert_eq!(warnings(&fast.replace("https://civitai.com", "http://127.0.0.1:1")), Ok(vec![]));
    assert_eq!(warnings(&fast.replace("= 20", "= 5")), Ok(vec![]));
}

/// A shipped file with some places overwritten, cut out or doubled.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0usize..12, "[\\PC\n\"\\[\\]{}=.,#'0-9-]{0,6}");
    let lines = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let file = prop::sample::select(vec![MODELS, SANDBOX]);
    (file, prop::collection::vec(edit, 0..4), prop::option::of(lines)).prop_map(|(file, edits, swap)| {
        let mut lines: Vec<&str> = file.lines().collect();
        if let Some((a, b)) = swap {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
        }
        let mut chars: Vec<char> = lines.join("\n").chars().collect();
        for (at, length, with) in edits {
            let at = at.index(chars.len());
            let end = (at + length).min(chars.len());
            chars.splice(at..end, with.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused_with_a_reason(text in prop_oneof!["(?s).{0,200}", "[a-z\\[\\]{}=\"'.,\n# 0-9]{0,200}", mutated()]) {
        match read(&text) {
            Ok((crawl, _)) => prop_assert!(!crawl.walks.is_empty()),
            Err(mistakes) => {
                prop_assert!(!mistakes.list.is_empty());
                for mistake in mistakes.list {
                    let lines = Place::Line(1)..=Place::Line(text.lines().count().max(1) + 1);
                    prop_assert!(lines.contains(&mistake.place), "{:?}", mistake);
                    prop_assert!(mistake.text.ends_with(['.', '?']), "{:?}", mistake);
                }
            }
        }
    }

    #[test]
    fn no_mistake_shows_a_key(key in "(api[_-]?key|token|key|secret|Authorization)", place in 0usize..5) {
        let line = format!("{key} = \"CANARY\"");
        let text = match place {
            0 => format!("{HEAD}{line}\n{WALK}"),
            1 => format!("{HEAD}{WALK}[pace]\n{line}"),
            2 => format!("{HEAD}{WALK}{line}"),
            3 => format!("{HEAD}{}", WALK.replace("sort = \"Oldest\"", &line)),
            _ => format!("{HEAD}{WALK}unchecked = {{ {line} }}"),
        };
        let shown = mistakes(&text);
        prop_assert!(shown.contains("CIVITAI_API_KEY") && !shown.contains("CANARY"), "{}", shown);
    }
}
