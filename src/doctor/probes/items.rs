//! The items of all answers, as the decoders see them: S.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
