//! Names of downloaded files. Pure.
//!
//! A name from a server may hold anything; it is turned into one plain file name.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use crate::fetch::is_hidden;
use crate::lookup::model_files::ENDINGS;

/// Longest name in bytes: every file system allows it, with room for a version's number.
const NAME_BYTES: usize = 200;

/// Ending of a file whose SHA256 is not the expected one.
const MISMATCHED: &str = ".hash-mismatch";

/// Names of devices on Windows, with any ending; those of ports have a digit.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];
const PORTS: &[&str] = &["com", "lpt"];

/// The name of one file in one folder, on any system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Returns the plain file name nearest to the one sent, or `version-ID` if that has no usable part.
    pub fn near(sent: &str, version: i64) -> Self {
        let sent = decoded(sent);
        let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
        let plain: String = last.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        // A leading dot hides a file, and some systems drop one at the end.
        let plain = plain.trim_matches(|c: char| c == '.' || c.is_whitespace());
        let only_ending = last.trim_start().starts_with('.') && ENDINGS.contains(&plain.to_ascii_lowercase().as_str());
        if only_ending {
            return Self(format!("version-{version}.{plain}"));
        }
        let (stem, ending) = split(plain);
        if plain.is_empty() || stem.is_empty() || is_device(stem) {
            return Self(format!("version-{version}{}", &ending[..clip(ending, 20)]));
        }
        let ending = if ending.len() > 20 { "" } else { ending };
        let stem =
            stem[..clip(stem, NAME_BYTES - ending.len())].trim_end_matches(|c: char| c == '.' || c.is_whitespace());
        Self(format!("{stem}{ending}"))
    }

    /// Returns the name of an existing file; `None` if it holds control characters, which a terminal would obey.
    pub fn existing(name: &str) -> Option<Self> {
        name.chars().all(|c| !c.is_control()).then(|| Self(name.to_owned()))
    }

    /// Returns the name with the version's number, for a folder where the plain one is taken.
    #[must_use]
    pub fn numbered(&self, version: i64) -> Self {
        let (stem, ending) = split(&self.0);
        Self(format!("{stem}.{version}{ending}"))
    }

    /// Returns the name of a version's partial file.
    pub fn partial(version: i64) -> Self {
        Self(format!(".{version}.part"))
    }

    /// Returns the name of the note beside a version's partial file.
    pub fn note(version: i64) -> Self {
        Self(format!(".{version}.source"))
    }

    /// Returns the name of a version's file whose SHA256 is not `expected`. It holds the beginning of that hash, because a corrected
    /// hash is to be tried again.
    pub fn mismatched(version: i64, expected: &str) -> Self {
        Self(format!("{version}.{}{MISMATCHED}", &expected[..clip(expected, 10)]))
    }

    /// Returns true for the name of such a file.
    pub fn is_mismatched(&self) -> bool {
        self.0.ends_with(MISMATCHED)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Decodes percent-encoding, if the result is text.
fn decoded(name: &str) -> Cow<'_, str> {
    percent_decode_str(name).decode_utf8().unwrap_or(Cow::Borrowed(name))
}

/// Returns true for a stem that Windows takes for a device, whatever follows its first dot.
fn is_device(stem: &str) -> bool {
    let word = stem.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_port = PORTS.iter().filter_map(|name| word.strip_prefix(name)).any(|rest| {
        let mut digits = rest.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
    });
    is_port || DEVICES.contains(&word.as_str())
}

/// Returns true for characters that every file system allows and that do nothing to a terminal.
fn is_plain(c: char) -> bool {
    !c.is_control() && !is_hidden(c) && !matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*')
}

/// Splits a name into its stem and its ending with the dot.
fn split(name: &str) -> (&str, &str) {
    name.rfind('.').map_or((name, ""), |dot| name.split_at(dot))
}

/// Returns the largest length up to `max` that ends between two characters.
fn clip(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_kept_where_they_are_plain() {
        for (sent, name) in [
            ("a b.safetensors", "a b.safetensors"),
            ("../../etc/passwd", "passwd"),
            ("C:\\models\\x.ckpt", "x.ckpt"),
            ("x<y>:z?.pt", "x_y__z_.pt"),
            (".hidden", "hidden"),
            ("..", "version-7"),
            ("", "version-7"),
            ("a/", "version-7"),
            ("con.safetensors", "version-7.safetensors"),
            ("LPT1.pt", "version-7.pt"),
            ("n\u{e4}he\u{202e}.pt", "n\u{e4}he_.pt"),
            ("a\u{ad}b\u{61c}c\u{e0041}d\u{200b}.pt", "a_b_c_d_.pt"),
            ("nul.tar.gz", "version-7.gz"),
            ("COM\u{b9}.pt", "version-7.pt"),
            ("com.pt", "com.pt"),
            ("CONIN$", "version-7"),
            ("clock$.pt", "version-7.pt"),
            ("trail. . .", "trail"),
            ("x.tar.gz ", "x.tar.gz"),
            (" Useful & plain .safetensors ", "Useful & plain.safetensors"),
            ("Tsuki / Chan.safetensors", "Chan.safetensors"),
            ("%E3%83%AD%20a.pt", "\u{30ed} a.pt"),
            ("..%2F..%2Fx.pt", "x.pt"),
            ("100% of %FF.pt", "100% of %FF.pt"),
            (".safetensors", "version-7.safetensors"),
            ("x.safetensors.", "x.safetensors"),
        ] {
            assert_eq!(FileName::near(sent, 7).as_str(), name, "{sent}");
        }
        assert_eq!(FileName::near("x.tar.gz", 7).numbered(7).as_str(), "x.tar.7.gz");
        let long = FileName::near(&format!("{}.safetensors", "\u{e9}".repeat(300)), 7);
        assert!(long.as_str().len() <= NAME_BYTES && long.as_str().ends_with("\u{e9}.safetensors"));
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_plain_name(
            sent in "\\PC*|[./\\\\:a-z\u{0}\n ~]{0,20}|(con|aux|nul)[.0-9]{0,3}|[\u{4e00}-\u{4f00}.]{0,200}",
            version in 1..i64::MAX,
        ) {
            let near = FileName::near(&sent, version);
            for name in [near.numbered(version), near] {
                let path = Path::new("folder").join(name.as_str());
                let parts: Vec<Component<'_>> = path.components().collect();
                prop_assert!(matches!(parts[..], [Component::Normal(_), Component::Normal(last)] if last == name.as_str()));
                prop_assert!(name.as_str().chars().all(is_plain) && name.as_str().len() < 250);
                prop_assert!(!name.as_str().starts_with('.') && !name.as_str().ends_with(['.', ' ']));
            }
        }
    }
}
