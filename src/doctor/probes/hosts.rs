//! The other host: I.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
