//! Calls of the disk that fail, by `strace`: a few of those that `scripts/disks` tries. `scripts/test` leaves this out where
//! there is no `strace`.

#![cfg(target_os = "linux")]

use crate::support::read;

#[test]
fn a_call_that_fails_once_or_for_ever_costs_no_row() {
    read("../../scripts/disks", &["16", "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}
