//! Traps of looking things up by id and by hash.

use super::{ALL_PARAMS, column, doubts, log};
use crate::naive::{distinct, follow};
use crate::support::{Sandbox, Walk, ask, crawl};

const VERSIONS: &str = "for_each = { table = \"model_versions\", column = \"id\" }";

#[test]
fn trap_15_a_cached_404_is_not_believed() {
    let start = |era| Sandbox::start(&["--models", "300", "--traps", "cached-negatives", "--era", era]);
    let (sandbox, newer) = (start("2026-08"), start("2026-09"));
    let versions = distinct(&sandbox.truth("model_versions?sort=Oldest&nsfw=true"), "id");
    let there = |sandbox: &Sandbox, id: &str| ask(&format!("{}/model-versions/{id}", sandbox.base)).status == 200;
    let naive = versions.iter().filter(|id| there(&sandbox, id)).count();
    let all = distinct(&sandbox.truth(&format!("model_versions?id={}", versions.join(","))), "id");
    assert!(naive < all.len(), "{naive} of {}", all.len());
    // The newer server lets no cache keep the 404 of a version.
    assert_eq!(versions.iter().filter(|id| there(&newer, id)).count(), all.len());

    let models = Walk::of("models").params("sort = \"Oldest\", nsfw = true");
    let (room, _) = crawl(&sandbox, &[models, Walk::of("model_version").named("versions").with(VERSIONS)], 0);
    let looked_up = "(SELECT * FROM model_versions WHERE walk LIKE 'versions/%')";
    assert_eq!(column(&room, looked_up, "id"), all);
    // A key that no cache knows, and only where the first answer was from a cache.
    let again = log(&sandbox).iter().filter(|request| request["query"].to_string().contains("_=")).count();
    assert_eq!(again, all.len() - naive);
}

#[test]
fn trap_19_a_scan_time_without_a_zone_is_utc() {
    let sandbox = Sandbox::start(&["--models", "100"]);
    let versions = distinct(&sandbox.truth("model_versions?sort=Oldest&nsfw=true"), "id");
    let page = ask(&format!("{}/model-versions/{}", sandbox.base, versions[0])).json();
    let naive = page["files"][0]["scannedAt"].as_str().expect("it was scanned").to_owned();
    assert!(naive.parse::<jiff::Timestamp>().is_err(), "`{naive}` has a zone");

    let models = Walk::of("models").params("sort = \"Oldest\", nsfw = true");
    let (room, _) = crawl(&sandbox, &[models, Walk::of("model_version").named("versions").with(VERSIONS)], 0);
    let sql = "SELECT strftime(scanned_at::TIMESTAMPTZ AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S') FROM version_files \
               WHERE walk = 'versions/VERSION' ORDER BY id LIMIT 1";
    let first = page["files"].as_array().and_then(|files| files.iter().min_by_key(|file| file["id"].as_u64()));
    let sent = first.and_then(|file| file["scannedAt"].as_str()).expect("it was scanned");
    let kept = room.value(&sql.replace("VERSION", &versions[0]));
    assert!(sent.starts_with(kept.as_str().expect("it is a time")), "{sent} became {kept}");
}

#[test]
fn trap_20_a_hash_of_several_versions_finds_the_oldest_of_them() {
    let sandbox = Sandbox::start(&["--models", "150"]);
    let hashes = sandbox.truth("file_hashes?sort=Oldest&nsfw=true");
    let hashes: Vec<_> = hashes.into_iter().filter(|row| row["algorithm"] == "SHA256").collect();
    let hashes: Vec<String> =
        distinct(&hashes, "hash").iter().map(|hash| hash.trim_matches('"').to_lowercase()).collect();
    let list = hashes.iter().map(|hash| format!("\"{hash}\"")).collect::<Vec<_>>().join(", ");
    let each = format!("for_each = {{ list = [{list}, \"00ff\"] }}");
    let (room, _) = crawl(&sandbox, &[Walk::of("model_version_by_hash").named("hashes").with(&each)], 4);
    let expected = sandbox.truth(&format!("model_versions?hash={}", hashes.join(",")));
    assert!(!expected.is_empty());
    assert_eq!(column(&room, "model_versions", "id"), distinct(&expected, "id"));
    // What nobody has is an answer too, and named, since the crawl file lists it.
    assert!(doubts(&room).contains("shows nothing of `00ff`;"), "{}", doubts(&room));
    assert_eq!(
        room.rows("SELECT walk, status FROM pages WHERE status <> 200"),
        [serde_json::json!(["hashes/00ff", 404])]
    );
}

#[test]
fn trap_22_a_download_link_is_no_promise() {
    let sandbox = Sandbox::start(&["--models", "400"]);
    let models = Walk::of("models").params(ALL_PARAMS);
    let (room, _) = crawl(&sandbox, &[models, Walk::of("model_version").named("versions").with(VERSIONS)], 0);
    let barred = "SELECT count(*) FROM model_versions WHERE usage_control <> 'Download' AND download_url IS NOT NULL";
    assert!(room.value(barred).as_u64() > Some(0), "the columns say what may be downloaded");
    let early = "SELECT count(*) FROM model_versions WHERE availability <> 'Public'";
    assert!(room.value(early).as_u64().is_some());
    // Nothing is ever downloaded: even a glance counts as one.
    assert!(log(&sandbox).iter().all(|request| !request["path"].to_string().contains("download")));
    assert!(
        follow(&format!("{}/models?nsfw=true", sandbox.base))
            .iter()
            .any(|model| { model["modelVersions"][0]["downloadUrl"].is_string() })
    );
}
