//! The view of a request on a model, and everything that rendering a model's item depends on.

use crate::sandbox::catalog::entry::Entry;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::seed::Generator;
use crate::sandbox::traps::{Trap, Traps};

/// The parts of a model that a request gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The request asks for all levels; otherwise only PG images are shown.
    pub(crate) nsfw: bool,
    /// Versions that are not Public are shown too.
    pub(crate) all_versions: bool,
    /// The versions that the request's filters leave: bit k is set for version k.
    pub(crate) among: u16,
    /// The item of `models/:id` rather than that of the list.
    pub(crate) detail: bool,
}

impl View {
    /// Everything that a list can show of a model.
    pub(crate) const EVERYTHING: View = View { nsfw: true, all_versions: true, among: u16::MAX, detail: false };
    /// The item of `models/:id`.
    pub(crate) const DETAIL: View = View { detail: true, ..View::EVERYTHING };
}

/// The item-level traps that strike one model.
#[derive(Clone, Copy)]
pub(crate) struct Oddity {
    pub(crate) text_licence: bool,
    pub(crate) null_counters: bool,
    pub(crate) empty_versions: bool,
    pub(crate) lone_surrogate: bool,
    pub(crate) control_byte: bool,
    pub(crate) odd: bool,
    pub(crate) missing: bool,
}

impl Oddity {
    /// Draws the traps of one model from its id.
    fn of(seed: u64, id: u32, traps: Traps) -> Oddity {
        let mut random = Random::new(seed, Stream::Oddity, u64::from(id));
        let mut draw = |trap, per_mille| random.chance(per_mille) && traps.has(trap);
        Oddity {
            text_licence: draw(Trap::TextLicences, 500),
            null_counters: draw(Trap::NullCounters, 60),
            empty_versions: draw(Trap::EmptyVersions, 20),
            lone_surrogate: draw(Trap::LoneSurrogates, 20),
            control_byte: draw(Trap::ControlBytes, 20),
            odd: draw(Trap::OddFields, 100),
            missing: draw(Trap::OddFields, 50),
        }
    }
}

/// A generated model being rendered.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) generator: &'a Generator,
    pub(crate) entry: &'a Entry,
    pub(crate) view: View,
    pub(crate) oddity: Oddity,
}

impl<'a> Item<'a> {
    /// A model as a request with this view sees it.
    pub(crate) fn new(generator: &'a Generator, entry: &'a Entry, view: View) -> Item<'a> {
        Item { generator, entry, view, oddity: Oddity::of(generator.seed, entry.id, generator.traps) }
    }

    /// The positions of the versions that its item may list, in their order.
    pub(crate) fn listed_versions(&self) -> impl Iterator<Item = u8> + '_ {
        let empty = self.oddity.empty_versions && !self.view.detail;
        self.entry.listed_versions().take(if empty { 0 } else { usize::from(self.entry.version_count()) })
    }
}
