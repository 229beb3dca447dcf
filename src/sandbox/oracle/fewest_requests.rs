//! `GET /sandbox/least/<endpoint>?query`: the fewest requests with which any client could get every row of a list.

use serde_json::json;

use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::endpoint::images_list::ImagesList;
use crate::sandbox::endpoint::models_list::ModelsList;
use crate::sandbox::endpoint::world::World;
use crate::sandbox::endpoint::{images_query, models_query, number_query, tags};

/// Answers with the number of rows on the query's pages, removed ones included, and of the requests they take.
pub(crate) fn answer(world: &World, endpoint: &str, pairs: &[(String, String)]) -> Answer {
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
    let query = models_query::parse(world.catalog.era, world.catalog.traps, pairs)?;
    let list = ModelsList::new(&world.catalog, &query);
    let list = list.ok_or_else(|| Answer::message(404, "User not found"))?;
    let rows = list.hits().map_err(|message| Answer::message(400, &message))?;
    Ok((rows.len(), query.limit as usize))
}

fn images(world: &World, pairs: &[(String, String)]) -> Result<(usize, usize), Answer> {
    let query = images_query::parse(world.catalog.era, pairs)?;
    let list = ImagesList::new(world.rules(""), &query)?;
    Ok((list.hits().len(), query.limit as usize))
}
