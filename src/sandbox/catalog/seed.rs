//! The generator: everything that follows from the seed and an entry, drawn anew each time instead of stored.

use super::entry::Entry;
use super::random::{Random, Stream};
use super::words::{self, BASE_MODELS};
use crate::sandbox::traps::Traps;

/// The source of a generated catalog's items.
pub(crate) struct Generator {
    pub(crate) seed: u64,
    pub(crate) traps: Traps,
    /// User names by number.
    pub(crate) users: Vec<String>,
    /// Tag names by number.
    pub(crate) tags: Vec<String>,
}

impl Generator {
    /// The tag numbers of a model, without repeats.
    pub(crate) fn tags_of(&self, entry: &Entry) -> Vec<u32> {
        let mut random = Random::new(self.seed, Stream::Tags, u64::from(entry.id));
        let mut tags = Vec::new();
        for _ in 0..random.below(12) {
            let tag = random.skewed(11);
            if (tag as usize) < self.tags.len() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    /// The name of a model.
    pub(crate) fn name(&self, entry: &Entry) -> String {
        let name = words::model_name(&mut Random::new(self.seed, Stream::Name, u64::from(entry.id)));
        if entry.edited { format!("{name} (edited)") } else { name }
    }

    /// The base model of a version.
    pub(crate) fn base_model(&self, entry: &Entry, position: u8) -> &'static str {
        if let Some(new) = entry.new_words() {
            return new[1];
        }
        let mut random = Random::new(self.seed, Stream::Version, u64::from(entry.version_id(position)) << 1);
        let end = 1 + random.below(BASE_MODELS.len() as u32);
        BASE_MODELS[random.below(end) as usize]
    }

    /// The publication time of a version, and the draws that follow it.
    pub(crate) fn published_at(&self, entry: &Entry, position: u8) -> (i64, Random) {
        let key = (u64::from(entry.version_id(position)) << 1) | 1;
        let mut random = Random::new(self.seed, Stream::Version, key);
        (entry.published_at(position, &mut random), random)
    }
}
