//! Visibility, determinism, shapes, headers, lookups, the log: everything of the service but paging and faults.

use super::*;

fn start(config: Config) -> Sandbox {
    Sandbox::start(config).unwrap()
}

fn items(reply: &Reply) -> Vec<Value> {
    reply.json()["items"].as_array().unwrap().clone()
}

#[test]
fn nsfw_is_pg_only_when_absent_and_hides_minors_when_true() {
    let server = sandbox(700, "hidden-minors", &[]);
    let safe = truth(&server, "archived=true");
    let all = truth(&server, "archived=true&nsfw=true");
    let everything = truth(&server, "");
    assert!(safe.len() < all.len() && all.len() < everything.len());
    assert!(safe.iter().any(|id| !all.contains(id)), "nsfw=true must be no superset");
    for item in items(&get(&server, "/api/v1/models?limit=100")) {
        assert_eq!(item["nsfwLevel"].as_i64().unwrap() & 1, 1);
        let versions = item["modelVersions"].as_array().unwrap();
        let mut images = versions.iter().flat_map(|version| version["images"].as_array().unwrap());
        assert!(images.all(|image| image["nsfwLevel"] == 1));
    }
    let friendly = sandbox(700, "none", &[]);
    let (safe, all) = (truth(&friendly, "archived=true"), truth(&friendly, "archived=true&nsfw=true"));
    assert!(safe.iter().all(|id| all.contains(id)));
}

#[test]
fn archived_models_need_their_parameter_and_have_no_files() {
    let server = sandbox(700, "none", &[]);
    let (without, with) = (truth(&server, "nsfw=true"), truth(&server, "nsfw=true&archived=false"));
    let archived: Vec<i64> = with.iter().copied().filter(|id| !without.contains(id)).collect();
    assert!(!archived.is_empty());
    let reply = get(&server, &format!("/api/v1/models?nsfw=true&archived=1&ids={}", archived[0]));
    let item = &items(&reply)[0];
    assert_eq!((&item["mode"], &item["modelVersions"][0]["files"]), (&Value::from("Archived"), &Value::Array(vec![])));
    assert!(item["modelVersions"][0].get("downloadUrl").is_none());
}

#[test]
fn early_access_shows_under_ids_and_username_only() {
    let server = sandbox(700, "hidden-early-access", &[]);
    let plain = truth(&server, "nsfw=true&archived=true");
    let everything = truth(&server, "");
    let vanished: Vec<i64> = everything.iter().copied().filter(|id| !plain.contains(id)).collect();
    assert!(!vanished.is_empty());
    let reply = get(&server, &format!("/api/v1/models?nsfw=true&archived=true&ids={}", vanished[0]));
    let item = &items(&reply)[0];
    assert_eq!(item["modelVersions"][0]["availability"], "EarlyAccess");
    let name = item["creator"]["username"].as_str().unwrap().to_owned();
    let named = get(&server, &format!("/api/v1/models?nsfw=true&archived=true&username={name}"));
    assert!(named.ids().contains(&vanished[0]));
    let listed = lines(&server, "/sandbox/truth/model_versions?nsfw=true&archived=true");
    assert!(listed.iter().all(|row| row["availability"] == "Public"));
}

#[test]
fn filters_select_and_unknown_names_behave_as_on_the_server() {
    let server = sandbox(800, "none", &[]);
    let all = truth(&server, "nsfw=true").len();
    let loras = truth(&server, "nsfw=true&types=LORA");
    assert!(loras.len() > all / 2 && loras.len() < all);
    let tag = lines(&server, "/sandbox/truth/model_tags")[0]["tag"].as_str().unwrap().to_owned();
    assert!(truth(&server, &format!("nsfw=true&tag={tag}")).len() < all);
    assert_eq!(truth(&server, "nsfw=true&tag=no such tag at all").len(), all);
    let reply = get(&server, "/api/v1/models?username=no_such_user");
    assert_eq!((reply.status, reply.text()), (404, "{\"message\":\"User not found\"}".to_owned()));
    assert!(truth(&server, "nsfw=true&period=Year").len() < all);
    let hits = get(&server, "/api/v1/models?nsfw=true&query=dragon&limit=2");
    assert!(items(&hits).iter().all(|item| { item["name"].as_str().unwrap().to_lowercase().contains("dragon") }));
}

