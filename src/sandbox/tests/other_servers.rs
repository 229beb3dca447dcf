//! The traps of servers that differ in one fact from the one that is believed: each fact without its trap, and with it.

use super::images::busiest;
use super::*;

const BOTH: [Era; 2] = [Era::Aug2026, Era::Sep2026];
const ALL: &str = "nsfw=true&archived=true";

/// Asks a server without this trap and one with it, in each era; returns what each answers.
fn in_both(trap: &str, ask: impl Fn(&Sandbox) -> Value, expect: impl Fn(Era, &Value, &Value)) {
    for era in BOTH {
        let [without, with] = ["none", trap].map(|traps| ask(&of_era(era, 120, traps)));
        expect(era, &without, &with);
    }
}

fn api(server: &Sandbox, path: &str) -> Reply {
    get(server, &format!("/api/v1/{path}"))
}

/// Returns an answer's status and the ids of its items.
fn listed(server: &Sandbox, path: &str) -> Value {
    let reply = api(server, path);
    let items = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default()["items"].clone();
    let ids: Vec<Value> = items.as_array().into_iter().flatten().map(|item| item["id"].clone()).collect();
    serde_json::json!([reply.status, ids])
}

/// Returns the rows that a walk of two pages finds, by raw or by repaired cursors, and those of one page as long.
fn two_pages(server: &Sandbox, sort: &str, step: bool) -> (Vec<i64>, Vec<i64>) {
    let page = |limit: u32, cursor: &str| api(server, &format!("models?{ALL}&sort={sort}&limit={limit}{cursor}"));
    let first = page(3, "");
    let cursor = repair(step, &first.next_cursor().unwrap());
    let second = page(3, &format!("&cursor={cursor}"));
    (union(&[first.ids(), second.ids()]), union(&[page(6, "").ids()]))
}

#[test]
fn a_date_cursor_may_lose_its_row_in_either_direction() {
    for era in BOTH {
        let (walked, whole) = two_pages(&of_era(era, 120, "none"), "Oldest", false);
        assert_eq!(walked, whole);
        let (walked, whole) = two_pages(&of_era(era, 120, "oldest-lost-row"), "Oldest", false);
        assert_eq!(walked.iter().filter(|id| whole.contains(id)).count(), 5, "{era}");
        // A window begins at an instant, which names no row.
        let window =
            listed(&of_era(era, 120, "oldest-lost-row"), "models?sort=Oldest&cursor=2024-01-01 00:00:00.000|0");
        assert_eq!(window, listed(&of_era(era, 120, "none"), "models?sort=Oldest&cursor=2024-01-01 00:00:00.000|0"));
        let (walked, whole) = two_pages(&of_era(era, 120, "newest-lost-row"), "Newest", true);
        assert!(whole.iter().all(|id| walked.contains(id)), "{era}: the id after the row's reaches the row");
        let (walked, whole) = two_pages(&of_era(era, 120, "strict-ids"), "Newest", true);
        assert_eq!(whole.iter().filter(|id| !walked.contains(id)).count(), 1, "{era}");
    }
}

#[test]
fn cursors_may_have_other_forms() {
    let cursor = |sort: &'static str| {
        move |server: &Sandbox| {
            Value::from(api(server, &format!("models?{ALL}&limit=2&sort={sort}")).next_cursor().unwrap())
        }
    };
    let digits = |cursor: &Value| cursor.as_str().unwrap().split(['.', '|']).nth(1).unwrap().len();
    in_both("long-fractions", cursor("Oldest"), |_, without, with| {
        assert_eq!((digits(without), digits(with)), (3, 6));
    });
    for era in BOTH {
        let server = of_era(era, 300, "long-fractions");
        let pages = walk(&server, &format!("{ALL}&sort=Oldest&limit=20"), str::to_owned);
        assert_eq!(union(&pages).len(), 300);
        let server = of_era(era, 300, "offset-cursors");
        assert_eq!(union(&walk(&server, &format!("{ALL}&sort=Most Liked&limit=20"), str::to_owned)).len(), 300);
    }
    in_both("offset-cursors", cursor("Most Downloaded"), |_, without, with| {
        assert_eq!(without.as_str().unwrap().split('|').count(), 3);
        assert_eq!(with, "2");
    });
    let refused = |server: &Sandbox| listed(server, "models?sort=Oldest&cursor=|1");
    in_both("cursors-fail", refused, |_, without, with| {
        assert_eq!((&without[0], &with[0]), (&400.into(), &500.into()));
    });
}

