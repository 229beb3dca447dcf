//! Nights: the lists show the reported changes, and everything else stays.

use std::collections::BTreeMap;

use super::*;

const ALL: &str = "sort=Oldest&nsfw=true&archived=true";

fn pass_night(server: &Sandbox, share: &str) -> Value {
    let reply = send(server, "POST", &format!("/sandbox/night?share={share}"), "Content-Length: 0\r\n").unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn ids(report: &Value, kind: &str) -> Vec<i64> {
    report[kind].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
}

fn rows(server: &Sandbox, table: &str) -> Vec<Value> {
    lines(server, &format!("/sandbox/truth/{table}?nsfw=true&archived=true"))
}

/// The versions of a model by the truth: ids and dates, newest first.
fn versions(rows: &[Value], model: i64) -> Vec<(i64, String)> {
    let own = rows.iter().filter(|row| row["model_id"] == model);
    own.map(|row| (row["id"].as_i64().unwrap(), row["published_at"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_night_changes_what_it_reports_and_nothing_else() {
    let server = sandbox(1000, "none", &[]);
    let (before, versions_before) = (rows(&server, "models"), rows(&server, "model_versions"));
    let report = pass_night(&server, "0.2");
    let (after, versions_after) = (rows(&server, "models"), rows(&server, "model_versions"));
    let [new, again, edited, gone] =
        ["published", "published_again", "edited", "unpublished"].map(|kind| ids(&report, kind));
    assert_eq!(new.len(), 50);
    for kind in [&again, &edited, &gone] {
        assert!((30..75).contains(&kind.len()), "{}", kind.len());
    }
    for row in &before {
        let id = row["id"].as_i64().unwrap();
        let now = after.iter().find(|row| row["id"] == id);
        let (was, is) = (versions(&versions_before, id), versions(&versions_after, id));
        match now {
            None => assert!(gone.contains(&id)),
            Some(now) if edited.contains(&id) => assert_ne!(now["name"], row["name"]),
            Some(_) if again.contains(&id) => {
                assert_eq!(&is[1..], was, "the versions it had stay as they were");
                assert!(is[0].1.as_str() > "2026-10-16", "{}", is[0].1);
            }
            Some(now) => assert_eq!((now, is), (row, was)),
        }
    }
    assert!(new.iter().all(|id| before.iter().all(|row| row["id"] != *id)), "new models have new ids");
    // Everything published in the night is at the list's end.
    let walked = walk(&server, &format!("{ALL}&limit=100"), |cursor| repair(false, cursor)).concat();
    let published = new.len() + again.len();
    let mut tail = walked[walked.len() - published..].to_vec();
    let mut expected: Vec<i64> = new.iter().chain(&again).copied().collect();
    tail.sort_unstable();
    expected.sort_unstable();
    assert_eq!(tail, expected);
    let version = versions(&versions_after, again[0])[0].0;
    assert_eq!(get(&server, &format!("/api/v1/model-versions/{version}")).status, 200);
}

#[test]
fn nights_repeat_with_the_seed_and_differ_from_one_another() {
    let nights = || {
        let server = sandbox(500, "none", &[]);
        [pass_night(&server, "0.1"), pass_night(&server, "0.1")]
    };
    let [first, second] = nights();
    assert_ne!(ids(&first, "edited"), ids(&second, "edited"));
    assert_eq!(nights(), [first, second]);
}

#[test]
fn the_first_nights_bring_new_words_and_a_model_of_each() {
    let server = sandbox(200, "none", &[]);
    for (night, kind) in ["Gaussian", "Voice", "Rig"].into_iter().enumerate() {
        let words = |kind: &str| {
            let all = lines(&server, "/sandbox/truth/enums");
            all.iter().filter(|row| row["kind"] == kind).map(|row| row["value"].clone()).collect::<Vec<_>>()
        };
        assert!(!words("ModelType").contains(&kind.into()));
        pass_night(&server, "0.1");
        let model = &get(&server, &format!("/api/v1/models?types={kind}&nsfw=true")).json()["items"][0];
        let version = &model["modelVersions"][0];
        for (kind, word) in [
            ("ModelType", &model["type"]),
            ("BaseModel", &version["baseModel"]),
            ("ActiveBaseModel", &version["baseModel"]),
            ("ModelFileType", &version["files"][0]["type"]),
        ] {
            assert_eq!(words(kind).last(), Some(word), "night {night}");
        }
    }
    pass_night(&server, "0.1");
    assert_eq!(get(&server, "/api/v1/enums").json()["ModelType"].as_array().unwrap().len(), 26);
}

#[test]
fn what_a_night_brings_has_images_and_others_come_go_and_move() {
    let server = sandbox(1000, "none", &[]);
    let images = |server: &Sandbox| -> BTreeMap<i64, Value> {
        let rows = lines(server, "/sandbox/truth/images").into_iter();
        rows.map(|row| (row["id"].as_i64().unwrap(), row)).collect()
    };
    let mut before = images(&server);
    for _ in 0..2 {
        let report = pass_night(&server, "0.2");
        let after = images(&server);
        let [posted, deleted, moved] =
            ["images_posted", "images_deleted", "images_moved"].map(|kind| ids(&report, kind));
        for kind in [&deleted, &moved] {
            assert!((800..1200).contains(&kind.len()), "{}", kind.len());
        }
        for (id, row) in &before {
            match after.get(id) {
                None => assert!(deleted.contains(id)),
                Some(now) if moved.contains(id) => assert_ne!(now["nsfw_level"], row["nsfw_level"]),
                Some(now) => assert_eq!(now, row),
            }
        }
        let new: Vec<i64> = after.keys().filter(|id| !before.contains_key(id)).copied().collect();
        assert!(new.len() > 1900 && new.iter().all(|id| posted.contains(id)), "{}", new.len());
        let dated = |id: &i64| after[id]["created_at"].as_str().unwrap();
        let late = new.iter().filter(|id| dated(id) < "2026-10-16").count();
        assert!((20..400).contains(&late), "{late} are dated in the past");
        let shown = lines(&server, "/sandbox/truth/image_model_versions");
        let models = |kind: &str| -> usize {
            let ids = ids(&report, kind);
            ids.iter()
                .filter(|id| shown.iter().any(|row| row["model_version_id"].as_i64().unwrap() / 16 == **id))
                .count()
        };
        assert!(models("published") > 25, "{report}");
        before = after;
    }
}
