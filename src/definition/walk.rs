//! `[[walk]]`: the name, the endpoint, and the settings checked against it.

use super::crawl::Walk;
use super::later::LaterKeys;
use super::mistake::{Findings, clip};
use super::partitioning::PartitioningKeys;
use super::value::Section;
use super::{params, suggestion};
use crate::api::endpoint::Endpoint;

/// The longest name.
const NAME_CHARS: usize = 64;
/// The form of a name, in a sentence.
pub(super) const NAME: &str = "letters, digits, `-` and `_`, at most 64 of them";

/// True if a crawl or a walk can have this name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(plain)
}

/// Reads every walk. One that cannot be read is left out, with a mistake noted.
pub(super) fn read_all(file: &mut Section<'_>, endpoints: &[&'static Endpoint], found: &mut Findings<'_>) -> Vec<Walk> {
    let at = file.at_key("walk");
    let value = file.take("walk");
    let Some(elements) = value.map_or(Some(&[][..]), |value| value.get_ref().as_array().map(|array| &array[..])) else {
        found.mistake(at, "`walk` is not a list; open each walk with `[[walk]]`, in double brackets.");
        return Vec::new();
    };
    if elements.is_empty() {
        found.mistake(at, "there is no walk; write at least one `[[walk]]` with a `name` and an `endpoint`.");
    }
    let mut named: Vec<(&str, usize)> = Vec::new();
    let mut walks = Vec::new();
    for element in elements {
        let Some(table) = element.get_ref().as_table() else {
            let written = found.written(element.span());
            found.mistake(element.span().start, format!("`walk` holds `{written}`; each walk is a table: `[[walk]]`."));
            continue;
        };
        let mut section = Section::walk(table, element.span().start);
        let name = read_name(&mut section, &mut named, found);
        let walk = read(&mut section, name, endpoints, found);
        section.finish(found);
        walks.extend(walk);
    }
    walks
}

/// Reads one walk.
fn read(
    section: &mut Section<'_>,
    name: Option<&str>,
    endpoints: &[&'static Endpoint],
    found: &mut Findings<'_>,
) -> Option<Walk> {
    let endpoint = read_endpoint(section, endpoints, found);
    let checked = section.table("params", found);
    let unchecked = section.table("unchecked", found);
    let divided = PartitioningKeys::take(section, found);
    let later = LaterKeys::take(section, found);
    let endpoint = endpoint?;
    let query = params::read(endpoint, checked, unchecked, section.at(), found);
    let partitioning = divided.check(endpoint, &query.pairs, later.has_from(), section.at(), found)?;
    let later = later.check(endpoint, &query.pairs, &partitioning, found)?;
    let walk = Walk { name: name?.to_owned(), endpoint, params: query.pairs, limit: query.limit, partitioning, later };
    if walk.is_cut_off() {
        let ways = suggestion::list(endpoint.whole_with.iter().copied());
        found.warn(
            section.at(),
            format!(
                "{}; walk it by time with `sort = \"Oldest\"`, or ask for shorter ones: set one of {ways}, or let \
                 `for_each` do it.",
                Walk::CUT_OFF
            ),
        );
    }
    Some(walk)
}

/// Reads a walk's name, which must be well-formed and unique.
fn read_name<'a>(
    section: &mut Section<'a>,
    named: &mut Vec<(&'a str, usize)>,
    found: &mut Findings<'_>,
) -> Option<&'a str> {
    let at = section.at_key("name");
    if !section.has("name") {
        found.mistake(at, "this walk has no `name`; give it one that no other walk of the file has.");
    }
    let name = section.text("name", found)?;
    if !is_name(name) {
        found.mistake(at, format!("`name` is `{}`; it takes {NAME}.", clip(name)));
        return None;
    }
    if let Some((_, line)) = named.iter().find(|(other, _)| *other == name) {
        found.mistake(at, format!("`name` is `{name}`, which the walk of line {line} is called already; change one."));
    }
    named.push((name, found.line(at)));
    Some(name)
}

/// Reads a walk's endpoint.
fn read_endpoint(
    section: &mut Section<'_>,
    endpoints: &[&'static Endpoint],
    found: &mut Findings<'_>,
) -> Option<&'static Endpoint> {
    let at = section.at_key("endpoint");
    let names = || endpoints.iter().map(|endpoint| endpoint.name);
    if !section.has("endpoint") {
        found.mistake(at, format!("this walk has no `endpoint`; known are {}.", suggestion::list(names())));
    }
    let name = section.text("endpoint", found)?;
    let endpoint = endpoints.iter().find(|endpoint| endpoint.name == name);
    if endpoint.is_none() {
        let ending = suggestion::did_you_mean(name, names(), &format!("Known are {}.", suggestion::list(names())));
        found.mistake(at, format!("there is no endpoint `{}`.{ending}", clip(name)));
    }
    endpoint.copied()
}