#[test]
fn parameters_of_models_may_mean_something_else() {
    in_both(
        "pages-served",
        |server| listed(server, "models?limit=3&page=2"),
        |_, without, with| assert_ne!(without, with),
    );
    for era in BOTH {
        let server = of_era(era, 120, "pages-served");
        assert_eq!(listed(&server, "models?limit=6")[1][3], listed(&server, "models?limit=3&page=2")[1][0]);
    }
    let milds = |server: &Sandbox| {
        let items = api(server, "models").json()["items"].as_array().unwrap().clone();
        items.iter().all(|item| item["nsfwLevel"].as_u64().unwrap() & 1 == 1).into()
    };
    in_both("mature-by-default", milds, |_, without, with| assert_eq!((without, with), (&true.into(), &false.into())));
    let three = |server: &Sandbox| {
        let ids = truth(server, ALL);
        let reply = api(server, &format!("models?{ALL}&ids={},{},{},2147483000", ids[3], ids[5], ids[8]));
        let versions = |item: &Value| item["modelVersions"].as_array().unwrap().len();
        reply.json()["items"].as_array().unwrap().iter().map(versions).collect::<Vec<_>>().into()
    };
    let count = |value: &Value| value.as_array().unwrap().len();
    let most = |value: &Value| value.as_array().unwrap().iter().filter_map(Value::as_u64).max().unwrap();
    in_both("ids-ignored", three, |_, without, with| assert_eq!((count(without), count(with)), (3, 100)));
    in_both("ids-newest-version", three, |_, without, with| {
        assert_eq!((count(without), count(with), most(without) > 1, most(with)), (3, 3, true, 1));
    });
    in_both(
        "tag-filters",
        |server| listed(server, "models?tag=no such tag"),
        |_, without, with| {
            assert_eq!((count(&without[1]) > 50, with), (true, &serde_json::json!([200, []])));
        },
    );
    in_both(
        "unknown-users-empty",
        |server| listed(server, "models?username=no_such_user"),
        |_, without, with| {
            assert_eq!((&without[0], with), (&404.into(), &serde_json::json!([200, []])));
        },
    );
    in_both(
        "larger-limits",
        |server| listed(server, &format!("models?{ALL}&limit=110")),
        |_, without, with| {
            assert_eq!((&without[0], count(&with[1])), (&400.into(), 110));
        },
    );
}

#[test]
fn lookups_may_answer_otherwise() {
    let model = |server: &Sandbox| api(server, &format!("models/{}", truth(server, ALL)[4])).json();
    in_both("bare-lookups", model, |_, without, with| {
        for key in ["status", "createdAt"] {
            let has = |item: &Value| item["modelVersions"][0].get(key).is_some();
            assert_eq!((has(without), has(with)), (true, false), "{key}");
        }
    });
    let missing = |server: &Sandbox| {
        let reply = api(server, "models/2147483000");
        serde_json::json!([reply.status, field(&reply.head, "content-type")])
    };
    in_both("html-negatives", missing, |_, without, with| {
        assert_eq!(without, &serde_json::json!([404, "application/json; charset=utf-8"]));
        assert_eq!(with, &serde_json::json!([404, "text/html; charset=utf-8"]));
    });
    let version = |server: &Sandbox| {
        let version = lines(server, "/sandbox/truth/model_versions?nsfw=true")[0]["id"].as_i64().unwrap();
        let body = api(server, &format!("model-versions/{version}")).json();
        let hash = body["files"][0]["hashes"]["SHA256"].as_str().unwrap_or("none").to_owned();
        let found = api(server, &format!("model-versions/by-hash/{hash}")).json();
        let named = found["files"].as_array().unwrap().iter().any(|file| file["hashes"]["SHA256"] == hash.as_str());
        serde_json::json!([body["files"][0]["scannedAt"].as_str().unwrap().ends_with('Z'), named])
    };
    in_both("zoned-scans", version, |_, without, with| {
        assert_eq!((&without[0], &with[0]), (&false.into(), &true.into()));
    });
    in_both("other-hash", version, |_, without, with| {
        assert_eq!((&without[1], &with[1]), (&true.into(), &false.into()));
    });
}

