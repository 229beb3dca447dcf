//! Drives the real binary against a real server over HTTP, and reads the real Parquet with real readers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod canned;
mod complete;
mod readers;
mod support;
