//! Lists by number, and words: F.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