#[test]
fn lists_of_images_may_answer_otherwise() {
    let three = |server: &Sandbox| listed(server, "images?browsingLevel=31&limit=3&sort=Newest");
    let ids = |value: &Value| value[1].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
    let two_pages = |server: &Sandbox| {
        let (version, _) = busiest(server);
        let page =
            |rest: &str| api(server, &format!("images?modelVersionId={version}&browsingLevel=31&sort=Newest&{rest}"));
        let first = page("limit=2");
        let second = page(&format!("limit=2&cursor={}", first.next_cursor().unwrap()));
        let walked = [first.ids(), second.ids()].concat();
        (walked == page("limit=4").ids()).into()
    };
    in_both("images-lost-row", two_pages, |_, without, with| {
        assert_eq!((without, with), (&true.into(), &false.into()));
    });
    let by_id =
        |server: &Sandbox| listed(server, &format!("images?imageId={}&browsingLevel=31", ids(&three(server))[1]));
    in_both("image-id-ignored", by_id, |_, without, with| assert_eq!((ids(without).len(), ids(with).len()), (1, 100)));
    in_both(
        "image-users-refused",
        |server| listed(server, "images?username=no_such_user"),
        |_, without, with| {
            assert_eq!((without, &with[0]), (&serde_json::json!([200, []]), &404.into()));
        },
    );
    let by_ids =
        |server: &Sandbox| listed(server, &format!("images?ids={}&browsingLevel=31", ids(&three(server)).join(",")));
    in_both("image-ids-ignored", by_ids, |era, without, with| {
        let expected = if era == Era::Sep2026 { 3 } else { 100 };
        assert_eq!((ids(without).len(), ids(with).len()), (expected, 100), "{era}");
    });
    let other_filters = |server: &Sandbox| {
        let next = api(server, "images?browsingLevel=31&limit=3&sort=Newest").next_cursor().unwrap();
        api(server, &format!("images?browsingLevel=31&sort=Newest&requiringMeta=true&cursor={next}")).status.into()
    };
    in_both("feed-filters-ignored", other_filters, |era, without, with| {
        let expected: u16 = if era == Era::Sep2026 { 400 } else { 200 };
        assert_eq!((without, with), (&expected.into(), &200.into()), "{era}");
    });
    // The clamp replaces the levels asked for, so nothing above PG13 is asked for that would hide images of child tags.
    for era in BOTH {
        let clamped = of_era(era, 200, "region-clamp,hidden-minors");
        assert_eq!(images::expected(&clamped, "browsingLevel=28"), images::expected(&clamped, "browsingLevel=3"));
    }
}

