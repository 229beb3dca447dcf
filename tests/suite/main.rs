//! Drives the real binary against a real server over HTTP, and reads the real Parquet with real readers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod bodies;
mod canned;
mod catalog;
mod clock;
mod commits;
mod complete;
mod crash;
mod cuts;
mod damage;
mod damaged_snapshot;
mod disks;
mod download;
mod faults;
mod get;
mod halting;
mod help;
mod hostile;
mod local;
mod log;
mod lure;
mod mounts;
mod naive;
mod nights;
mod output;
mod pace;
mod privacy;
mod proxy;
mod readers;
mod readme;
mod refusals;
mod replay;
mod report;
mod resume;
mod sample;
mod schedule;
mod secrets;
mod snapshot;
mod stores;
mod studies;
mod support;
mod tls;
mod traps;
mod watch;
