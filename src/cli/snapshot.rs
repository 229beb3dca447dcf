//! `civitrawl snapshot DATASET`: takes a snapshot outside a crawl.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::exit::Exit;
use super::format::{count, grid, size, span};
use super::min_free::Keeping;
use super::output::{complain, failure, print};
use super::signals::attend;
use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::read::read_records;
use crate::dataset::snapshot::{Cancel, Contents, Inventory, SnapshotOptions, Taken, split, take_unless, threads};
use crate::dataset::store::Store;
use crate::definition::Keep;
use crate::stop::Stop;
use crate::storage::{Disk, MinFree};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The dataset's directory, as `dataset` in the crawl file names it
    dataset: PathBuf,
    /// Snapshots to keep: a number (`3`), or all up to an age (`30d`); the newest is always kept
    #[arg(long, value_name = "N|AGE", default_value = "3")]
    keep: Keep,
    /// Remove the parts whose rows the snapshot holds, except those of `pages`; the snapshot is then their only copy
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    keeping: Keeping,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let began = Instant::now();
    let layout = Layout::new(&arguments.dataset);
    let stop = Stop::new(None);
    attend(&stop, None);
    let min_free = match arguments.keeping.of(layout.root()) {
        Ok(min_free) => min_free,
        Err(exit) => return exit,
    };
    let lack = OnceLock::new();
    let is_disk_low = || min_free.as_ref().and_then(MinFree::lack).map(|found| lack.get_or_init(|| found)).is_some();
    match snapshot(&layout, arguments, &|| stop.is_asked() || is_disk_low()) {
        Ok(None) => {
            if let Some(lack) = lack.get() {
                complain(&format!("stopped early: {lack}"));
                return Exit::Disk;
            }
            complain(&format!(
                "stopped early: {}; run it again to take the snapshot",
                stop.reason().unwrap_or_default()
            ));
            Exit::Stopped
        }
        Ok(Some(Taken::New(inventory))) => {
            print(summary(&layout, &inventory, began.elapsed().as_secs_f64()));
            Exit::Complete
        }
        Ok(Some(Taken::Nothing(inventory))) => {
            print([format!(
                "nothing new: snapshot {} of {} is sound and holds everything up to commit {}",
                inventory.snapshot,
                layout.root().display(),
                inventory.commit
            )]);
            Exit::Complete
        }
        Ok(Some(Taken::Empty)) => {
            print([format!("no snapshot: {} has no rows yet", layout.root().display())]);
            Exit::Complete
        }
        Err(error) => failure(&error),
    }
}

/// Takes the snapshot; returns `None` if it was stopped before.
fn snapshot(layout: &Layout, arguments: &Arguments, cancel: Cancel<'_>) -> Result<Option<Taken>, Error> {
    // Opening would create a dataset if there is none.
    if read_records(layout, &Disk)?.is_empty() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    let mut store = Store::open(layout.clone(), Arc::new(Disk))?;
    store.check_symlinks()?;
    let keep = &|newer, age| arguments.keep.keeps(newer, age);
    let split = split(&store)?;
    let options =
        SnapshotOptions { tables: &[], history: &[], split: &split, keep, prune: arguments.prune, threads: threads() };
    take_unless(&mut store, &options, cancel)
}

fn summary(layout: &Layout, inventory: &Inventory, seconds: f64) -> Vec<String> {
    let row = |table: Contents| {
        let how = match (table.rewritten, table.files) {
            (0, _) => String::from("taken over"),
            (rewritten, files) if rewritten < files => format!("{rewritten} of {files} files rewritten"),
            _ => String::from("rewritten"),
        };
        vec![table.name, count(table.rows), size(table.bytes), how]
    };
    let rows: Vec<Vec<String>> = inventory.tables().into_iter().map(row).collect();
    let head = format!(
        "snapshot {} of {} holds everything up to commit {}, taken in {}",
        inventory.snapshot,
        layout.root().display(),
        inventory.commit,
        span(seconds)
    );
    [vec![head, String::new()], grid(&["table", "rows", "size", "how"], &rows)].concat()
}
