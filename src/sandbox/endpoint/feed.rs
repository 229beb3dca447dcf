//! The feed service, which lists images in era 2026-09: a keyset over sort value and id, at any depth.
//!
//! Its cursor `feed:<sort value>:<image id>` stands behind the row that it names, whether the server made it or not.

use super::images_list::{ImageList, ImagePage, refused};
use super::images_query::ImageQuery;
use crate::sandbox::catalog::gallery::ImageSort;
use crate::sandbox::fault::traps::Trap;
use crate::sandbox::http::answer::Answer;

/// The deepest row that a bare number reaches.
const OFFSET_MAX: usize = 20_000;
/// The longest sort value and the longest id of a cursor, in digits.
const DIGITS: (usize, usize) = (16, 12);
/// Counters stay below it, times in ms do not.
const COUNTER_MAX: i64 = 100_000_000_000;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind so many rows.
    Offset(usize),
    /// Behind a row of this sort value and id.
    After(i64, i64),
}

/// True for a text that only the service takes as a cursor.
pub(crate) fn is_cursor(text: &str) -> bool {
    text.starts_with("feed:")
}

/// True when the service can express the request; cursors of the old path are finished there.
pub(crate) fn serves(query: &ImageQuery) -> bool {
    let old = query.cursor.as_ref().is_some_and(|cursor| cursor.contains('|'));
    let narrow = query.legacy() || query.post.is_some() || query.requiring_meta;
    !old && !narrow && query.sort != ImageSort::Random && query.limit > 0
}

/// The refusal of a cursor that belongs to another question, or to one that the service cannot express.
pub(crate) fn other_filters() -> Answer {
    Answer::message(400, "This cursor cannot be continued with these filters")
}

/// The refusal of a cursor while no service is configured.
pub(crate) fn discontinued() -> Answer {
    Answer::message(400, "This cursor can no longer be continued; start again without it")
}

/// The page of a query that the service can express. Rows with nothing to show are still on it.
pub(crate) fn page(list: &ImageList<'_>) -> Result<ImagePage, Answer> {
    let (query, gallery) = (list.query, list.rules.gallery);
    let sort = query.sort;
    let key = |rank: u32| sort.key(rank, gallery.picture(rank)).0;
    let id = |rank: u32| i64::from(gallery.picture(rank).id);
    let order = list.ordered();
    let (from, skipped) = match query.cursor.as_deref().map(|text| place(sort, text)).transpose()? {
        None => (0, 0),
        Some(Place::Offset(rows)) => (0, rows),
        Some(Place::After(value, from)) => {
            let value = if sort == ImageSort::Oldest { value } else { -value };
            let named =
                || u32::try_from(from).ok().and_then(|id| gallery.find(id)).is_some_and(|rank| key(rank) == value);
            if list.rules.traps.has(Trap::ForgedCursorsRefused) && !named() {
                return Err(refused(query.cursor.as_deref().unwrap_or_default()));
            }
            (order.partition_point(|rank| (key(*rank), id(*rank)) <= (value, from)), 0)
        }
    };
    let rows = order[from..].iter().copied().filter(|rank| list.matches(*rank));
    let mut ranks: Vec<u32> = rows.skip(skipped).take(query.limit as usize + 1).collect();
    let more = ranks.len() > query.limit as usize;
    ranks.truncate(query.limit as usize);
    let last = ranks.last().filter(|_| more);
    let next = last.map(|rank| format!("feed:{}:{}", key(*rank).unsigned_abs(), id(*rank)));
    Ok(ImagePage { ranks, next })
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
