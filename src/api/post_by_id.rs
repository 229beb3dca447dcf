//! `GET /posts/:id`: one post, with the version it was made for and its first 100 images.
//!
//! Unlisted posts are a 404. The server takes 60 such requests a minute. What it shows of an image is less than the feed does, so
//! it counts as no observation of `images`: only the ids are taken.

use super::endpoint::{Endpoint, Paging};
use super::envelope::{repaired, take_one};
use super::page::{Page, Query, Unreadable};
use super::post::Post;
use crate::table::{Tables, posts};

/// The endpoint.
pub static POST: Endpoint = Endpoint {
    name: "post",
    path: "posts/{}",
    tables: &[&posts::TABLE],
    params: &[],
    limit_max: 0,
    // Ids reach that far in mid-2026; fewer are public.
    catalog_rows: 30_000_000,
    whole_with: &[],
    a_minute: Some(60),
    paging: Paging::Lookup,
    read,
};

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_one::<Post>(text, query, into))
}
