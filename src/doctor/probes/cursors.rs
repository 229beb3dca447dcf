//! Cursors of models: B.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
