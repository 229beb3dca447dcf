//! Holds the floors: what may stand where, and how it opens. Reads the source; each message names file and line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;

use source::{Mention, Source, files_below, mentions, read};

/// Which modules each module may name; `definition` may read what an endpoint's parameters are.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "engine",
            "lookup",
            "download",
            "api",
            "fetch",
            "dataset",
            "storage",
            "definition",
            "report",
            "table",
            "sandbox",
            "stop",
        ],
    ),
    ("engine", &["api", "fetch", "dataset", "storage", "definition", "table", "stop"]),
    ("lookup", &["api", "fetch", "dataset", "storage", "stop"]),
    ("download", &["api", "lookup", "fetch", "dataset", "storage", "stop", "table"]),
    ("api", &["table"]),
    ("fetch", &["table"]),
    ("dataset", &["storage", "table"]),
    ("storage", &["dataset"]),
    ("stop", &[]),
    ("definition", &["api", "table"]),
    ("report", &["dataset", "storage", "table"]),
    ("table", &[]),
    ("sandbox", &[]),
];

/// Where there is no I/O, no clock, no randomness and nothing asynchronous.
const PURE: &[&str] = &[
    "src/api/",
    "src/table/",
    "src/definition/",
    "src/dataset/commit.rs",
    "src/dataset/manifest.rs",
    "src/fetch/verdict.rs",
];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "tokio_util",
    "futures_util",
    "hyper",
    "reqwest",
    "rand",
    "getrandom",
    "fastrand",
    "async",
    "await",
    "println",
    "eprintln",
    "Timestamp::now",
    "jiff::Timestamp::now",
    "Zoned::now",
    "jiff::Zoned::now",
];

/// Where files are touched.
const FILES: &[&str] =
    &["src/dataset/", "src/storage/", "src/download/folder.rs", "src/download/digest.rs", "src/lookup/model_files.rs"];

/// Methods by which a path reaches the disk without `std::fs` being named.
const DISK_METHODS: &[&str] =
    &["exists()", "try_exists()", "is_file()", "is_dir()", "canonicalize()", "read_dir()", "metadata()", "read_link()"];

/// A rule: what is wrong in one file, as (line, what).
type Rule = fn(&Source) -> Vec<(usize, String)>;

/// Fails with every place, named by file and line, where a rule is broken.
fn hold(sources: &[Source], rule: Rule) {
    let broken: Vec<String> = sources.iter().flat_map(|source| told(source, rule)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn told(source: &Source, rule: Rule) -> Vec<String> {
    rule(source).into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.path)).collect()
}

fn product() -> Vec<Source> {
    Source::all_below("src")
}

fn everything() -> Vec<Source> {
    [Source::all_below("src"), Source::all_below("tests")].concat_all()
}

/// Lists put behind one another.
trait ConcatAll<T> {
    fn concat_all(self) -> Vec<T>;
}

