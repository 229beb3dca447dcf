//! The cursor of the models list: printed from the row that a page ends before, read back as the server reads it.

use crate::sandbox::catalog::dates::{self, Fraction};
use crate::sandbox::catalog::entry::Entry;
use crate::sandbox::catalog::sort::Sort;
use crate::sandbox::era::Era;
use crate::sandbox::traps::{Trap, Traps};

/// The beginning of a page, read from a cursor's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Two counters and an id.
    Counters(i64, i64, i64),
    /// An instant in ms and an id.
    Date(i64, i64),
}

/// The rows of a date cursor's instant that are on the page it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// All of them.
    Instant,
    /// The named row and those after it.
    Row,
    /// The rows after the named one, which is lost.
    AfterRow,
    /// None of them.
    AfterInstant,
}

impl Boundary {
    /// Returns the boundary of a sort by date, in an era under these traps.
    pub(super) fn of(sort: Sort, era: Era, traps: Traps) -> Boundary {
        match (sort == Sort::Oldest, era == Era::Sep2026) {
            (true, _) if traps.has(Trap::OldestLostRow) => Boundary::AfterRow,
            (true, false) => Boundary::Instant,
            (false, _) if traps.has(Trap::StrictIds) => Boundary::AfterInstant,
            (false, false) if traps.has(Trap::NewestLostRow) => Boundary::AfterRow,
            _ => Boundary::Row,
        }
    }
}

/// Returns the cursor that names a row: its sort keys joined with `|`, nothing for a missing date.
pub(super) fn print(sort: Sort, entry: &Entry, traps: Traps) -> String {
    if sort.by_date() {
        let long = traps.has(Trap::LongFractions);
        let trimmed = traps.has(Trap::TrimmedFractions) && !long;
        let micros = if long { "000" } else { "" };
        let date = entry.last_version_at.map(|ms| dates::database_text(ms, trimmed) + micros);
        return format!("{}|{}", date.unwrap_or_default(), entry.id);
    }
    let (first, second) = sort.counters(entry);
    format!("{first}|{second}|{}", entry.id)
}

/// Reads a cursor under a sort; the error is the server's message.
pub(super) fn parse(sort: Sort, text: &str, traps: Traps, era: Era) -> Result<Position, String> {
    let tokens: Vec<&str> = text.split('|').collect();
    let integer = |token: &str| integer(token, era);
    match (sort.by_date(), tokens.as_slice()) {
        (true, [date, id]) => Ok(Position::Date(instant(date, traps)?, integer(id)?)),
        (false, [first, second, id]) => Ok(Position::Counters(integer(first)?, integer(second)?, integer(id)?)),
        (by_date, tokens) => {
            let (wanted, got) = (if by_date { 2 } else { 3 }, tokens.len());
            Err(format!("Invalid cursor: expected {wanted} value(s) for this sort, received {got}"))
        }
    }
}

/// True when the row is on the page that begins at the position, or after it.
///
/// Before era 2026-09 the server compares descending keys with `<` and ascending ones with `>=`, also if more keys follow.
/// So under Oldest every row of the boundary instant is on both pages, and under Newest the boundary row is on neither.
pub(super) fn follows(sort: Sort, position: Position, entry: &Entry, boundary: Boundary) -> bool {
    let id = i64::from(entry.id);
    match position {
        Position::Counters(first, second, from) => {
            let counters = sort.counters(entry);
            counters < (first, second) || (counters == (first, second) && id >= from)
        }
        Position::Date(instant, from) => match entry.last_version_at {
            None => false,
            Some(at) if at == instant => match boundary {
                Boundary::Instant => true,
                Boundary::Row => id == from || (id > from) == (sort == Sort::Oldest),
                Boundary::AfterRow => id != from && (id > from) == (sort == Sort::Oldest),
                Boundary::AfterInstant => false,
            },
            Some(at) => (at > instant) == (sort == Sort::Oldest),
        },
    }
}

fn instant(token: &str, traps: Traps) -> Result<i64, String> {
    if !token.contains('-') {
        return Err(format!("Invalid cursor: unparseable numeric value \"{token}\""));
    }
    let fraction = if traps.has(Trap::TrimmedFractions) { Fraction::Count } else { Fraction::Decimal };
    dates::parse(token, fraction).ok_or_else(|| format!("Invalid cursor: unparseable date value \"{token}\""))
}

