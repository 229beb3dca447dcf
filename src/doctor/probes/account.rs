//! The API key: G.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
