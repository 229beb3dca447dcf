//! Cursors of date-sorted model lists, `2024-01-02 03:04:05.678|4711`, and their repair before they are sent back.
//!
//! The server prints the fraction without trailing zeros and reads it back as a count of milliseconds (`.5` as 5 ms), which moves
//! the cursor by up to 0.9 s. With `sort=Newest` it also starts after the row that the cursor names, so that row is lost.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Returns the cursor with its fraction padded to three digits and its id raised by `id_step`. `None` if it has another form, or
/// no date: the list cannot be resumed at rows without a date.
pub(super) fn repaired_date_cursor(cursor: &str, id_step: i64) -> Option<String> {
    let (date, id) = cursor.split_once('|')?;
    let id = id.parse::<i64>().ok()?.checked_add(id_step)?;
    let (seconds, fraction) = date.split_once('.').unwrap_or((date, ""));
    let shaped = seconds.len() == 19 && fraction.len() <= 3;
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    (shaped && digits).then(|| format!("{seconds}.{fraction:0<3}|{id}"))
}

/// Returns the cursor at which a list sorted by `Oldest` begins with the first row of this instant or later (milliseconds
/// since 1970, UTC).
pub(super) fn date_cursor(at: i64) -> String {
    dated(at, 0)
}

/// Returns the cursor of the row with this instant and id.
pub(super) fn dated(at: i64, id: i64) -> String {
    let instant = Timestamp::from_millisecond(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX });
    format!("{}|{id}", instant.strftime("%Y-%m-%d %H:%M:%S.%3f"))
}

/// Returns the instant of a date cursor (milliseconds since 1970, UTC). `None` for years before the first, which
/// [`date_cursor`] cannot write in the server's form.
pub(super) fn cursor_instant(cursor: &str) -> Option<i64> {
    let (date, _) = cursor.split_once('|')?;
    let local: DateTime = date.parse().ok().filter(|local: &DateTime| local.year() >= 0)?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_cursor_stands_at_its_instant() {
        for at in [0, 1_667_260_800_000, 1_704_164_645_678, 1_704_164_645_500] {
            assert_eq!(cursor_instant(&date_cursor(at)), Some(at));
        }
        assert_eq!(date_cursor(1_704_164_645_500), "2024-01-02 03:04:05.500|0");
        assert_eq!(cursor_instant("|4711"), None);
        assert_eq!(cursor_instant("12|34|56"), None);
        assert_eq!(cursor_instant("-000023-01-21 00:00:00.6|4711"), None);
    }

    #[test]
    fn pads_the_fraction_and_steps_the_id() {
        let cases = [
            ("2024-01-02 03:04:05.678|4711", 0, Some("2024-01-02 03:04:05.678|4711")),
            ("2024-01-02 03:04:05.5|4711", 0, Some("2024-01-02 03:04:05.500|4711")),
            ("2024-01-02 03:04:05.12|4711", 1, Some("2024-01-02 03:04:05.120|4712")),
            ("2024-01-02 03:04:05|4711", 1, Some("2024-01-02 03:04:05.000|4712")),
            ("|4711", 0, None),
            ("4711", 0, None),
            ("2024-01-02 03:04:05.1234|1", 0, None),
            ("2024-01-02 03:04:05.x|1", 0, None),
            ("2024-01-02 03:04:05.5|9223372036854775807", 1, None),
        ];
        for (cursor, step, expected) in cases {
            assert_eq!(repaired_date_cursor(cursor, step).as_deref(), expected, "{cursor}");
        }
    }
}
