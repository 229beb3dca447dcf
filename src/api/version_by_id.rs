//! `GET /model-versions/:id`: one version by itself.
//!
//! The only place that tells when a version last changed, what it may be used for and whether it was trained on the site.
//! It does not say which place the version has among those of its model.

use super::endpoint::{Asked, Endpoint, Paging};
use super::envelope::{Page, Reason, Taken, Unreadable, repaired, take_one};
use super::version::{self, Version};
use crate::table::Tables;

/// The endpoint.
pub static VERSION: Endpoint = Endpoint {
    name: "model_version",
    path: "model-versions/{}",
    params: &[],
    limit_max: 0,
    catalog_rows: CATALOG_ROWS,
    paging: Paging::Lookup,
    read,
};

/// Version rows of any status in mid-2026; fewer are published.
pub(super) const CATALOG_ROWS: u64 = 1_170_000;

fn read(body: &str, asked: &Asked<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_one(text, asked, into, push_rows))
}

fn push_rows(version: Version<'_>, asked: &Asked<'_>, into: &mut Tables) -> Result<Taken, Reason> {
    match (version.id, asked.key) {
        (Some(id), Some(key)) if key.parse() != Ok(id) => {
            Err(format!("it is version {id}, not {key}, which was asked for").into())
        }
        _ => version::push_rows(version, asked, into),
    }
}
