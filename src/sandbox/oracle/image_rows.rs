//! The rows of the image tables in one item of the images list: the sandbox's own reading of the schema.

use serde_json::{Value, json};

use super::object::Object;

/// The tables that an images list fills, and the generation data as sent, for tests that rebuild it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImageTable {
    Images,
    Meta,
    MetaObjects,
    Resources,
    ModelVersions,
    Tags,
}

impl ImageTable {
    pub(super) const NAMES: &[(&str, ImageTable)] = &[
        ("images", ImageTable::Images),
        ("image_meta", ImageTable::Meta),
        ("image_meta_objects", ImageTable::MetaObjects),
        ("image_resources", ImageTable::Resources),
        ("image_model_versions", ImageTable::ModelVersions),
        ("image_tags", ImageTable::Tags),
    ];
}

/// Appends the rows of a table in an item, as JSON lines.
pub(super) fn of_item(table: ImageTable, item: &str, lines: &mut String) -> serde_json::Result<()> {
    let image = Object::read(item)?;
    let rows = match table {
        ImageTable::Images => vec![image_row(&image)],
        ImageTable::Meta => meta(&image).iter().map(|meta| meta_row(&image, meta)).collect(),
        ImageTable::MetaObjects => {
            let sent = image.raw("meta").map(|raw| raw.get()).filter(|text| text.starts_with('{'));
            sent.map(|text| json!({ "image_id": image.int("id"), "meta": text })).into_iter().collect()
        }
        ImageTable::Resources => meta(&image).map(|meta| resources(&image, &meta)).unwrap_or_default(),
        ImageTable::ModelVersions => {
            let ids = image.elements("modelVersionIds");
            let row = |id: &&serde_json::value::RawValue| json!({ "image_id": image.int("id"), "model_version_id": id.get().parse::<i64>().ok() });
            ids.iter().map(row).collect()
        }
        ImageTable::Tags => {
            let row = |tag: &Object<'_>| json!({ "image_id": image.int("id"), "tag_id": tag.int("id"), "tag": tag.text("name") });
            image.objects("tags").iter().map(row).collect()
        }
    };
    rows.iter().for_each(|row| lines.push_str(&format!("{row}\n")));
    Ok(())
}

fn image_row(image: &Object<'_>) -> Value {
    let (stats, thumbnail) = (image.object("stats"), image.object("thumbnail"));
    json!({
        "id": image.int("id"), "url": image.text("url"), "type": image.text("type"), "width": image.int("width"),
        "height": image.int("height"), "hash": image.text("hash"), "nsfw": image.flag("nsfw"),
        "nsfw_word": image.text("nsfwLevel"), "nsfw_level": image.int("browsingLevel"),
        "created_at": image.date("createdAt"), "post_id": image.int("postId"), "username": image.text("username"),
        "base_model": image.text("baseModel"), "cry_count": stats.int("cryCount"),
        "laugh_count": stats.int("laughCount"), "like_count": stats.int("likeCount"),
        "dislike_count": stats.int("dislikeCount"), "heart_count": stats.int("heartCount"),
        "comment_count": stats.int("commentCount"), "thumbnail_url": thumbnail.text("url"),
        "thumbnail_width": thumbnail.int("width"), "thumbnail_height": thumbnail.int("height"),
    })
}

/// Returns the generation data without its wrapper, if it is an object; a wrapped null is an object without a key.
fn meta<'a>(image: &Object<'a>) -> Option<Object<'a>> {
    let outer = Object::read(image.raw("meta")?.get()).ok()?;
    let wrapper = outer.0.len() == 2 && outer.raw("id").is_some();
    match outer.raw("meta").filter(|_| wrapper) {
        Some(inner) => Some(Object::read(inner.get()).unwrap_or_default()),
        None => Some(outer),
    }
}

fn meta_row(image: &Object<'_>, meta: &Object<'_>) -> Value {
    let first = |one: Value, other: Value| if one.is_null() { other } else { one };
    json!({
        "image_id": image.int("id"), "prompt": string(meta, "prompt"),
        "negative_prompt": string(meta, "negativePrompt"), "seed": digits(meta, "seed"), "steps": whole(meta, "steps"),
        "sampler": string(meta, "sampler"), "cfg_scale": number(meta, "cfgScale"),
        "clip_skip": first(whole(meta, "clipSkip"), whole(meta, "Clip skip")),
        "size": string(meta, "Size"), "model": string(meta, "Model"), "model_hash": string(meta, "Model hash"),
        "version": string(meta, "Version"), "workflow": string(meta, "workflow"),
        "denoising_strength": first(number(meta, "Denoising strength"), number(meta, "denoise")),
        "remix_of_id": whole(&meta.object("extra"), "remixOfId"), "comfy": meta.json("comfy"),
    })
}

/// Returns a whole number that is written without point and exponent.
fn digits(object: &Object<'_>, key: &str) -> Value {
    object.raw(key).and_then(|raw| raw.get().parse::<i64>().ok()).map_or(Value::Null, |number| json!(number))
}

/// Returns a text; null for a number.
fn string(object: &Object<'_>, key: &str) -> Value {
    match object.value(key) {
        text @ Value::String(_) => text,
        _ => Value::Null,
    }
}

/// Returns a number, or a text that is one, as written, without blanks around it.
fn written(object: &Object<'_>, key: &str) -> Option<String> {
    let text = match object.value(key) {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) => object.raw(key)?.get().to_owned(),
        _ => return None,
    };
    let digits = text.chars().any(|c| c.is_ascii_digit());
    (digits && text.chars().all(|c| "0123456789+-.eE".contains(c))).then_some(text)
}

