//! What a command is to work on: words of the command line, or lines of stdin where a word is `-`.

use std::io::BufRead as _;

use super::exit::Exit;
use super::output::usage;

/// Every word given, in order and once. Of a line of CSV, as `duckdb -csv -noheader` prints it, the first field counts.
pub(super) fn given(words: &[String]) -> Result<Vec<String>, Exit> {
    let mut all: Vec<String> = Vec::new();
    for word in words {
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
    let mut met = std::collections::HashSet::new();
    all.retain(|word| met.insert(word.clone()));
    Ok(all)
}

/// What the words mean, or every word that means nothing.
pub(super) fn each<T, E: std::fmt::Display>(
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
    if mistakes.is_empty() { Ok(all) } else { Err(usage(&mistakes.join("\n"))) }
}

fn first_field(line: &str) -> &str {
    // A byte order mark, as spreadsheets write one, is no part of the first line.
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
        assert_eq!(each(&words, |word| word.parse::<u8>()), Err(Exit::Usage));
        assert_eq!(each(&words[..1], |word| word.parse::<u8>()), Ok(vec![1]));
    }
}
