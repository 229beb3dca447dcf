//! The cursors of date-sorted model lists: `2024-01-02 03:04:05.678|4711`, and how to send them back without losing rows.
//!
//! The server prints the fraction without trailing zeros and reads it back as a count of milliseconds (`.5` as 5 ms), so a
//! resume point moves up to 0.9 s away; and for `Newest` it starts strictly behind the row that it named, which is lost.

/// The cursor with its fraction padded to three digits, and its id raised by `id_step`. `None` when it is not of that form,
/// or its date is empty (rows without a date cannot be resumed from).
pub(super) fn repaired_date_cursor(cursor: &str, id_step: i64) -> Option<String> {
    let (date, id) = cursor.split_once('|')?;
    let id = id.parse::<i64>().ok()?.checked_add(id_step)?;
    let (seconds, fraction) = date.split_once('.').unwrap_or((date, ""));
    let shaped = seconds.len() == 19 && fraction.len() <= 3;
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    (shaped && digits).then(|| format!("{seconds}.{fraction:0<3}|{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
