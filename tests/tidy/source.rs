//! Rust source as the rules read it: without comments, literals and tests; the paths it names, and the files they lead to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;

/// One `.rs` file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Below the project's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Every path in the code that is not for tests only, `use` trees spelled out.
    pub(crate) paths: Vec<Path>,
}

/// A path such as `std::fs::File`, in a `use` or in passing.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) names: Vec<String>,
    /// The name by which a `use` makes it known.
    alias: Option<String>,
    /// Set in a `pub use`.
    pub(crate) is_re_export: bool,
}

impl Path {
    /// Returns whether it begins with one of the paths in a list.
    pub(crate) fn leads_to(&self, list: &str) -> bool {
        let begins =
            |path: &str| path.split("::").zip(&self.names).filter(|(a, b)| a == b).count() == path.split("::").count();
        list.split_whitespace().any(begins)
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let is_test = path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let paths = if is_test { Vec::new() } else { paths(&without_tests(blanked(text))) };
        Self { path: path.to_owned(), text: text.to_owned(), paths }
    }

    /// Every `.rs` file below a folder of the project. Modules declared under `#[cfg(test)]` count as tests.
    pub(crate) fn all_below(folder: &str) -> Vec<Self> {
        let files = files_below(folder).into_iter().filter(|path| path.ends_with(".rs"));
        let mut sources: Vec<Self> = files.map(|path| Self::new(&path, &read(&path))).collect();
        let for_tests: Vec<String> = sources.iter().flat_map(Self::test_modules).collect();
        for source in sources.iter_mut().filter(|source| for_tests.contains(&source.module())) {
            source.paths.clear();
        }
        sources
    }

    fn test_modules(&self) -> impl Iterator<Item = String> {
        let declared = self.text.split("#[cfg(test)]").skip(1).filter_map(|after| after.trim_start().lines().next());
        let names = declared.filter_map(|line| line.strip_suffix(';')?.split_once("mod "));
        names.map(|(_, name)| child(&self.module(), name))
    }

    /// The module it is, as `fetch::retry`; the crate's root is empty.
    pub(crate) fn module(&self) -> String {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        if inside == "lib" { String::new() } else { inside.trim_end_matches("/mod").replace('/', "::") }
    }
}

/// The modules of some files, to find the file that defines what a path leads to.
pub(crate) struct Modules<'a>(BTreeMap<String, &'a Source>);

impl<'a> Modules<'a> {
    pub(crate) fn of(sources: &'a [Source]) -> Self {
        Self(sources.iter().map(|source| (source.module(), source)).collect())
    }

    /// Returns the file that defines what these names mean in `module`, re-exports followed; `None` for a module itself and
    /// for other crates.
    pub(crate) fn definition(&self, module: &str, names: &[String]) -> Option<&'a Source> {
        let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
        match names.first()?.as_str() {
            "crate" | "civitrawl" => self.below("", &names[1..]),
            "self" => self.below(module, &names[1..]),
            "super" if names.get(1).is_some_and(|name| name == "super") => self.definition(parent, &names[1..]),
            "super" => self.below(parent, &names[1..]),
            first if self.0.contains_key(&child(module, first)) => self.below(module, names),
            first if names.len() > 1 || first.starts_with(char::is_uppercase) => self.imported(module, names),
            _ => None,
        }
    }

    fn below(&self, module: &str, names: &[String]) -> Option<&'a Source> {
        let deeper = child(module, names.first()?);
        if self.0.contains_key(&deeper) {
            return self.below(&deeper, &names[1..]);
        }
        self.imported(module, names).or_else(|| self.0.get(module).copied())
    }

    /// Follows a name that a `use` in the module's file brought in.
    fn imported(&self, module: &str, names: &[String]) -> Option<&'a Source> {
        let is_it = |path: &&Path| path.alias.as_ref() == Some(&names[0]) && path.names != names[..1];
        let import = self.0.get(module)?.paths.iter().find(is_it)?;
        self.definition(module, &[&import.names, &names[1..]].concat())
    }
}

fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// The text of a file of the project; of one that is no text, what can be read of it.
pub(crate) fn read(path: &str) -> String {
    let content =
        fs::read(FilePath::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    String::from_utf8_lossy(&content).into_owned()
}

/// Every file below a folder of the project, sorted; none when there is no such folder.
pub(crate) fn files_below(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(FilePath::new(env!("CARGO_MANIFEST_DIR")).join(folder)).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// Blanks comments and literals; lines stay where they are.
fn blanked(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        let literal = literal(rest);
        let (skipped, left) = rest.split_at(literal.max(next.len_utf8()));
        code.extend(skipped.chars().map(|c| if literal > 0 && c != '\n' { ' ' } else { c }));
        rest = left;
    }
    code
}

/// The length of the line comment or literal that a text begins with; 0 if it begins with neither.
fn literal(text: &str) -> usize {
    let closed = |from: usize, close: &str| text[from..].find(close).map_or(text.len(), |at| from + at + close.len());
    let quoted = |quote: char| {
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        end.map_or(text.len(), |(at, _)| at + 1)
    };
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    match text.as_bytes()[0] {
        b'/' if text.starts_with("//") => text.find('\n').unwrap_or(text.len()),
        b'r' if text[1 + hashes..].starts_with('"') => closed(2 + hashes, &format!("\"{}", "#".repeat(hashes))),
        b'"' => quoted('"'),
        b'\'' if text.starts_with("'\\") || text.chars().nth(2) == Some('\'') => quoted('\''),
        _ => 0,
    }
}

/// Blanks every item that follows `#[cfg(test)]`.
fn without_tests(mut code: String) -> String {
    while let Some(begin) = code.find("#[cfg(test)]") {
        let mut depth = 0_usize;
        let ends = |(_, byte): &(usize, u8)| {
            depth = if *byte == b'{' { depth + 1 } else { depth - usize::from(*byte == b'}') };
            depth == 0 && matches!(byte, b'}' | b';')
        };
        let end = code.bytes().enumerate().skip(begin).find(ends).map_or(code.len(), |(at, _)| at + 1);
        let lines = "\n".repeat(code[begin..end].matches('\n').count());
        code.replace_range(begin..end, &lines);
    }
    code
}

fn paths(code: &str) -> Vec<Path> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut at, mut line, mut counted) = (Vec::new(), 0, 1, 0);
    while let Some(begin) = code[at..].find(is_word).map(|next| at + next) {
        line += code[counted..begin].matches('\n').count();
        counted = begin;
        let mut names = Vec::new();
        at = begin;
        loop {
            let end = code[at..].find(|c| !is_word(c)).map_or(code.len(), |end| at + end);
            names.push(code[at..end].to_owned());
            let goes_on = code[end..].starts_with("::") && code[end + 2..].starts_with(is_word);
            at = if goes_on { end + 2 } else { end };
            if !goes_on {
                break;
            }
        }
        if names == ["use"] {
            let end = code[at..].find(';').map_or(code.len(), |end| at + end);
            let known = found.len();
            spell_out(&[], &code[at..end], line, &mut found);
            let is_public = code[..begin].lines().next_back().is_some_and(|line| line.trim_start().starts_with("pub"));
            found[known..].iter_mut().for_each(|path| path.is_re_export = is_public);
            at = end;
        } else {
            found.push(Path { line, names, alias: None, is_re_export: false });
        }
    }
    found
}

/// Adds each path of a `use` tree.
fn spell_out(before: &[String], tree: &str, line: usize, found: &mut Vec<Path>) {
    let path = |text: &str| -> Vec<String> {
        let names = text.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        before.iter().cloned().chain(names).collect()
    };
    if let Some((head, branches)) = tree.split_once('{') {
        let mut depth = 0_i32;
        let branches = branches.rsplit_once('}').map_or(branches, |(branches, _)| branches);
        let between = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        };
        branches.split(between).for_each(|branch| spell_out(&path(head), branch, line, found));
    } else if !tree.trim().is_empty() {
        let (tree, renamed) = tree.split_once(" as ").map_or((tree, None), |(tree, name)| (tree, Some(name.trim())));
        let mut names = path(tree);
        if names.len() > 1 && names.last().is_some_and(|name| name == "self") {
            names.pop();
        }
        let alias = renamed.map(str::to_owned).or_else(|| names.last().cloned());
        found.push(Path { line, names, alias, is_re_export: false });
    }
}
