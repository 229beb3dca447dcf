//! The beginning of the models by date, read in several ways while it stays the same.

use std::cmp::Reverse;

use serde_json::Value;

use super::super::answers::{Answers, Heard};
use super::super::exchange::Page;
use super::super::finding::Pause;
use super::super::request::Request;
use super::asked::{NO_MODEL, list, sample};
use crate::api::endpoint::{NextCursor, Paging, Windows};
use crate::api::models::MODELS;

/// Rows of a page: the next number is taken if the row that its cursor names is not shown.
const FEW: [u32; 3] = [3, 4, 2];
/// Rows of the page that two pages are compared with.
const MANY: u32 = 7;

/// The names of the readings.
pub(super) const OLDEST: &str = "oldest";
pub(super) const NEWEST: &str = "newest";

/// A page, the one that its cursor opens, and a longer one that shows all of their rows.
#[derive(Debug, Clone)]
pub(super) struct Beginning<'a> {
    /// True for the newest models, false for the oldest.
    pub newest: bool,
    /// Rows of the first page.
    pub few: u32,
    /// The longer page.
    pub longer: Page<'a>,
    /// The first page.
    pub first: Page<'a>,
    /// The cursor of the first page.
    pub cursor: &'a str,
    /// The page that this cursor opens.
    pub raw: Heard<'a>,
    /// The cursor as a crawl sends it.
    pub sent: String,
    /// The page that this one opens.
    pub repaired: Heard<'a>,
}

/// The beginning of the oldest models, and further pages of these.
#[derive(Debug, Clone)]
pub(super) struct Oldest<'a> {
    /// The beginning.
    pub beginning: Beginning<'a>,
    /// A row whose date shows the meaning of short fractions, and pages at such; unset without such a row.
    pub fraction: Option<Fraction<'a>>,
    /// The second page by its number, of as many rows as the first.
    pub second: Heard<'a>,
    /// The models of the longer page that have most versions.
    pub known: Vec<&'a Value>,
    /// The key of all requests, that for the known models by their ids among them.
    pub key: String,
}

/// A row, and two pages whose cursors have fractions near that of its date.
#[derive(Debug, Clone)]
pub(super) struct Fraction<'a> {
    /// The row's id.
    pub row: i64,
    /// A cursor whose date has one digit of fraction: before the row if that counts milliseconds, else behind it.
    pub short: String,
    /// The page that it opens.
    pub at_short: Heard<'a>,
    /// The same with three digits, behind the row.
    pub padded: String,
    /// The page that it opens.
    pub at_padded: Heard<'a>,
}

/// Reads the newest models from the end of [`sample`] on, where new ones are no trouble, else from the beginning.
///
/// # Errors
/// When an answer is not known yet or cannot be had, or the list changes each time.
pub(super) fn newest<'a>(answers: &'a Answers, name: &str) -> Result<Beginning<'a>, Pause> {
    let place = answers.page(sample())?.cursor.map(|cursor| sent("Newest", cursor));
    let page = |rows, key: &str| at(list("Newest", rows), place.as_deref()).with("_", key);
    answers.steady(name, |key| page(MANY, key), |key, longer| beginning(answers, "Newest", &page, key, longer))
}

/// Reads the beginning of the oldest models.
///
/// # Errors
/// When an answer is not known yet or cannot be had, or the list changes each time.
pub(super) fn oldest<'a>(answers: &'a Answers, name: &str) -> Result<Beginning<'a>, Pause> {
    answers.steady(name, |key| first(MANY, key), |key, longer| beginning(answers, "Oldest", &first, key, longer))
}

/// Reads the beginning of the oldest models, and further pages of these.
///
/// # Errors
/// When an answer is not known yet or cannot be had, or the list changes each time.
pub(super) fn more_of_oldest(answers: &Answers) -> Result<Oldest<'_>, Pause> {
    answers.steady(
        OLDEST,
        |key| first(MANY, key),
        |key, longer| {
            let beginning = beginning(answers, "Oldest", &first, key, longer)?;
            let known = most_versions(longer);
            answers.heard(by_ids(&known, key)).map(drop)?;
            Ok(Oldest {
                fraction: fraction(answers, key, &beginning)?,
                second: answers.heard(first(beginning.few, key).with("page", 2))?,
                known,
                key: key.to_owned(),
                beginning,
            })
        },
    )
}

/// Returns the request for the oldest models.
fn first(limit: u32, key: &str) -> Request {
    list("Oldest", limit).with("_", key)
}

/// Returns the request for these models and [`NO_MODEL`] by their ids.
pub(super) fn by_ids(models: &[&Value], key: &str) -> Request {
    let ids = models.iter().filter_map(|model| model["id"].as_i64()).chain([NO_MODEL]);
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    list("Oldest", 100).with("ids", ids.join(",")).with("_", key)
}

/// Returns the three models of a page with most versions, in the page's order among equals.
fn most_versions(page: Page<'_>) -> Vec<&Value> {
    let mut known: Vec<&Value> = page.items.iter().filter(|item| item["id"].is_i64()).collect();
    known.sort_by_key(|model| Reverse(model["modelVersions"].as_array().map_or(0, Vec::len)));
    known.truncate(3);
    known
}

