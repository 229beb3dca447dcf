//! civitrawl: a resumable bulk crawler of the Civitai catalog that writes tidy Parquet tables.
//!
//! # The way of the data
//!
//! ```text
//! crawls/x.toml ─ definition ─▶ walks ─ engine::walk ─▶ fetch (pace, retry, verdict) ─▶ page bytes
//!    ─ engine::writer: api decodes them into rows of table ─▶ dataset: parts + commit ─▶ DuckDB, pandas, polars, Spark
//! ```
//!
//! The data moves in one direction. [`engine::crawl`] shows the way on one screen.
//!
//! # Where to look
//!
//! | question | file |
//! |---|---|
//! | How is a page retried? | `fetch/attempts.rs`; which answers are, `fetch/verdict.rs` |
//! | Where are rows gathered and cursors moved? | `engine/writer/page_writer.rs` |
//! | How is a commit made? | `dataset/store.rs`, drawn in `dataset/mod.rs` |
//! | How is a walk split into windows, values or numbered pages? | `engine/walk/by_*.rs` |
//! | How is a false end found? | `api/envelope.rs` and `engine/writer/walk_progress.rs`; it is rechecked by `engine/walk/by_cursor.rs` |
//! | How are missing rows rechecked? | `engine/walk/recheck.rs`, `engine/walk/missing.rs` |
//! | How is a snapshot merged? | `dataset/snapshot/` |
//! | How is a dataset copied while it is written to? | `dataset/place/` |
//! | How is a dataset copied to an object store? | `bucket/` |
//! | How do runs on changing machines go on with a dataset that lies in a bucket? | `dataset/place/truth.rs` |
//! | How do engines read a copy where it lies? | `dataset/place/delta.rs` |
//! | How are missing pages noticed by `verify`? | `dataset/page_numbers.rs` |
//! | How is a file compared with its record before it is used? | `dataset/recorded_file.rs` |
//! | How is memory bounded? | of an answer `api/allowance.rs`, of all bodies in flight `fetch/memory.rs` |
//! | How is a run stopped, whatever hangs? | `cli/signals.rs` |
//! | Which host may be asked, and which may have the key? | `place.rs`, `cli/keys.rs` |
//! | Which columns does a table have? | `table/`, one file each |
//! | Which traps of the server does the sandbox imitate? | `sandbox/traps.rs` |
//! | Which facts about the server are relied on, and how is each checked? | `doctor/probes/`, one table a group |
//!
//! # Glossary
//!
//! * **crawl**: a TOML file that names a server, a dataset, a pace and the walks.
//! * **walk**: one list of one endpoint with its parameters, for example all models by age.
//! * **partition**: one resumable sequence of pages of a walk: the whole list, a time window, or one value of a fan-out.
//! * **cursor**: the server's mark of a page. Cursors seen before are kept, so that a loop is noticed.
//! * **pass**: all walks of a crawl once, from the first page to the last end. Rows carry its number.
//! * **run**: one process that works on a pass. A pass may take several.
//! * **recheck**: a question asked again at the end of a walk, because its first answer may lack rows.
//! * **observation**: a row as one page showed it. Parts hold all observations, a snapshot the newest of each key.
//! * **part**: a Parquet file of one table and one commit.
//! * **commit**: rows and cursors made durable together, by a **record** that names the parts.
//! * **manifest**: the state of a dataset by all its records.
//! * **snapshot**: each table with one row a key, as one Parquet file or one for each **range** of ids, published under `latest/`.
//! * **place**: a directory, or a prefix of a bucket, to which a dataset was pushed, and from which it can be pulled.
//! * **reject**: an item or page that no table could take, kept as text.
//! * **trap**: a fault of the real server that the sandbox imitates on demand.
//! * **probe**: a fact about the server that the crawler relies on, with the judgement of answers that show it.
//! * **skeleton**: a body without its texts: keys, numbers, dates, cursors and words of the API are left.
//!
//! # Who may use whom
//!
//! `cli → {engine, lookup, download, doctor, bucket} → {api, fetch, dataset, definition} → {storage, table}`; a room uses only those behind its
//! arrow, and `definition` reads from `api` the parameters of an endpoint. [`place`] says how private a host is. Beside the
//! engine, [`report`] makes a page of what [`dataset`] holds. The crawler knows [`sandbox`] by HTTP only, and shares no code
//! with it. [`api`], [`table`], [`definition`], [`place`] and the files that `tests/tidy.rs` lists are pure: no I/O, no clock,
//! no randomness. Files are touched in few rooms, sockets only in [`fetch`], [`sandbox`] and `bucket`, paths are made only in
//! [`dataset::layout`]. No two files import each other, not even by a detour. `tests/tidy.rs` holds all this.
//!
//! # Invariants
//!
//! * **I1** A name ending in `.parquet` under `parts/` is complete, committed, and never changes.
//! * **I2** Once a dataset is open, the parts on disk are those that the records name and have not pruned, one to one.
//! * **I3** The cursors of record *n* follow exactly the pages whose rows are in the parts of records 1 to *n*.
//! * **I4** Once a commit has returned, no crash undoes it.
//! * **I5** Opening may die at any call and be run again.
//! * **I6** There is at most one writer.
//! * **I7** Nothing the server sent is ever part of a path in a dataset, and no file holds a secret. (The name of a downloaded
//!   file is made from the server's wish, as one plain name: see [`download::file_name`].)
//!
//! [`dataset::commit`] and [`dataset::store`] keep I1 to I6, [`dataset::layout`] and [`fetch`] keep I7.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod api;
#[cfg(feature = "stores")]
pub mod bucket;
pub mod cli;
pub mod dataset;
pub mod definition;
pub mod doctor;
pub mod download;
pub mod engine;
pub mod fetch;
pub mod lookup;
pub mod place;
pub mod report;
pub mod sandbox;
pub mod stop;
pub mod storage;
pub mod table;