#[test]
fn the_catalog_is_a_function_of_seed_and_size() {
    let body = |seed, era| {
        let server = start(Config { models: 300, seed, era, ..Config::default() });
        get(&server, "/api/v1/models?nsfw=true&ids=1,2,3,4,5,6,7,8,9,10").body
    };
    assert_eq!(body(1, Era::Aug2026), body(1, Era::Aug2026));
    assert_ne!(body(1, Era::Aug2026), body(2, Era::Aug2026));
    assert_ne!(body(1, Era::Aug2026), body(1, Era::Y2023));
}

#[test]
fn items_have_the_shape_and_size_of_their_era() {
    for (era, models, versions, images) in [
        (
            Era::Aug2026,
            vec!["allowNoCredit", "nsfwLevel", "userId", "baseModels"],
            vec!["index", "publishedAt"],
            "hasMeta",
        ),
        (Era::Y2023, vec!["poi", "allowCommercialUse"], vec!["modelId", "createdAt", "updatedAt"], "meta"),
    ] {
        let server = start(Config { models: 300, era, ..Config::default() });
        let reply = get(&server, "/api/v1/models?nsfw=true&limit=100");
        assert!((700_000..1_600_000).contains(&reply.body.len()), "{era:?}: {}", reply.body.len());
        let items = items(&reply);
        for item in &items {
            assert!(models.iter().all(|key| item.get(key).is_some()), "{item}");
            assert!(versions.iter().all(|key| item["modelVersions"][0].get(key).is_some()), "{item}");
        }
        assert!(items.iter().any(|item| item["modelVersions"][0]["images"][0].get(images).is_some()));
        assert_eq!(items[0].get("nsfwLevel").is_some(), era != Era::Y2023);
        assert_eq!(items[0]["allowCommercialUse"].is_string(), era == Era::Y2023);
    }
}

#[test]
fn item_traps_show_and_their_truth_is_readable() {
    let server = sandbox(800, "all", &[]);
    let (mut text, mut cursor) = (String::new(), String::new());
    for _ in 0..15 {
        let page = get(&server, &format!("/api/v1/models?nsfw=true&limit=100&cursor={cursor}")).text();
        let Some((_, rest)) = page.rsplit_once("\"nextCursor\":\"") else {
            break;
        };
        cursor = rest.split('"').next().unwrap().to_owned();
        text.push_str(&page);
    }
    for part in [
        "\"allowCommercialUse\":\"{",
        "\"allowCommercialUse\":[",
        "\"downloadCount\":null",
        "\"modelVersions\":[]",
        "futureField",
        "\"tags\":[{\"id\":",
        "\\ud83d\"",
        "\u{1}",
        "https://elsewhere.invalid/api/v1/models?",
    ] {
        assert!(text.contains(part), "{part:?} is missing");
    }
    let models = lines(&server, "/sandbox/truth/models");
    assert!(models.iter().any(|row| row["creator_username"].is_null()));
    assert!(models.iter().any(|row| row["name"].as_str().unwrap().ends_with('\u{fffd}')));
    let pasted = models.iter().filter(|row| row["description"].as_str().is_some_and(|text| text.contains('\u{1}')));
    assert!(pasted.count() > 0);
    for table in ["model_tags", "model_versions", "version_files", "file_hashes", "version_images"] {
        assert!(lines(&server, &format!("/sandbox/truth/{table}")).len() > 800, "{table}");
    }
    assert_eq!(get(&server, "/sandbox/truth/nothing").status, 404);
}

#[test]
fn recorded_items_are_served_byte_for_byte() {
    let text = concat!(
        "{\"id\": 8, \"name\": \"b\", \"type\": \"LORA\", \"modelVersions\": [{\"id\": 80, \"createdAt\": \"2023-05-01T00:00:00.000Z\"}]}\n",
        "{\"id\": 3, \"name\": \"a\", \"odd\": [1.50], \"modelVersions\": [{\"id\": 30, \"createdAt\": \"2023-04-01T00:00:00.000Z\"}]}\n",
    );
    let server = start(Config { catalog: Some(text.to_owned()), ..Config::default() });
    let body = get(&server, "/api/v1/models?sort=Newest").text();
    let items: Vec<&str> = text.lines().collect();
    assert_eq!(body, format!("{{\"items\":[{}],\"metadata\":{{}}}}", items.join(",")));
    assert_eq!(get(&server, "/api/v1/models?sort=Oldest").ids(), [3, 8]);
    assert_eq!(truth(&server, "types=LORA"), [8]);
    let versions = lines(&server, "/sandbox/truth/model_versions");
    assert_eq!(versions[0]["created_at"], "2023-04-01T00:00:00.000Z");
}