/// Returns a request for the page at a cursor.
fn at(list: Request, cursor: Option<&str>) -> Request {
    match cursor {
        Some(cursor) => list.with("cursor", cursor),
        None => list,
    }
}

fn beginning<'a>(
    answers: &'a Answers,
    sort: &str,
    page: &impl Fn(u32, &str) -> Request,
    key: &str,
    longer: Page<'a>,
) -> Result<Beginning<'a>, Pause> {
    let shown = longer.ids();
    let mut hidden = Pause::Lost(String::from("the rows that its cursors name are not shown"));
    for few in FEW {
        let opened = |cursor: &str| answers.heard(list(sort, few).with("cursor", cursor).with("_", key));
        let first = answers.page(page(few, key))?;
        let Some(cursor) = first.cursor else {
            hidden = Pause::Lost(format!("the list ends after {} models", first.items.len()));
            continue;
        };
        if named(cursor).is_none_or(|row| shown.contains(&row)) {
            let sent = sent(sort, cursor);
            let (raw, repaired) = (opened(cursor)?, opened(&sent)?);
            return Ok(Beginning { newest: sort == "Newest", few, longer, first, cursor, raw, sent, repaired });
        }
    }
    Err(hidden)
}

/// Returns the cursor that a crawl sends for this one.
pub(super) fn sent(sort: &str, cursor: &str) -> String {
    let params = [(String::from("sort"), String::from(sort))];
    match MODELS.paging {
        Paging::Cursor { next, .. } => match next(&params, cursor) {
            NextCursor::Cursor(sent) => sent,
            NextCursor::Unlistable(_) => cursor.to_owned(),
        },
        _ => cursor.to_owned(),
    }
}

/// Returns the crawler's way to make cursors of instants.
pub(super) fn windows() -> Option<Windows> {
    match MODELS.paging {
        Paging::Cursor { windows, .. } => windows,
        _ => None,
    }
}

/// Returns the id of the row that a cursor names.
pub(super) fn named(cursor: &str) -> Option<i64> {
    cursor.rsplit_once('|')?.1.parse().ok()
}

/// Reads the pages at short fractions near a row that the list shows: the row of the first page's cursor, or of the second's.
fn fraction<'a>(answers: &'a Answers, key: &str, beginning: &Beginning<'_>) -> Result<Option<Fraction<'a>>, Pause> {
    let further = beginning.raw.as_ref().ok().and_then(|raw| raw.page().ok()?.cursor);
    let shown = beginning.longer.ids();
    let fits = |cursor: &str| {
        let row = named(cursor).filter(|row| shown.contains(row))?;
        Some((row, near(cursor)?))
    };
    let Some((row, (short, padded))) = [Some(beginning.cursor), further].into_iter().flatten().find_map(fits) else {
        return Ok(None);
    };
    let opened = |cursor: &str| answers.heard(list("Oldest", MANY).with("cursor", cursor).with("_", key));
    Ok(Some(Fraction { row, at_short: opened(&short)?, at_padded: opened(&padded)?, short, padded }))
}

/// Returns the cursor whose date has one digit of fraction, the next one after the first digit of this cursor's date, and the
/// same with three digits. `None` if the date would be on the same side of both meanings.
fn near(cursor: &str) -> Option<(String, String)> {
    let (date, _) = cursor.split_once('|')?;
    let (seconds, fraction) = date.split_once('.')?;
    let milliseconds: u32 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let digit = milliseconds / 100 + 1;
    let tells = digit <= 9 && digit <= milliseconds;
    tells.then(|| (format!("{seconds}.{digit}|0"), format!("{seconds}.{digit}00|0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_fractions_are_near_a_date_that_shows_their_meaning() {
        let cases = [
            ("2024-01-02 03:04:05.678|1", Some("2024-01-02 03:04:05.7")),
            ("2024-01-02 03:04:05.5|1", Some("2024-01-02 03:04:05.6")),
            ("2024-01-02 03:04:05.003|1", Some("2024-01-02 03:04:05.1")),
            ("2024-01-02 03:04:05.678000|1", Some("2024-01-02 03:04:05.7")),
            // No digit is above it, a count of milliseconds would be behind it too, or there is no fraction.
            ("2024-01-02 03:04:05.912|1", None),
            ("2024-01-02 03:04:05.000|1", None),
            ("2024-01-02 03:04:05|1", None),
            ("2024-01-02 03:04:05.é|1", None),
            ("|1", None),
            ("12|1", None),
            ("", None),
        ];
        for (cursor, expected) in cases {
            let expected = expected.map(|date| (format!("{date}|0"), format!("{date}00|0")));
            assert_eq!(near(cursor), expected, "{cursor}");
        }
    }

    #[test]
    fn cursors_name_rows_and_are_sent_as_crawls_do() {
        assert_eq!(named("2024-01-02 03:04:05.5|7"), Some(7));
        assert_eq!(named("17|3|9"), Some(9));
        assert_eq!(named("7"), None);
        assert_eq!(sent("Oldest", "2024-01-02 03:04:05.5|7"), "2024-01-02 03:04:05.500|7");
        assert_eq!(sent("Newest", "2024-01-02 03:04:05.5|7"), "2024-01-02 03:04:05.500|8");
        assert_eq!(sent("Newest", "|7"), "|7");
        assert!(windows().is_some());
    }
}
