//! `GET /models`: the list of models.
//!
//! Paged by cursor only (`page` is a no-op). The walk ends when `nextCursor` is absent, never on a short or empty page. Cursors of
//! `Oldest` and `Newest` are repaired before they are sent back (see [`super::cursor`]); those of the other sorts are exact.

use super::cursor::{cursor_instant, date_cursor, repaired_date_cursor};
use super::endpoint::{Endpoint, NextCursor, Paging, Windows};
use super::envelope::{repaired, take_list};
use super::model::Model;
use super::models_params::{LIMIT_MAX, PARAMS};
use super::page::{Page, Query, Unreadable, value_of};
use super::place::{Place, date_id, offset, three_keys};
use crate::table::{Tables, models};

/// The endpoint.
pub static MODELS: Endpoint = Endpoint {
    name: "models",
    path: "models",
    tables: &[&models::TABLE],
    params: PARAMS,
    limit_max: LIMIT_MAX,
    // Models of any status in mid-2026; fewer are published.
    catalog_rows: 900_000,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Cursor { next, place, windows: Some(WINDOWS) },
    read,
};

/// Only with `Oldest` does a list begin at a forged cursor without losing its first row.
const WINDOWS: Windows = Windows {
    fits: |params| value_of(params, "sort") == Some("Oldest") && value_of(params, "query").is_none(),
    forge: date_cursor,
    at: cursor_instant,
    without: None,
};

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_list::<Model>(text, query, into))
}

fn next(params: &[(String, String)], next_cursor: &str) -> NextCursor {
    let id_step = match value_of(params, "sort") {
        // A search pages by offset, whatever its sort.
        _ if value_of(params, "query").is_some() => return NextCursor::Cursor(next_cursor.to_owned()),
        Some("Oldest") => 0,
        Some("Newest") => 1,
        _ => return NextCursor::Cursor(next_cursor.to_owned()),
    };
    if next_cursor.starts_with('|') {
        return NextCursor::Unlistable("the remaining models have no date, and the server takes no cursor among them");
    }
    let repaired = repaired_date_cursor(next_cursor, id_step);
    NextCursor::Cursor(repaired.unwrap_or_else(|| next_cursor.to_owned()))
}

fn place(params: &[(String, String)], cursor: Option<&str>) -> Option<Place> {
    match value_of(params, "sort") {
        _ if value_of(params, "query").is_some() => offset(cursor?),
        Some("Oldest") => date_id(cursor, true),
        Some("Newest") => date_id(cursor, false),
        _ => three_keys(cursor?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn each_sort_repairs_its_own_cursors() {
        let cursor = "2024-01-02 03:04:05.5|7";
        let cases = [
            (vec![("sort", "Oldest")], cursor, "2024-01-02 03:04:05.500|7"),
            (vec![("sort", "Newest")], cursor, "2024-01-02 03:04:05.500|8"),
            (vec![("sort", "Most Downloaded")], "5|2|7", "5|2|7"),
            (vec![], "5|2|7", "5|2|7"),
            (vec![("sort", "Newest"), ("query", "x")], "200", "200"),
            (vec![("sort", "Newest")], "an unknown form", "an unknown form"),
        ];
        for (pairs, sent, expected) in cases {
            assert_eq!(next(&params(&pairs), sent), NextCursor::Cursor(expected.to_owned()), "{pairs:?}");
        }
        assert!(matches!(next(&params(&[("sort", "Oldest")]), "|7"), NextCursor::Unlistable(_)));
    }
}
