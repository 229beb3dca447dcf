//! The readers' view: types as declared in DuckDB, pyarrow, pandas and polars, and no field of any item lost.

use serde_json::{Value, json};

use crate::support::{Room, Sandbox, Server, TWO_WALKS, assert_exit, copy_tree, pass_night, program, read};

/// Crawls a sandbox started with these arguments into a room; both live as long as they are held.
fn crawled(sandbox: &[&str]) -> (Sandbox, Room) {
    let server = Sandbox::start(sandbox);
    let room = Room::new(TWO_WALKS, &server.base);
    assert_exit(&room.run(&[]), 0);
    (server, room)
}

/// Returns the counts of a reader that ends with a line of JSON.
fn counts(output: &str) -> Value {
    serde_json::from_str(output.lines().last().unwrap_or_default()).expect("it ends with a line of JSON")
}

#[test]
fn every_reader_sees_the_declared_types_and_the_same_rows() {
    let (_server, room) = crawled(&["--models", "1000", "--traps", "all"]);
    let sums = room.read("schema.py", &[env!("CARGO_BIN_EXE_civitrawl")]);
    assert!(counts(&sums)["file_hashes"].as_u64() > Some(1000), "{sums}");
}

#[test]
fn the_types_of_2023_rows_are_the_same() {
    let (_server, room) = crawled(&["--models", "300", "--traps", "all", "--era", "2023"]);
    room.read("schema.py", &[env!("CARGO_BIN_EXE_civitrawl")]);
}

#[test]
fn no_field_of_todays_items_is_lost() {
    let (_server, room) = crawled(&["--models", "1000", "--traps", "all"]);
    let counted = counts(&room.read("rebuild.py", &[]));
    assert!(counted["with_extra"].as_u64() > Some(0), "{counted}");
}

#[test]
fn no_field_of_the_items_of_2023_is_lost() {
    let (_server, room) = crawled(&["--models", "1000", "--traps", "all", "--era", "2023"]);
    let counted = counts(&room.read("rebuild.py", &[]));
    assert!(counted["items"].as_u64() > Some(1000), "{counted}");
}

#[test]
fn no_field_of_an_image_or_its_generation_data_is_lost() {
    let server = Sandbox::start(&["--models", "300", "--images", "4000", "--traps", "all"]);
    let images = "[[walk]]\nname = \"images\"\nendpoint = \"images\"\n\
        for_each = { table = \"models\", column = \"creator_username\", param = \"username\" }\n\
        params = { browsingLevel = 28, withMeta = true, withTags = true, FLAT sort = \"Newest\" }\n";
    for flat in ["flatMeta = true,", ""] {
        let room = Room::new(&format!("{TWO_WALKS}{}", images.replace("FLAT", flat)), &server.base);
        assert!(matches!(room.run(&[]).status.code(), Some(0 | 4)));
        let counted = counts(&room.read("rebuild.py", &[]));
        assert!(counted["items"].as_u64() > Some(1000), "{counted}");
    }
}

#[test]
fn views_are_of_the_snapshot_and_of_the_parts_where_there_is_none() {
    let server = Sandbox::start(&["--models", "60", "--traps", "odd-fields"]);
    let history = "history = [\"models\"]\nsnapshot = { take = false }\n";
    let room = Room::new(&format!("{history}{TWO_WALKS}"), &server.base);
    let dataset = room.dataset().display().to_string();
    let program = env!("CARGO_BIN_EXE_civitrawl");
    assert_exit(&room.run(&[]), 0);
    let seen = counts(&read("views.py", &[&dataset, program]));
    assert!(seen["models"][0] == "parts" && seen["models"][1].as_u64() > Some(60), "{seen}");
    assert_eq!(seen["models_history"], Value::Null, "{seen}");
    let text = std::fs::read_to_string(room.file()).unwrap().replace("take = false", "take = true");
    std::fs::write(room.file(), text).unwrap();
    assert_exit(&room.run(&[]), 0);
    let seen = counts(&read("views.py", &[&dataset, program]));
    assert_eq!((&seen["models"], &seen["models_history"]), (&json!(["latest", 60]), &json!(["latest", 60])), "{seen}");
}

