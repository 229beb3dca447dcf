//! Instants as milliseconds since 1970: printed as ISO text and as the database prints them, read as the server reads a cursor.

/// A day in ms.
pub(crate) const DAY: i64 = 86_400_000;
/// An hour in ms.
pub(crate) const HOUR: i64 = 3_600_000;
/// The first day of a generated catalog: 2022-11-01T00:00Z.
pub(crate) const FIRST: i64 = 1_667_260_800_000;
/// The last day of a generated catalog: 2026-10-15T00:00Z.
pub(crate) const LAST: i64 = 1_792_022_400_000;

/// Returns the instant as `2024-01-31T08:12:33.500Z`.
pub(crate) fn iso(ms: i64) -> String {
    let (date, time) = halves(ms);
    format!("{date}T{time}.{:03}Z", ms.rem_euclid(1000))
}

/// Returns the instant as a database prints a `timestamp(3)`: `2024-01-31 08:12:33.5`, or with all three digits.
pub(crate) fn database_text(ms: i64, trimmed: bool) -> String {
    let (date, time) = halves(ms);
    let fraction = format!(".{:03}", ms.rem_euclid(1000));
    let kept = if trimmed { fraction.trim_end_matches('0').trim_end_matches('.') } else { &fraction };
    format!("{date} {time}{kept}")
}

/// The meaning of the digits after the seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// As a decimal fraction: `.5` is 500 ms.
    Decimal,
    /// As the server's date library does, a count of milliseconds: `.5` is 5 ms.
    Count,
}

/// Reads a cursor's date the lenient way the server does: only the year is required, later parts may be missing.
pub(crate) fn parse(text: &str, fraction: Fraction) -> Option<i64> {
    match text.strip_suffix(['Z', 'z']) {
        Some(rest) => parse_local(rest, Fraction::Decimal),
        None => parse_local(text, fraction),
    }
}

fn parse_local(text: &str, fraction: Fraction) -> Option<i64> {
    let mut rest = text;
    let year = digits(&mut rest, 4, 4)?;
    skip(&mut rest, &['-', '/']);
    let month = digits(&mut rest, 1, 2).unwrap_or(1);
    skip(&mut rest, &['-', '/']);
    let day = digits(&mut rest, 1, 2).unwrap_or(1);
    rest = rest.trim_start_matches(|c: char| c == 'T' || c == 't' || c.is_whitespace());
    let hour = digits(&mut rest, 1, 2).unwrap_or(0);
    skip(&mut rest, &[':']);
    let minute = digits(&mut rest, 1, 2).unwrap_or(0);
    skip(&mut rest, &[':']);
    let second = digits(&mut rest, 1, 2).unwrap_or(0);
    skip(&mut rest, &['.', ':']);
    let millis = milliseconds(rest, fraction)?;
    let days = days_from_civil(year, month, day);
    Some(days * DAY + ((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

fn milliseconds(text: &str, fraction: Fraction) -> Option<i64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = &text[..text.len().min(3)];
    let count: i64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let missing = u32::try_from(3 - kept.len()).ok()?;
    Some(if fraction == Fraction::Decimal { count * 10i64.pow(missing) } else { count })
}

fn digits(rest: &mut &str, least: usize, most: usize) -> Option<i64> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (number, after) = rest.split_at(count);
    *rest = after;
    number.parse().ok()
}

fn skip(rest: &mut &str, marks: &[char]) {
    *rest = rest.strip_prefix(marks).unwrap_or(rest);
}

fn halves(ms: i64) -> (String, String) {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY));
    let seconds = ms.rem_euclid(DAY) / 1000;
    let date = format!("{year:04}-{month:02}-{day:02}");
    (date, format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

/// Returns the days since 1970 of a date. Months and days past their range roll over, as in the server's date library.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_print_and_read_back() {
        for ms in [0, 951_782_399_999, 951_782_400_000, 1_709_164_800_010, 1_791_979_201_500] {
            assert_eq!(parse(&iso(ms), Fraction::Decimal), Some(ms), "{}", iso(ms));
            assert_eq!(parse(&database_text(ms, false), Fraction::Count), Some(ms));
            assert_eq!(parse(&database_text(ms, true), Fraction::Decimal), Some(ms));
        }
        assert_eq!(iso(1_709_164_800_010), "2024-02-29T00:00:00.010Z");
    }

    #[test]
    fn fractions_are_trimmed_and_misread_as_the_server_does() {
        let cases = [(500, ".5", 5), (120, ".12", 12), (0, "", 0), (7, ".007", 7), (30, ".03", 3), (123, ".123", 123)];
        for (ms, printed, read) in cases {
            let text = database_text(ms, true);
            assert_eq!(text, format!("1970-01-01 00:00:00{printed}"));
            assert_eq!(parse(&text, Fraction::Count), Some(read), "{text}");
        }
    }

    #[test]
    fn dates_are_read_leniently() {
        let cases = [
            ("2024-01-01", Some(1_704_067_200_000)),
            ("2024", Some(1_704_067_200_000)),
            ("2023-13-01", Some(1_704_067_200_000)),
            ("2024-01-01T00:00:00.5Z", Some(1_704_067_200_500)),
            ("2024-01-01 00:00:00.123456", Some(1_704_067_200_123)),
            ("", None),
            ("not-a-date", None),
            ("2024-01-01 nonsense", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, Fraction::Count), expected, "{text}");
        }
    }
}
