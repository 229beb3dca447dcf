//! `GET /api/v1/tags`: names by prefix, with totals that mean nothing under a trap.

use super::answer::Answer;
use super::links::Links;
use super::number_query::{self, NumberQuery};
use crate::sandbox::catalog::Catalog;
use crate::sandbox::render::json::Writer;
use crate::sandbox::traps::Trap;

/// Answers a list request.
pub(crate) fn answer(catalog: &Catalog, links: &Links<'_>) -> Answer {
    let query = match number_query::parse(links.pairs) {
        Ok(query) => query,
        Err(refusal) => return refusal,
    };
    let tags = listed(catalog, &query);
    let page = query.of(&tags);
    let mut json = Writer::default();
    json.open('{');
    json.open_at("items", '[');
    page.iter().for_each(|tag| render(catalog, *tag, links, &mut json));
    json.close(']');
    metadata(&query, tags.len(), links, &mut json);
    json.close('}');
    Answer { items: page.to_vec(), ..Answer::json(200, json.out) }
}

/// Returns the tags that a query lists: without a text the featured ones, with a text all matches, shortest first.
pub(crate) fn listed(catalog: &Catalog, query: &NumberQuery) -> Vec<u32> {
    let names = catalog.tags();
    let numbered = (0u32..).zip(names);
    match &query.text {
        None => numbered.map(|(tag, _)| tag).filter(|tag| featured(*tag)).collect(),
        Some(text) => {
            let text = text.to_lowercase();
            let pattern: Vec<char> = format!("{text}%").chars().collect();
            let escaped = catalog.traps.has(Trap::EscapedLikes);
            let fits = |name: &String| match name.to_lowercase() {
                name if escaped => name.starts_with(&text),
                name => like(&pattern, &name.chars().collect::<Vec<_>>()),
            };
            let mut tags: Vec<u32> = numbered.filter(|(_, name)| fits(name)).map(|(tag, _)| tag).collect();
            tags.sort_by_key(|tag| (names[*tag as usize].chars().count(), *tag));
            tags
        }
    }
}

/// Appends a tag's item.
pub(crate) fn render(catalog: &Catalog, tag: u32, links: &Links<'_>, json: &mut Writer) {
    let name = &catalog.tags()[tag as usize];
    json.open('{');
    json.text("name", name);
    json.text("link", &links.models("tag", name));
    json.close('}');
}

fn featured(tag: u32) -> bool {
    tag % 13 != 5
}

fn metadata(query: &NumberQuery, found: usize, links: &Links<'_>, json: &mut Writer) {
    let dummies = links.traps.has(Trap::DummyTotals);
    json.open_at("metadata", '{');
    json.int("totalItems", if dummies { 0 } else { found as i64 });
    json.int("currentPage", query.page as i64);
    json.int("pageSize", query.limit as i64);
    json.int("totalPages", if dummies { 1 } else { query.pages(found) as i64 });
    if !dummies && query.page < query.pages(found) {
        json.text("nextPage", &links.to("page", &(query.page + 1).to_string()));
    }
    json.close('}');
}

/// True when a text matches a pattern of the database's LIKE: `%` is any text, `_` any character. The server does not
/// escape the client's text.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%'] => true,
        ['%', rest @ ..] => (0..=text.len()).any(|from| like(rest, &text[from..])),
        ['_', rest @ ..] => text.split_first().is_some_and(|(_, text)| like(rest, text)),
        [c, rest @ ..] => text.split_first().is_some_and(|(first, text)| first == c && like(rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_and_underscore_are_not_escaped() {
        for (pattern, text, fits) in [
            ("ca%", "cat", true),
            ("ca%", "scat", false),
            ("%%", "anything", true),
            ("_at%", "cat box", true),
            ("%box%", "cat box", true),
            ("", "x", false),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(like(&chars(pattern), &chars(text)), fits, "{pattern} {text}");
        }
    }
}
