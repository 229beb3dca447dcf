//! `GET /api/v1/models/:id`: one model at every level, whatever the list hides.

use crate::sandbox::catalog::Catalog;
use crate::sandbox::http::answer::Answer;
use crate::sandbox::render::json::Writer;
use crate::sandbox::render::model::View;

/// Answers a request for one model.
pub(crate) fn answer(catalog: &Catalog, id: &str) -> Answer {
    let Some(id) = id.parse::<u32>().ok().filter(|id| (1..=2_147_483_647).contains(id)) else {
        return Answer::error(400, "\u{2716} Invalid input: expected number, received NaN\n  \u{2192} at id");
    };
    let Some(row) = catalog.find(id) else {
        return missing(&id.to_string());
    };
    let mut json = Writer::default();
    catalog.render(row, View { nsfw: true, all_versions: true, among: u16::MAX, detail: true }, &mut json);
    Answer { items: vec![id], ..Answer::json(200, json.out) }
}

/// The answer when there is no such model.
pub(crate) fn missing(id: &str) -> Answer {
    Answer::error(404, &format!("No model with id {id}"))
}
