//! The images of era 2026-09: the feed service, the older backends beside it, and lists of ids.

use super::images::{busiest, cursor, expected, pages};
use super::*;

const NEWEST: &str = "browsingLevel=31&limit=50&sort=Newest";

fn images(server: &Sandbox, query: &str) -> Reply {
    get(server, &format!("/api/v1/images?{query}"))
}

fn message(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_walk_gets_every_row_once_at_any_depth_in_every_sort() {
    let config = Config { models: 200, depth_cap: 100, traps: "depth-cap".parse().unwrap(), ..Config::default() };
    let server = Sandbox::start(config).unwrap();
    for sort in ["Newest", "Oldest", "Most Reactions", "Most Comments", "Most Collected"] {
        let query = format!("browsingLevel=31&limit=50&sort={sort}");
        let walked = pages(&server, &query);
        assert_eq!(walked.concat().len(), union(&walked).len(), "{sort} repeats");
        assert_eq!(union(&walked), expected(&server, &query), "{sort}");
        assert!(walked.len() > 30, "{sort}");
    }
    let next = cursor(&images(&server, "browsingLevel=31&limit=1&sort=Most Reactions")).unwrap();
    let value = next.split(':').nth(1).unwrap().parse::<u64>().unwrap();
    assert!(next.starts_with("feed:") && value > 100 && value < 1 << 20, "{next}");
}

#[test]
fn forged_cursors_begin_at_an_instant_and_bare_numbers_are_offsets() {
    let server = sandbox(200, "none", &[]);
    let at = |item: &Value| item["createdAt"].as_str().unwrap().to_owned();
    let all = images(&server, "browsingLevel=31&limit=200&sort=Oldest").json();
    let middle = &all["items"][100];
    let ms = middle["createdAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let later = images(&server, &format!("browsingLevel=31&limit=10&sort=Oldest&cursor=feed:{ms}:0"));
    assert_eq!(later.json()["items"][0]["id"], middle["id"]);
    let earlier = images(&server, &format!("browsingLevel=31&limit=10&sort=Newest&cursor=feed:{ms}:0")).json();
    assert!(earlier["items"].as_array().unwrap().iter().all(|item| at(item) <= at(middle)));
    let offset = images(&server, "browsingLevel=31&limit=10&sort=Oldest&cursor=100");
    assert_eq!(offset.json()["items"][0]["id"], middle["id"]);
    assert!(cursor(&offset).unwrap().starts_with("feed:"));
    assert_eq!(images(&server, "browsingLevel=31&cursor=20000").status, 200);
    assert_eq!(images(&server, "browsingLevel=31&cursor=20001").status, 400);
    // A row's cursor holds its time.
    let next = cursor(&images(&server, "browsingLevel=31&limit=101&sort=Oldest")).unwrap();
    assert_eq!(next, format!("feed:{ms}:{}", middle["id"]));
    let refusing = sandbox(200, "forged-cursors-refused", &[]);
    assert_eq!(images(&refusing, &format!("browsingLevel=31&sort=Oldest&cursor={next}")).status, 200);
    assert_eq!(images(&refusing, "browsingLevel=31&sort=Oldest&cursor=feed:0:0").status, 400);
}

#[test]
fn what_the_service_cannot_express_is_answered_by_the_older_parts() {
    let server = sandbox(200, "none", &[]);
    let (version, model) = busiest(&server);
    let post = images(&server, NEWEST).json()["items"][0]["postId"].clone();
    for (query, form) in [
        (NEWEST.to_owned(), "feed:"),
        (format!("{NEWEST}&modelId={model}&modelVersionId={version}&limit=5").replacen("&limit=50", "", 1), "feed:"),
        (format!("{NEWEST}&requiringMeta=true"), "50|"),
        (format!("{NEWEST}&cursor=50|1712265847499"), "100|"),
        ("browsingLevel=31&limit=1&sort=Random".to_owned(), "1|"),
        (format!("postId={post}&browsingLevel=31&limit=1"), "1|"),
        (format!("modelId={model}&browsingLevel=31&limit=2"), "1"),
    ] {
        let next = cursor(&images(&server, &query)).unwrap();
        assert!(next.starts_with(form) && (form.len() > 1 || !next.contains(['|', ':'])), "{query}: {next}");
    }
    for shape in ["requiringMeta=true", "sort=Random", "postId=1000", "modelId=1", "ids=1,2"] {
        let refused = images(&server, &format!("{shape}&cursor=feed:1712265847499:0"));
        let text = "This cursor cannot be continued with these filters";
        assert_eq!((refused.status, message(&refused).as_str()), (400, text), "{shape}");
    }
    let sorted = images(&server, "sort=Most Comments&cursor=feed:1712265847499:0");
    assert_eq!((sorted.status, message(&sorted).as_str()), (400, "This cursor cannot be continued with these filters"));
    let older = of_era(Era::Aug2026, 200, "none");
    assert_eq!(images(&older, "cursor=feed:1712265847499:0").status, 400);
}

#[test]
fn a_walk_that_is_broken_off_begins_anew() {
    let server = sandbox(200, "feed-restarts", &[]);
    let query = "browsingLevel=31&limit=20&sort=Newest";
    let (mut part, mut seen, mut broken) = (String::new(), std::collections::HashSet::new(), 0);
    loop {
        let reply = images(&server, &format!("{query}{part}"));
        if reply.status == 400 {
            assert_eq!(message(&reply), "This cursor can no longer be continued; start again without it");
            broken += 1;
            part.clear();
            continue;
        }
        seen.extend(reply.ids());
        match cursor(&reply) {
            Some(next) => part = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((broken, seen.len()), (1, expected(&server, query).len()));
}

#[test]
fn a_server_without_the_service_knows_none_of_its_cursors() {
    let query = "browsingLevel=31&limit=20&sort=Oldest";
    let answer = |traps: &str, era| images(&of_era(era, 100, traps), &format!("{query}&cursor=feed:1712265847499:0"));
    for era in [Era::Aug2026, Era::Y2023] {
        assert_eq!(answer("none", era).status, 400, "{era}");
        assert_eq!(answer("feed-cursor-fails", era).status, 500, "{era}");
        let ignored = answer("feed-cursor-ignored", era);
        assert_eq!(ignored.ids(), images(&of_era(era, 100, "none"), query).ids(), "{era}");
        assert!(cursor(&ignored).unwrap().starts_with("20|"), "{era}");
    }
    for traps in ["feed-cursor-fails", "feed-cursor-ignored"] {
        assert_eq!(answer(traps, Era::Sep2026).ids(), answer("none", Era::Sep2026).ids(), "{traps}");
    }
}

#[test]
fn first_pages_may_come_from_the_index_although_the_service_continues() {
    let config = Config { models: 100, depth_cap: 100, ..Config::default() };
    let server = Sandbox::start(Config { traps: "old-first-pages,depth-cap".parse().unwrap(), ..config }).unwrap();
    let query = "browsingLevel=31&limit=60&sort=Oldest";
    let walked = pages(&server, query);
    assert_eq!((walked.len(), walked.concat().len()), (2, 100), "it ends at the depth of the index");
    assert!(cursor(&images(&server, query)).unwrap().starts_with("60|"));
    let resumed = images(&server, &format!("{query}&cursor=feed:0:0"));
    assert_eq!(resumed.ids(), walked[0]);
    assert!(cursor(&resumed).unwrap().starts_with("feed:"));
    // A perfect client forges its first cursor.
    assert!(expected(&server, query).len() > 900);
}

/// Walks the whole list by cursors of the service, and returns the images of one instant behind a forged cursor.
fn walk_and_tie(traps: &str) -> (Vec<Vec<i64>>, Vec<i64>) {
    let server = sandbox(200, traps, &[]);
    let query = "browsingLevel=31&limit=50&sort=Oldest";
    let walked = pages(&server, query);
    assert_eq!(union(&walked), expected(&server, query), "{traps}");
    let rows = lines(&server, &format!("/sandbox/truth/images?{query}"));
    let instant = rows.iter().zip(&rows[1..]).find(|(one, other)| one["created_at"] == other["created_at"]).unwrap().0;
    let ms = instant["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let behind = images(&server, &format!("{query}&cursor=feed:{ms}:0")).json();
    let tied = behind["items"].as_array().unwrap().iter().filter(|item| item["createdAt"] == instant["created_at"]);
    (walked, tied.map(|item| item["id"].as_i64().unwrap()).collect())
}

#[test]
fn the_order_within_an_instant_and_the_row_of_a_cursor_are_the_services_own() {
    let (plain, ascending) = walk_and_tie("none");
    assert_eq!(plain.concat().len(), union(&plain).len());
    assert!(ascending.len() > 1 && ascending.is_sorted());
    let (turned, none) = walk_and_tie("feed-ties-descend");
    assert_eq!((turned.concat().len(), none.len()), (plain.concat().len(), 0), "every id is above 0");
    let tied: Vec<i64> = turned.concat().into_iter().filter(|id| ascending.contains(id)).collect();
    assert!(tied.iter().rev().is_sorted());
    for traps in ["feed-row-repeats", "feed-row-repeats,feed-ties-descend"] {
        let (repeating, _) = walk_and_tie(traps);
        assert!(repeating.windows(2).all(|pair| pair[0].last() == pair[1].first()), "{traps}");
    }
}

#[test]
fn several_tags_are_all_of_them_to_the_service_and_any_to_the_older_part() {
    let tags = |server: &Sandbox, query: &str| -> Vec<Vec<u64>> {
        let items = images(server, &format!("browsingLevel=31&limit=200&withTags=true&{query}")).json();
        let of =
            |item: &Value| item["tags"].as_array().unwrap().iter().map(|tag| tag["id"].as_u64().unwrap()).collect();
        items["items"].as_array().unwrap().iter().map(of).collect()
    };
    let server = sandbox(200, "none", &[]);
    let both = tags(&server, "").into_iter().find(|tags| tags.len() > 1).unwrap();
    let query = format!("tags={},{}", both[0], both[1]);
    let all = tags(&server, &query);
    assert!(!all.is_empty() && all.iter().all(|tags| both[..2].iter().all(|tag| tags.contains(tag))));
    let any = tags(&server, &format!("{query}&requiringMeta=true"));
    assert!(any.iter().any(|tags| !both[..2].iter().all(|tag| tags.contains(tag))));
    assert!(any.iter().all(|tags| both[..2].iter().any(|tag| tags.contains(tag))));
}

#[test]
fn items_have_a_thumbnail_and_names_that_are_text() {
    let server = sandbox(1200, "numeric-usernames,absent-creators", &[]);
    let items = |query: &str| {
        let reply = images(&server, &format!("browsingLevel=31&limit=200&withTags=true&sort=Newest&{query}")).json();
        reply["items"].as_array().unwrap().clone()
    };
    let service = [items("type=video"), items("type=image"), items("cursor=200"), items("cursor=400")].concat();
    assert_eq!(service[0].as_object().unwrap().len(), 18);
    assert!(service.iter().all(|item| item["thumbnail"].is_object() == (item["type"] == "video")));
    assert!(service.iter().all(|item| item["username"].is_string() || item["username"].is_null()));
    assert!(service.iter().all(|item| item["postId"].is_u64()), "only images of public posts are listed");
    assert!(service[0]["thumbnail"]["width"].is_u64() && service[0]["thumbnail"]["url"].is_string());
    let mut index = Vec::new();
    for offset in (0..4000).step_by(200) {
        index.extend(items(&format!("requiringMeta=true&cursor={offset}|1")));
    }
    assert!(index.iter().all(|item| item.get("thumbnail").is_none()));
    let numbers: Vec<String> =
        index.iter().filter(|item| item["username"].is_number()).map(|item| item["username"].to_string()).collect();
    // `8e3` and `00069` are sent as JavaScript reads them, and deleted users as `null`.
    assert!(numbers.contains(&"8000".to_owned()) && numbers.contains(&"69".to_owned()), "{numbers:?}");
    assert!(index.iter().any(|item| item["username"] == "null"));
}

#[test]
fn a_list_of_ids_answers_those_there_are() {
    let server = sandbox(200, "none", &[]);
    let mut ids = images(&server, NEWEST).ids();
    ids.sort_unstable();
    let list = |ids: &[i64]| ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let asked = format!("ids={},7&browsingLevel=31", list(&ids));
    let descending: Vec<i64> = ids.iter().rev().copied().collect();
    assert_eq!(images(&server, &format!("{asked}&sort=Newest")).ids(), descending);
    assert_eq!(images(&server, &format!("{asked}&sort=Oldest")).ids(), ids);
    assert_eq!(union(&[images(&server, &format!("ids={}", list(&ids))).ids()]).len(), expected_pg(&server, &ids));
    let many: Vec<i64> = (1..=101).collect();
    assert_eq!(images(&server, &format!("ids={}", list(&many))).status, 400);
    assert_eq!(images(&server, "ids=x").status, 400);
    let older = of_era(Era::Aug2026, 200, "none");
    assert!(images(&older, "ids=7").ids().len() > 50, "an older server answers its whole feed");
}

/// Returns the number of these images that are rated PG.
fn expected_pg(server: &Sandbox, ids: &[i64]) -> usize {
    expected(server, "browsingLevel=1").iter().filter(|id| ids.contains(id)).count()
}
