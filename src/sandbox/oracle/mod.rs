//! `GET /sandbox/truth/<table>`: the rows that a perfect client of a query must end up with.

pub(super) mod fewest_requests;
mod image_rows;
mod model_rows;
mod object;
mod post_rows;

use serde_json::json;

use self::image_rows::ImageTable;
use self::model_rows::Table;
use self::post_rows::OF_POSTS;
use super::catalog::sort::Sort;
use super::endpoint::answer::Answer;
use super::endpoint::images_list::{self, ImagesList};
use super::endpoint::images_query::{self, ImagesQuery, Rules};
use super::endpoint::links::Links;
use super::endpoint::model_versions;
use super::endpoint::models_list::{self, ModelsList};
use super::endpoint::models_query;
use super::endpoint::number_query;
use super::endpoint::users::{self, FIRST_USER};
use super::endpoint::world::World;
use super::endpoint::{enums, posts, tags};
use super::era::Era;
use super::render;
use super::render::image::{self, Backend, ImageView};
use super::render::json::Writer;
use super::render::version;
use super::render::view::View;

/// Parameters that ask for the rows of lookups rather than of a list.
const LOOKUPS: &[&str] = &["id", "hash", "model_id"];

/// The parameter that asks for the rows present since the server's start, changed ones marked `"changed":true`.
const THROUGHOUT: &str = "throughout";

/// The table of the versions that images are listed under, which their items may not name.
const GALLERIES: &str = "gallery_images";

/// Answers with JSON lines for a query of the table's endpoint; without a query, with every row that some query could show.
pub(super) fn answer(world: &World, origin: &str, table: &str, pairs: &[(String, String)]) -> Answer {
    let host = origin.split("://").nth(1).unwrap_or(origin);
    let lines = match (Table::named(table), named(table)) {
        (Some(table), _) => of_models(world, table, pairs),
        (_, Some(table)) => of_images(world, host, table, pairs),
        _ if table == "creators" || table == "tags" => numbered(world, origin, table, pairs),
        _ if table == GALLERIES => galleries(world, host, pairs),
        _ if OF_POSTS.contains(&table) => of_posts(world.rules(host), table, pairs),
        _ if table == "users" => users(world, pairs),
        _ if table == "enums" => enums(world),
        _ => Err(Answer::error(404, &unknown(table))),
    };
    lines.map_or_else(|refusal| refusal, Answer::lines)
}

/// Answers `/sandbox/entries` with every model of the catalog as JSON lines, hidden ones included.
pub(super) fn entries(world: &World) -> Answer {
    let catalog = &world.catalog;
    let line = |(position, entry)| {
        let gained = version::gained(catalog.traps, entry);
        let line = json!({
            "id": entry.id, "name": catalog.name(position), "type": entry.kind_name(), "levels": entry.level,
            "versions": entry.versions, "hidden": entry.hidden, "gained_downloads": gained,
        });
        format!("{line}\n")
    };
    Answer::lines((0u32..).zip(&catalog.entries).map(line).collect())
}

fn named(table: &str) -> Option<ImageTable> {
    ImageTable::NAMES.iter().find(|(known, _)| *known == table).map(|(_, table)| *table)
}

fn unknown(table: &str) -> String {
    let images: Vec<&str> = ImageTable::NAMES.iter().map(|(name, _)| *name).collect();
    format!(
        "no table `{table}`; known are {}, {}, {GALLERIES}, {}, users, enums, creators, tags",
        Table::names(),
        images.join(", "),
        OF_POSTS.join(", ")
    )
}

/// Returns the rows of lookups: versions by `id` or `hash`, models by `model_id`, each a comma list.
fn of_lookups(world: &World, table: Table, key: &str, values: &str) -> Result<String, Answer> {
    let catalog = &world.catalog;
    let mut lines = String::new();
    for value in values.split(',') {
        let number = value.parse::<u32>().ok();
        if key == "model_id" {
            if let Some(row) = number.and_then(|id| catalog.find(id)) {
                let mut json = Writer::default();
                render::model(catalog, row, View::DETAIL, &mut json);
                model_rows::of_item(table, &mended(&json.out), &mut lines).map_err(|error| broken(&error))?;
            }
            continue;
        }
        let version = if key == "hash" { world.hashes().find(value) } else { number };
        if let Some(Ok(body)) = version.map(|id| model_versions::render(catalog, id)) {
            model_rows::of_lookup(table, &mended(&body), &mut lines).map_err(|error| broken(&error))?;
        }
    }
    Ok(lines)
}

