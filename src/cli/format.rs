//! Formats tables, counts, sizes and time spans for people.

/// Formats rows under a head, a line each. A column with a cell that begins with a digit is aligned to the right.
pub(super) fn grid(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let cells: Vec<Vec<String>> =
        std::iter::once(head.iter().map(|cell| (*cell).to_owned()).collect()).chain(rows.iter().cloned()).collect();
    let width = |column: usize| cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let numeric: Vec<bool> = (0..head.len())
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).any(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
        })
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().enumerate().map(|(column, cell)| {
            // The formatter's own width has 16 bits.
            let blanks = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            if numeric[column] { format!("{blanks}{cell}") } else { format!("{cell}{blanks}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// Formats a count with spaces between thousands: `1 234 567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Formats a count of things: `1 snapshot`, `1 234 pages`.
pub(super) fn several(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Formats bytes: `512 B`, `16.4 kB`, `6.9 GB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Formats seconds in their two largest units: `1 d 3 h`, `2 min 5 s`, `0.4 s`.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_spans_keep_two_units() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1 000"), (1_234_567, "1 234 567")];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
        let cases =
            [(0.44, "0.4 s"), (59.6, "1 min 0 s"), (125.0, "2 min 5 s"), (5400.0, "1 h 30 min"), (97_200.0, "1 d 3 h")];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text);
        }
        for (number, text) in [(0, "0 pages"), (1, "1 page"), (1_234, "1 234 pages")] {
            assert_eq!(several(number, "page"), text);
        }
        for (bytes, text) in [(512, "512 B"), (16_384, "16.4 kB"), (6_938_040_682, "6.9 GB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["models".to_owned(), "12".to_owned()], vec!["a".to_owned(), "3 000".to_owned()]];
        assert_eq!(grid(&["table", "rows"], &rows), ["table    rows", "models     12", "a       3 000"]);
    }
}
