//! Holds the architecture: which module may use which, and which file may do what. Reads the source; each message names file
//! and line. Files and paths are held by clippy, with `.clippy.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use source::{Modules, Path, Source, files_below, read};

/// The modules that each module may name. `definition` may read the parameters of an endpoint.
const FLOORS: &[(&str, &str)] = &[
    ("cli", "doctor engine lookup download bucket api fetch dataset storage definition report table sandbox stop"),
    ("engine", "api fetch dataset storage definition table stop"),
    ("lookup", "api fetch dataset storage stop"),
    ("doctor", "api fetch stop table"),
    ("download", "api lookup fetch dataset storage stop table"),
    ("bucket", "dataset definition fetch place stop"),
    ("api", "table"),
    ("fetch", "place table"),
    ("dataset", "storage table"),
    ("storage", ""),
    ("stop", ""),
    ("definition", "api place table"),
    ("place", ""),
    ("report", "dataset storage table"),
    ("table", ""),
    ("sandbox", ""),
];

/// Where there is no I/O, no clock, no randomness and nothing asynchronous.
const PURE: &str = "src/api/ src/table/ src/definition/ src/place.rs src/dataset/commit.rs src/dataset/damage.rs \
    src/dataset/history.rs src/dataset/manifest.rs src/dataset/recovery.rs src/dataset/walk_state.rs \
    src/doctor/about.rs src/doctor/answers.rs src/doctor/exchange.rs src/doctor/file.rs src/doctor/finding.rs \
    src/doctor/probe.rs src/doctor/probes/ src/doctor/request.rs src/doctor/skeleton.rs src/fetch/verdict.rs";
const IMPURE: &str = "std::fs std::io std::net std::process std::env std::thread std::time::SystemTime \
    std::time::Instant tokio tokio_util futures_util hyper reqwest rand getrandom fastrand async await println \
    eprintln Timestamp::now jiff::Timestamp::now Zoned::now jiff::Zoned::now";

/// Where sockets are opened, and what opens them.
const NETWORK: &str = "src/fetch/ src/sandbox/ src/bucket/";
const SOCKETS: &str = "object_store hyper hyper_util reqwest tokio_rustls std::net tokio::net";

/// The files in which clippy lets pass what `.clippy.toml` forbids: to touch files, to make paths.
const ALLOWED: &str = "src/dataset/layout.rs src/download/digest.rs src/download/folder.rs src/lib.rs \
    src/lookup/model_files.rs src/storage/lock.rs src/storage/mod.rs src/storage/regular.rs src/storage/text.rs";

/// Words that a doc comment should not open with.
const QUESTION_WORDS: &str = "what whether who whose how which where when";
/// The share of doc comments, in percent, that is too many.
const QUESTIONS_PERCENT: usize = 5;

