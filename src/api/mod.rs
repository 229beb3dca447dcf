//! All knowledge of Civitai's API, pure: one file per endpoint with its parameters, its real paging and its JSON → rows.
//!
//! No I/O, no clock, no randomness. Each rule is documented with the server behaviour behind it.

mod allowance;
pub mod creators;
pub mod cursor;
pub mod endpoint;
pub mod enums;
pub mod envelope;
mod exact;
mod extra;
mod image;
mod image_meta;
mod image_resource;
pub mod images;
mod images_params;
mod item;
mod letters;
mod link_names;
pub mod lookup;
pub mod me;
mod model;
pub mod model_by_id;
pub mod models;
mod models_params;
mod name_scan;
mod object;
pub mod page;
pub mod place;
mod post;
pub mod post_by_id;
pub mod pseudonym;
pub mod rejection;
pub mod repair;
pub mod tags;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod twins;
mod unknown;
mod username;
pub mod users;
mod value;
pub mod verbatim;
mod version;
pub mod version_by_hash;
pub mod version_by_id;

use endpoint::Endpoint;

/// Every endpoint. A new one is one file and one line here.
pub static ENDPOINTS: &[&Endpoint] = &[
    &models::MODELS,
    &model_by_id::MODEL,
    &version_by_id::VERSION,
    &version_by_hash::VERSION_BY_HASH,
    &images::IMAGES,
    &creators::CREATORS,
    &tags::TAGS,
    &post_by_id::POST,
    &users::USERS,
    &enums::ENUMS,
];

/// Milliseconds from 1970 to 2022-11-01, when the catalog began: a clock that is behind it is wrong.
pub const CATALOG_BEGAN: i64 = 1_667_260_800_000;

/// Milliseconds from 1970 to 2026-07-01, when its rows were counted; for `civitrawl plan`.
pub const CATALOG_COUNTED: i64 = 1_782_864_000_000;

/// The highest model id in mid-2026, roughly; for `civitrawl plan`.
pub const NEWEST_MODEL: u64 = 2_900_000;

/// The number of values of this column in mid-2026, roughly; for `civitrawl plan`. `None` if unknown.
pub fn values_in_catalog(table: &str, column: &str) -> Option<u64> {
    Some(match (table, column) {
        ("models", "id") => 900_000,
        ("model_versions", "id") => 1_170_000,
        ("creators", "username") | ("models", "creator_username" | "user_id") => 90_000,
        ("images", "post_id") => 30_000_000,
        _ => return None,
    })
}