/// Returns a number that a double holds with all its digits, such as every one of at most 15 significant digits.
fn number(object: &Object<'_>, key: &str) -> Value {
    let Some(text) = written(object, key) else { return Value::Null };
    let Ok(number) = text.parse::<f64>() else { return Value::Null };
    let mantissa: String = text.to_lowercase().split('e').take(1).collect();
    let mantissa = mantissa.replace(['+', '-', '.'], "");
    let short = mantissa.trim_start_matches('0').len() <= 15;
    let zeros = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short || number.to_string() == zeros { json!(number) } else { Value::Null }
}

/// Returns a whole number of 64 bits, written with or without a point and zeros.
fn whole(object: &Object<'_>, key: &str) -> Value {
    let exact = written(object, key).and_then(|text| text.parse::<i64>().ok());
    let number = || number(object, key).as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    exact.or_else(|| number().map(|number| number as i64)).map_or(Value::Null, Value::from)
}

/// Returns the rows of the four lists of resources, numbered through in this order.
fn resources(image: &Object<'_>, meta: &Object<'_>) -> Vec<Value> {
    let mut rows = Vec::new();
    for source in ["resources", "civitaiResources", "additionalResources"] {
        rows.extend(meta.objects(source).iter().map(|resource| resource_row(source, resource)));
    }
    let hashes = meta.object("hashes");
    let labelled = hashes.0.iter().map(|(label, _)| (label, string(&hashes, label)));
    let labelled = labelled.filter(|(_, hash)| hash.is_string());
    rows.extend(labelled.map(|(label, hash)| hash_row(&Value::from(label.as_str()), &hash)));
    rows.extend(meta.elements("hashes").iter().filter_map(|hash| {
        let hash: Value = serde_json::from_str(hash.get()).ok()?;
        hash.is_string().then(|| hash_row(&Value::Null, &hash))
    }));
    for (position, row) in rows.iter_mut().enumerate() {
        row["image_id"] = image.int("id");
        row["position"] = Value::from(position);
    }
    rows
}

fn resource_row(source: &str, resource: &Object<'_>) -> Value {
    let first = |keys: [&str; 2], read: &dyn Fn(&str) -> Value| {
        keys.into_iter().map(read).find(|value| !value.is_null()).unwrap_or(Value::Null)
    };
    json!({
        "source": source, "type": string(resource, "type"),
        "name": first(["name", "modelVersionName"], &|key| string(resource, key)),
        "hash": string(resource, "hash"), "weight": first(["weight", "strength"], &|key| number(resource, key)),
        "model_version_id": whole(resource, "modelVersionId"),
    })
}

fn hash_row(label: &Value, hash: &Value) -> Value {
    json!({
        "source": "hashes", "type": null, "name": label, "hash": hash, "weight": null, "model_version_id": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(table: ImageTable, item: &str) -> Vec<Value> {
        let mut lines = String::new();
        of_item(table, item, &mut lines).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn generation_data_is_read_flat_and_wrapped() {
        for (meta, seed) in [
            ("{\"seed\":5,\"meta\":1}", Some(json!(5))),
            ("{\"id\":1,\"meta\":{\"seed\":6}}", Some(json!(6))),
            ("{\"seed\":18446744073709551615}", Some(Value::Null)),
            ("{\"seed\":\"7\"}", Some(Value::Null)),
            ("{\"seed\":\"seven\"}", Some(Value::Null)),
            ("{\"id\":1,\"meta\":null}", Some(Value::Null)),
            ("null", None),
        ] {
            let item = format!("{{\"id\":1,\"meta\":{meta}}}");
            assert_eq!(rows(ImageTable::Meta, &item).first().map(|row| row["seed"].clone()), seed, "{meta}");
        }
    }

    #[test]
    fn a_number_too_long_for_a_double_is_no_number() {
        for (sent, read) in [
            ("7", json!(7.0)),
            ("7.50", json!(7.5)),
            ("12345678901234567890123", Value::Null),
            ("\"7\"", json!(7.0)),
            ("\"1e3\"", json!(1000.0)),
        ] {
            let item = format!("{{\"id\":1,\"meta\":{{\"cfgScale\":{sent}}}}}");
            assert_eq!(rows(ImageTable::Meta, &item)[0]["cfg_scale"], read, "{sent}");
        }
    }

    #[test]
    fn resources_are_counted_through_all_their_lists() {
        let item = r#"{"id":1,"meta":{"hashes":{"vae":"bb","model":"aa"},"civitaiResources":[{"type":"lora","modelVersionId":9}],
            "resources":[{"name":"n","type":"model","hash":"h"}],"additionalResources":[{"name":"a","strength":0.5}]}}"#;
        let rows = rows(ImageTable::Resources, item);
        let places: Vec<_> = rows.iter().map(|row| (row["position"].as_u64(), row["source"].as_str())).collect();
        let order = ["resources", "civitaiResources", "additionalResources", "hashes", "hashes"];
        assert_eq!(places, (0u64..).map(Some).zip(order.map(Some)).collect::<Vec<_>>());
        assert_eq!(
            (&rows[1]["model_version_id"], &rows[2]["weight"], &rows[3]["name"]),
            (&json!(9), &json!(0.5), &json!("vae"))
        );
    }
}
