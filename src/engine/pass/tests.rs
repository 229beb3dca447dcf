//! The pass that a run works on, for every state of a dataset.

use super::*;
use crate::api::ENDPOINTS;
use std::collections::BTreeSet;

use crate::dataset::commit::{End, FORMAT, GivenUp, PartitionState, Record, Why};
use crate::dataset::history::History;
use crate::dataset::layout::RunId;
use crate::definition;

/// Chooses the pass of a run in late 2026.
fn choose(crawl: &Crawl, manifest: &Manifest, restart: bool, owed: bool) -> Result<Pass, Refusal> {
    super::choose(crawl, manifest, restart, owed, NOW.parse().unwrap())
}

const NOW: &str = "2026-11-29T12:00:00Z";

fn crawl(name: &str, walks: &[&str], limit: u32, rate: f64) -> Crawl {
    let mut text = format!("server = 'sandbox'\ndataset = 'd'\npace.requests_per_second = {rate:?}\n");
    for walk in walks {
        text.push_str(&format!("[[walk]]\nname = '{walk}'\nendpoint = 'models'\nparams = {{ limit = {limit} }}\n"));
    }
    definition::parse(name, &text, ENDPOINTS).unwrap().0
}

fn walk(end: Option<Why>) -> WalkState {
    let end = end.map(|why| End { why, detail: None });
    let partition = PartitionState {
        cursor: Some("c".to_owned()),
        pages: 3,
        new_cursors: vec!["f00d".to_owned()],
        ..PartitionState::default()
    };
    let partitions = if end.is_none() { BTreeMap::from([(String::new(), partition)]) } else { BTreeMap::new() };
    WalkState { partitions, pages: 3, end, ..WalkState::default() }
}

/// A dataset whose pass 4 of `crawl` has walks that ended like this.
fn progress(crawl: &Crawl, ends: &[(&str, Option<Why>)]) -> Manifest {
    let last = Record {
        format: FORMAT,
        commit: 9,
        previous: String::new(),
        at: "2026-11-23T08:00:00Z".parse().unwrap(),
        version: "0.1.0".to_owned(),
        run: RunId::try_from("20261123T080000Z-beef".to_owned()).unwrap(),
        crawl: crawl.name.clone(),
        server: identity(crawl),
        definition: fingerprint(crawl),
        pass: 4,
        walks: ends.iter().map(|(name, end)| ((*name).to_owned(), walk(*end))).collect(),
        parts: Vec::new(),
        pruned: Vec::new(),
        before: None,
    };
    let seen = BTreeSet::from(["f00d".to_owned(), "beef".to_owned()]);
    let seen = SeenCursors::from([("a".to_owned(), BTreeMap::from([(String::new(), seen)]))]);
    Manifest { last: Some(last), history: History { seen_cursors: seen, ..History::default() }, ..Manifest::default() }
}

#[test]
fn a_new_dataset_gets_pass_one_with_every_walk_at_its_beginning() {
    let pass = choose(&crawl("x", &["a", "b"], 100, 1.0), &Manifest::default(), false, false).unwrap();
    assert_eq!((pass.number, pass.resumed), (1, false));
    assert_eq!(pass.walks, BTreeMap::from(["a", "b"].map(|name| (name.to_owned(), WalkState::default()))));
}

#[test]
fn an_unfinished_pass_is_resumed_where_it_stood() {
    let crawl = crawl("x", &["a", "b"], 100, 1.0);
    let pass = choose(&crawl, &progress(&crawl, &[("a", None), ("b", Some(Why::Complete))]), false, false).unwrap();
    assert_eq!((pass.number, pass.resumed), (4, true));
    assert_eq!(pass.walks["a"].partitions[""].cursor.as_deref(), Some("c"));
    assert_eq!(pass.walks["a"].pages, 3);
    assert!(pass.walks["b"].end.is_some());
    // What the last commit added is not added by the next one again, and yet every cursor of the pass is remembered.
    assert!(
        pass.walks.values().flat_map(|walk| walk.partitions.values()).all(|partition| partition.new_cursors.is_empty())
    );
    assert_eq!(pass.seen_cursors["a"][""].len(), 2);
}

