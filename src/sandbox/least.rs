//! `GET /sandbox/least/<endpoint>?query`: the fewest requests with which any client could have every row of a list.

use serde_json::json;

use super::answer::Answer;
use super::image_list::ImageList;
use super::listing::Selection;
use super::world::World;
use super::{image_query, number_query, query, tags};

/// Answers with the rows the query's pages hold, those taken out of them included, and the requests they take.
pub(super) fn answer(world: &World, endpoint: &str, pairs: &[(String, String)]) -> Answer {
    let counted = match endpoint {
        "models" => models(world, pairs),
        "images" => images(world, pairs),
        "tags" => number_query::parse(pairs).map(|query| (tags::listed(&world.catalog, &query).len(), query.limit)),
        "creators" => number_query::parse(pairs).map(|query| (world.creators().users(&query, 0).len(), query.limit)),
        _ => Err(Answer::error(404, "known are models, images, tags, creators")),
    };
    match counted {
        Ok((rows, limit)) => {
            let requests = rows.div_ceil(limit.max(1)).max(1);
            Answer::json(200, json!({ "requests": requests, "rows": rows }).to_string())
        }
        Err(refusal) => refusal,
    }
}

fn models(world: &World, pairs: &[(String, String)]) -> Result<(usize, usize), Answer> {
    let query = query::parse(world.catalog.era, pairs)?;
    let selection = Selection::new(&world.catalog, &query, world.traps);
    let selection = selection.ok_or_else(|| Answer::message(404, "User not found"))?;
    let rows = selection.hits().map_err(|message| Answer::message(400, &message))?;
    Ok((rows.len(), query.limit as usize))
}

fn images(world: &World, pairs: &[(String, String)]) -> Result<(usize, usize), Answer> {
    let query = image_query::parse(world.catalog.era, pairs)?;
    let list = ImageList::new(world.rules(""), &query)?;
    Ok((list.hits().len(), query.limit as usize))
}