fn of_models(world: &World, table: Table, pairs: &[(String, String)]) -> Result<String, Answer> {
    if let Some((key, values)) = pairs.iter().find(|(key, _)| LOOKUPS.contains(&key.as_str())) {
        return of_lookups(world, table, key, values);
    }
    let (pairs, throughout) = without_throughout(pairs);
    let models = models(world, &pairs)?;
    let mut lines = String::new();
    for (row, mut view) in models {
        let entry = world.catalog.entry(row);
        if throughout {
            if entry.late || (entry.emerged && !view.all_versions) {
                continue;
            }
            // Later versions are numbered behind the others.
            view.among &= (1 << entry.versions) - 1;
        }
        let (mut json, mut own) = (Writer::default(), String::new());
        render::model(&world.catalog, row, view, &mut json);
        model_rows::of_item(table, &mended(&json.out), &mut own).map_err(|error| broken(&error))?;
        match throughout && entry.changed {
            true => own.lines().for_each(|line| lines.push_str(&format!("{{\"changed\":true,{}\n", &line[1..]))),
            false => lines.push_str(&own),
        }
    }
    Ok(lines)
}

/// Returns the models of a query with its view of each; `ids=all` asks for every id, a hundred at a time.
fn models(world: &World, pairs: &[(String, String)]) -> Result<Vec<(u32, View)>, Answer> {
    if pairs.is_empty() {
        let rows = models_list::reachable(&world.catalog).into_iter();
        return Ok(rows.map(|row| (row, View::EVERYTHING)).collect());
    }
    let all = (String::from("ids"), String::from("all"));
    let given = pairs.len();
    let pairs: Vec<_> = pairs.iter().filter(|pair| **pair != all).cloned().collect();
    let mut query = models_query::parse(world.catalog.era, world.catalog.traps, &pairs)?;
    if pairs.len() < given {
        // A hundred fit on one page, which shows undated models too.
        query.ids = Some(world.catalog.entries.iter().map(|entry| entry.id).collect());
        query.sort = Sort::HighestRated;
    }
    let list = ModelsList::new(&world.catalog, &query);
    let list = list.ok_or_else(|| Answer::message(404, "User not found"))?;
    let rows = list.everything().map_err(|message| Answer::message(400, &message))?;
    Ok(rows.into_iter().map(|row| (row, list.view(row))).collect())
}

fn of_images(world: &World, host: &str, table: ImageTable, pairs: &[(String, String)]) -> Result<String, Answer> {
    let rules = world.rules(host);
    let (ranks, query) = images(rules, pairs)?;
    let backend = if world.catalog.era == Era::Sep2026 { Backend::Feed } else { Backend::Search };
    let everything = ImageView { with_meta: true, with_tags: true, flat: true, backend };
    let view = query.map_or(everything, |query| query.view());
    let mut lines = String::new();
    for rank in ranks {
        let mut json = Writer::default();
        image::render(&world.catalog, rules.gallery.picture(rank), view, &mut json);
        image_rows::of_item(table, &mended(&json.out), &mut lines).map_err(|error| broken(&error))?;
    }
    Ok(lines)
}

/// Returns the images of a query with the query; without one, every image that some query could show.
fn images(rules: Rules<'_>, pairs: &[(String, String)]) -> Result<(Vec<u32>, Option<ImagesQuery>), Answer> {
    let (pairs, throughout) = without_throughout(pairs);
    let (mut ranks, query) = match pairs.is_empty() {
        true => (images_list::reachable(rules), None),
        false => {
            let query = images_query::parse(rules.catalog.era, &pairs)?;
            (ImagesList::new(rules, &query)?.everything(), Some(query))
        }
    };
    let old = |rank: &u32| *rank < rules.gallery.first && rules.gallery.picture(*rank).is_there(rules.requests);
    ranks.retain(|rank| !throughout || old(rank));
    Ok((ranks, query))
}

/// Returns the parameters without the one that asks for the rows present since the server's start, and true if it was there.
fn without_throughout(pairs: &[(String, String)]) -> (Vec<(String, String)>, bool) {
    let kept: Vec<_> = pairs.iter().filter(|(key, _)| key != THROUGHOUT).cloned().collect();
    let throughout = kept.len() < pairs.len();
    (kept, throughout)
}

/// Returns the versions that a query lists its images under; without one, all versions of each image.
fn galleries(world: &World, host: &str, pairs: &[(String, String)]) -> Result<String, Answer> {
    let rules = world.rules(host);
    let (ranks, query) = images(rules, pairs)?;
    let mut lines = String::new();
    for picture in ranks.into_iter().map(|rank| rules.gallery.picture(rank)) {
        for version in picture.version_ids().filter(|id| query.as_ref().is_none_or(|query| query.version == Some(*id)))
        {
            lines.push_str(&format!("{{\"image_id\":{},\"model_version_id\":{version}}}\n", picture.id));
        }
    }
    Ok(lines)
}

