//! `civitrawl plan FILE`: the requests of a crawl and what its tables take, before it runs.

use super::crawl_file::CrawlFile;
use super::estimate::{Estimate, Estimates};
use super::exit::Exit;
use super::format::{count, grid, several, size, span};
use super::output::print;
use crate::api::endpoint::Endpoint;
use crate::definition::{Crawl, Each, Partitioning, Server, Source, Walk};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    crawl: CrawlFile,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match arguments.crawl.read() {
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
    let estimates = Estimates::of(crawl);
    let rows: Vec<Vec<String>> =
        crawl.walks.iter().zip(&estimates.walks).map(|(walk, estimate)| row(walk, estimate, rate)).collect();
    let requests_per_second = if rate == 1.0 { String::from("1 request") } else { format!("{rate} requests") };
    let head =
        format!("`{}` asks {server} at {requests_per_second} per second, into {}", crawl.name, crawl.dataset.display());
    let total = estimates.total();
    let requests = total.most.unwrap_or(total.least);
    let own = crawl.walks.iter().map(|walk| of_own_limit(crawl, &estimates, walk.endpoint)).fold(0.0, f64::max);
    let time = span(own.max(requests as f64 / rate));
    let mut lines = vec![head];
    if let Some(store) = &crawl.store {
        let dataset = crawl.dataset.display();
        lines.push(format!(
            "the truth is {store}, and the directory a copy to work on; to read it without a crawl: civitrawl pull {store} {dataset}"
        ));
    }
    lines.push(String::new());
    lines.extend(grid(&["walk", "requests", "time", "asks"], &rows));
    let about = if total.most == Some(total.least) { "about" } else { bound(&total) };
    let requests = several(requests, "request");
    lines.extend([String::new(), format!("{about} {requests} in {time}, retries and rechecks aside")]);
    lines.push(bytes(crawl, &estimates));
    if let Some((pass, pages)) = estimates.unfinished {
        lines.push(format!(
            "pass {pass} is unfinished: {} of it are there, and the next run continues",
            several(pages, "page")
        ));
    }
    lines
}

/// Returns the words before a number that is not exact.
fn bound(estimate: &Estimate) -> &'static str {
    match estimate.most {
        None => "at least",
        Some(most) if most != estimate.least => "at most",
        Some(_) => "",
    }
}

/// Returns the sentence about the room that the tables take.
fn bytes(crawl: &Crawl, estimates: &Estimates) -> String {
    let (mut total, mut unknown, mut an_item): (u64, Vec<String>, Vec<String>) = Default::default();
    for (walk, (estimate, (bytes, is_own))) in
        crawl.walks.iter().zip(estimates.walks.iter().zip(&estimates.bytes_an_item))
    {
        let Some(items) = estimate.items else {
            unknown.push(format!("`{}`", walk.name));
            continue;
        };
        total += items * bytes;
        let source = if *is_own { "in this dataset" } else { "on the sandbox" };
        let line = format!("{} for one of `{}` {source}", size(*bytes), walk.endpoint.name);
        if !an_item.contains(&line) {
            an_item.push(line);
        }
    }
    let without = if unknown.is_empty() { String::new() } else { format!(" without {}", unknown.join(", ")) };
    match an_item.is_empty() {
        true => String::from("the bytes of the tables depend on what the walks find"),
        false => format!(
            "parts{without} of {} at most, as measured by {}; a snapshot takes less again",
            size(total),
            an_item.join(", ")
        ),
    }
}

fn row(walk: &Walk, estimate: &Estimate, rate: f64) -> Vec<String> {
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
        asks.push_str(&format!(" from {from} on"));
    }
    if walk.later.incremental.is_some() {
        asks.push_str("; later passes ask only for what is new");
    }
    if !estimate.why.is_empty() {
        asks.push_str(&format!("; {}", estimate.why));
    }
    let requests = estimate.most.unwrap_or(estimate.least);
    if requests == 0 && estimate.most.is_none() {
        return [&*walk.name, "unknown", "unknown", &asks].map(str::to_owned).into();
    }
    let shown = format!("{} {}", bound(estimate), count(requests));
    let time = span(own_seconds(requests, walk.endpoint).max(requests as f64 / rate));
    vec![walk.name.clone(), shown.trim_start().to_owned(), time, asks]
}

/// Returns the seconds that so many requests take by the endpoint's own limit; 0 if it has none.
fn own_seconds(requests: u64, endpoint: &Endpoint) -> f64 {
    endpoint.a_minute.map_or(0.0, |a_minute| 60.0 * requests as f64 / f64::from(a_minute))
}

/// Returns the seconds that all walks over an endpoint take together by its own limit.
fn of_own_limit(crawl: &Crawl, estimates: &Estimates, endpoint: &Endpoint) -> f64 {
    let of_endpoint = crawl.walks.iter().zip(&estimates.walks).filter(|(walk, _)| walk.endpoint.name == endpoint.name);
    own_seconds(of_endpoint.map(|(_, estimate)| estimate.most.unwrap_or(estimate.least)).sum(), endpoint)
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
