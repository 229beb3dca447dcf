//! The paging of the models list: lost rows, repeated rows, the end of a walk.

use std::collections::HashSet;

use super::*;

const EVERYTHING: &str = "nsfw=true&archived=true&limit=20";

fn naive(cursor: &str) -> String {
    cursor.to_owned()
}

#[test]
fn without_traps_every_sort_lists_every_model_once() {
    let server = sandbox(300, "none", &[]);
    for sort in [
        "Highest Rated",
        "Most Downloaded",
        "Most Liked",
        "Most Discussed",
        "Most Collected",
        "Most Images",
        "Newest",
        "Oldest",
    ] {
        let pages = walk(&server, &format!("{EVERYTHING}&sort={sort}"), naive);
        assert!(pages[..14].iter().all(|page| page.len() == 20) && pages.len() == 15, "{sort}");
        assert_eq!(pages.concat().len(), 300, "{sort}");
        assert_eq!(union(&pages), truth(&server, &format!("{EVERYTHING}&sort={sort}")), "{sort}");
    }
    assert_eq!(truth(&server, "").len(), 300);
}

#[test]
fn a_naive_client_of_newest_loses_one_row_a_page() {
    let server = of_era(Era::Aug2026, 300, "newest-lost-row");
    let query = format!("{EVERYTHING}&sort=Newest");
    let pages = walk(&server, &query, naive);
    let (seen, all) = (union(&pages), truth(&server, &query));
    assert_eq!(all.len(), 300);
    assert_eq!(seen.len() + pages.len() - 1, all.len());
    assert_eq!(union(&walk(&server, &query, |cursor| repair(true, cursor))), all);
}

#[test]
fn metric_sorts_are_exact_under_every_paging_trap() {
    let server = sandbox(300, "newest-lost-row,trimmed-fractions,tied-dates,null-dates", &[]);
    for sort in ["Highest Rated", "Most Downloaded", "Most Images"] {
        let pages = walk(&server, &format!("{EVERYTHING}&sort={sort}"), naive);
        assert_eq!((pages.concat().len(), union(&pages).len()), (300, 300), "{sort}");
    }
}

#[test]
fn oldest_repeats_tied_rows_and_loses_none() {
    let server = of_era(Era::Aug2026, 1500, "tied-dates");
    let query = "nsfw=true&archived=true&limit=50&sort=Oldest";
    let pages = walk(&server, query, naive);
    assert_eq!(union(&pages), truth(&server, query));
    assert_eq!(union(&pages).len(), 1500);
    assert!(pages.concat().len() > 1500, "no page boundary fell into a tied group");
}

#[test]
fn trimmed_fractions_set_the_resume_point_back() {
    let server = sandbox(3000, "trimmed-fractions", &[]);
    let find = |sort: &str| {
        let query = format!("nsfw=true&archived=true&limit=1&sort={sort}");
        let mut cursor = String::new();
        for _ in 0..3000 {
            let reply = get(&server, &format!("/api/v1/models?{query}&cursor={cursor}"));
            cursor = reply.next_cursor().unwrap();
            let digits = cursor.split('|').next().unwrap().split_once('.').map_or(0, |(_, digits)| digits.len());
            if (1..3).contains(&digits) {
                break;
            }
        }
        (query, cursor)
    };
    let (query, cursor) = find("Newest");
    let named: i64 = cursor.split('|').nth(1).unwrap().parse().unwrap();
    let page = |cursor: &str| get(&server, &format!("/api/v1/models?{query}&cursor={cursor}")).ids();
    assert_ne!(page(&cursor), [named], "the row of `{cursor}` is skipped when its fraction is misread");
    assert_eq!(page(&repair(false, &cursor)), [named]);
    assert_eq!(page(&repair(true, &cursor)), [named]);
}

#[test]
fn forged_cursors_start_anywhere_and_survive_another_limit() {
    let server = sandbox(500, "trimmed-fractions", &[]);
    let reply = get(&server, &format!("/api/v1/models?{EVERYTHING}&sort=Oldest&cursor=2024-01-01 00:00:00.000|0"));
    let all = truth(&server, &format!("{EVERYTHING}&sort=Oldest"));
    let later = truth(&server, &format!("{EVERYTHING}&sort=Oldest&cursor=2024-01-01 00:00:00.000|0"));
    assert!(later.len() < all.len() && later.len() > 100);
    assert!(reply.ids().iter().all(|id| later.contains(id)));
    let cursor = repair(false, &reply.next_cursor().unwrap());
    let wide = get(&server, &format!("/api/v1/models?nsfw=true&archived=true&limit=7&sort=Oldest&cursor={cursor}"));
    assert_eq!(wide.ids().len(), 7);
    assert!(reply.ids().iter().all(|id| !wide.ids().contains(id)));
}

