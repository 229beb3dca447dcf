//! `civitrawl plan FILE`: the requests of a crawl, estimated from the file alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::crawl_file;
use super::exit::Exit;
use super::format::{count, grid, several, span};
use super::output::print;
use crate::api::endpoint::Endpoint;
use crate::api::images::{IMAGES, is_of_one_side};
use crate::api::{CATALOG_BEGAN, CATALOG_COUNTED, NEWEST_MODEL, values_in_catalog};
use crate::definition::{Crawl, Each, Partitioning, Server, Source, Walk};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The crawl file: TOML that says what to fetch, such as `crawls/models.toml`
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match crawl_file::read(&arguments.file) {
        Ok(crawl) => {
            print(plan(&crawl));
            Exit::Complete
        }
        Err(exit) => exit,
    }
}

fn plan(crawl: &Crawl) -> Vec<String> {
    let server = match &crawl.server {
        Server::Url(url) => url.to_string(),
        Server::Sandbox => String::from("the embedded sandbox"),
    };
    let rate = crawl.pace.requests_per_second;
    let requests: Vec<Option<u64>> = crawl.walks.iter().map(|walk| requests(crawl, walk)).collect();
    let rows: Vec<Vec<String>> =
        crawl.walks.iter().zip(&requests).map(|(walk, requests)| row(walk, *requests, rate)).collect();
    let total: u64 = requests.iter().flatten().sum();
    let requests_per_second = if rate == 1.0 { String::from("1 request") } else { format!("{rate} requests") };
    let unknown = if requests.contains(&None) { "; unknown walks not counted" } else { "" };
    let head =
        format!("`{}` asks {server} at {requests_per_second} per second, into {}", crawl.name, crawl.dataset.display());
    let own = crawl.walks.iter().map(|walk| of_own_limit(crawl, &requests, walk.endpoint)).fold(0.0, f64::max);
    let (total, time) = (several(total, "request"), span(own.max(total as f64 / rate)));
    let mut lines = vec![head, String::new()];
    lines.extend(grid(&["walk", "requests", "time", "asks"], &rows));
    lines.extend([String::new(), format!("about {total} in {time}, retries aside{unknown}")]);
    lines
}

fn row(walk: &Walk, requests: Option<u64>, rate: f64) -> Vec<String> {
    let params: Vec<String> = walk.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut asks = walk.endpoint.path.to_owned();
    if !params.is_empty() {
        asks.push_str(&format!("?{}", params.join("&")));
    }
    match &walk.partitioning {
        Partitioning::One => {}
        Partitioning::Windows { count, .. } => asks.push_str(&format!(" in {count} time windows")),
        Partitioning::Each(each) => asks.push_str(&format!(" for each {}", source(each))),
    }
    if let Some(from) = walk.later.from {
        asks.push_str(&format!(" from {from} on, about"));
    }
    if walk.later.incremental.is_some() {
        asks.push_str("; later passes ask only for what is new");
    }
    let shown = |requests: Option<String>| requests.unwrap_or_else(|| String::from("unknown"));
    let time = requests.map(|requests| span(own_seconds(requests, walk.endpoint).max(requests as f64 / rate)));
    vec![walk.name.clone(), shown(requests.map(count)), shown(time), asks]
}

/// Returns the seconds that so many requests take by the endpoint's own limit; 0 if it has none.
fn own_seconds(requests: u64, endpoint: &Endpoint) -> f64 {
    endpoint.a_minute.map_or(0.0, |a_minute| 60.0 * requests as f64 / f64::from(a_minute))
}

/// Returns the seconds that all walks over an endpoint take together by its own limit.
fn of_own_limit(crawl: &Crawl, requests: &[Option<u64>], endpoint: &Endpoint) -> f64 {
    let of_endpoint = crawl.walks.iter().zip(requests).filter(|(walk, _)| walk.endpoint.name == endpoint.name);
    own_seconds(of_endpoint.filter_map(|(_, requests)| *requests).sum(), endpoint)
}

fn source(each: &Each) -> String {
    match &each.source {
        Source::Column { table, column, choice } => {
            let top = choice
                .top
                .as_ref()
                .map_or_else(String::new, |top| format!("the {} largest by {} of ", top.count, top.by));
            let conditions = choice.conditions.iter().enumerate().map(|(index, condition)| {
                let joined = if index == 0 { "where" } else { "and" };
                format!(" {joined} {} = {}", condition.column, condition.written)
            });
            format!("{top}{table}.{column}{}", conditions.collect::<String>())
        }
        Source::Changed { table, column } => format!("{table}.{column} that changed"),
        Source::List(values) => format!("of {}", several(values.len() as u64, "value")),
        Source::Range { first, last } => format!("{} of {first}..{last}", each.param.as_deref().unwrap_or("id")),
        Source::Newest { first } => format!("{} of {first}..newest", each.param.as_deref().unwrap_or("id")),
        Source::Types => String::from("model type"),
    }
}

/// Returns the expected pages of each walk, as far as the size of the server's catalog is known.
pub(super) fn expected(crawl: &Crawl) -> BTreeMap<String, u64> {
    let known = matches!(crawl.server, Server::Sandbox) || !crawl.server.is_local();
    let walks = crawl.walks.iter().filter(|_| known);
    walks.filter_map(|walk| Some((walk.name.clone(), requests(crawl, walk)?))).collect()
}

/// Returns about how many of the catalog's rows the list of a walk has at `now`. A walk with `from` shares them by time, as if they
/// had come evenly.
fn rows_of_list(walk: &Walk, catalog: u64, now: i64) -> u64 {
    let images = walk.endpoint.name == IMAGES.name && is_of_one_side(&walk.params);
    let rows = if images { catalog.div_ceil(2) } else { catalog };
    let Some(from) = walk.later.from else { return rows };
    let share = now.saturating_sub(from.at(now)) as f64 / (CATALOG_COUNTED - CATALOG_BEGAN) as f64;
    (rows as f64 * share.clamp(0.0, 1.0)).ceil() as u64
}

/// Returns the requests of a walk at the published size of the catalog, or the sandbox's; `None` if unknown.
fn requests(crawl: &Crawl, walk: &Walk) -> Option<u64> {
    let catalog = match &crawl.server {
        Server::Sandbox if walk.endpoint.name == "models" => u64::from(crawl.sandbox.models),
        _ => walk.endpoint.catalog_rows,
    };
    let pages = |rows: u64| rows.div_ceil(u64::from(walk.limit.max(1))).max(1);
    let catalog = rows_of_list(walk, catalog, Timestamp::now().as_millisecond());
    match &walk.partitioning {
        Partitioning::One | Partitioning::Windows { .. } => Some(pages(catalog)),
        Partitioning::Each(each) => {
            let values = match &each.source {
                Source::Column { table, column, choice } => match (&choice.top, choice.conditions.is_empty()) {
                    (Some(top), true) => top.count as u64,
                    (None, true) => values_in_catalog(table, column)?,
                    (_, false) => return None,
                },
                Source::Changed { .. } => return None,
                Source::List(values) => values.len() as u64,
                Source::Range { first, last } => last.abs_diff(*first) + 1,
                Source::Newest { .. } if crawl.server == Server::Sandbox => return None,
                Source::Newest { first } => NEWEST_MODEL.saturating_sub(first.unsigned_abs()) + 1,
                Source::Types => return Some(pages(catalog)),
            };
            Some(values.div_ceil(u64::from(each.batch.max(1))))
        }
    }
}