#[test]
fn a_pass_without_its_snapshot_is_finished_first() {
    let crawl = crawl("x", &["a"], 100, 1.0);
    let over = progress(&crawl, &[("a", Some(Why::Complete))]);
    let pass = choose(&crawl, &over, false, true).unwrap();
    assert_eq!((pass.number, pass.resumed), (4, true));
    assert!(pass.walks["a"].end.is_some());
    // Unless the next one was asked for, or this one is another crawl's by now.
    assert_eq!(choose(&crawl, &over, true, true).unwrap().number, 5);
    let changed = self::crawl("x", &["a"], 50, 1.0);
    assert_eq!(choose(&changed, &over, false, true).unwrap().number, 5);
}

#[test]
fn a_pass_that_is_over_is_followed_by_the_next() {
    let crawl = crawl("x", &["a", "b"], 100, 1.0);
    for why in [Why::Complete, Why::CursorLoop, Why::Unreadable, Why::NotFound] {
        let pass =
            choose(&crawl, &progress(&crawl, &[("a", Some(why)), ("b", Some(Why::Complete))]), false, false).unwrap();
        assert_eq!((pass.number, pass.resumed), (5, false), "{why:?}");
        assert!(pass.walks.values().all(|walk| *walk == WalkState::default()) && pass.seen_cursors.is_empty());
    }
}