#[test]
fn heads_and_links_are_the_servers() {
    let server = sandbox(200, "none", &[]);
    let first = get(&server, "/api/v1/models?limit=10&tag=&nsfw=true");
    let has = |reply: &Reply, name: &str, value: &str| assert_eq!(field(&reply.head, name).as_deref(), Some(value));
    has(&first, "content-type", "application/json; charset=utf-8");
    has(&first, "cache-control", "public, s-maxage=300, stale-while-revalidate=150");
    has(&first, "access-control-allow-origin", "*");
    has(&first, "cf-cache-status", "MISS");
    has(&first, "vary", "Accept-Encoding");
    has(&first, "server", "cloudflare");
    assert!(field(&first.head, "date").is_some() && field(&first.head, "cf-ray").is_some());
    let again = get(&server, "/api/v1/models?limit=10&tag=&nsfw=true");
    has(&again, "cf-cache-status", "HIT");
    assert!(field(&again.head, "age").is_some());
    assert_eq!(first.body, again.body);
    let link = first.json()["metadata"]["nextPage"].as_str().unwrap().to_owned();
    let start = format!("{}/models?limit=10&nsfw=true&cursor=", server.base_url());
    assert!(link.starts_with(&start) && link.contains("%7C"), "{link}");
    let packed = fetch(&server, "/api/v1/models?limit=10&nsfw=true", "Accept-Encoding: br, gzip\r\n").unwrap();
    has(&packed, "content-encoding", "gzip");
    assert!(packed.body.starts_with(&[0x1f, 0x8b]) && packed.body.len() < first.body.len() / 2);
}

#[test]
fn one_model_enums_and_unknown_paths() {
    let server = sandbox(100, "all", &[]);
    let id = truth(&server, "")[4];
    let model = get(&server, &format!("/api/v1/models/{id}"));
    assert_eq!(model.status, 200);
    assert!(model.text().contains("\"status\":\"Published\""));
    let missing = get(&server, "/api/v1/models/1755196");
    assert_eq!((missing.status, missing.text()), (404, "{\"error\":\"No model with id 1755196\"}".to_owned()));
    assert_eq!(get(&server, "/api/v1/models/x").status, 400);
    assert_eq!(get(&server, "/api/v1/enums").json()["ModelType"].as_array().unwrap().len(), 23);
    let nothing = get(&server, "/api/v1/nothing");
    assert_eq!(nothing.status, 404);
    assert!(nothing.text().starts_with("<!DOCTYPE html>"));
}

#[test]
fn the_log_lists_the_requests_and_keeps_no_secret() {
    let server = sandbox(100, "none", &["kind=status,nth=2"]);
    let head = "Authorization: Bearer hush\r\nUser-Agent: tester/1\r\n";
    fetch(&server, "/api/v1/models?limit=5&token=hush", head).unwrap();
    get(&server, "/api/v1/models?limit=6");
    get(&server, "/api/v1/models?limit=5");
    let text = get(&server, "/sandbox/log").text();
    assert!(!text.contains("hush"), "{text}");
    let log = lines(&server, "/sandbox/log");
    assert_eq!(log.len(), 3);
    assert_eq!((&log[0]["authorization"], &log[0]["user_agent"]), (&Value::from(true), &Value::from("tester/1")));
    assert_eq!((&log[0]["n"], &log[0]["status"], &log[0]["items"]), (&1.into(), &200.into(), &5.into()));
    assert_eq!((&log[1]["fault"], &log[1]["status"], &log[1]["items"]), (&"status".into(), &503.into(), &0.into()));
    assert_eq!((&log[2]["path"], &log[2]["query"]), (&"/api/v1/models".into(), &"limit=5".into()));
    assert!(log[0]["bytes"].as_u64().unwrap() > 10_000 && log[0]["at_s"].is_f64() && log[2]["fault"].is_null());
    let stats = get(&server, "/sandbox/stats").json();
    assert_eq!(stats, serde_json::json!({ "requests": 3, "items": 10, "repeats": 5 }));
}
