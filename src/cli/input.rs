//! Reads the arguments of a command: words of the command line, and lines of stdin for the word `-`.

use std::io::BufRead as _;

use super::exit::Exit;
use super::output::{complain_of, usage};

/// Returns every word in order, each once. Of a line of CSV (`duckdb -csv -noheader`) the first field is the word.
pub(super) fn words(arguments: &[String]) -> Result<Vec<String>, Exit> {
    let mut all: Vec<String> = Vec::new();
    for word in arguments {
        if word != "-" {
            all.push(word.clone());
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| usage(&format!("cannot read stdin: {error}")))?;
            let field = first_field(&line);
            if !field.is_empty() {
                all.push(field.to_owned());
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|word| seen.insert(word.clone()));
    Ok(all)
}

/// Parses every word; prints all that cannot be parsed.
pub(super) fn parse_each<T, E: std::fmt::Display>(
    words: &[String],
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Exit> {
    let (mut all, mut mistakes) = (Vec::new(), Vec::new());
    for word in words {
        match read(word) {
            Ok(value) => all.push(value),
            Err(mistake) => mistakes.push(mistake.to_string()),
        }
    }
    if mistakes.is_empty() {
        return Ok(all);
    }
    complain_of(mistakes);
    Err(Exit::Usage)
}

fn first_field(line: &str) -> &str {
    // Spreadsheets write a byte order mark before the first line.
    let line = line.trim_start_matches('\u{feff}');
    line.split([',', ';', '\t']).next().unwrap_or_default().trim().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_of_a_line_counts() {
        for (line, field) in [
            ("7", "7"),
            (" 7 , a name", "7"),
            ("\"7\",x", "7"),
            ("\u{feff}\"7\",x", "7"),
            ("", ""),
            ("civitai:1@2", "civitai:1@2"),
        ] {
            assert_eq!(first_field(line), field, "{line}");
        }
    }

    #[test]
    fn all_mistakes_are_told() {
        let words = ["1", "x", "2"].map(String::from);
        assert_eq!(parse_each(&words, |word| word.parse::<u8>()), Err(Exit::Usage));
        assert_eq!(parse_each(&words[..1], |word| word.parse::<u8>()), Ok(vec![1]));
    }
}
