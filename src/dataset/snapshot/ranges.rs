//! The ranges of ids in which large tables are kept, a file each, so that a night rewrites those in which something changed. Pure.

/// Ids of one range, as a power of two: about 130 ranges of today's images, whose files are some 70 MB.
const WIDTH: u32 = 20;
/// The last range. The server counts in 32 bits; whatever ids it sends, there are no more ranges than these.
const LAST: i64 = 2047;

/// Returns the range of an id. The first range has all ids below it as well, the last one all above it.
pub(super) fn range_of(id: i64) -> u16 {
    (id >> WIDTH).clamp(0, LAST) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_have_a_million_ids_and_none_is_beyond_the_last() {
        let cases = [
            (i64::MIN, 0),
            (-1, 0),
            (0, 0),
            ((1 << 20) - 1, 0),
            (1 << 20, 1),
            (136_000_000, 129),
            (i64::from(i32::MAX), 2047),
            (1 << 31, 2047),
            (i64::MAX, 2047),
        ];
        for (id, range) in cases {
            assert_eq!(range_of(id), range, "{id}");
        }
    }

    proptest! {
        #[test]
        fn ranges_follow_each_other_as_ids_do(a: i64, b: i64) {
            prop_assert_eq!(range_of(a.min(b)), range_of(a).min(range_of(b)));
        }
    }
}
