//! Parameters of models: C.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
