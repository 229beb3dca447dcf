//! `GET /model-versions/by-hash/:hash`: the version that a file belongs to, by any of the file's hashes.
//!
//! If several versions have the file, the server returns the oldest published one. The hash is not checked against the files
//! shown, since files that are not public have hashes too.

use super::endpoint::{Endpoint, Paging};
use super::envelope::{repaired, take_one};
use super::page::{Page, Query, Unreadable};
use super::version::Version;
use super::version_by_id::CATALOG_ROWS;
use crate::table::{Tables, model_versions};

/// The endpoint.
pub static VERSION_BY_HASH: Endpoint = Endpoint {
    name: "model_version_by_hash",
    path: "model-versions/by-hash/{}",
    tables: &[&model_versions::TABLE],
    params: &[],
    limit_max: 0,
    catalog_rows: CATALOG_ROWS,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Lookup,
    read,
};

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    // The key is a hash, and no field of a version can be checked against it.
    let query = Query { key: None, ..*query };
    repaired(body, |text| take_one::<Version>(text, &query, into))
}
