//! The sections of the page.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::catalog::{Catalog, LEVELS};
use super::chart::{self, COLOURS, figure};
use super::health::Health;
use super::tally::Tally;
use super::text::{bytes, change, count, foreign, percent};
use crate::dataset::snapshot::Contents;
use crate::dataset::snapshot_reader::SnapshotReader;

/// Most runs shown of a pass.
const RUNS: usize = 10;

pub(super) fn models(catalog: &Catalog) -> Markup {
    // Most catalogs lack some levels.
    let held: Vec<usize> = (0..LEVELS.len()).filter(|level| catalog.levels[*level] > 0).collect();
    let heads: Vec<&str> = held.iter().map(|level| LEVELS[*level]).collect();
    let of_types = catalog.types.names.iter().zip(&catalog.levels_of_types);
    let of_types =
        of_types.map(|((name, _), levels)| (name.clone(), held.iter().map(|level| levels[*level]).collect()));
    let rows: Vec<(String, Vec<u64>)> = of_types.collect();
    let levels = Tally::of_few(held.iter().map(|level| (LEVELS[*level], catalog.levels[*level])));
    html! {
        section {
            h2 { "Models" }
            div.two {
                (chart::bars("By type", "models", &catalog.types, catalog.models))
                (chart::bars("By the highest level they show", "models", &levels, catalog.models))
            }
            (chart::matrix("Types and levels: the more of a type, the stronger its colour", &heads, &rows))
        }
    }
}

pub(super) fn versions(catalog: &Catalog) -> Markup {
    let top = catalog.base_models.names.iter().take(COLOURS - 1);
    let mut parts: Vec<String> = top.map(|(name, _)| name.clone()).collect();
    let month = |(month, numbers): (&String, &[u64; COLOURS])| {
        let (of_parts, others) = numbers.split_at(parts.len());
        (month.clone(), [of_parts, &[others.iter().sum()]].concat())
    };
    let months: Vec<(String, Vec<u64>)> = catalog.months.iter().map(month).collect();
    parts.push(String::from("others"));
    html! {
        section {
            h2 { "Versions" }
            (chart::columns("Versions published a month, by base model", &parts, &months))
            (chart::bars("By base model", "versions", &catalog.base_models, catalog.versions))
        }
    }
}

pub(super) fn licences(catalog: &Catalog) -> Markup {
    let licences = &catalog.licences;
    let terms = Tally::of_few([
        ("no credit needed", licences.no_credit),
        ("derivatives may be shared", licences.derivatives),
        ("under other terms", licences.other_terms),
    ]);
    html! {
        section {
            h2 { "Licences" }
            div.two {
                (chart::bars("Commercial uses that creators permit", "models", &licences.commercial, catalog.models))
                (chart::bars("Other permissions", "models", &terms, catalog.models))
            }
        }
    }
}

pub(super) fn people(catalog: &Catalog) -> Markup {
    let creators = &catalog.creator_downloads.names;
    let longest = creators.first().map_or(1, |(_, count)| *count);
    html! {
        section {
            h2 { "Creators and tags" }
            div.two {
                table.bars {
                    caption { "Creators whose models are downloaded most" }
                    colgroup { col.name; col; col.share; col.share; }
                    thead { tr { th { "creator" } th { "downloads" } th { "share" } th { "models" } } }
                    tbody {
                        @for ((name, downloads), models) in creators.iter().zip(&catalog.creator_models) {
                            tr {
                                th scope="row" { (foreign(name)) }
                                (chart::bar(*downloads, longest, catalog.downloads))
                                td.share { (count(*models)) }
                            }
                        }
                    }
                }
                (chart::bars("Tags that most models carry", "models", &catalog.model_tags, catalog.models))
            }
        }
    }
}

pub(super) fn files(catalog: &Catalog) -> Markup {
    let files = &catalog.files;
    html! {
        section {
            h2 { "Files" }
            p { (count(files.count)) " files of " (bytes(files.bytes)) " in all; one that several versions share counts for each." }
            div.three {
                (chart::bars("Formats", "files", &files.formats, files.count))
                (chart::bars("Pickle scans", "files", &files.pickle_scans, files.count))
                (chart::bars("Virus scans", "files", &files.virus_scans, files.count))
            }
        }
    }
}

pub(super) fn images(catalog: &Catalog) -> Markup {
    let mut kept = Vec::new();
    for (what, (images, with)) in [("showcase images", catalog.showcase), ("posted images", catalog.images)] {
        if images > 0 {
            kept.push(vec![
                html! { (what) },
                html! { (count(images)) },
                html! { (count(with)) },
                html! { (percent(with, images)) },
            ]);
        }
    }
    html! {
        @if !kept.is_empty() {
            section {
                h2 { "Images" }
                div.two {
                    (chart::grid("Images with generation data", &["", "images", "with data", "share"], &kept))
                    @if catalog.images.0 > 0 {
                        (chart::bars("Posted images by kind", "images", &catalog.image_types, catalog.images.0))
                    }
                }
            }
        }
    }
}