fn lists(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

fn lists_folder_of(list: &str, path: &str) -> bool {
    list.split_whitespace().any(|folder| path.starts_with(folder))
}

/// A rule: the faults of one file, as (line, fault).
type Rule = fn(&Source) -> Vec<(usize, String)>;

static SRC: LazyLock<Vec<Source>> = LazyLock::new(|| Source::all_below("src"));

/// Fails with every place, named by file and line, where a rule is broken.
fn hold(sources: &[Source], rule: Rule) {
    let named = |source: &Source| {
        rule(source).into_iter().map(|(line, fault)| format!("{}:{line}: {fault}\n", source.path)).collect()
    };
    let broken: Vec<String> = sources.iter().map(named).collect();
    assert!(broken.concat().is_empty(), "\n{}", broken.concat());
}

/// Returns the paths of a file that a test picks, each with this fault.
fn named(source: &Source, picks: impl Fn(&Path) -> bool, fault: &str) -> Vec<(usize, String)> {
    let picked = source.paths.iter().filter(|path| picks(path));
    picked.map(|path| (path.line, format!("`{}`: {fault}", path.names.join("::")))).collect()
}

fn opens_with_its_purpose(source: &Source) -> Vec<(usize, String)> {
    let opens = source.text.starts_with("//! ");
    if opens { Vec::new() } else { vec![(1, String::from("a file opens with `//!` and its purpose"))] }
}

fn keeps_sockets_in_fetch(source: &Source) -> Vec<(usize, String)> {
    let outside = !lists_folder_of(NETWORK, &source.path);
    named(
        source,
        |path| outside && path.leads_to(SOCKETS),
        "sockets are only under src/fetch, src/sandbox and src/bucket",
    )
}

fn is_pure(source: &Source) -> Vec<(usize, String)> {
    let inside = lists_folder_of(PURE, &source.path);
    named(source, |path| inside && path.leads_to(IMPURE), "not in a pure module")
}

fn allows_what_it_may(source: &Source) -> Vec<(usize, String)> {
    let allows = source.text.find("clippy::disallowed_");
    let wrong = allows.filter(|_| !lists(ALLOWED, &source.path));
    let line = |at: usize| 1 + source.text[..at].matches('\n').count();
    wrong.map(|at| (line(at), String::from("files and paths are for the files in ALLOWED"))).into_iter().collect()
}

fn stays_on_its_floor(source: &Source) -> Vec<(usize, String)> {
    let module = source.module();
    let own = module.split("::").next().unwrap_or_default();
    let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == own) else { return Vec::new() };
    let above = module.split("::").count();
    let foreign = source.paths.iter().filter_map(|path| {
        let supers = path.names.iter().take_while(|name| *name == "super").count();
        let named = match path.names[0].as_str() {
            "crate" | "civitrawl" => path.names.get(1),
            "super" if supers >= above => path.names.get(supers),
            _ => None,
        }?;
        let known = FLOORS.iter().any(|(floor, _)| floor == named);
        (known && named != own && !lists(allowed, named)).then_some((path.line, named))
    });
    foreign.map(|(line, named)| (line, format!("`{own}` must not name `{named}`"))).collect()
}

/// Files that import each other, by whatever way round, and one import of theirs.
struct Circle {
    files: BTreeSet<String>,
    import: String,
}

