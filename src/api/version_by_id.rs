//! `GET /model-versions/:id`: one version.
//!
//! Only this endpoint reports when a version last changed, its usage control and its training on the site. It does not report the
//! version's place among those of its model.

use super::endpoint::{Endpoint, Paging};
use super::envelope::{repaired, take_one};
use super::page::{Page, Query, Unreadable};
use super::version::Version;
use crate::table::{Tables, model_versions};

/// The endpoint.
pub static VERSION: Endpoint = Endpoint {
    name: "model_version",
    path: "model-versions/{}",
    tables: &[&model_versions::TABLE],
    params: &[],
    limit_max: 0,
    catalog_rows: CATALOG_ROWS,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Lookup,
    read,
};

/// Versions of any status in mid-2026; fewer are published.
pub(super) const CATALOG_ROWS: u64 = 1_170_000;

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_one::<Version>(text, query, into))
}
