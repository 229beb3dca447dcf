//! `GET /me`: the account that the API key belongs to. Every other endpoint answers a key that is no longer good as if there
//! were none.

/// The path below the server's base URL.
pub const PATH: &str = "me";
