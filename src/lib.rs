//! civitrawl: a resumable bulk crawler of the Civitai catalog that writes tidy Parquet tables.
//!
//! # The way of the data
//!
//! ```text
//! crawls/x.toml ─ definition ─▶ walks ─ engine ─▶ fetch (pace, retry, verdict) ─▶ page bytes
//!    ─ api: decode + rows ─▶ table builders ─ dataset: parts + commit ─▶ DuckDB, pandas, polars, Spark
//! ```
//!
//! One direction, no way back. [`engine::crawl`] shows it on one screen.
//!
//! # The floors
//!
//! `cli → engine → {api, fetch, dataset, definition} → table`; a floor knows only those behind its arrow, and `definition`
//! looks at `api` for what an endpoint may be asked. Beside the engine, [`report`] makes a page of what [`dataset`] holds.
//! [`sandbox`] stands apart: the crawler knows it by HTTP only, and shares no code with it. [`api`], [`table`],
//! [`definition`], `dataset/commit.rs` and `fetch/verdict.rs` are pure: no I/O, no clock, no randomness. Files are only
//! touched in [`dataset`], sockets only in [`fetch`] and [`sandbox`], paths are only made in [`dataset::layout`].
//! `tests/tidy.rs` holds all this.
//!
//! # What always holds
//!
//! * **I1** A name ending in `.parquet` under `parts/` is complete, committed, and never changes.
//! * **I2** Once a dataset is open, the parts on disk are those that the records name and have not pruned, one to one.
//! * **I3** The cursors of record *n* follow exactly the pages whose rows are in the parts of records 1 to *n*.
//! * **I4** Once a commit has returned, no crash undoes it.
//! * **I5** Opening may die at any call and be run again.
//! * **I6** There is at most one writer.
//! * **I7** Nothing the server sent is ever part of a path in a dataset, and no file holds a secret. (The name of a downloaded
//!   file is made from the server's wish, as one plain name: see [`dataset::file_name`].)
//!
//! [`dataset::commit`] and [`dataset::store`] keep I1 to I6, [`dataset::layout`] and [`fetch`] keep I7.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod api;
pub mod cli;
pub mod dataset;
pub mod definition;
pub mod download;
pub mod engine;
pub mod fetch;
pub mod lookup;
pub mod report;
pub mod sandbox;
pub mod stop;
pub mod storage;
pub mod table;
