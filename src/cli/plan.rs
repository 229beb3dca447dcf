//! `civitrawl plan FILE`: what a crawl will ask, from the file alone.

use std::path::PathBuf;

use super::exit::Exit;
use super::grid::{count, grid, span};
use super::{file, print};
use crate::definition::{Crawl, Server};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The crawl file
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match file::read(&arguments.file) {
        Ok(crawl) => {
            print(&plan(&crawl));
            Exit::Complete
        }
        Err(exit) => exit,
    }
}

fn plan(crawl: &Crawl) -> String {
    let (server, catalog) = match &crawl.server {
        Server::Url(url) => (url.to_string(), None),
        Server::Sandbox => (String::from("the embedded sandbox"), Some(u64::from(crawl.sandbox.models))),
    };
    let rate = crawl.pace.requests_per_second;
    let mut total = 0;
    let rows: Vec<Vec<String>> = crawl
        .walks
        .iter()
        .map(|walk| {
            let requests = catalog.unwrap_or(walk.endpoint.catalog_rows).div_ceil(u64::from(walk.limit)).max(1);
            total += requests;
            let params: Vec<String> = walk.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let asks = format!("{}?{}", walk.endpoint.path, params.join("&"));
            vec![walk.name.clone(), count(requests), span(requests as f64 / rate), asks]
        })
        .collect();
    let mut text =
        format!("`{}` asks {server} at {rate} requests per second, into {}\n\n", crawl.name, crawl.dataset.display());
    text.push_str(&grid(&["walk", "requests", "time", "asks"], &rows));
    text.push_str(&format!("\nat most {} requests in {}, retries aside\n", count(total), span(total as f64 / rate)));
    text
}
