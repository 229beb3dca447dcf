//! `GET /api/v1/models/:id`: one model at every level, also one that the list hides.

use super::answer::Answer;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::render;
use crate::sandbox::render::json::Writer;
use crate::sandbox::render::view::View;
use crate::sandbox::traps::Trap;

/// Answers a request for one model.
pub(crate) fn answer(catalog: &Catalog, id: &str) -> Answer {
    let Some(id) = id.parse::<u32>().ok().filter(|id| (1..=2_147_483_647).contains(id)) else {
        return Answer::not_a_number("id");
    };
    let Some(row) = catalog.find(id) else {
        return missing(&id.to_string());
    };
    let mut json = Writer::default();
    let view = if catalog.traps.has(Trap::BareLookups) { View::EVERYTHING } else { View::DETAIL };
    render::model(catalog, row, view, &mut json);
    Answer { items: vec![id], ..Answer::json(200, json.out) }
}

/// Returns the answer for a model that does not exist.
pub(crate) fn missing(id: &str) -> Answer {
    Answer::error(404, &format!("No model with id {id}"))
}
