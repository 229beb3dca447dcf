//! Studies of the models: types, levels, licences, creators, files, growth, what is gone and what was downloaded.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::study::{Row, Tables, grouped, ordered, present, rounded, share, sum, with};
use crate::sandbox::render::version::{self, version_id};

/// A level's name by its bit.
const LEVELS: &[(i64, &str)] = &[(32, "Blocked"), (16, "XXX"), (8, "X"), (4, "R"), (2, "PG13"), (1, "PG")];

pub(crate) fn models_by_type_and_level(tables: &Tables<'_>) -> Vec<Row> {
    let mut rows = tables.rows("models");
    for row in &mut rows {
        let mask = row["nsfw_levels"].as_i64().unwrap_or_default();
        let level = LEVELS.iter().find(|(bit, _)| mask & bit != 0).map(|(_, name)| *name);
        row.insert(String::from("level"), json!(level));
    }
    let counted =
        grouped(&rows, &["type", "level"]).into_iter().map(|(key, rows)| with(key, json!({ "models": rows.len() })));
    ordered(counted.collect(), &["-models", "type", "level"])
}

/// Published versions with the month they were published in.
fn dated_versions(tables: &Tables<'_>) -> Vec<Row> {
    let mut rows = tables.rows("model_versions");
    rows.retain(|row| !row["published_at"].is_null());
    for row in &mut rows {
        let month = row["published_at"].as_str().map(|instant| instant[..7].to_owned());
        row.insert(String::from("month"), json!(month));
    }
    rows
}

pub(crate) fn base_models_by_month(tables: &Tables<'_>) -> Vec<Row> {
    let rows = dated_versions(tables);
    let groups = grouped(&rows, &["month", "base_model"]);
    let counted = groups.into_iter().map(|(key, rows)| with(key, json!({ "versions": rows.len() })));
    ordered(counted.collect(), &["month", "-versions", "base_model"])
}

pub(crate) fn licence_mix(tables: &Tables<'_>) -> Vec<Row> {
    let mut rows = tables.rows("models");
    for row in &mut rows {
        let uses = row["allow_commercial_use"].as_array().map(|uses| {
            let mut uses: Vec<&str> = uses.iter().filter_map(Value::as_str).collect();
            uses.sort_unstable();
            uses.join(" ")
        });
        row.insert(String::from("commercial_use"), json!(uses));
        for (name, column) in [
            ("no_credit", "allow_no_credit"),
            ("derivatives", "allow_derivatives"),
            ("other_terms", "allow_different_license"),
        ] {
            let value = row[column].clone();
            row.insert(name.to_owned(), value);
        }
    }
    let columns = ["commercial_use", "no_credit", "derivatives", "other_terms"];
    let counted = grouped(&rows, &columns).into_iter().map(|(key, rows)| {
        let downloads = (present(&rows, "download_count") > 0).then(|| sum(rows.iter().copied(), "download_count"));
        with(key, json!({ "models": rows.len(), "downloads": downloads }))
    });
    ordered(counted.collect(), &["-models", "commercial_use", "no_credit", "derivatives", "other_terms"])
}

pub(crate) fn top_creators(tables: &Tables<'_>) -> Vec<Row> {
    let mut rows = tables.rows("models");
    rows.retain(|row| !row["creator_username"].is_null());
    let counted = grouped(&rows, &["creator_username"]).into_iter().map(|(mut key, rows)| {
        let creator = key.remove("creator_username");
        let sums = ["download_count", "thumbs_up_count"].map(|column| sum(rows.iter().copied(), column));
        with(key, json!({ "creator": creator, "models": rows.len(), "downloads": sums[0], "likes": sums[1] }))
    });
    let mut creators = ordered(counted.collect(), &["-downloads", "creator"]);
    creators.truncate(100);
    creators
}

pub(crate) fn files_and_scans(tables: &Tables<'_>) -> Vec<Row> {
    let mut listed = tables.rows("version_files");
    listed.sort_by_key(|row| row["version_id"].as_i64());
    let mut files: BTreeMap<Option<i64>, Row> = BTreeMap::new();
    for mut row in listed {
        for (name, column) in [("pickle_scan", "pickle_scan_result"), ("virus_scan", "virus_scan_result")] {
            let value = row[column].clone();
            row.insert(name.to_owned(), value);
        }
        files.entry(row["id"].as_i64()).or_insert(row);
    }
    let files: Vec<Row> = files.into_values().collect();
    let counted = grouped(&files, &["format", "pickle_scan", "virus_scan"]).into_iter().map(|(key, rows)| {
        let kib: f64 = rows.iter().filter_map(|row| row["size_kb"].as_f64()).sum();
        with(key, json!({ "files": rows.len(), "gib": rounded(kib / 1024.0 / 1024.0, 3) }))
    });
    ordered(counted.collect(), &["-files", "format", "pickle_scan", "virus_scan"])
}

pub(crate) fn growth_by_month(tables: &Tables<'_>) -> Vec<Row> {
    let rows = dated_versions(tables);
    let firsts = grouped(&rows, &["model_id"])
        .into_iter()
        .filter_map(|(_, versions)| versions.iter().filter_map(|row| row["month"].as_str()).min().map(str::to_owned));
    let mut months: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    rows.iter()
        .filter_map(|row| row["month"].as_str())
        .for_each(|month| months.entry(month.to_owned()).or_default().1 += 1);
    firsts.for_each(|month| months.entry(month).or_default().0 += 1);
    let mut so_far = (0, 0);
    let counted = months.into_iter().map(|(month, (models, versions))| {
        so_far = (so_far.0 + models, so_far.1 + versions);
        let values = json!({ "month": month, "new_models": models, "new_versions": versions, "models": so_far.0, "versions": so_far.1 });
        with(Row::new(), values)
    });
    counted.collect()
}

/// Of the models a client may have seen before those that are hidden now were.
pub(crate) fn deleted_share(tables: &Tables<'_>) -> Vec<Row> {
    let entries = tables.world.catalog.entries.iter().filter(|entry| entry.level != 0);
    let rows: Vec<Row> =
        entries.map(|entry| with(Row::new(), json!({ "type": entry.kind_name(), "hidden": entry.hidden }))).collect();
    let counted = grouped(&rows, &["type"]).into_iter().map(|(key, rows)| {
        let gone = rows.iter().filter(|row| row["hidden"] == true).count();
        with(key, json!({ "seen": rows.len(), "gone": gone, "share_gone": share(gone, rows.len()) }))
    });
    ordered(counted.collect(), &["-seen", "type"])
}

/// What edited versions gained; in which week depends on the client, so all weeks in one.
pub(crate) fn downloads_by_week(tables: &Tables<'_>) -> Vec<Row> {
    let mut rows = tables.rows("model_versions");
    rows.retain(|row| !row["download_count"].is_null());
    for row in &mut rows {
        let entries = tables.world.catalog.entries.iter();
        let of_version =
            entries.filter(|entry| version_id(entry, 0) / 16 == row["id"].as_i64().map_or(0, |id| id as u32 / 16));
        let gained: u32 = of_version.map(|entry| version::gained(tables.world.traps, entry)).sum();
        row.insert(String::from("gained"), json!(gained));
    }
    rows.retain(|row| row["gained"] != 0);
    let counted = grouped(&rows, &["base_model"]).into_iter();
    let counted = counted.map(|(key, rows)| with(key, json!({ "downloads": sum(rows, "gained") })));
    ordered(counted.collect(), &["-downloads", "base_model"])
}
