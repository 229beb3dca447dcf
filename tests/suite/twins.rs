//! The same thing twice on one page: it is taken once, and what differs is kept.

use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::store::{Batch, RunInfo};
use civitrawl::storage::Disk;
use civitrawl::table;
use serde_json::{Value, json};

use crate::support::{Room, Server, assert_exit, open, printed, program};

/// A crawl of one walk over the given items of an endpoint, each list a page.
fn crawl(endpoint: &str, pages: &[Value]) -> Room {
    let pages = pages.to_vec();
    let base = Server::of_json(move |target| {
        let number =
            |name: &str| target.split(name).nth(1).and_then(|rest| rest.split('&').next()?.parse::<usize>().ok());
        let page = number("cursor=").or(number("page=").map(|page| page - 1)).unwrap_or(0);
        let is_list = ["models?", "images?", "creators?", "tags?"].iter().any(|list| target.starts_with(list));
        let items = pages.get(page).cloned().unwrap_or(json!([]));
        let total: usize = pages.iter().filter_map(|page| Some(page.as_array()?.len())).sum();
        let mut metadata = json!({ "totalItems": total, "totalPages": pages.len() });
        if page + 1 < pages.len() {
            metadata["nextCursor"] = json!((page + 1).to_string());
        }
        is_list.then(|| json!({ "items": items, "metadata": metadata }).to_string())
    })
    .base;
    let sort = if endpoint == "models" { "params = { sort = \"Most Downloaded\" }\n" } else { "" };
    let text =
        format!("retry = {{ attempts = 1 }}\n[[walk]]\nname = \"{endpoint}\"\nendpoint = \"{endpoint}\"\n{sort}");
    let room = Room::new(&text, &base);
    assert_exit(&room.run(&[]), 0);
    room.assert_sound();
    room.read("snapshot.py", &[]);
    room
}

fn rows(room: &Room, sql: &str) -> Value {
    room.rows(sql).into()
}

/// Returns the twins that the record counts, and the reasons and positions of the rejects.
fn twins(room: &Room) -> (u64, Value) {
    let manifest = civitrawl::dataset::read::read_manifest(&Layout::new(room.dataset()), &Disk).unwrap();
    let twins = manifest.last.unwrap().walks.values().map(|walk| walk.twins).sum();
    let rejects = room.dataset().join("parts/rejects").exists();
    (twins, if rejects { rows(room, "SELECT position, reason FROM rejects ORDER BY ALL") } else { json!([]) })
}

fn version(id: i64, files: &Value, images: &Value) -> Value {
    json!({ "id": id, "baseModel": "B", "files": files, "images": images })
}

fn model(id: i64, versions: &Value) -> Value {
    json!({ "id": id, "baseModels": ["B"], "tags": ["a", "b"], "modelVersions": versions })
}

#[test]
fn a_model_listed_twice_is_taken_once() {
    let one = model(1, &json!([version(11, &json!([]), &json!([]))]));
    let room = crawl("models", &[json!([one, one])]);
    assert_eq!(twins(&room), (1, json!([])));
    let mut other = one.clone();
    other["name"] = json!("another");
    let room = crawl("models", &[json!([one, other])]);
    let reason = "twin: model 1 is on the page twice, with different content; the first was taken";
    assert_eq!(twins(&room), (1, json!([[1, reason]])));
    assert_eq!(rows(&room, "SELECT item FROM rejects"), json!([[other.to_string()]]));
    assert_eq!(rows(&room, "SELECT id, name FROM models"), json!([[1, null]]));
    assert_eq!(rows(&room, "SELECT count(*) FROM model_tags"), json!([[2]]));
    let status = room.status();
    assert!(status.contains("1 thing appeared twice on one page"), "{status}");
}

#[test]
fn parts_of_a_model_listed_twice_are_taken_once() {
    let hashes = json!({ "SHA256": "AA" });
    let file = json!({ "id": 5, "name": "f", "hashes": hashes });
    let image = json!({ "id": 8, "url": "https://h/8.jpeg" });
    let one = version(11, &json!([file, file]), &json!([image, image]));
    let mut item = model(1, &json!([one, one]));
    item["tags"] = json!(["a", "b", "a"]);
    let room = crawl("models", &[json!([item])]);
    // A tag, a version, a file and an image; the second version is left out as it is.
    assert_eq!(twins(&room), (4, json!([])));
    assert_eq!(rows(&room, "SELECT position, tag FROM model_tags ORDER BY 1"), json!([[0, "a"], [1, "b"]]));
    for table in ["model_versions", "version_files", "file_hashes", "version_images"] {
        assert_eq!(rows(&room, &format!("SELECT count(*) FROM {table}")), json!([[1]]), "{table}");
    }

    let other = json!({ "id": 5, "name": "g" });
    let item = model(1, &json!([version(11, &json!([file, other]), &json!([]))]));
    let room = crawl("models", &[json!([item])]);
    let reason = "twin: file 5 is on the page twice, with different content; the first was taken";
    assert_eq!(twins(&room), (1, json!([[0, reason]])));
    assert_eq!(rows(&room, "SELECT id, name FROM version_files"), json!([[5, "f"]]));
    assert_eq!(rows(&room, "SELECT id FROM models"), json!([[1]]));
}

