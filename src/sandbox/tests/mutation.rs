//! The traps that make it another server: a changing catalog, a restricted region, made-up cursors refused, ties longer
//! than a page.

use super::*;

#[test]
fn models_come_and_go_and_move_while_requests_go_by() {
    let server = sandbox(2000, "mutation", &[]);
    let before = truth(&server, "");
    let walked = walk(&server, "sort=Oldest&limit=20&nsfw=true&archived=true", str::to_owned);
    let after = truth(&server, "");
    let gone = before.iter().filter(|id| !after.contains(id)).count();
    let come = after.iter().filter(|id| !before.contains(id)).count();
    assert!(gone > 10 && come > 10, "{gone} gone, {come} come");
    let throughout = lines(&server, "/sandbox/truth/models?throughout=1");
    let ids: Vec<i64> = throughout.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    let both: Vec<i64> = before.iter().copied().filter(|id| after.contains(id)).collect();
    assert_eq!(ids, both);
    let seen = union(&walked);
    assert!(ids.iter().all(|id| seen.contains(id)), "Oldest met everything that was there throughout");
    assert!(walked.concat().len() > seen.len(), "models published again are met twice");
    let changed: Vec<&Value> = throughout.iter().filter(|row| row["changed"] == true).collect();
    assert!(changed.iter().any(|row| row["name"].as_str().unwrap().ends_with("(edited)")));
    assert!(changed.len() > 40 && changed.len() < 120, "{}", changed.len());
    let lost = before.iter().find(|id| !after.contains(id)).unwrap();
    assert_eq!(get(&server, &format!("/api/v1/models/{lost}")).status, 404);
    assert_eq!(get(&server, &format!("/api/v1/model-versions/{}", lost * 16)).status, 404);
}

#[test]
fn images_come_and_go_and_lists_notice_late() {
    let server = sandbox(300, "mutation", &[]);
    let query = "browsingLevel=31&limit=100&sort=Oldest";
    let before = images::expected(&server, query);
    let deleted = |walked: &[Vec<i64>]| {
        let there = images::expected(&server, "");
        union(walked).into_iter().filter(|id| !there.contains(id)).collect::<Vec<_>>()
    };
    let walked = images::pages(&server, query);
    let (after, throughout) =
        (images::expected(&server, query), images::expected(&server, &format!("{query}&throughout=1")));
    let kept: Vec<i64> = before.iter().copied().filter(|id| after.contains(id)).collect();
    assert!(before.len() - kept.len() > 10, "{} are deleted", before.len() - kept.len());
    assert!(after.len() - kept.len() > 10, "{} are posted", after.len() - kept.len());
    assert!(throughout.iter().all(|id| kept.contains(id) && union(&walked).contains(id)));
    // Dated now they are at the list's end, scanned late a little before it.
    let posted = |ids: &[i64]| ids.iter().filter(|id| !before.contains(id)).count();
    assert_eq!(posted(walked.last().unwrap()), posted(&union(&walked)));
    // Deleted ones are looked up in vain, and yet listed for a while.
    let stale = deleted(&walked);
    assert!(!stale.is_empty());
    assert!(get(&server, &format!("/api/v1/images?imageId={}&browsingLevel=31", stale[0])).ids().is_empty());
    assert!(deleted(&images::pages(&server, query)).is_empty());
}

#[test]
fn a_schedule_repeats_with_the_seed() {
    let run = || walk(&sandbox(500, "mutation", &[]), "sort=Oldest&limit=20&nsfw=true", str::to_owned);
    assert_eq!(run(), run());
}

#[test]
fn a_restricted_region_misses_what_is_above_pg13() {
    let server = sandbox(500, "region-clamp", &[]);
    let models = lines(&server, "/sandbox/truth/models?nsfw=true");
    assert!(models.len() > 200 && models.iter().all(|row| row["nsfw_levels"].as_i64().unwrap() & 3 != 0));
    let images = lines(&server, "/sandbox/truth/version_images?nsfw=true");
    assert!(images.iter().all(|row| row["nsfw_level"].as_i64().unwrap() <= 2));
    assert!(models.len() < truth(&sandbox(500, "none", &[]), "nsfw=true").len());
}

#[test]
fn made_up_cursors_are_refused_and_repaired_ones_are_not() {
    let server = sandbox(500, "forged-cursors-refused,trimmed-fractions,newest-lost-row", &[]);
    for sort in ["Newest", "Oldest"] {
        let query = format!("nsfw=true&limit=20&sort={sort}");
        let pages = walk(&server, &query, |cursor| repair(sort == "Newest", cursor));
        assert_eq!(union(&pages), truth(&server, &query), "{sort}");
    }
    walk(&server, "nsfw=true&limit=50", str::to_owned);
    let forged = get(&server, "/api/v1/models?sort=Oldest&cursor=2024-01-01 00:00:00.000|0");
    assert_eq!(forged.status, 400);
    assert!(forged.text().starts_with("{\"message\":\"Invalid cursor: "), "{}", forged.text());
}

#[test]
fn no_cursor_gets_past_a_big_tie_before_the_newest_era() {
    assert!(is_stuck(&of_era(Era::Aug2026, 500, "big-ties")));
    assert!(!is_stuck(&of_era(Era::Sep2026, 500, "big-ties")));
}

/// True when a walk in the order of Oldest gets back a cursor that it sent.
fn is_stuck(server: &Sandbox) -> bool {
    let mut cursor = String::new();
    (0..20).any(|_| {
        let reply = get(server, &format!("/api/v1/models?sort=Oldest&nsfw=true&limit=50&cursor={cursor}"));
        let next = reply.next_cursor();
        let same = next.as_deref().is_some_and(|next| next == cursor);
        cursor = next.unwrap_or_default();
        same
    })
}
