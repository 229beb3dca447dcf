//! The options of a catalog: the part of the sandbox's settings that decides which models exist.

use crate::sandbox::era::Era;
use crate::sandbox::traps::Traps;

/// The options that a catalog is a function of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CatalogOptions<'a> {
    pub(crate) seed: u64,
    pub(crate) traps: Traps,
    pub(crate) era: Era,
    pub(crate) models: u32,
    /// `None` for one creator in six models.
    pub(crate) creators: Option<u32>,
    /// `None` for the whole vocabulary, or two tags for three models where that is more.
    pub(crate) tags: Option<u32>,
    /// Recorded items as JSON lines, in place of generated ones.
    pub(crate) recorded: Option<&'a str>,
}
