//! Images listed under a version that they do not name: each is kept, and so is where it was listed; a server that ignores
//! its filter is found out by comparing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Room, Server, assert_exit, printed};

const HEAD: &str = "retry = { attempts = 1 }\n";

/// A walk over the images of two versions, in pages of four.
fn walk(name: &str, levels: u32) -> String {
    format!(
        "[[walk]]\nname = \"{name}\"\nendpoint = \"images\"\nparams = {{ browsingLevel = {levels}, limit = 4 }}\n\
         for_each = {{ list = [\"5\", \"6\"], param = \"modelVersionId\" }}\n"
    )
}

/// A page of images that name version 9 and no other; with a cursor where the page is full.
fn page(ids: &[i64]) -> String {
    let items: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "modelVersionIds": [9] })).collect();
    let metadata = if ids.len() < 4 { json!({}) } else { json!({ "nextCursor": format!("{}|1", ids.len()) }) };
    json!({ "items": items, "metadata": metadata }).to_string()
}

/// True when a question has this parameter.
fn asks(target: &str, parameter: &str) -> bool {
    target.split(['?', '&']).any(|pair| pair == parameter || pair.starts_with(&format!("{parameter}=")))
}

/// The images of version 5, those of version 6, and what there is without a version.
fn honest(target: &str) -> Option<String> {
    Some(if asks(target, "cursor") {
        page(&[])
    } else if asks(target, "modelVersionId=5") {
        page(&[1, 2, 3, 4])
    } else if asks(target, "modelVersionId=6") {
        page(&[4, 5, 6, 7])
    } else {
        page(&[101, 102, 103, 104])
    })
}

const MEMBERS: &str = "SELECT image_id, model_version_id FROM gallery_images ORDER BY ALL";

#[test]
fn images_that_do_not_name_the_version_asked_for_are_kept() {
    let server = Server::of_json(honest);
    let room = Room::new(&format!("{HEAD}{}", walk("images", 3)), &server.base);
    assert_exit(&room.run(&[]), 0);
    room.assert_sound();
    let members = [[1, 5], [2, 5], [3, 5], [4, 5], [4, 6], [5, 6], [6, 6], [7, 6]].map(|pair| json!(pair));
    assert_eq!(room.rows(MEMBERS), members);
    assert_eq!(room.rows("SELECT count(DISTINCT id) FROM images"), [json!([7])]);
    assert_eq!(room.rows("SELECT DISTINCT model_version_id FROM image_model_versions"), [json!([9])]);
    // The question without the filter is asked once.
    let log = server.requests();
    let unfiltered = log.iter().filter(|request| !asks(&request.target, "modelVersionId"));
    assert_eq!(unfiltered.count(), 1, "{log:?}");
}

#[test]
fn a_server_that_ignores_the_filter_is_named_and_nothing_of_it_is_taken() {
    let server = Server::of_json(|target| Some(page(if asks(target, "cursor") { &[] } else { &[101, 102, 103, 104] })));
    let room = Room::new(&format!("{HEAD}{}", walk("images", 3)), &server.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    room.assert_sound();
    assert!(!room.dataset().join("parts/images").exists(), "{}", printed(&output));
    let status = room.status();
    for word in ["filter_ignored", "the server ignores `modelVersionId=5`", "`modelVersionId=6`"] {
        assert!(status.contains(word), "{status}");
    }
    // Each version twice, and once without any.
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn a_filter_ignored_once_costs_nothing() {
    let asked = Arc::new(AtomicUsize::new(0));
    let base = Server::of_json(move |target| {
        let first = asks(target, "modelVersionId") && asked.fetch_add(1, Ordering::Relaxed) == 0;
        if first { Some(page(&[101, 102, 103, 104])) } else { honest(target) }
    })
    .base;
    let room = Room::new(&format!("{HEAD}{}", walk("images", 3)), &base);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(room.rows("SELECT count(*), max(id) FROM images"), [json!([8, 7])]);
}

#[test]
fn a_page_that_cannot_be_compared_is_believed() {
    let base = Server::of_json(|target| honest(target).filter(|_| asks(target, "modelVersionId"))).base;
    let room = Room::new(&format!("{HEAD}{}", walk("images", 3)), &base);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(room.rows(MEMBERS).len(), 8);
}

#[test]
fn a_page_that_is_not_full_is_believed_at_once() {
    let server = Server::of_json(|_| Some(page(&[1, 2, 3])));
    let room = Room::new(&format!("{HEAD}{}", walk("images", 3)), &server.base);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(room.rows(MEMBERS).len(), 6);
    assert_eq!(server.requests().len(), 2);
}

/// The images of each version and level in each pass: one leaves version 5, one changes its level, one comes back. Query for
/// singly, each is shown while any list shows it.
fn in_pass(pass: usize, target: &str) -> Option<String> {
    if asks(target, "imageId") {
        let shown = (1..=4).filter(|id| asks(target, &format!("imageId={id}")) && (pass, *id) != (1, 1));
        return Some(page(&shown.collect::<Vec<i64>>()));
    }
    let mild = asks(target, "browsingLevel=3");
    let ids: &[i64] = match (pass, asks(target, "modelVersionId=5"), mild) {
        (0 | 2, true, true) => &[1, 2],
        (0, true, false) => &[3],
        (1, true, true) => &[2],
        (_, true, false) => &[],
        (0, false, true) => &[2],
        (_, false, true) => &[2, 3],
        (_, false, false) => &[4],
        _ => &[],
    };
    Some(page(ids))
}

#[test]
fn walks_of_two_levels_do_not_erase_each_others_memberships() {
    let pass = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&pass);
    let base = Server::of_json(move |target| in_pass(now.load(Ordering::Relaxed), target)).base;
    let room = Room::new(&format!("{HEAD}{}{}", walk("images", 3), walk("mature", 28)), &base);
    let latest = room.dataset().join("latest/gallery_images.parquet").display().to_string();
    let sql = format!(
        "SELECT image_id, model_version_id, gone_at IS NOT NULL, first_seen_at < last_seen_at FROM '{latest}' ORDER BY ALL"
    );
    let expected = [
        json!([
            [1, 5, false, false],
            [2, 5, false, false],
            [2, 6, false, false],
            [3, 5, false, false],
            [4, 6, false, false]
        ]),
        json!([
            [1, 5, true, false],
            [2, 5, false, true],
            [2, 6, false, true],
            [3, 5, true, false],
            [3, 6, false, false],
            [4, 6, false, true]
        ]),
        json!([
            [1, 5, false, true],
            [2, 5, false, true],
            [2, 6, false, true],
            [3, 5, true, false],
            [3, 6, false, true],
            [4, 6, false, true]
        ]),
    ];
    for (number, expected) in expected.into_iter().enumerate() {
        pass.store(number, Ordering::Relaxed);
        assert_exit(&room.run(&[]), 0);
        assert_eq!(Value::from(room.rows(&sql)), expected, "pass {number}");
        room.read("snapshot.py", &[]);
    }
    room.assert_sound();
    // The image itself is where it always was.
    let image = room.dataset().join("latest/images.parquet").display().to_string();
    assert_eq!(room.rows(&format!("SELECT gone_at IS NULL FROM '{image}' WHERE id = 3")), [json!([true])]);
}
