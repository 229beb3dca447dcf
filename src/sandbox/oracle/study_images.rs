//! Studies of the images: how many tell how they were made, prompts, and what was used with what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::study::{Row, Tables, grouped, ordered, present, share, with};

/// Every image with its generation data, where it has any.
fn with_meta(tables: &Tables<'_>) -> Vec<(Row, Option<Row>)> {
    let metas = tables.rows("image_meta").into_iter();
    let mut metas: BTreeMap<Option<i64>, Row> = metas.map(|row| (row["image_id"].as_i64(), row)).collect();
    let images = tables.rows("images").into_iter();
    images.map(|image| (image.clone(), metas.remove(&image["id"].as_i64()))).collect()
}

pub(crate) fn images_with_metadata(tables: &Tables<'_>) -> Vec<Row> {
    let rows: Vec<Row> = with_meta(tables)
        .into_iter()
        .map(|(image, meta)| {
            let prompt = meta.as_ref().map(|meta| meta["prompt"].clone());
            let row = json!({ "type": image["type"], "meta": meta.map(|_| true), "prompt": prompt });
            with(Row::new(), row)
        })
        .collect();
    let counted = grouped(&rows, &["type"]).into_iter().map(|(key, rows)| {
        let (images, metas, prompts) = (rows.len(), present(&rows, "meta"), present(&rows, "prompt"));
        let values = json!({ "images": images, "with_metadata": metas, "with_prompt": prompts, "share_with_metadata": share(metas, images) });
        with(key, values)
    });
    ordered(counted.collect(), &["-images", "type"])
}

pub(crate) fn prompts_by_base_model(tables: &Tables<'_>) -> Vec<Row> {
    let prompted = with_meta(tables).into_iter().filter_map(|(image, meta)| {
        let base_model = image["base_model"].as_str().filter(|base_model| !base_model.is_empty())?;
        let meta = meta.filter(|meta| meta["prompt"].is_string())?;
        Some(with(meta, json!({ "base_model": base_model })))
    });
    let rows: Vec<Row> = prompted.collect();
    let counted = grouped(&rows, &["base_model"]).into_iter().map(|(key, rows)| {
        let prompts: Vec<&str> = rows.iter().filter_map(|row| row["prompt"].as_str()).collect();
        let lengths = prompts.iter().map(|prompt| prompt.chars().count() as f64).collect();
        let steps = rows.iter().filter_map(|row| row["steps"].as_f64()).collect();
        let values = json!({
            "prompts": rows.len(), "different": prompts.iter().collect::<BTreeSet<_>>().len(),
            "median_characters": median(lengths), "median_steps": median(steps),
            "share_with_negative": share(present(&rows, "negative_prompt"), rows.len()),
        });
        with(key, values)
    });
    ordered(counted.collect(), &["-prompts", "base_model"])
}

/// The middle one, or the mean of the two in the middle.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = numbers.get(numbers.len() / 2)?;
    let lower = numbers.get((numbers.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// The models of versions, by the versions' ids.
fn models_of(versions: &[Row]) -> BTreeMap<i64, i64> {
    versions.iter().filter_map(|row| Some((row["id"].as_i64()?, row["model_id"].as_i64()?))).collect()
}

/// Who was used, in making an image that shows the model: its name, and its kind as the image tells it.
type Used = (i64, String, String);

pub(crate) fn resources_used_with_models(tables: &Tables<'_>) -> Vec<Row> {
    let catalog = &tables.world.catalog;
    let place = |id: i64| catalog.entries.iter().position(|entry| i64::from(entry.id) == id);
    let name = |id: i64| place(id).and_then(|place| u32::try_from(place).ok()).map(|place| catalog.name(place));
    // A version that is gone can still be named by an image: its id tells its model and its place.
    let model_of = |version: i64| {
        let entry = place(version / 16).map(|place| &catalog.entries[place])?;
        (version % 16 < i64::from(entry.versions)).then_some(version / 16)
    };
    let known = models_of(&tables.rows("model_versions"));
    let mut models: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for row in tables.rows("image_model_versions") {
        if let (Some(image), Some(version)) = (row["image_id"].as_i64(), row["model_version_id"].as_i64()) {
            models.entry(image).or_default().extend(known.get(&version));
        }
    }
    let mut used: BTreeMap<Used, BTreeSet<i64>> = BTreeMap::new();
    for row in tables.rows("image_resources").iter().filter(|row| row["source"] != "hashes") {
        let owner = row["model_version_id"].as_i64().and_then(model_of);
        let resource = owner.and_then(name).or_else(|| row["name"].as_str().map(str::to_owned));
        let (Some(resource), Some(image)) = (resource, row["image_id"].as_i64()) else { continue };
        let others = models.get(&image).into_iter().flatten().filter(|model| Some(**model) != owner);
        for model in others {
            used.entry((*model, resource.clone(), row["type"].to_string())).or_default().insert(image);
        }
    }
    let counted = used.into_iter().map(|((model, resource, kind), images)| {
        let kind: Value = serde_json::from_str(&kind).unwrap_or_default();
        let values = json!({ "model_id": model, "model": name(model), "type": kind, "resource": resource, "images": images.len() });
        with(Row::new(), values)
    });
    let mut pairs = ordered(counted.collect(), &["-images", "model_id", "type", "resource"]);
    pairs.truncate(1000);
    pairs
}
