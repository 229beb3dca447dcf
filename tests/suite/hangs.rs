//! Calls of the system that hang, by `strace`: a few of those that `scripts/stop` tries. `scripts/test` leaves this out where
//! there is no `strace`.

#![cfg(target_os = "linux")]

use crate::support::read;

#[test]
fn whatever_call_hangs_a_signal_and_the_deadline_end_the_program() {
    read("../../scripts/stop", &["32", "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}
