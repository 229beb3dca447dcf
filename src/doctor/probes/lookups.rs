//! Look-ups: D.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