#[test]
fn what_a_change_of_the_crawl_file_leads_to() {
    let before = crawl("x", &["a", "b"], 100, 1.0);
    let unfinished = || progress(&before, &[("a", None), ("b", None)]);
    let over = || progress(&before, &[("a", Some(Why::Complete)), ("b", Some(Why::Complete))]);
    let faster = crawl("x", &["a", "b"], 100, 9.0);
    let smaller = crawl("x", &["a", "b"], 50, 1.0);
    let fewer = crawl("x", &["a"], 100, 1.0);

    assert_eq!(choose(&faster, &unfinished(), false, false).unwrap().number, 4, "pace may change");
    for changed in [&smaller, &fewer] {
        assert!(matches!(choose(changed, &unfinished(), false, false), Err(Refusal::Changed { pass: 4, .. })));
        let pass = choose(changed, &unfinished(), true, false).unwrap();
        assert_eq!((pass.number, pass.resumed), (5, false), "`--restart` begins the next");
        assert_eq!(pass.definition, fingerprint(changed));
        assert_eq!(choose(changed, &over(), false, false).unwrap().number, 5, "between passes anything may change");
    }
    let text = choose(&smaller, &unfinished(), false, false).unwrap_err().to_string();
    for part in ["pass 4", "`limit` was `100`, is `50`", "`--restart`", "`--dataset`"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_dataset_of_another_crawl_is_refused_even_with_restart() {
    let theirs = crawl("x", &["a"], 100, 1.0);
    let ours = crawl("y", &["a"], 100, 1.0);
    for restart in [false, true] {
        let refusal = choose(&ours, &progress(&theirs, &[("a", None)]), restart, false).unwrap_err();
        assert_eq!(refusal, Refusal::OtherCrawl { theirs: "x".to_owned(), ours: "y".to_owned() });
    }
}

/// A crawl with an incremental walk `a`, and one more key of it.
fn incremental(more: &str) -> Crawl {
    let text = format!(
        "server = 'sandbox'\ndataset = 'd'\n[[walk]]\nname = 'a'\nendpoint = 'models'\n\
         params = {{ sort = 'Oldest' }}\nincremental = {{ overlap = '10s' }}\n{more}\n"
    );
    definition::parse("x", &text, ENDPOINTS).unwrap().0
}

/// A pass of the crawl whose only walk reached this instant and ended so.
fn passed(crawl: &Crawl, reached: Option<i64>, end: Option<Why>) -> Record {
    let ends = end.into_iter().map(|why| (why, 1)).collect();
    let walk = WalkState { reached, ends, ..walk(end) };
    let last = progress(crawl, &[("a", end)]).last.unwrap();
    Record { walks: BTreeMap::from([("a".to_owned(), walk)]), ..last }
}

/// A dataset with these passes and one that was given up.
fn after(crawl: &Crawl, passes: Vec<Record>) -> Manifest {
    let mut manifest = Manifest::default();
    let given_up = progress(crawl, &[]).last.unwrap();
    for (number, record) in (1..).zip(passes.into_iter().chain([given_up])) {
        manifest.add(Record { pass: number, commit: number, ..record });
    }
    manifest
}

fn since(crawl: &Crawl, passes: Vec<Record>) -> Option<i64> {
    choose(crawl, &after(crawl, passes), false, false).unwrap().walks["a"].since
}

#[test]
fn an_incremental_walk_builds_on_the_last_pass_that_saw_the_end() {
    let crawl = incremental("");
    let pass = |reached, why| passed(&crawl, Some(reached), Some(why));
    let given_up = |reached| {
        let mut pass = pass(reached, Why::Complete);
        let lost = GivenUp { partition: String::new(), page: 2, cursor: None, reason: String::new(), pass: None };
        pass.walks.get_mut("a").unwrap().given_up.push(lost);
        pass
    };
    let one_partition_of_many = |reached| {
        let mut pass = pass(reached, Why::Complete);
        pass.walks.get_mut("a").unwrap().ends.insert(Why::CursorLoop, 1);
        pass
    };
    let cases = [
        (vec![], None),
        (vec![pass(50_000, Why::Complete)], Some(40_000)),
        (vec![pass(50_000, Why::Complete), pass(70_000, Why::Complete)], Some(60_000)),
        // What no list shows, no pass finds: that is no reason to walk everything again.
        (vec![pass(50_000, Why::Complete), pass(70_000, Why::Unlistable)], Some(60_000)),
        (vec![pass(50_000, Why::Complete), pass(70_000, Why::CursorLoop)], Some(40_000)),
        (vec![pass(50_000, Why::Complete), pass(70_000, Why::Unreadable)], Some(40_000)),
        // What was given up by name is remembered; walking everything behind it again would not mend it.
        (vec![pass(50_000, Why::Complete), given_up(70_000)], Some(60_000)),
        (vec![pass(50_000, Why::Complete), one_partition_of_many(70_000)], Some(40_000)),
        (vec![pass(50_000, Why::Complete), passed(&crawl, Some(70_000), None)], Some(40_000)),
        (vec![given_up(70_000)], Some(60_000)),
        (vec![passed(&crawl, None, Some(Why::Complete))], None),
    ];
    for (passes, expected) in cases {
        assert_eq!(since(&crawl, passes.clone()), expected, "{passes:?}");
    }
}

#[test]
fn pages_given_up_are_remembered_until_a_walk_asks_for_them_again() {
    let crawl = incremental("");
    let page = |cursor: &str| GivenUp {
        partition: String::new(),
        page: 2,
        cursor: Some(cursor.to_owned()),
        reason: String::new(),
        pass: None,
    };
    let mut first = passed(&crawl, Some(1_704_164_645_678), Some(Why::Complete));
    let walk = first.walks.get_mut("a").unwrap();
    walk.given_up = vec![page("2023-01-01 00:00:00.000|7"), page("2024-01-02 03:04:00.000|8")];
    walk.holes = vec![GivenUp { pass: Some(9), ..page("2022-12-01 00:00:00.000|1") }];
    let manifest = after(&crawl, vec![first]);
    let holes = &choose(&crawl, &manifest, false, false).unwrap().walks["a"].holes;
    let found: Vec<_> = holes.iter().map(|page| (page.pass, page.cursor.as_deref().unwrap())).collect();
    assert_eq!(found, [(Some(9), "2022-12-01 00:00:00.000|1"), (Some(1), "2023-01-01 00:00:00.000|7")]);
    assert_eq!(choose(&crawl, &manifest, true, false).unwrap().walks["a"].holes, []);
}

#[test]
fn an_incremental_walk_builds_on_no_pass_that_asked_otherwise() {
    let crawl = incremental("");
    let on = |before: &Crawl| since(&crawl, vec![passed(before, Some(50_000), Some(Why::Complete))]);
    let mut fewer = crawl.clone();
    fewer.walks[0].params.push(("types".to_owned(), "LORA".to_owned()));
    assert_eq!(on(&fewer), None);
    let mut other = crawl.clone();
    other.sandbox.seed = 9;
    assert_eq!(on(&other), None);
    let mut smaller = incremental("split = { windows = 2, from = '2022-11-01' }");
    smaller.walks[0].limit = 7;
    assert_eq!(on(&smaller), Some(40_000), "how pages are cut decides nothing");
}

#[test]
fn an_incremental_walk_begins_at_a_forged_cursor_and_never_falls_back() {
    for (more, key) in [("", ""), ("split = { windows = 2, from = '2022-11-01' }", "1")] {
        let crawl = incremental(more);
        let manifest = after(&crawl, vec![passed(&crawl, Some(1_704_164_645_678), Some(Why::Complete))]);
        let pass = choose(&crawl, &manifest, false, false).unwrap();
        let walk = &pass.walks["a"];
        assert_eq!(walk.partitions[key].cursor.as_deref(), Some("2024-01-02 03:03:55.678|0"));
        assert_eq!((walk.partitions[key].from, walk.reached), (walk.since, Some(1_704_164_645_678)));
        let full = choose(&crawl, &manifest, true, false).unwrap();
        assert_eq!(full.walks["a"], WalkState::default(), "`--restart` walks everything");
    }
}

#[test]
fn incremental_walks_of_one_endpoint_begin_together() {
    let walk = |name: &str| {
        format!(
            "[[walk]]\nname = '{name}'\nendpoint = 'models'\nparams = {{ sort = 'Oldest' }}\n\
             incremental = {{ overlap = '10s' }}\n"
        )
    };
    let text = format!("server = 'sandbox'\ndataset = 'd'\n{}{}", walk("a"), walk("b"));
    let crawl = definition::parse("x", &text, ENDPOINTS).unwrap().0;
    let began = |reached: [Option<i64>; 2]| {
        let mut record = passed(&crawl, reached[0], Some(Why::Complete));
        let other = WalkState { reached: reached[1], ..record.walks["a"].clone() };
        record.walks.insert("b".to_owned(), other);
        let pass = choose(&crawl, &after(&crawl, vec![record]), false, false).unwrap();
        ["a", "b"].map(|name| (pass.walks[name].since, pass.walks[name].reached))
    };
    let (first, second) = ((Some(40_000), Some(50_000)), (Some(40_000), Some(70_000)));
    assert_eq!(began([Some(50_000), Some(70_000)]), [first, second]);
    assert_eq!(began([Some(70_000), Some(50_000)]), [second, first]);
    assert_eq!(began([Some(50_000), None]), [(None, None); 2], "one that must see everything is not alone");
}

const DAY: i64 = 86_400_000;

/// A crawl whose walk `a` begins at `from`, and one more key of it.
fn begun(from: &str, more: &str) -> Crawl {
    let text = format!(
        "server = 'sandbox'\ndataset = 'd'\n[[walk]]\nname = 'a'\nendpoint = 'models'\n\
         params = {{ sort = 'Oldest' }}\nfrom = '{from}'\n{more}\n"
    );
    definition::parse("x", &text, ENDPOINTS).unwrap().0
}

/// Returns the beginning, the recorded one and the cursor of walk `a`.
fn beginning(crawl: &Crawl, manifest: &Manifest, restart: bool) -> (Option<i64>, Option<i64>, Option<String>) {
    let walk = choose(crawl, manifest, restart, false).unwrap().walks.remove("a").unwrap();
    let cursor = walk.partitions.values().next().and_then(|partition| partition.cursor.clone());
    (walk.since, walk.from, cursor)
}

#[test]
fn a_first_pass_begins_at_its_from() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
    let cases = [
        ("2026-11-01", at("2026-11-01T00:00:00Z"), "2026-11-01 00:00:00.000|0"),
        ("2026-11-29", at("2026-11-29T00:00:00Z"), "2026-11-29 00:00:00.000|0"),
        ("now - 30d", at("2026-10-30T12:00:00Z"), "2026-10-30 12:00:00.000|0"),
        ("now - 1h", at("2026-11-29T11:00:00Z"), "2026-11-29 11:00:00.000|0"),
    ];
    for (from, expected, cursor) in cases {
        for more in ["", "incremental = { overlap = '3d' }", "split = { windows = 8 }"] {
            let began = beginning(&begun(from, more), &Manifest::default(), false);
            assert_eq!(began, (Some(expected), Some(expected), Some(cursor.to_owned())), "{from} {more}");
        }
    }
}

#[test]
fn the_first_pass_fixes_a_beginning_for_all_later_ones() {
    let overlap = "incremental = { overlap = '10s' }";
    // What pass 1 recorded, by a clock that was 20 days behind NOW.
    let recorded = NOW.parse::<Timestamp>().unwrap().as_millisecond() - 50 * DAY;
    let state = |walk: &mut WalkState| (walk.since, walk.from) = (Some(recorded), Some(recorded));
    let pass = |crawl: &Crawl, reached, end| {
        let mut record = passed(crawl, reached, end);
        record.walks.values_mut().for_each(state);
        record
    };
    for more in ["", overlap] {
        let crawl = begun("now - 30d", more);
        let reached = recorded + 40 * DAY;
        let ended = pass(&crawl, Some(reached), Some(Why::Complete));
        let next = if more.is_empty() { recorded } else { reached - 10_000 };
        let began = |records: Vec<Record>, restart| {
            let (since, from, _) = beginning(&crawl, &after(&crawl, records), restart);
            (since, from)
        };
        assert_eq!(began(vec![ended.clone()], false), (Some(next), Some(recorded)), "{more}");
        assert_eq!(
            began(vec![ended.clone()], true),
            (Some(recorded), Some(recorded)),
            "`--restart` begins there again"
        );
        let unfinished = pass(&crawl, Some(reached), None);
        assert_eq!(began(vec![unfinished], true), (Some(recorded), Some(recorded)));
        // The walk fell back to its list's beginning: it has reached nothing that another builds on.
        let mut fell_back = ended.clone();
        fell_back.walks.values_mut().for_each(|walk| (walk.since, walk.reached) = (None, None));
        assert_eq!(began(vec![fell_back], false), (Some(recorded), Some(recorded)));
        // Overlaps end at the beginning.
        let little = pass(&crawl, Some(recorded + 5), Some(Why::Complete));
        assert_eq!(began(vec![little], false), (Some(recorded), Some(recorded)));
        // Another beginning is another list.
        let other = begun("now - 31d", more);
        let fixed = Some(NOW.parse::<Timestamp>().unwrap().as_millisecond() - 31 * DAY);
        let (since, from, _) = beginning(&other, &after(&crawl, vec![ended.clone()]), false);
        assert_eq!((since, from), (fixed, fixed));
        let whole = incremental("");
        let (since, from, cursor) = beginning(&whole, &after(&crawl, vec![ended]), false);
        assert_eq!((since, from, cursor), (None, None, None), "what lies before it was never walked");
    }
}

#[test]
fn incremental_walks_of_one_endpoint_begin_together_but_none_before_its_from() {
    let walk = |name: &str, from: &str| {
        format!(
            "[[walk]]\nname = '{name}'\nendpoint = 'models'\nparams = {{ sort = 'Oldest' }}\n\
             incremental = {{ overlap = '10s' }}\n{from}\n"
        )
    };
    let of = |a: &str, b: &str| {
        let text = format!("server = 'sandbox'\ndataset = 'd'\n{}{}", walk("a", a), walk("b", b));
        let walks = choose(&definition::parse("x", &text, ENDPOINTS).unwrap().0, &Manifest::default(), false, false);
        let walks = walks.unwrap().walks;
        ["a", "b"].map(|name| walks[name].since.map(|since| since / DAY))
    };
    let day = |text: &str| Some(text.parse::<Timestamp>().unwrap().as_millisecond() / DAY);
    let (first, second) = (day("2026-11-01T00:00:00Z"), day("2026-11-02T00:00:00Z"));
    assert_eq!(of("from = '2026-11-01'", ""), [first, None]);
    assert_eq!(of("from = '2026-11-01'", "from = '2026-11-02'"), [first, second]);
    assert_eq!(of("", "from = '2026-11-02'"), [None, second]);
}

#[test]
fn a_beginning_that_cannot_be_right_is_refused_until_one_is_recorded() {
    let refused = |crawl: &Crawl, manifest: &Manifest, now: &str| {
        let chosen = super::choose(crawl, manifest, false, false, now.parse().unwrap());
        chosen.err().map(|refusal| refusal.to_string()).unwrap_or_default()
    };
    let (day, ago) = (begun("2026-12-01", ""), begun("now - 30d", ""));
    let none = Manifest::default();
    assert_eq!(
        refused(&day, &none, NOW),
        "walk `a` begins at `2026-12-01`, and by this machine's clock it is 2026-11-29T12:00:00Z: that is still to come; \
         set the clock, or write another date"
    );
    assert_eq!(
        refused(&ago, &none, "1996-11-29T12:00:00Z"),
        "walk `a` begins at `now - 30d`, and by this machine's clock it is 1996-11-29T12:00:00Z: the catalog is younger; \
         set the clock, or write another date"
    );
    assert_eq!((refused(&day, &none, "2026-12-02T00:00:00Z"), refused(&ago, &none, NOW)), Default::default());
    for crawl in [&day, &ago] {
        let mut record = passed(crawl, None, Some(Why::Complete));
        record.walks.values_mut().for_each(|walk| walk.from = Some(DAY));
        assert_eq!(refused(crawl, &after(crawl, vec![record]), "1996-11-29T12:00:00Z"), "");
    }
}

#[test]
fn a_changed_from_is_refused_in_the_middle_of_a_pass() {
    let before = begun("now - 30d", "");
    let unfinished = progress(&before, &[("a", None)]);
    assert!(choose(&begun("now - 720h", ""), &unfinished, false, false).is_ok(), "it is the same");
    let text = choose(&begun("2026-11-01", ""), &unfinished, false, false).unwrap_err().to_string();
    assert!(text.contains("walk `a`: `from` was `now - 30d`, is `2026-11-01`"), "{text}");
}

#[test]
fn a_walk_that_begins_at_its_from_is_no_measure_for_whole_ones() {
    let crawl = begun("2026-11-01", "");
    let mut record = passed(&crawl, Some(50_000), Some(Why::Complete));
    record.walks.values_mut().for_each(|walk| (walk.items, walk.from) = (70, Some(40_000)));
    let manifest = |doubtful: bool, since: Option<i64>| {
        let mut record = record.clone();
        record.walks.values_mut().for_each(|walk| walk.since = since);
        if doubtful {
            record.walks.values_mut().for_each(|walk| walk.ends = BTreeMap::from([(Why::Doubtful, 1)]));
        }
        after(&crawl, vec![record])
    };
    for (doubtful, since) in [(false, Some(40_000)), (true, Some(40_000)), (false, None), (true, None)] {
        let earlier = choose(&crawl, &manifest(doubtful, since), false, false).unwrap().earlier;
        let list = &earlier.lists["a"];
        assert!(list.believed.is_empty() && list.doubtful.is_empty() && list.items == 0, "{list:?}");
    }
}
