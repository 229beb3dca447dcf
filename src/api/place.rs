//! The position of a page in its list, read from its cursor: compares cursors, and makes cursors beyond a row that cannot be
//! read.

use super::cursor::{cursor_instant, dated};

/// The highest id in a cursor of the models list.
const MODEL_ID_MAX: i64 = i32::MAX as i64;
/// The highest id in a cursor of the feed service.
const FEED_ID_MAX: i64 = 999_999_999_999;
/// 2100-01-01, later than any date of a list: the start of a list that runs from the newest date down.
const NO_LATER: i64 = 4_102_444_800_000;

/// A parsed cursor: the numbers that the list is sorted by, most significant first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    form: Form,
    numbers: Vec<i64>,
    /// For each number: true if it rises along the list.
    rises: Vec<bool>,
    /// The highest id, the start of a list that runs down.
    id_max: i64,
}

/// The written form of the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// With bars between them; an offset may be followed by text that the server wants back.
    Bars { rest: String },
    /// A date and an id.
    Date,
    /// `feed:value:id`.
    Feed,
}

/// The number of a position that a step changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// The one before the id, or the only one; the id is reset.
    Key,
    /// The id.
    Id,
}

impl Place {
    fn new(form: Form, numbers: Vec<i64>, rises: &[bool], id_max: i64) -> Self {
        Self { form, numbers, rises: rises.to_vec(), id_max }
    }

    /// Returns the cursor of the page at this position.
    pub fn cursor(&self) -> String {
        match (&self.form, &self.numbers[..]) {
            (Form::Date, [at, id]) => dated(*at, *id),
            (Form::Feed, [value, id]) => format!("feed:{value}:{id}"),
            (Form::Bars { rest }, numbers) => numbers.iter().map(i64::to_string).collect::<Vec<_>>().join("|") + rest,
            _ => String::new(),
        }
    }

    /// Returns the position this many steps further along the list; `None` if there is none.
    pub fn further(&self, steps: i64, along: Along) -> Option<Self> {
        let mut further = self.clone();
        let id = self.numbers.len().checked_sub(1)?;
        let moved = match along {
            Along::Id if id == 0 => return None,
            Along::Id => id,
            Along::Key => id.saturating_sub(1),
        };
        let step = |number: i64| if self.rises[moved] { number.checked_add(steps) } else { number.checked_sub(steps) };
        let number = step(self.numbers[moved])?.max(0);
        further.numbers[moved] = Some(number).filter(|number| *number != self.numbers[moved])?;
        if moved < id {
            further.numbers[id] = if self.rises[id] { 0 } else { self.id_max };
        }
        Some(further)
    }

    /// True if this position comes after the other one in the list.
    pub fn is_after(&self, other: &Self) -> bool {
        let moved = self.numbers.iter().zip(&other.numbers).zip(&self.rises).find(|((here, there), _)| here != there);
        self.numbers.len() == other.numbers.len()
            && moved.is_some_and(|((here, there), rises)| (here > there) == *rises)
    }
}

/// Parses a date and an id, both sorted in the direction of the date.
pub(super) fn date_id(cursor: Option<&str>, rises: bool) -> Option<Place> {
    let numbers = match cursor {
        Some(cursor) => vec![cursor_instant(cursor)?, cursor.split_once('|')?.1.parse().ok()?],
        None if rises => vec![0, 0],
        None => vec![NO_LATER, MODEL_ID_MAX],
    };
    Some(Place::new(Form::Date, numbers, &[rises, rises], MODEL_ID_MAX))
}

/// Parses two counters that fall and an id that rises.
pub(super) fn three_keys(cursor: &str) -> Option<Place> {
    let numbers: Vec<i64> = cursor.split('|').map(str::parse).collect::<Result<_, _>>().ok()?;
    let form = Form::Bars { rest: String::new() };
    (numbers.len() == 3).then(|| Place::new(form, numbers, &[false, false, true], MODEL_ID_MAX))
}

/// Parses an offset, perhaps followed by a bar and more text.
pub(super) fn offset(cursor: &str) -> Option<Place> {
    let (offset, rest) = cursor.split_at(cursor.find('|').unwrap_or(cursor.len()));
    let numbers = vec![offset.parse().ok().filter(|offset: &i64| *offset >= 0)?];
    Some(Place::new(Form::Bars { rest: rest.to_owned() }, numbers, &[true], 0))
}

