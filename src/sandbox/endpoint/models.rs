//! `GET /api/v1/models`: the list.

use super::answer::Answer;
use super::links::Links;
use super::models_list::{ModelsList, ModelsPage};
use super::models_query::{self, ModelsQuery};
use crate::sandbox::catalog::Catalog;
use crate::sandbox::render;
use crate::sandbox::render::json::Writer;
use crate::sandbox::traps::Trap;

/// Answers a list request.
pub(crate) fn answer(catalog: &Catalog, pairs: &[(String, String)], links: &Links<'_>) -> Answer {
    let query = match models_query::parse(catalog.era, catalog.traps, pairs) {
        Ok(query) => query,
        Err(refusal) => return refusal,
    };
    let Some(list) = ModelsList::new(catalog, &query) else {
        return Answer::message(404, "User not found");
    };
    match list.page() {
        Ok(page) => body(catalog, &list, &query, page, links),
        Err(_) if catalog.traps.has(Trap::CursorsFail) => Answer::unexpected(),
        Err(message) => Answer::message(400, &message),
    }
}

fn body(catalog: &Catalog, list: &ModelsList<'_>, query: &ModelsQuery, page: ModelsPage, links: &Links<'_>) -> Answer {
    let mut json = Writer::default();
    json.open('{');
    json.open_at("items", '[');
    for row in &page.rows {
        render::model(catalog, *row, list.view(*row), &mut json);
    }
    json.close(']');
    json.open_at("metadata", '{');
    if let Some(cursor) = &page.next {
        json.text("nextCursor", cursor);
        json.text("nextPage", &links.to("cursor", cursor));
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
