//! One model or version over the wire: shapes, hashes, missing ones, and false 404s.

use super::*;

#[test]
fn a_version_shows_the_fields_of_the_list_and_more() {
    let server = sandbox(300, "none", &[]);
    let listed = lines(&server, "/sandbox/truth/model_versions");
    for row in listed.iter().take(40) {
        let id = row["id"].as_i64().unwrap();
        let reply = get(&server, &format!("/api/v1/model-versions/{id}"));
        if reply.status == 404 {
            assert_eq!(reply.text(), "{\"error\":\"Missing model file\"}");
            continue;
        }
        let rows = lines(&server, &format!("/sandbox/truth/model_versions?id={id}"));
        for column in
            ["model_id", "name", "base_model", "base_model_type", "description", "published_at", "trained_words"]
        {
            assert_eq!(rows[0][column], row[column], "{column} of {id}");
        }
        for column in ["status", "created_at", "updated_at", "air", "usage_control", "upload_type"] {
            assert!(rows[0][column].is_string(), "{column}");
        }
        assert!(rows[0]["position"].is_null() && rows[0]["availability"].is_null());
        let body = reply.json();
        assert!(body["model"]["name"].is_string());
        for file in body["files"].as_array().unwrap() {
            assert!(file["primary"].is_boolean());
            assert!(file["scannedAt"].is_null() || !file["scannedAt"].as_str().unwrap().ends_with('Z'));
        }
        for image in body["images"].as_array().unwrap() {
            assert!(image.get("id").is_none() && image.get("meta").is_some() && image["metadata"].is_object());
        }
    }
    for (table, column) in [("version_files", "scanned_at"), ("file_hashes", "hash"), ("version_images", "url")] {
        let id = listed[3]["id"].as_i64().unwrap();
        let rows = lines(&server, &format!("/sandbox/truth/{table}?id={id}"));
        assert!(rows.iter().any(|row| row[column].is_string()), "{table}");
    }
}

#[test]
fn hashes_of_any_kind_and_case_find_the_version_published_first() {
    let server = sandbox(300, "none", &[]);
    let hashes = lines(&server, "/sandbox/truth/file_hashes?nsfw=true&limit=100");
    let mut owners = std::collections::HashMap::<String, Vec<i64>>::new();
    for row in &hashes {
        let hash = row["hash"].as_str().unwrap().to_owned();
        owners.entry(hash).or_default().push(row["version_id"].as_i64().unwrap());
    }
    let published =
        |id: i64| lines(&server, &format!("/sandbox/truth/model_versions?id={id}"))[0]["published_at"].clone();
    let shared = owners.iter().find(|(_, versions)| versions.len() > 1).unwrap();
    let alone = owners.iter().find(|(_, versions)| versions.len() == 1).unwrap();
    for (hash, versions) in [shared, alone] {
        let found = get(&server, &format!("/api/v1/model-versions/by-hash/{}", hash.to_lowercase())).json();
        let found = found["id"].as_i64().unwrap();
        assert!(versions.iter().all(|id| published(found).as_str() <= published(*id).as_str()), "{hash}");
        let rows = lines(&server, &format!("/sandbox/truth/model_versions?hash={hash}"));
        assert_eq!(rows[0]["id"].as_i64(), Some(found));
    }
    let missing = get(&server, "/api/v1/model-versions/by-hash/0000");
    assert_eq!((missing.status, missing.text()), (404, "{\"error\":\"Model not found\"}".to_owned()));
    assert_eq!(get(&server, "/api/v1/model-versions/1").status, 404);
    assert_eq!(get(&server, "/api/v1/model-versions/x").status, 400);
}

#[test]
fn a_cached_negative_gives_way_to_a_changed_key() {
    let server = sandbox(300, "cached-negatives", &[]);
    let ids = truth(&server, "");
    let struck: Vec<&i64> =
        ids.iter().filter(|id| get(&server, &format!("/api/v1/models/{id}")).status == 404).collect();
    assert!((10..60).contains(&struck.len()), "{}", struck.len());
    for id in struck {
        let denied = get(&server, &format!("/api/v1/models/{id}"));
        assert_eq!((denied.status, denied.text()), (404, format!("{{\"error\":\"No model with id {id}\"}}")));
        assert_eq!(field(&denied.head, "cf-cache-status").as_deref(), Some("HIT"));
        assert_eq!(get(&server, &format!("/api/v1/models/{id}?again=1")).status, 200);
    }
    let nothing = get(&server, "/api/v1/models/999999999");
    assert_eq!(field(&nothing.head, "cf-cache-status").as_deref(), Some("MISS"));
}
