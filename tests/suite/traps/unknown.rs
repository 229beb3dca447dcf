//! Fields that no column knows: there are none as long as the server sends known ones, and each new one is named.

use std::collections::BTreeSet;

use serde_json::json;

use super::{ALL_PARAMS, PICTURES, doubts};
use crate::support::{Room, Sandbox, Walk, assert_exit, crawl, program};

/// The tables whose `extra` holds nothing but what is new.
const TABLES: [&str; 7] = ["models", "model_versions", "version_files", "version_images", "images", "creators", "tags"];

/// Every endpoint.
fn everything() -> Vec<Walk> {
    let each = |table: &str, column: &str| format!("for_each = {{ table = \"{table}\", column = \"{column}\" }}");
    vec![
        Walk::of("models").params(ALL_PARAMS),
        Walk::of("model").named("by_id").with(&each("models", "id")),
        Walk::of("model_version").named("versions").with(&each("model_versions", "id")),
        Walk::of("model_version_by_hash").named("by_hash").with("for_each = { list = [\"00ff00ff\"] }"),
        Walk::of("images").params(&format!("{PICTURES}, browsingLevel = 3")).with(&user()),
        Walk::of("creators"),
        Walk::of("tags"),
    ]
}

fn user() -> String {
    String::from("for_each = { table = \"models\", column = \"creator_username\", param = \"username\" }")
}

fn crawled(traps: &str, era: &[&str]) -> Room {
    let traps = format!("{traps},-unordered-creators,-absent-creators");
    let sandbox = Sandbox::start(&[&["--models", "300", "--images", "1500", "--traps", &traps], era].concat());
    // No file has the hash that the crawl file lists, and nothing else is in doubt.
    let room = crawl(&sandbox, &everything(), 4).0;
    assert_eq!(doubts(&room).matches("walk `").count(), 1, "{}", doubts(&room));
    room
}

#[test]
fn known_fields_leave_nothing_in_extra() {
    for era in [&[][..], &["--era", "2023"]] {
        let room = crawled("all,-odd-fields", era);
        for table in TABLES {
            assert_ne!(room.rows(&format!("SELECT 1 FROM {table} LIMIT 1")), [json!(null); 0], "{table} {era:?}");
            let extra = room.rows(&format!("SELECT extra FROM {table} WHERE extra IS NOT NULL LIMIT 3"));
            assert_eq!(extra, [json!(null); 0], "{table} {era:?}");
        }
        assert!(!room.status().contains("fits no column"), "{}", room.status());
    }
}

#[test]
fn new_keys_are_in_extra_and_named_with_their_count_and_first_page() {
    let room = crawled("all", &[]);
    let new = [
        ("models", "$.futureField", "futureField"),
        ("models", "$.stats.futureCount", "stats.futureCount"),
        ("models", "$.tags", "tags"),
        ("model_versions", "$.futureVersionField", "futureVersionField"),
        ("version_files", "$.futureFileField", "futureFileField"),
        ("version_images", "$.futureImageField", "futureImageField"),
    ];
    let mut statuses = Vec::new();
    for (table, path, key) in new {
        let having = format!("FROM {table} WHERE json_exists(extra, '{path}')");
        let count = room.rows(&format!("SELECT count(*) {having}"))[0][0].as_u64().unwrap();
        let earliest = format!("{having} AND fetched_at = (SELECT min(fetched_at) {having})");
        let first = room.rows(&format!("SELECT DISTINCT walk, page {earliest}"));
        let line = |walk: &str, page: u64| {
            format!(
                "{table}: `{key}` fits no column; kept in `extra` of {count} rows, first on page {page} of walk `{walk}`"
            )
        };
        let lines: BTreeSet<String> =
            first.iter().map(|row| line(row[0].as_str().unwrap(), row[1].as_u64().unwrap())).collect();
        statuses.push(lines);
    }
    let status = room.status();
    for lines in &statuses {
        assert!(lines.iter().any(|line| status.contains(line)), "{lines:?}\n{status}");
    }
    assert_eq!(status.matches("fits no column").count(), new.len(), "{status}");
    let report = std::fs::read_dir(room.dataset().join("runs")).unwrap().next().unwrap().unwrap().path();
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["unknown_keys"].as_array().map(Vec::len), Some(new.len()), "{}", report["unknown_keys"]);
    assert_eq!(report["walks"]["models"]["unknown"]["models"]["stats.futureCount"]["page"], 1, "{}", report["walks"]);
    let page = room.dataset().with_extension("html");
    assert_exit(&program().arg("report").arg(room.dataset()).arg("-o").arg(&page).output().unwrap(), 0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("What fits no column") && page.contains("stats.futureCount"));
}