/// Renders the rows of each table against the previous snapshot; `there` holds each table's things that are not gone.
pub(super) fn growth(snapshot: &SnapshotReader<'_>, there: &BTreeMap<&str, u64>) -> Markup {
    let rows = |file: &str| {
        let previous = snapshot.previous.as_ref()?;
        previous.tables().into_iter().find(|other| other.name == file).map(|other| other.rows)
    };
    let table = |table: Contents| {
        let grown = rows(&table.name).map_or(String::from("–"), |before| change(table.rows, before));
        let there = there.get(table.name.as_str());
        let gone = there.map_or(String::new(), |there| count(table.rows.saturating_sub(*there)));
        let cells = [table.name, count(table.rows), grown, gone, bytes(table.bytes as f64)];
        cells.map(|cell| html! { (cell) }).to_vec()
    };
    let tables: Vec<Vec<Markup>> = snapshot.inventory.tables().into_iter().map(table).collect();
    let since = snapshot.previous.as_ref().map(|previous| previous.at.strftime("; grown since %Y-%m-%d %H:%M UTC"));
    let caption = format!(
        "Rows of the snapshot, things that are gone included{}",
        since.map_or(String::new(), |since| since.to_string())
    );
    html! {
        section {
            h2 { "Tables" }
            (chart::grid(&caption, &["table", "rows", "grown", "gone", "size"], &tables))
        }
    }
}

pub(super) fn health(health: &Health) -> Markup {
    let statuses = Tally::of_few(health.statuses.iter().map(|(status, count)| (&**status, *count)));
    let endpoint = |(name, endpoint): (&String, &super::health::Endpoint)| {
        let time =
            |percent| endpoint.latency.percentile(percent).map_or(String::from("–"), |ms| format!("{ms}\u{a0}ms"));
        vec![
            html! { (foreign(name)) },
            html! { (count(endpoint.pages)) },
            html! { (count(endpoint.items)) },
            html! { (bytes(endpoint.bytes as f64)) },
            html! { (count(endpoint.again)) },
            html! { (time(50)) },
            html! { (time(95)) },
            html! { (time(99)) },
            html! { (time(100)) },
        ]
    };
    let endpoints: Vec<Vec<Markup>> = health.endpoints.iter().map(endpoint).collect();
    let heads =
        ["endpoint", "pages", "items", "size", "asked again", "half within", "95 % within", "99 % within", "longest"];
    html! {
        section {
            h2 { "The crawl" }
            dl.figures {
                (figure("pages", health.endpoints.values().map(|endpoint| endpoint.pages).sum()))
                (figure("requests", health.sum(|run| run.requests)))
                (figure("retries", health.sum(|run| run.retries)))
                (figure("pauses", health.sum(|run| run.pauses)))
                (figure("rejects", health.rejects.total()))
            }
            (chart::grid("Pages of this pass, and how long their answers took", &heads, &endpoints))
            div.two {
                (chart::bars("Answers by HTTP status", "answers", &statuses, statuses.total()))
                (chart::bars("Items that no table could take", "items", &health.rejects, health.rejects.total()))
            }
            (runs(health))
            h3 { "What may be missing" }
            @if health.doubts.is_empty() { p.good { "Nothing that is known." } } @else {
                ul.doubts { @for doubt in &health.doubts { li { (foreign(doubt)) } } }
            }
            @if !health.waiting.is_empty() {
                h3 { "Work for the next run" }
                ul.doubts { @for place in &health.waiting { li { (foreign(place)) } } }
            }
            @if !health.words.is_empty() {
                h3 { "New words" }
                ul.doubts { @for words in &health.words { li { (foreign(words)) } } }
            }
            @if !health.unknown.is_empty() {
                h3 { "What fits no column" }
                ul.doubts { @for key in &health.unknown { li { (foreign(key)) } } }
            }
        }
    }
}

fn runs(health: &Health) -> Markup {
    let run = |run: &super::health::Run| {
        vec![
            html! { (run.began_at.get(..16).unwrap_or_default().replace('T', " ")) " UTC" },
            html! { (run.state) },
            html! { (count(run.requests)) },
            html! { (format!("{:.2}", run.rate)) },
            html! { (count(run.retries)) },
            html! { (count(run.pauses)) },
        ]
    };
    let shown: Vec<Vec<Markup>> = health.runs.iter().rev().take(RUNS).map(run).collect();
    let caption = format!("Runs of this pass: {} of {}, newest first", shown.len(), health.runs.len());
    chart::grid(&caption, &["began", "ended", "requests", "a second", "retries", "pauses"], &shown)
}