/// Returns the rows of posts: of those that `id` lists, or of all.
fn of_posts(rules: Rules<'_>, table: &str, pairs: &[(String, String)]) -> Result<String, Answer> {
    let asked = pairs.iter().find(|(key, _)| key == "id").map(|(_, ids)| ids.split(',').map(str::to_owned).collect());
    let ids: Vec<String> = asked.unwrap_or_else(|| rules.gallery.posts().iter().map(u32::to_string).collect());
    let mut lines = String::new();
    for answer in ids.iter().map(|id| posts::answer(rules, id)).filter(|answer| answer.status == 200) {
        post_rows::of_post(table, &text_of(&answer), &mut lines).map_err(|error| broken(&error))?;
    }
    Ok(lines)
}

/// Returns the users that `ids` lists, however many, or all.
fn users(world: &World, pairs: &[(String, String)]) -> Result<String, Answer> {
    let every = || (0..world.catalog.users().len() as u32).map(|user| (user + FIRST_USER).to_string()).collect();
    let asked = pairs.iter().find(|(key, _)| key == "ids").map(|(_, ids)| ids.split(',').map(str::to_owned).collect());
    let ids: Vec<String> = asked.unwrap_or_else(every);
    let mut lines = String::new();
    for batch in ids.chunks(100) {
        let answer = users::answer(&world.catalog, &[("ids".to_owned(), batch.join(","))]);
        post_rows::of_users(&text_of(&answer), &mut lines).map_err(|error| broken(&error))?;
    }
    Ok(lines)
}

fn enums(world: &World) -> Result<String, Answer> {
    let mut lines = String::new();
    post_rows::of_enums(&text_of(&enums::answer(world.nights_of_words())), &mut lines)
        .map_err(|error| broken(&error))?;
    Ok(lines)
}

fn text_of(answer: &Answer) -> String {
    mended(&String::from_utf8_lossy(&answer.body))
}

/// Returns creators or tags; their links carry the origin of this request.
fn numbered(world: &World, origin: &str, table: &str, pairs: &[(String, String)]) -> Result<String, Answer> {
    let query = number_query::parse(pairs)?;
    let links = Links { traps: world.catalog.traps, origin, path: table, pairs };
    let all: Vec<u32> = (0u32..).take(world.catalog.tags().len()).collect();
    let numbers = match table {
        "creators" => world.creators().users(&query, 0),
        _ if pairs.is_empty() => all,
        _ => tags::listed(&world.catalog, &query),
    };
    let mut lines = String::new();
    for number in numbers {
        let mut json = Writer::default();
        match table {
            "creators" => world.creators().render(number, &links, &mut json),
            _ => tags::render(&world.catalog, number, &links, &mut json),
        }
        model_rows::of_numbered(table, &json.out, &mut lines).map_err(|error| broken(&error))?;
    }
    Ok(lines)
}

fn broken(error: &serde_json::Error) -> Answer {
    Answer::error(500, &format!("an item of this sandbox is no JSON object: {error}"))
}

/// Returns the text as a careful client understands it: raw control bytes inside strings are kept, half of a surrogate pair
/// becomes the replacement character.
fn mended(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut inside = false;
    let mut rest = json;
    // Nearly all of it is copied as it is.
    while let Some(at) = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let width = match rest.as_bytes()[0] {
            b'\\' if inside => escape(rest, &mut out),
            control if inside && control < b' ' => {
                out.push_str(&format!("\\u{control:04x}"));
                1
            }
            byte => {
                inside ^= byte == b'"';
                out.push(char::from(byte));
                1
            }
        };
        rest = &rest[width..];
    }
    out.push_str(rest);
    out
}

/// Copies the escape that the text begins with, a lone surrogate replaced; returns its length in bytes.
fn escape(text: &str, out: &mut String) -> usize {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (kept, width) = match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&text[..12], 12),
        (Some(0xd800..=0xdfff), _) => ("\\ufffd", 6),
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
            ("{\"a\":\"x\\ud83d\"}", "{\"a\":\"x\\ufffd\"}"),
            ("[\"\\ud83d\\ude00\\udc00\"]", "[\"\\ud83d\\ude00\\ufffd\"]"),
            ("[\n\"a\rb\\\"c\",\n1]", "[\n\"a\\u000db\\\"c\",\n1]"),
            ("[\"\\\\\",\"\\u00e9\"]", "[\"\\\\\",\"\\u00e9\"]"),
        ] {
            assert_eq!(mended(sent), understood);
        }
    }
}
