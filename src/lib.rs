//! civitrawl: a resumable bulk crawler of the Civitai catalog that writes tidy Parquet tables.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
pub mod cli;
pub mod dataset;
pub mod definition;
pub mod engine;
pub mod fetch;
pub mod sandbox;
pub mod table;
