//! Drives the real binary against a real server over HTTP, and reads the real Parquet with real readers.
//!
//! A new trap of the server is a switch of the sandbox and a test `trap_NN_...` in `traps`: start a [`support::Sandbox`] with
//! `--traps its-name`, show that [`naive::follow`] loses something, crawl with
//! `crawl(&sandbox, &[Walk::of("models").params("sort = \"Oldest\"")], 0)` (which also verifies the dataset), and compare
//! `room.query(sql)` with `sandbox.truth("models?sort=Oldest")`. Where the sandbox cannot do it, `Server::answering` can.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod absence;
mod account;
mod bodies;
#[cfg(feature = "stores")]
mod buckets;
mod budget;
mod catalog;
mod clock;
mod commits;
mod complete;
mod corpus;
mod crash;
mod cuts;
mod damage;
mod damaged_snapshot;
mod delta;
mod disks;
mod doctor;
mod doctor_files;
mod doctor_hostile;
mod download;
mod dropped;
mod echo;
mod ends;
mod faults;
mod feed;
mod feed_proof;
mod first_look;
mod folders;
mod foreign;
mod from;
mod galleries;
mod get;
mod halting;
mod hangs;
mod help;
mod hostile;
mod hosts;
mod http2;
mod keys;
mod large;
mod levels;
mod local;
mod mounts;
mod naive;
mod nights;
mod operator;
mod options;
mod output;
mod pace;
mod paths;
mod pipes;
mod places;
mod plan;
mod planted;
mod posts;
mod privacy;
mod progress;
mod ranges;
mod readers;
mod readme;
mod refusals;
mod replay;
mod report;
mod resume;
mod rot;
mod sample;
mod schedule;
mod secrets;
mod snapshot;
mod stores;
mod studies;
mod support;
mod tls;
mod traps;
mod truth;
mod truth_model;
mod twins;
mod values;
mod watch;
