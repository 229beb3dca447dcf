//! The feed service, which lists images in era 2026-09: a keyset over sort value and id, at any depth.
//!
//! Its cursor `feed:<sort value>:<image id>` continues behind the row that it names, whether the server made it or not.

use super::answer::Answer;
use super::images_list::{ImagesList, ImagesPage, refused};
use crate::sandbox::catalog::gallery::ImageSort;
use crate::sandbox::traps::Trap;

/// The deepest row that a bare number reaches.
const OFFSET_MAX: usize = 20_000;
/// The longest sort value and the longest id of a cursor, in digits.
const DIGITS: (usize, usize) = (16, 12);
/// Counters stay below it, times in ms do not.
const COUNTER_MAX: i64 = 100_000_000_000;

/// The beginning of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind this many rows.
    Offset(usize),
    /// Behind a row of this sort value and id.
    After(i64, i64),
}

/// True for a cursor of the feed service.
pub(crate) fn is_cursor(text: &str) -> bool {
    text.starts_with("feed:")
}

/// Returns the refusal of a cursor of another query, or of a query that the service cannot express.
pub(super) fn other_filters() -> Answer {
    Answer::message(400, "This cursor cannot be continued with these filters")
}

/// Returns the refusal of a cursor while no feed service is configured.
pub(crate) fn discontinued() -> Answer {
    Answer::message(400, "This cursor can no longer be continued; start again without it")
}

/// Returns the page of a query that the service can express, rows included that traps remove later.
pub(super) fn page(list: &ImagesList<'_>) -> Result<ImagesPage, Answer> {
    let (query, gallery) = (list.query, list.rules.gallery);
    let sort = query.sort;
    let key = |rank: u32| sort.key(rank, gallery.picture(rank));
    let id = |rank: u32| i64::from(gallery.picture(rank).id);
    let traps = list.rules.catalog.traps;
    let place_of = |value: i64, id: i64| (value, if traps.has(Trap::FeedTiesDescend) { -id } else { id });
    let order = list.ordered();
    let (from, skipped) = match query.cursor.as_deref().map(|text| place(sort, text)).transpose()? {
        None => (0, 0),
        Some(Place::Offset(rows)) => (0, rows),
        Some(Place::After(value, from)) => {
            let value = if sort == ImageSort::Oldest { value } else { -value };
            let named =
                || u32::try_from(from).ok().and_then(|id| gallery.find(id)).is_some_and(|rank| key(rank) == value);
            if traps.has(Trap::ForgedCursorsRefused) && !named() {
                return Err(refused(query.cursor.as_deref().unwrap_or_default()));
            }
            let named = place_of(value, from);
            let behind = |rank: &u32| match place_of(key(*rank), id(*rank)) {
                place if traps.has(Trap::FeedRowRepeats) => place < named,
                place => place <= named,
            };
            (order.partition_point(behind), 0)
        }
    };
    let rows = order[from..].iter().copied().filter(|rank| list.matches(*rank));
    let mut ranks: Vec<u32> = rows.skip(skipped).take(query.limit as usize + 1).collect();
    let more = ranks.len() > query.limit as usize;
    ranks.truncate(query.limit as usize);
    let last = ranks.last().filter(|_| more);
    let next = last.map(|rank| format!("feed:{}:{}", key(*rank).unsigned_abs(), id(*rank)));
    Ok(ImagesPage { ranks, next })
}

fn place(sort: ImageSort, text: &str) -> Result<Place, Answer> {
    let Some(keys) = text.strip_prefix("feed:") else {
        let rows = text.parse().ok().filter(|rows| *rows <= OFFSET_MAX);
        return rows.map(Place::Offset).ok_or_else(|| refused(text));
    };
    let number = |digits: &str, most: usize| {
        let fits = digits.len() <= most && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|_| fits)
    };
    let (value, id) = keys.split_once(':').unwrap_or_default();
    let (Some(value), Some(id)) = (number(value, DIGITS.0), number(id, DIGITS.1)) else {
        return Err(refused(text));
    };
    if !sort.by_date() && value > COUNTER_MAX {
        return Err(other_filters());
    }
    Ok(Place::After(value, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_two_numbers_or_an_offset() {
        let read = |text: &str| place(ImageSort::Oldest, text).map_err(|answer| answer.status);
        assert_eq!(read("feed:1712265847499:130000007"), Ok(Place::After(1_712_265_847_499, 130_000_007)));
        assert_eq!(read("feed:0:0"), Ok(Place::After(0, 0)));
        assert_eq!(read("20000"), Ok(Place::Offset(20_000)));
        for text in ["20001", "feed:", "feed:1", "feed:1:x", "feed:-1:2", "feed:12345678901234567:1", "feed:1:2:3", "x"]
        {
            assert_eq!(read(text), Err(400), "{text}");
        }
        assert!(place(ImageSort::Comments, "feed:1712265847499:0").is_err());
    }
}
