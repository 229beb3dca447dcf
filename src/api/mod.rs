//! What is known of Civitai, pure: one file per endpoint, each with its parameters, its paging truth and its JSON → rows.
//!
//! No I/O, no clock, no randomness. The server's behaviour behind each rule is told where the rule is applied.

pub mod cursor;
pub mod endpoint;
pub mod envelope;
mod model;
pub mod models;
mod models_params;
mod repair;
mod value;

use endpoint::Endpoint;

/// Every endpoint, by its word in crawl files: a new endpoint is one file and one word here.
pub static ENDPOINTS: &[&Endpoint] = &[&models::MODELS];