#[test]
fn views_read_what_is_there_wherever_the_dataset_lies() {
    let server = Sandbox::start(&["--models", "60"]);
    let room = Room::new(TWO_WALKS, &server.base);
    assert_exit(&room.run(&[]), 0);
    let folder = tempfile::TempDir::new().unwrap();
    for name in ["[a] 2026", "it's *", "what?", "{a,b}"] {
        let dataset = folder.path().join(name);
        copy_tree(&room.dataset(), &dataset);
        let seen = counts(&read("views.py", &[&dataset.display().to_string(), env!("CARGO_BIN_EXE_civitrawl")]));
        assert_eq!(seen["models"][1], 60, "{name}: {seen}");
    }
}

#[test]
fn the_query_that_a_crawl_prints_reads_its_models_wherever_they_are() {
    let server = Sandbox::start(&["--models", "20", "--traps", "none"]);
    let room = Room::new(TWO_WALKS, &server.base);
    let folder = tempfile::TempDir::new().unwrap();
    for name in ["plain", "[a]*?{b}", "it's \"$HOME\" `x`"] {
        let dataset = folder.path().join(name).display().to_string();
        let crawled = room.run(&["--dataset", &dataset]);
        assert_exit(&crawled, 0);
        let printed = String::from_utf8(crawled.stdout).unwrap();
        let query = printed.lines().find_map(|line| line.trim().strip_prefix("duckdb -c ")).unwrap();
        // As the shell hands it to the program.
        let shell = std::process::Command::new("sh").args(["-c", &format!("printf %s {query}")]).output().unwrap();
        let plain = folder.path().join("plain").display().to_string();
        let rows = read("query.py", &[&plain, &String::from_utf8(shell.stdout).unwrap()]);
        let models: u64 = rows.lines().map(|row| serde_json::from_str::<(String, u64)>(row).unwrap().1).sum();
        assert_eq!(models, 20, "{name}: {query}");
    }
}

#[test]
fn a_crawl_without_rows_has_its_tables() {
    let nothing = "{\"items\":[],\"metadata\":{}}";
    let bare = "{\"items\":[{\"id\":1,\"modelVersions\":[{\"id\":10,\"files\":[],\"images\":[]}]}],\"metadata\":{}}";
    for (page, models) in [(nothing, 0), (bare, 1)] {
        let room = Room::new(TWO_WALKS, &Server::of_models(page.to_owned()).base);
        room.run(&[]);
        let dataset = room.dataset().display().to_string();
        let seen = counts(&read("views.py", &[&dataset, env!("CARGO_BIN_EXE_civitrawl")]));
        for (table, rows) in [("models", models), ("model_versions", models), ("version_files", 0), ("model_tags", 0)] {
            assert_eq!(seen[table], json!(["latest", rows]), "{seen}");
        }
        room.assert_sound();
        // A snapshot that is taken without the crawl file keeps them.
        assert_exit(&program().args(["snapshot", "--keep", "1", &dataset]).output().unwrap(), 0);
        assert_exit(&program().args(["report", &dataset, "--output", &format!("{dataset}.html")]).output().unwrap(), 0);
        assert_eq!(counts(&read("views.py", &[&dataset, env!("CARGO_BIN_EXE_civitrawl")])), seen);
    }
}

/// Wants Java, and a Python with pyspark; where there is none, scripts/test leaves it out and says so.
#[test]
fn spark_reads_what_duckdb_reads() {
    let server = Sandbox::start(&["--models", "200", "--images", "300", "--traps", "odd-fields,null-counters"]);
    let images = "[[walk]]\nname = \"images\"\nendpoint = \"images\"\n\
        for_each = { table = \"models\", column = \"creator_username\", param = \"username\" }\n\
        params = { browsingLevel = 3, withMeta = true, flatMeta = true, withTags = true, sort = \"Newest\" }\n";
    let lists =
        "[[walk]]\nname = \"creators\"\nendpoint = \"creators\"\n[[walk]]\nname = \"tags\"\nendpoint = \"tags\"\n";
    let head = "history = [\"models\"]\nkeep_bodies = true\n";
    let room = Room::new(&format!("{head}{TWO_WALKS}{images}{lists}"), &server.base);
    assert_exit(&room.run(&[]), 0);
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    room.read("spark.py", &[env!("CARGO_BIN_EXE_civitrawl"), readme]);
}

