//! Rust source as the rules read it: comments and the insides of literals blanked, test code told apart, paths spelled out.

use std::fs;
use std::path::Path;

/// One `.rs` file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Below the project's root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same, line by line and column by column, with comments and the insides of literals blank.
    pub(crate) code: String,
    /// `code` without anything compiled for tests only.
    pub(crate) product: String,
}

/// A path such as `std::fs::File`, in a `use` or in passing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blanked(text);
        let product = if is_test_file(path) { blank_out(&code, 0..code.len()) } else { without_tests(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, product }
    }

    /// Every `.rs` file below a folder of the project. Modules declared under `#[cfg(test)]` count as tests.
    pub(crate) fn all_below(folder: &str) -> Vec<Self> {
        let mut sources = Vec::new();
        for path in files_below(folder) {
            if path.ends_with(".rs") {
                sources.push(Self::new(&path, &read(&path)));
            }
        }
        let for_tests: Vec<String> = sources.iter().flat_map(Self::test_modules).collect();
        for source in &mut sources {
            let stem = source.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
            if for_tests.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/"))) {
                source.product = blank_out(&source.code, 0..source.code.len());
            }
        }
        sources
    }

    /// Where the modules live that this file declares for tests only, as paths without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        let declared = self.code.split("#[cfg(test)]").skip(1).filter_map(|after| {
            let (declaration, _) = after.split_once([';', '{'])?;
            let name = declaration.trim().rsplit_once("mod ")?.1;
            after[declaration.len()..].starts_with(';').then(|| format!("{folder}/{}", name.trim()))
        });
        declared.collect()
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        line(&self.text, offset)
    }
}

/// The text of a file of the project; of one that is no text, what can be read of it.
pub(crate) fn read(path: &str) -> String {
    let content = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    String::from_utf8_lossy(&content).into_owned()
}

/// Every file below a folder of the project, sorted; none when there is no such folder.
pub(crate) fn files_below(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).into_iter().flatten() {
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

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn line(text: &str, offset: usize) -> usize {
    1 + text[..offset].bytes().filter(|byte| *byte == b'\n').count()
}

/// Blanks comments and what stands inside string and character literals, quotes kept, lines and columns unmoved.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = text.to_owned();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (inside, next) = match bytes[at] {
            b'/' if rest.starts_with("//") => {
                let end = at + rest.find('\n').unwrap_or(rest.len());
                (at..end, end)
            }
            b'/' if rest.starts_with("/*") => {
                let end = at + rest.find("*/").map_or(rest.len(), |end| end + 2);
                (at..end, end)
            }
            b'r' if raw_hashes(rest).is_some() && !follows_word(bytes, at) => {
                let hashes = raw_hashes(rest).unwrap_or_default();
                let begin = at + hashes + 2;
                let close = format!("\"{}", "#".repeat(hashes));
                let end = begin + text[begin..].find(&close).unwrap_or(text.len() - begin);
                (begin..end, (end + close.len()).min(text.len()))
            }
            b'"' => {
                let end = closing(bytes, at + 1, b'"');
                (at + 1..end, end + 1)
            }
            b'\'' => match character(rest) {
                Some(length) => (at + 1..at + length - 1, at + length),
                None => (at..at, at + 1),
            },
            _ => (at..at, at + 1),
        };
        out = blank_out(&out, inside);
        at = next;
        while at < bytes.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
    out
}

/// The text with everything in the range but line breaks turned into spaces, byte for byte.
fn blank_out(text: &str, range: std::ops::Range<usize>) -> String {
    if range.is_empty() {
        return text.to_owned();
    }
    let blank: String = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    [&text[..range.start], &blank, &text[range.end..]].concat()
}

/// How many `#` open the raw string the text begins with, if it does.
fn raw_hashes(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Whether the byte before is part of a word, other than the `b` of a byte string.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && bytes[at - 1] != b'b' && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// Where the literal that began before `at` is closed.
fn closing(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// The length of the character literal the text begins with; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    if text.starts_with("'\\") {
        return Some(closing(text.as_bytes(), 1, b'\'') + 1);
    }
    let inside = text[1..].chars().next()?.len_utf8();
    (text.as_bytes().get(1 + inside) == Some(&b'\'')).then_some(inside + 2)
}

/// Blanks every item that follows `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut product = code.to_owned();
    while let Some(begin) = product.find("#[cfg(test)]") {
        let body = product[begin..].find(['{', ';']).map_or(product.len(), |at| begin + at);
        let end = match product.as_bytes().get(body) {
            Some(b'{') => closing_brace(&product, body) + 1,
            _ => body + 1,
        };
        product = blank_out(&product, begin..end.min(product.len()));
    }
    product
}

/// Where the brace that opens at `open` is closed.
pub(crate) fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Every path in the code, `use` trees spelled out.
pub(crate) fn mentions(code: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut at = 0;
    while at < code.len() {
        if !is_word(code.as_bytes()[at]) {
            at += 1;
            continue;
        }
        at = tree(code, at, &mut Vec::new(), &mut found);
    }
    found
}

/// Reads a path from `at` on, and the tree behind it; returns where it ends.
fn tree(code: &str, at: usize, before: &mut Vec<String>, found: &mut Vec<Mention>) -> usize {
    let bytes = code.as_bytes();
    let word: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut end = at + word.len();
    before.push(word);
    if code[end..].starts_with("::{") {
        let close = closing_brace(code, end + 2);
        end += 3;
        while end < close {
            let starts = bytes[end].is_ascii_alphanumeric() || bytes[end] == b'_';
            end = if starts { tree(code, end, before, found) } else { end + 1 };
        }
        end = (close + 1).min(code.len());
    } else if code[end..].starts_with("::") && bytes.get(end + 2).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
    {
        end = tree(code, end + 2, before, found);
    } else {
        found.push(Mention { line: line(code, at), segments: before.clone() });
    }
    before.pop();
    end
}