impl<T, const N: usize> ConcatAll<T> for [Vec<T>; N] {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

fn opens_with_its_purpose(source: &Source) -> Vec<(usize, String)> {
    let opens = source.text.starts_with("//! ");
    if opens { Vec::new() } else { vec![(1, String::from("a file opens with `//!` saying what it is"))] }
}

/// Whether a path goes through these segments, from its beginning.
fn leads(mention: &Mention, path: &str) -> bool {
    path.split("::").eq(mention.segments.iter().take(path.split("::").count()).map(String::as_str))
}

fn keeps_files_in_dataset(source: &Source) -> Vec<(usize, String)> {
    if FILES.iter().any(|room| source.path.starts_with(room)) {
        return Vec::new();
    }
    let named = mentions(&source.product).into_iter().filter(|m| leads(m, "std::fs") || leads(m, "tokio::fs"));
    let named =
        named.map(|m| (m.line, format!("`{}`: files are touched only where FILES says", m.segments.join("::"))));
    let called = DISK_METHODS.iter().flat_map(|method| {
        let call = format!(".{method}");
        let places: Vec<usize> = source.product.match_indices(&call).map(|(at, _)| source.line(at)).collect();
        places.into_iter().map(move |line| (line, format!("`{call}`: the disk is asked only where FILES says")))
    });
    named.chain(called).collect()
}

fn keeps_sockets_in_fetch(source: &Source) -> Vec<(usize, String)> {
    if source.path.starts_with("src/fetch/") || source.path.starts_with("src/sandbox/") {
        return Vec::new();
    }
    let socket = |m: &Mention| {
        let crates = ["hyper", "hyper_util", "reqwest", "std::net", "tokio::net"].iter().any(|path| leads(m, path));
        crates
            || m.segments.iter().any(|s| ["TcpStream", "TcpListener", "UdpSocket", "UnixStream"].contains(&s.as_str()))
    };
    let named = mentions(&source.product).into_iter().filter(socket);
    let what = |m: &Mention| format!("`{}`: sockets are only under src/fetch and src/sandbox", m.segments.join("::"));
    named.map(|m| (m.line, what(&m))).collect()
}

/// Whether the argument of a `join` can only be what stands between texts, or nothing (threads).
fn separates(argument: &str) -> bool {
    let Some(literal) = argument.strip_prefix('"').and_then(|literal| literal.split('"').next()) else {
        return argument.starts_with(')');
    };
    let plain = literal.replace("\\n", "\n").replace("\\t", "\t");
    plain.contains(char::is_whitespace) || !plain.contains(|c: char| c.is_alphanumeric() || c == '.' || c == '/')
}

/// A `join` makes a path when a file name is joined, or when the file that calls it deals in paths at all and does not
/// plainly join texts.
fn makes_paths_in_layout(source: &Source) -> Vec<(usize, String)> {
    if source.path == "src/dataset/layout.rs" {
        return Vec::new();
    }
    let has_paths = mentions(&source.product).iter().any(|m| m.segments.iter().any(|s| s == "Path" || s == "PathBuf"));
    let joins = source.product.match_indices(".join(").filter(|(at, call)| {
        let argument = source.text[at + call.len()..].trim_start();
        !separates(argument) && (has_paths || argument.starts_with('"'))
    });
    let others =
        ["with_file_name(", "with_extension(", "set_file_name(", "set_extension(", "Path::join", "PathBuf::join"];
    let others = others.iter().flat_map(|call| source.product.match_indices(call));
    joins
        .chain(others)
        .map(|(at, _)| (source.line(at), String::from("paths are made in src/dataset/layout.rs")))
        .collect()
}

/// The module a path leads to from this file: by `crate::`, or by `super::` out of the file's own module.
fn module_named(path: &str, mention: &Mention) -> Option<String> {
    let inside = path.strip_prefix("src/")?.trim_end_matches(".rs").trim_end_matches("/mod");
    let ups = mention.segments.iter().take_while(|s| *s == "super").count();
    let from_root = match mention.segments.first()?.as_str() {
        "crate" | "civitrawl" => mention.segments.get(1),
        "super" if ups >= inside.split('/').count() => mention.segments.get(ups),
        _ => None,
    };
    from_root.cloned()
}

fn stays_on_its_floor(source: &Source) -> Vec<(usize, String)> {
    let own = source.path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
    let Some((_, allowed)) = FLOORS.iter().find(|(module, _)| *module == own) else { return Vec::new() };
    let foreign = mentions(&source.product).into_iter().filter_map(|mention| {
        let module = module_named(&source.path, &mention)?;
        let known = FLOORS.iter().any(|(name, _)| *name == module);
        (known && module != own && !allowed.contains(&module.as_str())).then_some((mention.line, module))
    });
    foreign.map(|(line, module)| (line, format!("`{own}` must not name `{module}`"))).collect()
}

fn is_pure(source: &Source) -> Vec<(usize, String)> {
    if !PURE.iter().any(|pure| source.path.starts_with(pure)) {
        return Vec::new();
    }
    let impure = mentions(&source.product).into_iter().filter(|m| IMPURE.iter().any(|path| leads(m, path)));
    impure.map(|m| (m.line, format!("`{}` in a pure module", m.segments.join("::")))).collect()
}

fn never_panics_on_purpose(source: &Source) -> Vec<(usize, String)> {
    let words = [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err(", "panic!", "todo!", "unimplemented!", "dbg!"];
    let found = words.iter().flat_map(|word| source.product.match_indices(word));
    found.map(|(at, word)| (source.line(at), format!("`{word}` outside tests"))).collect()
}

#[test]
fn every_file_opens_with_its_purpose() {
    hold(&everything(), opens_with_its_purpose);
}

#[test]
fn files_are_touched_only_in_few_places() {
    hold(&product(), keeps_files_in_dataset);
}

#[test]
fn sockets_are_only_under_fetch_and_sandbox() {
    hold(&product(), keeps_sockets_in_fetch);
}

#[test]
fn paths_are_made_only_in_layout() {
    hold(&product(), makes_paths_in_layout);
}

#[test]
fn modules_name_only_the_floors_below() {
    hold(&product(), stays_on_its_floor);
}

#[test]
fn pure_modules_are_pure() {
    hold(&product(), is_pure);
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    hold(&product(), never_panics_on_purpose);
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
    let modules: BTreeSet<String> = mentions(&source::Source::new("src/lib.rs", &read("src/lib.rs")).code)
        .windows(2)
        .filter(|pair| pair[0].segments == ["mod"])
        .map(|pair| pair[1].segments.join("::"))
        .collect();
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
    for path in [files_below("scripts"), files_below(".ci")].concat_all() {
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
    (opens_with_its_purpose, "src/a.rs", "//! What it is.\n", &[]),
    (keeps_files_in_dataset, "src/cli/a.rs", "\nuse std::{io, fs::{self, File}};\n", &[2, 2]),
    (keeps_files_in_dataset, "src/cli/a.rs", "if path.exists() {}\n// std::fs\nlet s = \"std::fs\";", &[1]),
    (keeps_files_in_dataset, "src/dataset/a.rs", "use std::fs;", &[]),
    (keeps_files_in_dataset, "src/cli/a.rs", "#[cfg(test)]\nmod tests {\n use std::fs;\n}\n", &[]),
    (keeps_sockets_in_fetch, "src/engine/a.rs", "fn f(c: &reqwest::Client, s: tokio::net::TcpStream) {}", &[1, 1]),
    (keeps_sockets_in_fetch, "src/sandbox/a.rs", "use hyper::Request;", &[]),
    (makes_paths_in_layout, "src/cli/a.rs", "use std::path::Path;\nlet p = d.join(name);", &[2]),
    (makes_paths_in_layout, "src/cli/a.rs", "let p = directory.join(\"parts\");", &[1]),
    (
        makes_paths_in_layout,
        "src/cli/a.rs",
        "use std::path::Path;\nlet t = words.join(\", \") + &l.join(\"\\n\");\nt.join();",
        &[],
    ),
    (makes_paths_in_layout, "src/cli/a.rs", "let p = p.with_extension(x);", &[1]),
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
    (never_panics_on_purpose, "src/a.rs", "fn f<'a>(c: char) { x.unwrap(); if c == '\"' { panic!() } }", &[1, 1]),
    (never_panics_on_purpose, "src/a.rs", "fn f() { \"x.unwrap()\"; r#\"dbg!(\"\"#; /* todo! */ }", &[]),
    (never_panics_on_purpose, "src/a/tests.rs", "fn f() { x.unwrap(); }", &[]),
];

#[test]
fn each_rule_sees_what_breaks_it_and_nothing_else() {
    for (rule, path, text, lines) in BREAKS {
        let named: Vec<usize> = rule(&Source::new(path, text)).into_iter().map(|(line, _)| line).collect();
        assert_eq!(named, *lines, "{path}: {text}");
    }
}
