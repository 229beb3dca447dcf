//! `GET /me`: the account of the API key. Every other endpoint treats an expired key like no key, so this one checks it.

/// The path below the server's base URL.
pub const PATH: &str = "me";
