//! `GET /models/:id`: one model, in the shape of the list.
//!
//! It shows more than the list: models of every level, archived and minor-flagged ones, and versions that are not public. A model
//! that is hidden for any reason is a 404.

use super::endpoint::{Endpoint, Paging};
use super::envelope::{repaired, take_one};
use super::model::Model;
use super::page::{Page, Query, Unreadable};
use crate::table::{Tables, models};

/// The endpoint.
pub static MODEL: Endpoint = Endpoint {
    name: "model",
    path: "models/{}",
    tables: &[&models::TABLE],
    params: &[],
    limit_max: 0,
    // Models of any status in mid-2026; fewer are published.
    catalog_rows: 900_000,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Lookup,
    read,
};

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_one::<Model>(text, query, into))
}
