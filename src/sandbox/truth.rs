//! `GET /sandbox/truth/<table>`: the rows a perfect client of a models list must end up with.

use super::answer::Answer;
use super::catalog::Catalog;
use super::item::View;
use super::json::Writer;
use super::listing::{self, Selection};
use super::query;
use super::rows;
use super::traps::Traps;

/// Answers with JSON lines; without a query, of every model that some list query could show.
pub(super) fn answer(catalog: &Catalog, traps: Traps, table: &str, pairs: &[(String, String)]) -> Answer {
    let Some(table) = rows::Table::named(table) else {
        return Answer::error(404, &format!("no table `{table}`; known are {}", rows::Table::names()));
    };
    let (models, view) = match models(catalog, traps, pairs) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let mut lines = String::new();
    for row in models {
        let mut json = Writer::default();
        catalog.render(row, view, &mut json);
        if let Err(error) = rows::of_item(table, &mended(&json.out), &mut lines) {
            return Answer::error(500, &format!("model {} is no JSON object: {error}", catalog.entry(row).id));
        }
    }
    Answer::lines(lines)
}

fn models(catalog: &Catalog, traps: Traps, pairs: &[(String, String)]) -> Result<(Vec<u32>, View), Answer> {
    if pairs.is_empty() {
        let view = View { nsfw: true, all_versions: true, detail: false };
        return Ok((listing::reachable(catalog, traps), view));
    }
    let query = query::parse(pairs)?;
    let selection = Selection::new(catalog, &query, traps).ok_or_else(|| Answer::message(404, "User not found"))?;
    let rows = selection.everything().map_err(|message| Answer::message(400, &message))?;
    Ok((rows, selection.view()))
}

/// The text as a careful client understands it: raw control bytes inside strings stand for themselves, half of a
/// surrogate pair for the replacement character.
fn mended(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut inside = false;
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let width = match c {
            '\\' if inside => escape(rest, &mut out),
            c if inside && c < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
                1
            }
            c => {
                inside ^= c == '"';
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[width..];
    }
    out
}

/// Copies the escape the text begins with, a lone surrogate replaced; tells how many bytes it took.
fn escape(text: &str, out: &mut String) -> usize {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (kept, width) = match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&text[..12], 12),
        (Some(0xd800..=0xdfff), _) => ("\u{fffd}", 6),
        (Some(_), _) => (&text[..6], 6),
        (None, _) => {
            let width = 1 + text.chars().nth(1).map_or(0, char::len_utf8);
            (&text[..width], width)
        }
    };
    out.push_str(kept);
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_mended_only_inside_strings() {
        for (sent, understood) in [
            ("{\"a\":\"x\\ud83d\"}", "{\"a\":\"x\u{fffd}\"}"),
            ("[\"\\ud83d\\ude00\\udc00\"]", "[\"\\ud83d\\ude00\u{fffd}\"]"),
            ("[\n\"a\rb\\\"c\",\n1]", "[\n\"a\\u000db\\\"c\",\n1]"),
            ("[\"\\\\\",\"\\u00e9\"]", "[\"\\\\\",\"\\u00e9\"]"),
        ] {
            assert_eq!(mended(sent), understood);
        }
    }
}