/// Finds every circle of imports. A module declared or re-exported is not imported.
fn circles(sources: &[Source]) -> Vec<Circle> {
    let modules = Modules::of(sources);
    let mut imports: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    for source in sources {
        for path in source.paths.iter().filter(|path| !path.is_re_export) {
            if let Some(definition) = modules.definition(&source.module(), &path.names)
                && definition.path != source.path
            {
                let names = path.names.join("::");
                let what = format!("{}:{} uses `{names}` of {}", source.path, path.line, definition.path);
                imports.entry(&source.path).or_default().push((&definition.path, what));
            }
        }
    }
    let reached = |from: &str| {
        let (mut reached, mut left) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = left.pop() {
            let next = imports.get(file.as_str()).into_iter().flatten().map(|(to, _)| (*to).to_owned());
            left.extend(next.filter(|to| reached.insert(to.clone())));
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<String>> = imports.keys().map(|file| (*file, reached(file))).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for (file, _) in reached.iter().filter(|(file, reached)| reached.contains(**file)) {
        let back = |other: &&String| reached.get(other.as_str()).is_some_and(|reached| reached.contains(*file));
        let files: BTreeSet<String> = reached[file].iter().filter(back).cloned().collect();
        if circles.iter().all(|circle| circle.files != files) {
            // The pair with the fewest imports is the easiest to take apart.
            let inside = |from: &str| imports[from].iter().filter(|(to, _)| files.contains(*to));
            let pairs = files.iter().flat_map(|from| inside(from).map(move |(to, what)| (from, to, what)));
            let count = |from: &str, to: &str| inside(from).filter(|(other, _)| *other == to).count();
            let import = pairs.min_by_key(|(from, to, _)| count(from, to)).map(|(_, _, what)| what.clone());
            circles.push(Circle { files, import: import.unwrap_or_default() });
        }
    }
    circles
}

#[test]
fn every_file_opens_with_its_purpose() {
    hold(&SRC, opens_with_its_purpose);
    hold(&Source::all_below("tests"), opens_with_its_purpose);
}

#[test]
fn files_sockets_and_paths_are_touched_in_few_places() {
    hold(&SRC, allows_what_it_may);
    hold(&SRC, keeps_sockets_in_fetch);
}

#[test]
fn modules_name_only_the_floors_below_and_pure_ones_are_pure() {
    hold(&SRC, stays_on_its_floor);
    hold(&SRC, is_pure);
}

#[test]
fn no_files_import_each_other() {
    let mut messages = String::new();
    for Circle { files, import } in circles(&SRC) {
        let files: Vec<String> = files.into_iter().collect();
        messages += &format!("{}: move an item to a file of its own; perhaps {import}\n", files.join(", "));
    }
    assert!(messages.is_empty(), "files that import each other:\n{messages}");
}

#[test]
fn few_doc_comments_open_with_a_question_word() {
    let mark = |line: &str| ["///", "//!"].into_iter().find(|mark| line.starts_with(mark));
    let (mut all, mut places) = (0, Vec::new());
    for source in SRC.iter() {
        let mut before = None;
        for (number, line) in (1..).zip(source.text.lines().map(str::trim_start)) {
            if mark(line).is_some() && mark(line) != before {
                let word = line[3..].trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
                all += 1;
                places.extend(
                    lists(QUESTION_WORDS, &word.to_lowercase()).then(|| format!("{}:{number}: {line}\n", source.path)),
                );
            }
            before = mark(line);
        }
    }
    let (found, first) = (places.len(), places[..places.len().min(20)].concat());
    assert!(
        100 * found < QUESTIONS_PERCENT * all,
        "{found} of {all} doc comments open with a question word; name the subject and a verb instead, as `Returns ...`, \
         `Set when ...`, `Fails if ...`:\n{first}"
    );
}

#[test]
fn the_engine_has_at_most_a_dozen_names_at_its_top() {
    let files = files_below("src/engine");
    let name = |path: &str| path.split('/').nth(2).map(|name| name.trim_end_matches(".rs").to_owned());
    let names: BTreeSet<String> = files.iter().filter_map(|path| name(path)).collect();
    assert!(names.len() <= 12, "src/engine holds {} names; give some a folder: {names:?}", names.len());
}

#[test]
fn the_top_level_holds_the_allowed_names_only() {
    let ignored = read(".gitignore");
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let allowed = ["Cargo.toml", "Cargo.lock", "src", "crawls", "tests", "scripts", "README.md"];
    let entries = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let strays: Vec<String> = names
        .filter(|name| !name.starts_with('.') && !allowed.contains(&name.as_str()) && !ignored.contains(&name.as_str()))
        .collect();
    assert!(strays.is_empty(), "{strays:?}: the top level holds {allowed:?}, dot-files, and what .gitignore names");
}

#[test]
fn every_module_has_its_floor() {
    let text = read("src/lib.rs");
    let declared = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let modules: BTreeSet<String> = declared.map(str::to_owned).collect();
    let floors: BTreeSet<String> = FLOORS.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(modules, floors, "the modules of src/lib.rs, and FLOORS");
}

#[test]
fn no_file_names_the_tools_or_machines_it_was_made_with() {
    // Put together here, so that this file holds none of them.
    let words = [
        ["clau", "de"],
        ["anthro", "pic"],
        ["chat", "gpt"],
        ["copi", "lot"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/wo", "rk/"],
    ];
    let words = words.map(|halves| halves.concat());
    let folders = ["src", "tests", "scripts", "crawls", ".ci", ".cargo", ".config"].iter().flat_map(|f| files_below(f));
    let top = ["Cargo.toml", "README.md", ".gitignore"].map(String::from);
    let exists = |path: &String| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file();
    for path in folders.chain(top.into_iter().filter(exists)).filter(|path| !path.contains("__pycache__")) {
        for (line, text) in (1..).zip(read(&path).to_lowercase().lines()) {
            let named = words.iter().find(|word| text.contains(word.as_str()));
            assert!(named.is_none(), "{path}:{line}: names `{}`", named.unwrap());
        }
    }
}

#[test]
fn every_script_says_what_it_proves_and_how_long_it_takes() {
    for path in [files_below("scripts"), files_below(".ci")].concat() {
        let text = read(&path);
        if path.starts_with("scripts/queries/") {
            assert!(
                text.starts_with("-- ") && text.contains("duckdb -c"),
                "{path}:1: a query opens with what it asks and how"
            );
            continue;
        }
        let header: Vec<&str> = text.lines().skip(1).take_while(|line| line.starts_with('#')).collect();
        assert!(text.starts_with("#!"), "{path}:1: a script opens with the line that runs it");
        let says = |word: &str| header.iter().any(|line| line.contains(word));
        assert!(says("Proves") && says("Takes"), "{path}:2: a script opens with `# Proves ...` and `# Takes ...`");
    }
}

/// Each rule with a file that breaks it, and the lines it must name; an empty list where the rule must keep silent.
const BREAKS: &[(Rule, &str, &str, &[usize])] = &[
    (opens_with_its_purpose, "src/a.rs", "// no\n", &[1]),
    (opens_with_its_purpose, "src/a.rs", "//! Its purpose.\n", &[]),
    (allows_what_it_may, "src/cli/a.rs", "//! A.\n#![allow(clippy::disallowed_types)]", &[2]),
    (allows_what_it_may, "src/storage/mod.rs", "#![allow(clippy::disallowed_types)]", &[]),
    (keeps_sockets_in_fetch, "src/engine/a.rs", "fn f(c: &reqwest::Client, s: tokio::net::TcpStream) {}", &[1, 1]),
    (keeps_sockets_in_fetch, "src/engine/a.rs", "use std::{io, net::{self, TcpStream}};\n", &[1, 1]),
    (keeps_sockets_in_fetch, "src/engine/a.rs", "// std::net\nlet s = (\"std::net\", r#\"\"hyper\"#, '\"');", &[]),
    (keeps_sockets_in_fetch, "src/engine/a.rs", "#[cfg(test)]\nmod tests {\n use std::net;\n}\nuse hyper;", &[5]),
    (keeps_sockets_in_fetch, "src/engine/tests.rs", "use std::net;", &[]),
    (keeps_sockets_in_fetch, "src/sandbox/a.rs", "use hyper::Request;", &[]),
    (stays_on_its_floor, "src/api/a.rs", "use crate::{table, fetch::Answer};", &[1]),
    (
        stays_on_its_floor,
        "src/api/deep/a.rs",
        "use super::super::super::engine::Error;\nuse super::super::value;",
        &[1],
    ),
    (stays_on_its_floor, "src/engine/mod.rs", "use super::sandbox::Config;\nuse super::api;", &[1]),
    (stays_on_its_floor, "src/definition/a.rs", "use crate::api::endpoint;\nuse crate::table;", &[]),
    (is_pure, "src/table/a.rs", "use std::time::{Duration, Instant};\nasync fn f() {}", &[1, 2]),
    (is_pure, "src/dataset/commit.rs", "let now = jiff::Timestamp::now();", &[1]),
    (is_pure, "src/dataset/store.rs", "let now = jiff::Timestamp::now();", &[]),
];

#[test]
fn each_rule_sees_what_breaks_it_and_nothing_else() {
    for (rule, path, text, lines) in BREAKS {
        let named: Vec<usize> = rule(&Source::new(path, text)).into_iter().map(|(line, _)| line).collect();
        assert_eq!(named, *lines, "{path}: {text}");
    }
}

#[test]
fn circles_are_found_through_re_exports_and_nowhere_else() {
    let parent = "mod b;\nmod c;\npub(crate) use b::B;\n";
    for (of_parent, of_b, of_c, circular) in [
        // Each child imports what the other defines, by way of the parent.
        ("", "use super::c::C;\nstruct B;", "use super::B;\nstruct C;", "src/a/b.rs src/a/c.rs"),
        ("struct A;", "use super::A;\nstruct B;", "", ""),
        ("struct A(c::C);", "", "use crate::a;\nstruct C(Vec<a::A>);", "src/a/c.rs src/a/mod.rs"),
        // A re-export alone is no import, and neither is what is imported for a test.
        ("", "struct B;", "use super::B;", ""),
        ("struct A(c::C);", "", "#[cfg(test)]\nuse super::A;", ""),
    ] {
        let files =
            [("src/a/mod.rs", [parent, of_parent].concat()), ("src/a/b.rs", of_b.into()), ("src/a/c.rs", of_c.into())];
        let sources = files.map(|(path, text)| Source::new(path, &text));
        let found: Vec<String> = circles(&sources).into_iter().flat_map(|circle| circle.files).collect();
        assert_eq!(found.join(" "), circular, "{of_parent} | {of_b} | {of_c}");
    }
}