/// Parses an id.
pub(super) fn one_id(cursor: &str, rises: bool) -> Option<Place> {
    Some(Place { rises: vec![rises], ..offset(cursor)? })
}

/// Returns the sort value in a cursor of the feed service: of lists by date an instant (milliseconds since 1970).
pub(super) fn feed_instant(cursor: &str) -> Option<i64> {
    let (value, id) = cursor.strip_prefix("feed:")?.split_once(':')?;
    id.parse::<i64>().ok()?;
    value.parse().ok()
}

/// Parses a cursor of the feed service: the sort value and an id, both sorted in the same direction.
pub(super) fn feed(cursor: &str, rises: bool) -> Option<Place> {
    let (value, id) = cursor.strip_prefix("feed:")?.split_once(':')?;
    let numbers = vec![value.parse().ok()?, id.parse().ok()?];
    Some(Place::new(Form::Feed, numbers, &[rises, rises], FEED_ID_MAX))
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Paging;
    use super::super::images::IMAGES;
    use super::super::models::MODELS;
    use super::*;

    fn place(
        endpoint: &super::super::endpoint::Endpoint,
        query: &[(&str, &str)],
        cursor: Option<&str>,
    ) -> Option<Place> {
        let Paging::Cursor { place, .. } = endpoint.paging else { return None };
        let params: Vec<_> = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        place(&params, cursor)
    }

    #[test]
    fn each_form_of_cursor_steps_along_its_list() {
        let oldest: &[(&str, &str)] = &[("sort", "Oldest")];
        let newest: &[(&str, &str)] = &[("sort", "Newest")];
        let older: &[(&str, &str)] = &[("modelId", "1")];
        let both: &[(&str, &str)] = &[("modelId", "1"), ("sort", "Oldest")];
        let date = "2024-01-02 03:04:05.678|7";
        let cases = [
            (&MODELS, oldest, Some(date), "2024-01-02 03:04:05.679|0", "2024-01-02 03:04:05.678|8"),
            (&MODELS, newest, Some(date), "2024-01-02 03:04:05.677|2147483647", "2024-01-02 03:04:05.678|6"),
            (&MODELS, oldest, None, "1970-01-01 00:00:00.001|0", "1970-01-01 00:00:00.000|1"),
            (&MODELS, newest, None, "2099-12-31 23:59:59.999|2147483647", "2100-01-01 00:00:00.000|2147483646"),
            (&MODELS, &[], Some("5|2|7"), "5|1|0", "5|2|8"),
            (&MODELS, &[], Some("5|0|7"), "", "5|0|8"),
            (&MODELS, &[("query", "x")], Some("200"), "201", ""),
            (&IMAGES, older, Some("70"), "69", ""),
            (&IMAGES, both, Some("70"), "71", ""),
            (&IMAGES, &[], Some("12|1712265847499"), "13|1712265847499", ""),
            (&IMAGES, &[], Some("12|bdx:{\"a\":1}"), "13|bdx:{\"a\":1}", ""),
            (&IMAGES, newest, Some("feed:1700:70"), "feed:1699:999999999999", "feed:1700:69"),
            (&IMAGES, oldest, Some("feed:1700:70"), "feed:1701:0", "feed:1700:71"),
        ];
        for (endpoint, query, cursor, key, id) in cases {
            let from = place(endpoint, query, cursor).unwrap_or_else(|| panic!("{cursor:?} has a place"));
            for (along, expected) in [(Along::Key, key), (Along::Id, id)] {
                let further = from.further(1, along);
                assert_eq!(further.as_ref().map(Place::cursor).unwrap_or_default(), expected, "{cursor:?} {along:?}");
                assert!(further.is_none_or(|further| further.is_after(&from) && !from.is_after(&further)));
            }
            assert!(!from.is_after(&from));
        }
        for (endpoint, cursor) in [
            (&MODELS, None),
            (&MODELS, Some("5|2")),
            (&IMAGES, None),
            (&IMAGES, Some("8f3a-77")),
            (&IMAGES, Some("-1")),
        ] {
            assert_eq!(place(endpoint, &[], cursor), None, "{cursor:?}");
        }
    }
}
