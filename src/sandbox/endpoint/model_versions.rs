//! `GET /api/v1/model-versions/:id` and `/model-versions/by-hash/:hash`: one version, also one that the list hides; and
//! `POST /model-versions/by-hash/ids`: the versions of many hashes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::answer::Answer;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::entry::{Entry, Mode};
use crate::sandbox::catalog::seed::Generator;
use crate::sandbox::render::json::Writer;
use crate::sandbox::render::view::{Item, View};
use crate::sandbox::render::{files, version_detail};

/// The version of each hash; of several versions the one published first.
pub(crate) struct Hashes(HashMap<u64, (i64, u32)>);

impl Hashes {
    /// Reads the hashes of every file of every version.
    pub(crate) fn build(catalog: &Catalog) -> Hashes {
        let mut owners = HashMap::new();
        let Some(generator) = catalog.generator() else {
            return Hashes(owners);
        };
        for entry in catalog.entries.iter().filter(|entry| entry.mode != Mode::Archived) {
            for position in 0..entry.version_count() {
                let id = entry.version_id(position);
                let owner = (generator.published_at(entry, position).0, id);
                for hash in hashes_of(generator, entry, id) {
                    let first = owners.entry(key(&hash)).or_insert(owner);
                    *first = owner.min(*first);
                }
            }
        }
        Hashes(owners)
    }

    /// The version of a hash in upper or lower case.
    pub(crate) fn find(&self, hash: &str) -> Option<u32> {
        self.0.get(&key(hash)).map(|(_, id)| *id)
    }

    /// The version with the next id that any hash names.
    pub(crate) fn after(&self, version: u32) -> Option<u32> {
        self.0.values().map(|(_, id)| *id).filter(|id| *id > version).min()
    }
}

fn key(hash: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash.to_uppercase().hash(&mut hasher);
    hasher.finish()
}

/// Returns the hashes of a version's files, read from the rendered files so that they cannot differ from these.
fn hashes_of(generator: &Generator, entry: &Entry, version: u32) -> Vec<String> {
    let mut json = Writer::default();
    json.open('[');
    files::render(&Item::new(generator, entry, View::EVERYTHING), version, files::Shape::Lookup, &mut json);
    json.close(']');
    let files: Vec<Value> = serde_json::from_str(&json.out).unwrap_or_default();
    let hashes = files.iter().filter_map(|file| file["hashes"].as_object());
    hashes.flat_map(|hashes| hashes.values().filter_map(|hash| hash.as_str().map(str::to_owned))).collect()
}

/// Answers a request for one version.
pub(crate) fn answer(catalog: &Catalog, id: &str) -> Answer {
    match id.parse::<u32>().ok().filter(|id| *id > 0) {
        Some(id) => found(catalog, Some(id)),
        None => Answer::not_a_number("id"),
    }
}

/// Answers with a version, or 404.
pub(crate) fn found(catalog: &Catalog, id: Option<u32>) -> Answer {
    match id.map(|id| (id, render(catalog, id))) {
        Some((id, Ok(body))) => Answer { items: vec![id], ..Answer::json(200, body) },
        Some((_, Err(reason))) => Answer::error(404, reason),
        None => Answer::error(404, NOT_FOUND),
    }
}

/// The most hashes of one request.
const HASHES_MAX: usize = 10_000;

/// Answers with the versions of these SHA256, in another order than asked for and without the unknown ones.
pub(crate) fn by_hashes(catalog: &Catalog, hashes: &Hashes, body: &[u8]) -> Answer {
    let asked: Option<Vec<String>> = serde_json::from_slice(body).ok();
    let fits = |asked: &Vec<String>| asked.len() <= HASHES_MAX && asked.iter().all(|hash| hash.len() == 64);
    let Some(asked) = asked.filter(fits) else {
        return Answer::error(400, "\u{2716} Invalid input: expected at most 10000 strings of 64 characters");
    };
    let row = |hash: &String| {
        let (hash, id) = (hash.to_uppercase(), hashes.find(hash)?);
        let body: Value = serde_json::from_str(&render(catalog, id).ok()?).ok()?;
        let mut files = body["files"].as_array()?.iter();
        let known = files.any(|file| file["hashes"]["SHA256"] == hash);
        known.then(|| json!({ "modelVersionId": id, "modelId": id / 16, "hash": hash }))
    };
    let rows: Vec<Value> = asked.iter().rev().filter_map(row).collect();
    Answer::json(200, Value::Array(rows).to_string())
}

const NOT_FOUND: &str = "Model not found";

/// Returns the body of a version's answer; the error is the server's message.
pub(crate) fn render(catalog: &Catalog, id: u32) -> Result<String, &'static str> {
    let row = catalog.find(id / 16).ok_or(NOT_FOUND)?;
    let entry = catalog.entry(row);
    let generator = catalog.generator().ok_or(NOT_FOUND)?;
    let position = u8::try_from(id % 16).ok().filter(|position| *position < entry.version_count()).ok_or(NOT_FOUND)?;
    if entry.mode == Mode::Archived {
        return Err("Missing model file");
    }
    let mut json = Writer::default();
    version_detail::render(generator, entry, position, &mut json);
    Ok(json.out)
}