/// Reads leading digits, as the server's number parser does.
fn integer(token: &str, era: Era) -> Result<i64, String> {
    let bad = || format!("Invalid cursor: unparseable numeric value \"{token}\"");
    let token = token.trim_start();
    let end = token.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(token.len());
    if token[end..].contains('-') {
        return Err(bad());
    }
    match token[..end].parse::<i64>() {
        Ok(number) if era != Era::Sep2026 || number <= i64::from(i32::MAX) => Ok(number),
        Err(_) if end == 0 || era != Era::Sep2026 => Err(bad()),
        _ => Err("Invalid cursor: numeric value out of range".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traps(text: &str) -> Traps {
        text.parse().unwrap()
    }

    fn entry() -> Entry {
        Entry { id: 7, thumbs_up: 3, downloads: 20, last_version_at: Some(1_709_164_800_500), ..Entry::default() }
    }

    #[test]
    fn cursors_name_a_row_by_its_keys() {
        let none = Traps::none();
        assert_eq!(print(Sort::HighestRated, &entry(), none), "3|20|7");
        assert_eq!(print(Sort::MostDownloaded, &entry(), none), "20|3|7");
        assert_eq!(print(Sort::Oldest, &entry(), none), "2024-02-29 00:00:00.500|7");
        assert_eq!(print(Sort::Oldest, &entry(), traps("trimmed-fractions")), "2024-02-29 00:00:00.5|7");
        assert_eq!(print(Sort::Newest, &Entry { id: 9, ..Entry::default() }, none), "|9");
    }

    #[test]
    fn cursors_are_read_and_refused_as_the_server_does() {
        let trimmed = traps("trimmed-fractions");
        let date = |ms: i64| Ok(Position::Date(1_709_164_800_000 + ms, 7));
        assert_eq!(parse(Sort::Oldest, "2024-02-29 00:00:00.5|7", trimmed, Era::Aug2026), date(5));
        assert_eq!(parse(Sort::Oldest, "2024-02-29 00:00:00.500|7", trimmed, Era::Aug2026), date(500));
        assert_eq!(parse(Sort::Oldest, "2024-02-29 00:00:00.5|7", Traps::none(), Era::Aug2026), date(500));
        assert_eq!(parse(Sort::HighestRated, "3|20|7", trimmed, Era::Aug2026), Ok(Position::Counters(3, 20, 7)));
        for (sort, text) in [
            (Sort::Oldest, "|7"),
            (Sort::Oldest, "2024-01-01|"),
            (Sort::Oldest, "2024-01-01"),
            (Sort::Oldest, "3|20|7"),
            (Sort::Oldest, "not-a-date|7"),
            (Sort::HighestRated, "2024-01-01 00:00:00|7"),
            (Sort::HighestRated, "a|2|7"),
            (Sort::HighestRated, "2024-01-01|2|7"),
            (Sort::HighestRated, ""),
        ] {
            let message = parse(sort, text, trimmed, Era::Aug2026).unwrap_err();
            assert!(message.starts_with("Invalid cursor: "), "{text}: {message}");
        }
    }

    #[test]
    fn the_boundary_row_is_on_the_page_except_under_newest() {
        let of = |sort, era, text: &str| Boundary::of(sort, era, traps(text));
        for (sort, boundary, expected) in [
            (Sort::HighestRated, Boundary::AfterRow, true),
            (Sort::Oldest, of(Sort::Oldest, Era::Aug2026, "newest-lost-row"), true),
            (Sort::Oldest, of(Sort::Oldest, Era::Sep2026, "newest-lost-row"), true),
            (Sort::Oldest, of(Sort::Oldest, Era::Sep2026, "oldest-lost-row"), false),
            (Sort::Newest, of(Sort::Newest, Era::Aug2026, "none"), true),
            (Sort::Newest, of(Sort::Newest, Era::Sep2026, "newest-lost-row"), true),
            (Sort::Newest, of(Sort::Newest, Era::Aug2026, "newest-lost-row"), false),
            (Sort::Newest, of(Sort::Newest, Era::Aug2026, "strict-ids"), false),
        ] {
            let position = parse(sort, &print(sort, &entry(), Traps::none()), Traps::none(), Era::Aug2026).unwrap();
            assert_eq!(follows(sort, position, &entry(), boundary), expected, "{sort:?} {boundary:?}");
        }
        let tied = Entry { id: 6, ..entry() };
        let shown = |boundary| follows(Sort::Oldest, Position::Date(1_709_164_800_500, 7), &tied, boundary);
        assert!(shown(Boundary::Instant) && !shown(Boundary::Row) && !shown(Boundary::AfterRow));
    }

    #[test]
    fn numbers_beyond_the_databases_are_refused_by_the_newer_server() {
        for (sort, text) in [(Sort::HighestRated, "2147483648|2|7"), (Sort::Oldest, "2024-01-01|99999999999999999999")]
        {
            let message = parse(sort, text, Traps::none(), Era::Sep2026).unwrap_err();
            assert_eq!(message, "Invalid cursor: numeric value out of range", "{text}");
        }
        assert!(parse(Sort::HighestRated, "2147483648|2|7", Traps::none(), Era::Aug2026).is_ok());
        assert!(parse(Sort::HighestRated, "2147483647|2|7", Traps::none(), Era::Sep2026).is_ok());
    }
}