#[test]
fn a_version_of_two_models_is_that_of_the_first() {
    let shared = version(11, &json!([]), &json!([]));
    let room = crawl("models", &[json!([model(1, &json!([shared])), model(2, &json!([shared]))])]);
    let reason = "twin: version 11 is on the page twice, with different content; the first was taken";
    assert_eq!(twins(&room), (1, json!([[1, reason]])));
    assert_eq!(rows(&room, "SELECT id, model_id FROM model_versions"), json!([[11, 1]]));
    assert_eq!(rows(&room, "SELECT id FROM models ORDER BY 1"), json!([[1], [2]]));
}

#[test]
fn the_same_file_in_two_versions_is_no_twin() {
    let of = |id: i64| version(id, &json!([{ "id": 5, "hashes": { "SHA256": "AA" } }]), &json!([{ "id": 8 }]));
    let room = crawl("models", &[json!([model(1, &json!([of(11), of(12)]))])]);
    assert_eq!(twins(&room), (0, json!([])));
    assert_eq!(rows(&room, "SELECT count(*) FROM version_files"), json!([[2]]));
    assert_eq!(rows(&room, "SELECT count(*) FROM version_images"), json!([[2]]));
}

#[test]
fn a_model_on_two_pages_is_a_repeat_and_no_twin() {
    let one = model(1, &json!([version(11, &json!([]), &json!([]))]));
    let room = crawl("models", &[json!([one]), json!([one])]);
    assert_eq!(twins(&room), (0, json!([])));
    assert_eq!(rows(&room, "SELECT count(*), count(DISTINCT id) FROM models WHERE walk = 'models'"), json!([[2, 1]]));
}

#[test]
fn images_and_their_parts_listed_twice_are_taken_once() {
    let tag = json!({ "id": 3, "name": "cat" });
    let meta = json!({ "resources": [{ "name": "r" }, { "name": "r" }] });
    let one = json!({ "id": 7, "modelVersionIds": [1, 1], "tags": [tag, tag], "meta": meta });
    let room = crawl("images", &[json!([one, one, { "id": 7 }])]);
    let reason = "twin: image 7 is on the page twice, with different content; the first was taken";
    assert_eq!(twins(&room), (3, json!([[2, reason]])));
    for table in ["images", "image_tags", "image_resources", "image_model_versions", "image_meta"] {
        assert_eq!(rows(&room, &format!("SELECT count(*) FROM {table}")), json!([[1]]), "{table}");
    }
    // How often the resource was listed is in what was sent.
    assert_eq!(
        rows(&room, "SELECT extra FROM image_meta"),
        json!([[json!({ "resources": meta["resources"] }).to_string()]])
    );
}

#[test]
fn creators_and_tags_listed_twice_do_not_disturb_totals() {
    let who = |name: &str, count: u64| json!({ "username": name, "modelCount": count });
    let room = crawl("creators", &[json!([who("a", 1), who("a", 1), who("b", 2), who("b", 3)])]);
    let reason = "twin: creator `b` is on the page twice, with different content; the first was taken";
    assert_eq!(twins(&room), (2, json!([[3, reason]])));
    assert_eq!(rows(&room, "SELECT username, model_count FROM creators ORDER BY 1"), json!([["a", 1], ["b", 2]]));
    let status = room.status();
    assert!(!status.contains("walk it again"), "{status}");

    let room = crawl("tags", &[json!([{ "name": "x" }, { "name": "x" }]), json!([{ "name": "x" }])]);
    assert_eq!(twins(&room), (1, json!([])));
    assert_eq!(rows(&room, "SELECT count(*) FROM tags"), json!([[2]]));
}

#[test]
fn a_snapshot_with_a_key_twice_is_not_written() {
    let room = crawl("models", &[json!([model(1, &json!([version(11, &json!([]), &json!([]))]))])]);
    let mut store = open(&room.dataset());
    let last = store.manifest().last.clone().unwrap();
    let part = store.manifest().live_parts().find(|part| part.table.name == "model_tags").unwrap().clone();
    let tables =
        store.rows(&part).unwrap().into_iter().map(|rows| (table::named("model_tags").unwrap(), rows)).collect();
    let info = RunInfo::of(&last);
    store.commit(&info, Batch { tables, pass: last.pass, walks: last.walks, prune: Vec::new() }).unwrap();
    drop(store);
    let output = program().arg("snapshot").arg(room.dataset()).output().unwrap();
    assert_exit(&output, 65);
    let said = printed(&output);
    assert!(said.contains("table `model_tags` holds the key model_id 1, position 0 twice"), "{said}");
}
