//! Finds names in links, as whole words.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::letters::{Letter, letters, percent_decoded};
use super::username::folded;

/// The most words and signs of a name that is found. The site's names have far fewer, and this bounds the work for each link.
const ATOMS_MAX: usize = 24;
/// The site's own domains. They name nobody, although the site has a user called like them.
const OWN_DOMAINS: &[&str] = &["civitai.com", "civitai.red", "civitai.green"];
/// The most letters of a link. They take a hundred times their number of bytes while they are searched.
const LINK_MAX: usize = 1 << 20;
/// Signs around a link in a text.
const AROUND: &[char] = &['"', '\'', '`', '<', '>', '(', ')', '[', ']', '{', '}', '|', '\\'];

/// A link is too long to be searched for names.
#[derive(Debug)]
pub(super) struct TooLong;

/// The names of one answer.
pub(super) struct Names {
    /// Every name, folded.
    names: HashSet<String>,
    /// The most atoms of a name, by its first one.
    longest: HashMap<String, usize>,
}

impl Names {
    pub(super) fn new<'n>(all: impl Iterator<Item = Cow<'n, str>>) -> Self {
        let mut names = Self { names: HashSet::new(), longest: HashMap::new() };
        for name in all.filter(|name| !name.is_empty()) {
            let folded = folded(&name);
            // A name that became a number is found as it is written in either form.
            for form in [&*name, folded.as_str()] {
                let letters: Vec<Letter> = letters_of(form);
                let atoms = atoms(&letters);
                if let Some(first) = atoms.first().filter(|_| atoms.len() <= ATOMS_MAX) {
                    let longest = names.longest.entry(text(&letters[first.clone()], true)).or_default();
                    *longest = (*longest).max(atoms.len());
                }
            }
            names.names.insert(folded);
        }
        names
    }

    /// Shows the names in the links of a JSON string, which is given without its quotes: the place of each as written, counted
    /// from `offset`, and the name, decoded. Of names that overlap it shows the first one and the longest one.
    ///
    /// # Errors
    /// If a link is too long to be searched.
    pub(super) fn in_links(
        &self,
        raw: &str,
        offset: usize,
        show: &mut dyn FnMut(Range<usize>, &str),
    ) -> Result<(), TooLong> {
        let is_around = |letter: &Letter| letter.char.is_whitespace() || AROUND.contains(&letter.char);
        let (mut token, mut is_tag) = (Vec::new(), false);
        for letter in letters(raw).map(Some).chain([None]) {
            match letter {
                Some(letter) if !is_around(&letter) => match token.len() < LINK_MAX {
                    true => token.push(letter),
                    // An image written out holds no name.
                    false if token.iter().map(|letter: &Letter| letter.char).take(5).eq("data:".chars()) => {}
                    false => return Err(TooLong),
                },
                around => {
                    if !is_tag && is_link(&token) {
                        self.in_link(&percent_decoded(&token), offset, show);
                    }
                    token.clear();
                    is_tag = around.is_some_and(|letter| letter.char == '<');
                }
            }
        }
        Ok(())
    }

    fn in_link(&self, link: &[Letter], offset: usize, show: &mut dyn FnMut(Range<usize>, &str)) {
        let atoms = atoms(link);
        let names_nobody = exempt(link);
        let mut at = 0;
        while at < atoms.len() {
            let first = &atoms[at];
            let most = match names_nobody[first.start] {
                true => 0,
                false => {
                    self.longest.get(&text(&link[first.clone()], true)).map_or(0, |most| (*most).min(atoms.len() - at))
                }
            };
            let hit = (1..=most).rev().find_map(|count| {
                let span = first.start..atoms[at + count - 1].end;
                let name = text(&link[span.clone()], false);
                self.names.contains(&folded(&name)).then_some((span, name, count))
            });
            at += hit.as_ref().map_or(1, |(.., count)| *count);
            if let Some((span, name, _)) = hit {
                let (from, to) = (link[span.start].at.start, link[span.end - 1].at.end);
                show(offset + from..offset + to, &name);
            }
        }
    }
}

/// Returns the letters of a text that is no JSON.
fn letters_of(text: &str) -> Vec<Letter> {
    text.char_indices().map(|(at, char)| Letter { char, at: at..at + char.len_utf8() }).collect()
}

/// Returns some letters as text; folded to look up the first atom of a name.
fn text(letters: &[Letter], fold: bool) -> String {
    let text: String = letters.iter().map(|letter| letter.char).collect();
    if fold { folded(&text) } else { text }
}

/// True if a text without white space is a link: absolute, or relative with a slash in front or a name with an ending.
fn is_link(token: &[Letter]) -> bool {
    let has = |char: char| token.iter().any(|letter| letter.char == char);
    let chars = |skip: usize| token.iter().skip(skip).map(|letter| letter.char);
    let Some(first) = token.first() else { return false };
    let is_absolute = || (0..token.len()).any(|at| chars(at).take(3).eq("://".chars()));
    matches!(first.char, '/' | '?') || (has('/') && (has('.') || is_absolute()))
}

/// Returns the words of a link, each a run of letters and digits, and the signs between them, each alone.
fn atoms(link: &[Letter]) -> Vec<Range<usize>> {
    let (mut atoms, mut at): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    while at < link.len() {
        let word = link[at..].iter().take_while(|letter| letter.char.is_alphanumeric()).count();
        atoms.push(at..at + word.max(1));
        at += word.max(1);
    }
    atoms
}

/// Returns, for each letter of a link, true if nobody is named there: in each scheme, and in the site's own domain.
fn exempt(link: &[Letter]) -> Vec<bool> {
    let chars: Vec<char> = link.iter().map(|letter| letter.char.to_ascii_lowercase()).collect();
    let mut exempt = vec![false; chars.len()];
    for colon in (0..chars.len()).filter(|at| chars[*at..].starts_with(&[':', '/', '/'])) {
        let scheme = chars[..colon].iter().rev().take_while(|char| char.is_ascii_alphanumeric()).count();
        exempt[colon - scheme..colon].fill(true);
        let host = &chars[colon + 3..];
        let length = host.iter().position(|char| "/?#:".contains(*char)).unwrap_or(host.len());
        let host: String = host[..length].iter().collect();
        let is_below =
            |own: &str| host.strip_suffix(own).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        if let Some(own) = OWN_DOMAINS.iter().find(|own| is_below(own)) {
            exempt[colon + 3 + length - own.len()..colon + 3 + length].fill(true);
        }
    }
    exempt
}
