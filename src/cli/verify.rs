//! `civitrawl verify DATASET`: reads every record, part, snapshot and row.

use std::path::PathBuf;

use super::exit::Exit;
use super::format::several;
use super::output::{failure, print};
use super::reading::reading;
use crate::dataset::layout::Layout;
use crate::dataset::verify::verify;
use crate::storage::Disk;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let bar = reading(true, "checking", Some(0));
    let verified = verify(&Layout::new(&arguments.dataset), &Disk, &|| false, &mut |read, all| {
        bar.set_length(all);
        bar.set_position(read);
    });
    bar.finish_and_clear();
    let findings = match verified {
        Ok(findings) => findings,
        Err(error) => return failure(&error),
    };
    for fault in &findings.faults {
        print([fault.to_string()]);
    }
    let checked = format!(
        "{}, {}, {} and {} checked",
        several(findings.records, "record"),
        several(findings.parts, "part"),
        several(findings.rows, "row"),
        several(findings.snapshots, "snapshot")
    );
    match findings.faults.len() {
        0 => {
            print([format!("sound: {checked}")]);
            Exit::Complete
        }
        faults => {
            print([format!("damaged: {}; {checked}", several(faults as u64, "fault"))]);
            Exit::Damaged
        }
    }
}
