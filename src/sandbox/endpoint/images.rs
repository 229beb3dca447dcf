//! `GET /api/v1/images`: the list, from the search index, from the database, or from the feed service.

use super::images_list::{ImageList, ImagePage, Rules};
use super::images_query::{self, ImageQuery, Path};
use super::links::Links;
use crate::sandbox::era::Era;
use crate::sandbox::http::answer::Answer;
use crate::sandbox::render::image;
use crate::sandbox::render::json::Writer;

/// Answers a list request.
pub(crate) fn answer(rules: Rules<'_>, pairs: &[(String, String)], links: &Links<'_>) -> Answer {
    let page = images_query::parse(rules.catalog.era, pairs).and_then(|query| {
        let page = ImageList::new(rules, &query)?.page()?;
        Ok((query, page))
    });
    match page {
        Ok((query, page)) => body(rules, &query, page, links),
        Err(refusal) if rules.catalog.era == Era::Sep2026 => refusal.reworded(),
        Err(refusal) => refusal,
    }
}

/// What a database query says that took too long, and a feed whose index was emptied: the end, which it is not.
pub(crate) fn false_end() -> Answer {
    Answer::json(200, "{\"items\":[],\"metadata\":{}}")
}

fn body(rules: Rules<'_>, query: &ImageQuery, page: ImagePage, links: &Links<'_>) -> Answer {
    let mut json = Writer::default();
    json.open('{');
    json.open_at("items", '[');
    for rank in &page.ranks {
        json.separate();
        image::render(rules, rules.gallery.picture(*rank), query.look(), &mut json);
    }
    json.close(']');
    json.open_at("metadata", '{');
    if let Some(cursor) = &page.next {
        // An id is a number, an offset with its date a text.
        if query.path() == Path::Database {
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
