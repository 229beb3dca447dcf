//! Images, posts and users: E.

use super::super::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