#[test]
fn numbered_lists_words_and_accounts_may_differ() {
    let names =
        |server: &Sandbox| api(server, "tags?query=%25&limit=20").json()["items"].as_array().unwrap().len().into();
    in_both("escaped-likes", names, |_, without, with| assert_eq!((without, with), (&20.into(), &0.into())));
    let totals = |server: &Sandbox| api(server, "creators?limit=5").json()["metadata"].clone();
    in_both("text-totals", totals, |_, without, with| {
        for key in ["totalItems", "totalPages"] {
            assert_eq!(
                (without[key].to_string(), with[key].is_string()),
                (with[key].as_str().unwrap().to_owned(), true)
            );
        }
    });
    let kinds = |server: &Sandbox| api(server, "enums").json()["ModelType"].as_array().unwrap().len().into();
    in_both("new-words", kinds, |_, without, with| assert_eq!((without, with), (&23.into(), &24.into())));
    in_both(
        "no-accounts",
        |server| api(server, "me").status.into(),
        |_, without, with| {
            assert_eq!((without, with), (&401.into(), &404.into()));
        },
    );
}

#[test]
fn the_edge_may_keep_nothing_and_name_limits() {
    let heads = |server: &Sandbox| {
        let _ = api(server, "models?limit=1");
        let reply = api(server, "models?limit=1");
        let names = ["cache-control", "cf-cache-status", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
        names.map(|name| Value::from(field(&reply.head, name))).to_vec().into()
    };
    in_both("no-edge-cache", heads, |_, without, with| {
        let kept = ["public, s-maxage=300, stale-while-revalidate=150", "HIT"];
        assert_eq!([&without[0], &without[1]], kept);
        assert_eq!([&with[0], &with[1]], ["private, max-age=0, no-cache", "DYNAMIC"]);
    });
    in_both("rate-headers", heads, |_, without, with| {
        assert_eq!((&without[2], &with[2]), (&Value::Null, &"600".into()));
        assert_eq!((&with[3], &with[4]), (&"598".into(), &"60".into()));
    });
    // Nothing kept includes false answers.
    for era in BOTH {
        let server = of_era(era, 300, "cached-negatives,no-edge-cache");
        assert!(truth(&server, "").iter().take(60).all(|id| api(&server, &format!("models/{id}")).status == 200));
    }
}

/// Asks for the files of some versions without a key; returns the redirects to them.
fn redirects(server: &Sandbox) -> Vec<Reply> {
    let versions = (5..100).step_by(5).map(|model| model * 16);
    let ask = |version| get(server, &format!("/api/download/models/{version}"));
    versions.map(ask).filter(|reply| reply.status == 307).collect()
}

#[test]
fn the_host_of_the_files_serves_parts_unless_it_ignores_ranges() {
    let redirect = redirects(&sandbox(120, "none", &[])).remove(0);
    assert_eq!(field(&redirect.head, "cache-control").as_deref(), Some("no-store"));
    let fetch = |traps: &str, range: &str| {
        let server = sandbox(120, traps, &[]);
        let link = field(&redirects(&server)[0].head, "location").unwrap();
        let (host, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
        exchange(host, "GET", &format!("/{path}"), &format!("Range: bytes={range}\r\n")).unwrap()
    };
    let head = |reply: &Reply| {
        let named = ["accept-ranges", "content-range"].map(|name| field(&reply.head, name).unwrap_or_default());
        (reply.status, reply.body.len(), named)
    };
    let all = fetch("no-ranges", "0-0");
    let whole = all.body.len();
    assert_eq!(head(&all), (200, whole, ["none".to_owned(), String::new()]));
    let part = |range: &str| head(&fetch("none", range));
    let expected =
        |from: usize, to: usize| (206, to - from, ["bytes".to_owned(), format!("bytes {from}-{}/{whole}", to - 1)]);
    assert_eq!(part("0-0"), expected(0, 1));
    assert_eq!(part("7-"), expected(7, whole));
    assert_eq!(part("7-999999999"), expected(7, whole));
    assert_eq!(part(&format!("{whole}-")).0, 416);
    assert!(field(&all.head, "etag").is_some_and(|tag| tag.starts_with('"')));
    assert!(redirects(&sandbox(120, "logins-demanded", &[])).is_empty());
}
