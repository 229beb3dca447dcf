//! Reads the arguments of a command: words of the command line, and lines of stdin for the word `-`.

use std::collections::HashSet;
use std::io::{BufRead, Read as _};

use super::exit::Exit;
use super::output::{complain_of, usage};

/// Most bytes of a line of stdin.
const LINE_MAX: u64 = 1 << 20;
/// Most bytes of memory for all words of stdin: half a million ids.
const WORDS_MAX: usize = 64 << 20;
/// Bytes of memory that a word takes beside its letters: twice a string, in the list and in the set that finds it again.
const WORD_BYTES: usize = 128;

/// Returns every word in order, each once. Of a line of CSV (`duckdb -csv -noheader`) the first field is the word.
pub(super) fn words(arguments: &[String]) -> Result<Vec<String>, Exit> {
    let mut all: Vec<String> = Vec::new();
    for word in arguments {
        if word == "-" {
            all.extend(lines(std::io::stdin().lock()).map_err(|fault| usage(&fault))?);
        } else {
            all.push(word.clone());
        }
    }
    let mut seen = HashSet::new();
    all.retain(|word| seen.insert(word.clone()));
    Ok(all)
}

/// Returns the word of each line, or the reason why there are none, as a sentence with the remedy.
fn lines(mut stdin: impl BufRead) -> Result<Vec<String>, String> {
    let (mut all, mut bytes) = (Vec::new(), 0);
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = stdin.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| format!("cannot read stdin: {error}"))? == 0 {
            break;
        }
        if line.len() as u64 > LINE_MAX {
            return Err(format!("line {number} of stdin is longer than {LINE_MAX} bytes; write a value a line"));
        }
        let Ok(line) = str::from_utf8(&line) else {
            return Err(format!("line {number} of stdin is not UTF-8; write the values in that encoding, one a line"));
        };
        let field = first_field(line);
        bytes += 2 * field.len() + WORD_BYTES;
        if bytes > WORDS_MAX {
            let mib = WORDS_MAX >> 20;
            return Err(format!("the values of stdin take more than {mib} MiB at line {number}; give fewer at a time"));
        }
        if !field.is_empty() {
            all.push(field);
        }
    }
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

/// Returns the first field of a line of CSV. In quotes it may hold separators, and a quote is written twice.
fn first_field(line: &str) -> String {
    // Spreadsheets write a byte order mark before the first line.
    let line = line.trim_start_matches('\u{feff}').trim();
    let Some(mut rest) = line.strip_prefix('"') else {
        return line.split([',', ';', '\t']).next().unwrap_or_default().trim().to_owned();
    };
    let mut field = String::new();
    while let Some((before, after)) = rest.split_once('"') {
        field += before;
        match after.strip_prefix('"') {
            Some(after) => (field, rest) = (field + "\"", after),
            None => return field.trim().to_owned(),
        }
    }
    (field + rest).trim().to_owned()
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
            ("\"a, b\",x", "a, b"),
            ("\"a; b\"", "a; b"),
            (r#""a ""b"" c",x"#, r#"a "b" c"#),
            (r#""""a""""#, r#""a""#),
            (r#""""#, ""),
            (r#""a"#, "a"),
            (r#"a"b"#, r#"a"b"#),
            ("7\r\n", "7"),
        ] {
            assert_eq!(first_field(line), field, "{line}");
        }
    }

    #[test]
    fn stdin_is_read_line_by_line_within_bounds() {
        assert_eq!(lines(&b"7\n\n 8,x\r\n9"[..]).unwrap(), ["7", "8", "9"]);
        assert_eq!(lines(&b""[..]).unwrap(), [""; 0]);
        for (endless, said) in [
            (&b"7"[..], "line 1 of stdin is longer than 1048576 bytes"),
            (b"7\n", "take more than 64 MiB at line 516223"),
            (b"\n", "64 MiB at line 524289"),
        ] {
            let refused = lines(std::io::BufReader::new(Endless(endless))).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
        let refused = lines(&b"7\n\xff\n"[..]).unwrap_err();
        assert!(refused.starts_with("line 2 of stdin is not UTF-8"), "{refused}");
    }

    /// Says the same again and again.
    struct Endless(&'static [u8]);

    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            for piece in buffer.chunks_mut(self.0.len()) {
                piece.copy_from_slice(&self.0[..piece.len()]);
            }
            Ok(buffer.len() / self.0.len() * self.0.len())
        }
    }

    #[test]
    fn all_mistakes_are_told() {
        let words = ["1", "x", "2"].map(String::from);
        assert_eq!(parse_each(&words, |word| word.parse::<u8>()), Err(Exit::Usage));
        assert_eq!(parse_each(&words[..1], |word| word.parse::<u8>()), Ok(vec![1]));
    }
}
