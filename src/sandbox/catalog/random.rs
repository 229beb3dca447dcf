//! A splitmix64 generator: the whole catalog is a function of (seed, stream, key), so any item can be rendered alone.

/// The purpose of a sequence; keeps the draws of one part of an item independent of every other part.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Index = 1,
    Calendar,
    Name,
    Text,
    Tags,
    Version,
    File,
    Image,
    Oddity,
    Share,
    Picture,
    Post,
    Meta,
    Listed,
    Schedule,
    Trick,
    Person,
    Content,
    Showing,
    Posted,
    Tie,
    Lifetime,
}

/// A deterministic sequence of numbers.
pub(crate) struct Random(u64);

impl Random {
    /// Returns the sequence of one stream and key under a seed.
    pub(crate) fn new(seed: u64, stream: Stream, key: u64) -> Random {
        let mut state = seed ^ (stream as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        state = mix(state).wrapping_add(key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Random(mix(state))
    }

    /// Returns the next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Returns a number in `0..bound`; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        ((self.next() >> 32).wrapping_mul(u64::from(bound)) >> 32) as u32
    }

    /// Returns true this many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// Returns one of the choices, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX));
        choices[index as usize]
    }

    /// Returns a value by its share in a thousand; `None` when the draw lies beyond all shares.
    pub(crate) fn weighted(&mut self, shares: &[(u8, u32)]) -> Option<u8> {
        let mut left = self.below(1000);
        for (value, share) in shares {
            match left.checked_sub(*share) {
                Some(rest) => left = rest,
                None => return Some(*value),
            }
        }
        None
    }

    /// Returns a counter as popularity makes them: mostly small, rarely near `2^bits`.
    pub(crate) fn skewed(&mut self, bits: u32) -> u32 {
        let scale = self.below(bits + 1).min(self.below(bits + 1));
        let floor = 1u32 << scale;
        floor - 1 + self.below(floor)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_repeat_and_differ_by_stream_and_key() {
        let draw = |seed, stream, key| {
            let mut random = Random::new(seed, stream, key);
            [random.next(), random.next()]
        };
        assert_eq!(draw(1, Stream::Name, 7), draw(1, Stream::Name, 7));
        assert_ne!(draw(1, Stream::Name, 7), draw(1, Stream::Text, 7));
        assert_ne!(draw(1, Stream::Name, 7), draw(1, Stream::Name, 8));
        assert_ne!(draw(1, Stream::Name, 7), draw(2, Stream::Name, 7));
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(3, Stream::Index, 0);
        assert!((0..10_000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
        assert!((0..10_000).all(|_| random.skewed(10) < 2048));
    }
}
