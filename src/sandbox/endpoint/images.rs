//! `GET /api/v1/images`: the list, answered by the search index, the database or the feed service.

use super::answer::Answer;
use super::feed;
use super::images_list::{ImagesList, ImagesPage, coded};
use super::images_query::{self, ImagesQuery, Rules};
use super::links::Links;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::era::Era;
use crate::sandbox::render::image::{self, Backend};
use crate::sandbox::render::json::Writer;
use crate::sandbox::traps::Trap;

/// Answers a list request.
pub(crate) fn answer(rules: Rules<'_>, pairs: &[(String, String)], links: &Links<'_>) -> Answer {
    let page = images_query::parse(rules.catalog.era, pairs).and_then(|query| {
        let query = understood(query, rules.catalog)?;
        let page = page(&ImagesList::new(rules, &query)?)?;
        Ok((query, page))
    });
    match page {
        Ok((query, page)) => body(rules, &query, page, links),
        Err(refusal) if rules.catalog.era == Era::Sep2026 => refusal.reworded(),
        Err(refusal) => refusal,
    }
}

/// Returns the query as the server of this era understands it under its traps.
fn understood(mut query: ImagesQuery, catalog: &Catalog) -> Result<ImagesQuery, Answer> {
    let resumed = query.cursor.as_deref().is_some_and(feed::is_cursor);
    let unknown = resumed && query.backend == Backend::Search && catalog.era < Era::Sep2026;
    if unknown && catalog.traps.has(Trap::FeedCursorFails) {
        return Err(coded(500, "Invalid offset", "INTERNAL_SERVER_ERROR"));
    }
    if unknown && catalog.traps.has(Trap::FeedCursorIgnored) {
        query.cursor = None;
    }
    if catalog.traps.has(Trap::ImageIdIgnored) {
        query.image = None;
    }
    if catalog.traps.has(Trap::ImageIdsIgnored) {
        query.ids = None;
    }
    if resumed && catalog.traps.has(Trap::FeedFiltersIgnored) {
        (query.requiring_meta, query.post) = (false, None);
    }
    query.backend = query.backend_in(catalog.era);
    if query.backend == Backend::Feed && !resumed && catalog.traps.has(Trap::OldFirstPages) {
        query.backend = Backend::Search;
    }
    Ok(query)
}

/// Returns the page that the query asks for, without the rows that a trap removes.
fn page(list: &ImagesList<'_>) -> Result<ImagesPage, Answer> {
    let era = list.rules.catalog.era;
    let mut page = match (list.query.backend, &list.query.cursor) {
        (Backend::Feed, _) => feed::page(list),
        (_, Some(cursor)) if era == Era::Sep2026 && feed::is_cursor(cursor) => Err(feed::other_filters()),
        (Backend::Database, _) => list.database_page(),
        (Backend::Search, _) => list.search_page(),
    }?;
    if list.query.cursor.is_some() && list.rules.catalog.traps.has(Trap::ImagesLostRow) && !page.ranks.is_empty() {
        page.ranks.remove(0);
    }
    list.remove_hidden(&mut page.ranks);
    Ok(page)
}

/// Returns the false end: an empty page without cursor, as after a query timeout or with an emptied index.
pub(crate) fn false_end() -> Answer {
    Answer::json(200, "{\"items\":[],\"metadata\":{}}")
}

fn body(rules: Rules<'_>, query: &ImagesQuery, page: ImagesPage, links: &Links<'_>) -> Answer {
    let mut json = Writer::default();
    json.open('{');
    json.open_at("items", '[');
    for rank in &page.ranks {
        json.separate();
        image::render(rules.catalog, rules.gallery.picture(*rank), query.view(), &mut json);
    }
    json.close(']');
    json.open_at("metadata", '{');
    if let Some(cursor) = &page.next {
        // The database's cursor is a number, the others are texts.
        if query.backend == Backend::Database {
            json.raw("nextCursor", cursor);
        } else {
            json.text("nextCursor", cursor);
        }
        let numbered = query.page.filter(|_| query.cursor.is_none());
        let next = numbered.map(|page| links.to("page", &(u64::from(page) + 1).to_string()));
        json.text("nextPage", &next.unwrap_or_else(|| links.to("cursor", cursor)));
    }
    if let (Some(page), None) = (query.page, &query.cursor) {
        json.int("currentPage", page);
        json.int("pageSize", query.limit);
    }
    json.close('}');
    json.close('}');
    let items = page.ranks.iter().map(|rank| rules.gallery.picture(*rank).id).collect();
    Answer { items, next_cursor: page.next, ..Answer::json(200, json.out) }
}
