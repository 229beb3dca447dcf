//! Requests that several probes share: equal ones are sent once.

use super::super::request::Request;

/// Newest models of every level that are looked at for one above PG13.
const SAMPLE: u32 = 50;
/// The levels above PG13, and those up to it.
pub(super) const LEVELS: [&str; 2] = ["28", "3"];

/// An id that no model has, and the server takes as one.
pub(super) const NO_MODEL: i64 = 2_147_483_000;

/// Returns the request for the first models, every kind and level of them.
pub(super) fn first_models() -> Request {
    list("Oldest", 3)
}

/// Returns a request for models of every kind and level, by age.
pub(super) fn list(sort: &str, limit: u32) -> Request {
    Request::new(
        "models",
        &[("sort", sort), ("limit", &limit.to_string()), ("period", "AllTime"), ("nsfw", "true"), ("archived", "true")],
    )
}

/// Returns the request for a sample of the newest models of every level.
pub(super) fn sample() -> Request {
    list("Newest", SAMPLE).with("primaryFileOnly", true)
}

/// Returns the request for the images of these levels with the most reactions.
pub(super) fn popular(levels: &str) -> Request {
    images(levels).with("sort", "Most Reactions").with("withTags", true).with("limit", 50)
}

/// Returns the request for images of these levels, of all time.
pub(super) fn images(levels: &str) -> Request {
    Request::new("images", &[("browsingLevel", levels), ("period", "AllTime")])
}
