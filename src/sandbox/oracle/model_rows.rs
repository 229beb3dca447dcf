//! The rows of each table in one item: the sandbox's own reading of the schema, shared with no other code.

use serde_json::{Value, json};

use super::object::Object;

/// The tables that a models list fills.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Models,
    ModelTags,
    ModelVersions,
    VersionFiles,
    FileHashes,
    VersionImages,
}

impl Table {
    const NAMES: &[(&str, Table)] = &[
        ("models", Table::Models),
        ("model_tags", Table::ModelTags),
        ("model_versions", Table::ModelVersions),
        ("version_files", Table::VersionFiles),
        ("file_hashes", Table::FileHashes),
        ("version_images", Table::VersionImages),
    ];

    /// The table of a name.
    pub(super) fn named(name: &str) -> Option<Table> {
        Table::NAMES.iter().find(|(known, _)| *known == name).map(|(_, table)| *table)
    }

    /// Every name.
    pub(super) fn names() -> String {
        Table::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// Appends the rows of a table in an item, as JSON lines.
pub(super) fn of_item(table: Table, item: &str, lines: &mut String) -> serde_json::Result<()> {
    let model = Object::read(item)?;
    let mut push = |row: Value| lines.push_str(&format!("{row}\n"));
    match table {
        Table::Models => push(model_row(&model)),
        Table::ModelTags => tags(&model).into_iter().for_each(push),
        _ => {
            for (position, version) in (0usize..).zip(model.objects("modelVersions")) {
                of_version(table, &model.int("id"), &position.into(), &version, &mut push);
            }
        }
    }
    Ok(())
}

/// Appends the rows of a table in the answer of one version, which has no position in its model.
pub(super) fn of_lookup(table: Table, body: &str, lines: &mut String) -> serde_json::Result<()> {
    let version = Object::read(body)?;
    let mut push = |row: Value| lines.push_str(&format!("{row}\n"));
    if !matches!(table, Table::Models | Table::ModelTags) {
        of_version(table, &version.int("modelId"), &Value::Null, &version, &mut push);
    }
    Ok(())
}

/// Appends the row of one item of creators or of tags; a creator without a name has no row.
pub(super) fn of_numbered(table: &str, item: &str, lines: &mut String) -> serde_json::Result<()> {
    let item = Object::read(item)?;
    let (count, link) = (item.int("modelCount"), item.text("link"));
    let row = match table {
        "creators" if item.text("username").is_null() => return Ok(()),
        "creators" => json!({
            "username": item.text("username"), "model_count": count, "link": link, "image": item.text("image"),
        }),
        _ => json!({ "name": item.text("name"), "model_count": count, "link": link }),
    };
    lines.push_str(&format!("{row}\n"));
    Ok(())
}

fn of_version(table: Table, model: &Value, position: &Value, version: &Object<'_>, push: &mut impl FnMut(Value)) {
    match table {
        Table::ModelVersions => push(version_row(model, position, version)),
        Table::VersionFiles => version.objects("files").iter().for_each(|file| push(file_row(model, version, file))),
        Table::FileHashes => {
            for file in version.objects("files") {
                let hashes = file.object("hashes");
                for (algorithm, _) in &hashes.0 {
                    push(json!({
                        "version_id": version.int("id"), "file_id": file.int("id"), "algorithm": algorithm,
                        "hash": hashes.text(algorithm),
                    }));
                }
            }
        }
        _ => {
            for (place, image) in (0usize..).zip(version.objects("images")) {
                push(image_row(model, version, place, &image));
            }
        }
    }
}

fn model_row(model: &Object<'_>) -> Value {
    let (stats, creator) = (model.object("stats"), model.object("creator"));
    json!({
        "id": model.int("id"), "name": model.text("name"), "description": model.text("description"),
        "type": model.text("type"), "nsfw": model.flag("nsfw"), "nsfw_levels": model.int("nsfwLevel"),
        "minor": model.flag("minor"), "sfw_only": model.flag("sfwOnly"), "poi": model.flag("poi"),
        "mode": model.text("mode"), "availability": model.text("availability"), "user_id": model.int("userId"),
        "creator_username": creator.text("username"), "creator_image": creator.text("image"),
        "supports_generation": model.flag("supportsGeneration"), "allow_no_credit": model.flag("allowNoCredit"),
        "allow_commercial_use": licences(&model.value("allowCommercialUse")),
        "allow_derivatives": model.flag("allowDerivatives"),
        "allow_different_license": model.flag("allowDifferentLicense"), "base_models": model.texts("baseModels"),
        "download_count": stats.int("downloadCount"), "favorite_count": stats.int("favoriteCount"),
        "thumbs_up_count": stats.int("thumbsUpCount"), "thumbs_down_count": stats.int("thumbsDownCount"),
        "comment_count": stats.int("commentCount"), "rating_count": stats.int("ratingCount"),
        "rating": stats.float("rating"), "tipped_amount_count": stats.int("tippedAmountCount"),
        "cosmetic": model.json("cosmetic"),
    })
}

/// Reads an array, `{A,B}` as text, or one word.
fn licences(value: &Value) -> Value {
    match value {
        Value::Array(_) => value.clone(),
        Value::String(text) => {
            let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
            inner.split(',').filter(|word| !word.is_empty()).collect()
        }
        _ => Value::Null,
    }
}

fn tags(model: &Object<'_>) -> Vec<Value> {
    let value = model.value("tags");
    let tags = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |tag: &Value| tag.as_str().or(tag["name"].as_str()).map(str::to_owned);
    let row = |(position, tag)| json!({ "model_id": model.int("id"), "position": position, "tag": name(tag) });
    (0usize..).zip(tags).map(row).collect()
}

fn version_row(model: &Value, position: &Value, version: &Object<'_>) -> Value {
    let (stats, paid) = (version.object("stats"), version.object("paidAccess"));
    let first = |one: Value, other: Value| if one.is_null() { other } else { one };
    let deadline = first(version.date("earlyAccessDeadline"), version.date("earlyAccessEndsAt"));
    json!({
        "id": version.int("id"), "model_id": model, "position": position, "index": version.int("index"), "name": version.text("name"),
        "description": version.text("description"), "base_model": version.text("baseModel"),
        "base_model_type": version.text("baseModelType"), "status": version.text("status"),
        "availability": version.text("availability"), "nsfw_levels": version.int("nsfwLevel"),
        "created_at": version.date("createdAt"), "updated_at": version.date("updatedAt"),
        "published_at": version.date("publishedAt"), "trained_words": version.texts("trainedWords"),
        "download_url": version.text("downloadUrl"), "download_count": stats.int("downloadCount"),
        "thumbs_up_count": stats.int("thumbsUpCount"), "thumbs_down_count": stats.int("thumbsDownCount"),
        "rating_count": stats.int("ratingCount"), "rating": stats.float("rating"),
        "supports_generation": first(version.flag("supportsGeneration"), version.flag("covered")),
        "early_access_deadline": deadline, "early_access_days": version.int("earlyAccessTimeFrame"),
        "early_access_config": version.json("earlyAccessConfig"), "paid_access_permanent": paid.flag("permanent"),
        "paid_access_ends_at": paid.date("endsAt"), "licensing_fee": version.float("licensingFee"),
        "vae_id": version.int("vaeId"), "flags": version.int("flags"),
        "training_status": version.text("trainingStatus"), "training_details": version.json("trainingDetails"),
        "model": version.json("model"), "air": version.text("air"),
        "usage_control": version.text("usageControl"), "upload_type": version.text("uploadType"),
    })
}

fn file_row(model: &Value, version: &Object<'_>, file: &Object<'_>) -> Value {
    let metadata = file.object("metadata");
    json!({
        "version_id": version.int("id"), "id": file.int("id"), "model_id": model, "name": file.text("name"),
        "override_name": file.text("overrideName"), "is_required": metadata.flag("isRequired"),
        "type": file.text("type"), "is_primary": file.value("primary") == true, "size_kb": file.float("sizeKB"),
        "format": metadata.text("format"), "size": metadata.text("size"), "fp": metadata.text("fp"),
        "quant_type": metadata.text("quantType"), "pickle_scan_result": file.text("pickleScanResult"),
        "pickle_scan_message": file.text("pickleScanMessage"), "virus_scan_result": file.text("virusScanResult"),
        "virus_scan_message": file.text("virusScanMessage"), "scanned_at": file.date("scannedAt"),
        "download_url": file.text("downloadUrl"),
    })
}

fn image_row(model: &Value, version: &Object<'_>, position: usize, image: &Object<'_>) -> Value {
    json!({
        "version_id": version.int("id"), "position": position, "image_id": image_id(image), "model_id": model,
        "url": image.text("url"), "type": image.text("type"), "nsfw_word": image.text("nsfw"),
        "nsfw_level": image.int("nsfwLevel"), "width": image.int("width"), "height": image.int("height"),
        "hash": image.text("hash"), "has_meta": image.flag("hasMeta"), "meta": image.json("meta"),
        "has_positive_prompt": image.flag("hasPositivePrompt"), "on_site": image.flag("onSite"),
        "remix_of_id": image.int("remixOfId"), "minor": image.flag("minor"), "poi": image.flag("poi"),
        "availability": image.text("availability"), "flags": image.int("flags"), "metadata": image.json("metadata"),
    })
}

/// Returns the `id`, or the number in the URL's file name.
fn image_id(image: &Object<'_>) -> Value {
    let url = image.value("url");
    let from_url = || {
        let file = url.as_str()?.rsplit('/').next()?;
        file.split('.').next()?.parse::<i64>().ok()
    };
    image.value("id").as_i64().or_else(from_url).map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_of_every_era_are_lists() {
        for (sent, read) in [
            (json!(["Image"]), json!(["Image"])),
            (json!("{Image,Rent}"), json!(["Image", "Rent"])),
            (json!("{}"), json!([])),
            (json!("Rent"), json!(["Rent"])),
            (Value::Null, Value::Null),
        ] {
            assert_eq!(licences(&sent), read);
        }
    }

    #[test]
    fn rows_carry_what_the_item_says_and_nulls_otherwise() {
        let item = r#"{"id":1,"tags":["a",{"name":"b"}],"creator":{"username":12},"modelVersions":[{"id":2,
            "publishedAt":"2024-01-01T00:00:00.5Z","files":[{"id":3,"hashes":{"CRC32":"AB"}}],
            "images":[{"url":"https://x/77.jpeg","meta":{"z":1, "a":2}}]}]}"#;
        let rows = |table| {
            let mut lines = String::new();
            of_item(table, item, &mut lines).unwrap();
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        };
        assert_eq!(rows(Table::Models)[0]["creator_username"], "12");
        assert_eq!(rows(Table::ModelTags)[1], json!({ "model_id": 1, "position": 1, "tag": "b" }));
        assert_eq!(rows(Table::ModelVersions)[0]["published_at"], "2024-01-01T00:00:00.500Z");
        assert_eq!(rows(Table::VersionFiles)[0]["is_primary"], false);
        assert_eq!(rows(Table::FileHashes)[0]["hash"], "AB");
        let image = &rows(Table::VersionImages)[0];
        assert_eq!((&image["image_id"], &image["meta"]), (&json!(77), &json!("{\"z\":1, \"a\":2}")));
        assert_eq!(image["has_meta"], Value::Null);
    }
}
