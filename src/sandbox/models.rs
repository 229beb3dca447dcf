//! `GET /api/v1/models`: the list.

use url::form_urlencoded::Serializer;

use super::answer::Answer;
use super::catalog::Catalog;
use super::json::Writer;
use super::listing::{Page, Selection};
use super::query::{self, Query};
use super::traps::{Trap, Traps};

/// Answers a list request whose links are to carry this host.
pub(super) fn answer(catalog: &Catalog, traps: Traps, pairs: &[(String, String)], host: &str) -> Answer {
    let query = match query::parse(pairs) {
        Ok(query) => query,
        Err(refusal) => return refusal,
    };
    let Some(selection) = Selection::new(catalog, &query, traps) else {
        return Answer::message(404, "User not found");
    };
    match selection.page() {
        Ok(page) => body(catalog, &selection, &query, page, &link(traps, pairs, host)),
        Err(message) => Answer::message(400, &message),
    }
}

fn body(
    catalog: &Catalog,
    selection: &Selection<'_>,
    query: &Query,
    page: Page,
    link: &dyn Fn(&str) -> String,
) -> Answer {
    let mut json = Writer::default();
    json.open('{');
    json.open_at("items", '[');
    for row in &page.rows {
        catalog.render(*row, selection.view(), &mut json);
    }
    json.close(']');
    json.open_at("metadata", '{');
    if let Some(cursor) = &page.next {
        json.text("nextCursor", cursor);
        json.text("nextPage", &link(cursor));
    }
    if let (Some(page), None) = (query.page, &query.cursor) {
        json.int("currentPage", page);
        json.int("pageSize", query.limit);
    }
    json.close('}');
    json.close('}');
    let items = page.rows.iter().map(|row| catalog.entry(*row).id).collect();
    Answer { items, next_cursor: page.next, ..Answer::json(200, json.out) }
}

/// Builds `nextPage`: the incoming query, empty parameters dropped, with the cursor replaced.
fn link(traps: Traps, pairs: &[(String, String)], host: &str) -> impl Fn(&str) -> String {
    let origin = match traps.has(Trap::ForeignLinks) {
        true => "https://elsewhere.invalid".to_owned(),
        false => format!("http://{host}"),
    };
    move |cursor| {
        let start = format!("{origin}/api/v1/models?");
        let after = start.len();
        let mut serializer = Serializer::for_suffix(start, after);
        let kept = pairs.iter().filter(|(key, value)| key != "cursor" && !value.is_empty());
        serializer.extend_pairs(kept).append_pair("cursor", cursor);
        serializer.finish()
    }
}