#[test]
fn spark_makes_the_snapshot_from_the_parts() {
    let server = Sandbox::start(&["--models", "120", "--traps", "odd-fields"]);
    let lists = "[[walk]]\nname = \"tags\"\nendpoint = \"tags\"\n[[walk]]\nname = \"enums\"\nendpoint = \"enums\"\n";
    let room = Room::new(&format!("{TWO_WALKS}{lists}"), &server.base);
    for turn in 0..3 {
        if turn > 0 {
            pass_night(&server, "0.2");
        }
        assert_exit(&room.run(&[]), 0);
    }
    let counted = counts(&room.read("spark_snapshot.py", &[]));
    assert!(counted["gone"].as_u64() > Some(3) && counted["file_hashes"].as_u64() > Some(200), "{counted}");
}

/// Items that break something each, with the place among them where a reject is due.
fn odd_page() -> (Vec<Value>, Vec<usize>) {
    let image =
        |id: u32, nsfw: Value| json!({ "url": format!("https://image.invalid/x/width=450/{id}.jpeg"), "nsfw": nsfw });
    let version = |id: u32, images: Vec<Value>| json!({ "id": id, "modelId": 4, "files": [], "images": images });
    let items = vec![
        json!({ "name": "without an id" }),
        json!("a string"),
        json!({ "id": 3, "modelVersions": [{ "name": "a version without an id" }] }),
        json!({ "id": 4, "type": "Hologram", "mode": "Sleeping", "availability": "Sometimes",
                "creator": { "username": 1234, "image": null, "verified": true }, "allowCommercialUse": "{Image,Sell}",
                "modelVersions": [version(40, vec![image(77, json!(true)), image(78, json!("Soft")), image(79, json!(7))])] }),
        json!({ "id": 5, "allowCommercialUse": ["Rent"], "nsfw": "maybe", "stats": { "downloadCount": "many" } }),
        json!({ "id": 6, "allowCommercialUse": "None", "stats": null, "tags": [{ "name": "a" }, "b"] }),
        json!({ "id": 7, "allowCommercialUse": { "new": ["form"] }, "stats": 8, "modelVersions": "none", "tags": [1.5] }),
        json!({ "id": 8, "nsfwLevel": 2.5, "modelVersions": [{ "id": 80, "publishedAt": "soon", "baseModel": "SD 9",
                "files": [{ "id": 800, "sizeKb": 0.1, "primary": true, "metadata": { "fp": 8.5, "isRequired": true },
                            "hashes": { "SHA256": "AB", "MD6": null, "CRC32": [1] } }] }] }),
        json!({ "id": 9, "modelVersions": [{ "id": 90, "files": [{ "name": "a file without an id" }] }] }),
        json!({ "id": 10, "modelVersions": [7] }),
        json!(null),
    ];
    (items, vec![0, 1, 2, 8, 9, 10])
}

#[test]
fn items_that_no_table_takes_are_rejects_with_their_text_and_all_else_is_kept() {
    let (items, rejected) = odd_page();
    let base = Server::of_models(json!({ "items": items, "metadata": {} }).to_string()).base;
    let walk = TWO_WALKS.split("\n[[walk]]").take(2).collect::<Vec<_>>().join("\n[[walk]]");
    let room = Room::new(&walk, &base);
    let run = room.run(&[]);
    assert_exit(&run, 4);
    room.assert_sound();
    let dataset = room.dataset().display().to_string();
    let counted = counts(&read("rebuild.py", &[&dataset]));
    assert_eq!((&counted["models"], &counted["rejects"]), (&json!(5), &json!(rejected.len())), "{counted}");
    assert_eq!(counted["file_hashes"], 1, "{counted}");
    let kept: Vec<(usize, Value)> = serde_json::from_str(&read("rejects.py", &[&dataset])).unwrap();
    let expected: Vec<(usize, Value)> = rejected.iter().map(|place| (*place, items[*place].clone())).collect();
    assert_eq!(kept, expected);
    let status = room.status();
    assert!(status.contains("rejects"), "{status}");
}
