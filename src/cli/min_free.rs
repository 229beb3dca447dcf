//! `--min-free`: the room that a command leaves on the disk of a dataset.

use std::path::Path;

use super::exit::Exit;
use super::output::usage;
use crate::storage::{MinFree, free_bytes};

#[derive(Debug, clap::Args)]
pub(super) struct Keeping {
    /// Stop with exit code 74 when the dataset's disk has less room left than this, for example `5GB`; the next run continues
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    min_free: Option<u64>,
}

impl Keeping {
    /// Returns the room that the disk of a dataset has to keep, if any.
    pub(super) fn of(&self, dataset: &Path) -> Result<Option<MinFree>, Exit> {
        let Some(bytes) = self.min_free else { return Ok(None) };
        match free_bytes(dataset) {
            Ok(_) => Ok(Some(MinFree { path: dataset.to_owned(), bytes })),
            Err(error) => Err(usage(&format!(
                "`--min-free`: the free space of the disk of `{}` cannot be known: {error}",
                dataset.display()
            ))),
        }
    }
}

/// The units of a size, those that end like others first.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Parses a size: a whole number with its unit.
fn bytes(text: &str) -> Result<u64, String> {
    let parsed = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), factor)));
    let parsed = parsed.filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let bytes = parsed.and_then(|(digits, factor)| digits.parse::<u64>().ok()?.checked_mul(*factor));
    bytes.ok_or_else(|| String::from("write it like `5GB` or `500MB`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_with_its_unit() {
        for (text, size) in [
            ("5GB", Some(5_000_000_000)),
            ("5 GB", Some(5_000_000_000)),
            ("500MB", Some(500_000_000)),
            ("20kB", Some(20_000)),
            ("1TiB", Some(1 << 40)),
            ("1GiB", Some(1 << 30)),
            ("0B", Some(0)),
            ("5", None),
            ("GB", None),
            ("-5GB", None),
            ("+5GB", None),
            ("5.5GB", None),
            ("5gb", None),
            ("99999999999TB", None),
            ("5GBB", None),
        ] {
            assert_eq!(bytes(text).ok(), size, "{text}");
        }
    }
}