#[test]
fn bad_cursors_are_refused() {
    let server = sandbox(100, "null-dates", &[]);
    for (sort, cursor) in
        [("Newest", "|5"), ("Oldest", "2024-01-01"), ("Oldest", "1|2|3"), ("Newest", "x-y|3"), ("Most Liked", "2|3")]
    {
        let reply = get(&server, &format!("/api/v1/models?sort={sort}&cursor={cursor}"));
        assert_eq!(reply.status, 400);
        assert!(reply.text().starts_with("{\"message\":\"Invalid cursor: "), "{}", reply.text());
    }
}

#[test]
fn a_boundary_among_the_undated_gives_a_cursor_that_is_refused() {
    let server = sandbox(100, "null-dates", &[]);
    let query = "nsfw=true&archived=true&limit=98&sort=Newest";
    let reply = get(&server, &format!("/api/v1/models?{query}"));
    let cursor = reply.next_cursor().unwrap();
    assert!(cursor.starts_with('|'), "{cursor}");
    assert_eq!(get(&server, &format!("/api/v1/models?{query}&cursor={cursor}")).status, 400);
    assert_eq!(union(&[reply.ids()]), truth(&server, query));
    let far = "nsfw=true&archived=true&limit=10&sort=Oldest";
    let undated = 100 - truth(&server, far).len();
    assert!(undated >= 3);
    assert_eq!(union(&walk(&server, far, naive)), truth(&server, far));
}

#[test]
fn pages_are_short_and_empty_while_there_is_a_cursor() {
    let server = sandbox(600, "short-pages,empty-pages,hidden-early-access", &[]);
    let query = format!("{EVERYTHING}&sort=Oldest");
    let pages = walk(&server, &query, naive);
    assert!(pages[..pages.len() - 1].iter().any(Vec::is_empty));
    assert!(pages.iter().any(|page| !page.is_empty() && page.len() < 20));
    assert_eq!(union(&pages), truth(&server, &query));
}

#[test]
fn limit_nothing_is_one_item_and_no_cursor() {
    let server = sandbox(100, "none", &[]);
    for limit in ["limit=0", "limit="] {
        let reply = get(&server, &format!("/api/v1/models?{limit}"));
        assert_eq!((reply.ids().len(), reply.next_cursor()), (1, None));
    }
}

#[test]
fn page_has_no_effect_until_it_is_refused_for_good() {
    let server = sandbox(200, "none", &[]);
    let first = get(&server, "/api/v1/models?limit=20");
    let third = get(&server, "/api/v1/models?limit=20&page=3");
    assert_eq!(first.ids(), third.ids());
    let metadata = &third.json()["metadata"];
    assert_eq!((metadata["currentPage"].as_i64(), metadata["pageSize"].as_i64()), (Some(3), Some(20)));
    assert!(metadata["nextPage"].as_str().unwrap().contains("page=3&cursor="));
    for _ in 0..2 {
        let reply = get(&server, "/api/v1/models?limit=100&page=11");
        assert_eq!(reply.status, 429);
        assert_eq!(reply.text(), "{\"error\":\"You've requested too many pages, please use cursors instead\"}");
    }
    let cursor = first.next_cursor().unwrap();
    assert_eq!(get(&server, &format!("/api/v1/models?limit=100&page=11&cursor={cursor}")).status, 200);
}

#[test]
fn a_repaired_client_gets_the_truth_under_all_traps_but_broken_text() {
    for era in [Era::Aug2026, Era::Sep2026] {
        a_repaired_client_gets_the_truth(&of_era(era, 700, "all,-control-bytes,-lone-surrogates"));
    }
}

fn a_repaired_client_gets_the_truth(server: &Sandbox) {
    for sort in ["Newest", "Oldest"] {
        let query = format!("nsfw=true&limit=50&sort={sort}");
        let pages = walk(server, &query, |cursor| repair(sort == "Newest", cursor));
        assert_eq!(union(&pages), truth(server, &query), "{sort}");
    }
    let query = "nsfw=true&limit=50";
    let mut images = HashSet::new();
    let mut cursor = String::new();
    loop {
        let reply = get(server, &format!("/api/v1/models?{query}&cursor={cursor}"));
        for item in reply.json()["items"].as_array().unwrap() {
            for version in item["modelVersions"].as_array().unwrap() {
                images.extend(version["images"].as_array().unwrap().iter().map(|image| image["id"].as_i64().unwrap()));
            }
        }
        match reply.next_cursor() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let rows = lines(server, &format!("/sandbox/truth/version_images?{query}"));
    let expected: HashSet<i64> = rows.iter().map(|row| row["image_id"].as_i64().unwrap()).collect();
    assert!(images.len() > 1000);
    assert_eq!((images, rows.len()), (expected.clone(), expected.len()));
}
