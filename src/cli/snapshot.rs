//! `civitrawl snapshot DATASET`: takes a snapshot outside a crawl.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::exit::Exit;
use super::format::{count, grid, several, size, span};
use super::min_free::Keeping;
use super::output::{complain, failure, print};
use super::signals::attend;
use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::read::{read_manifest, read_records};
use crate::dataset::snapshot::{Cancel, Contents, Inventory, SnapshotOptions, Taken, split, take_unless, threads};
use crate::dataset::store::Store;
use crate::definition::Keep;
use crate::stop::Stop;
use crate::storage::{Disk, MinFree};
use crate::table::pages;

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
    /// Only print what `--prune` would remove; takes no snapshot and changes nothing
    #[arg(long, requires = "prune")]
    dry_run: bool,
    #[command(flatten)]
    keeping: Keeping,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let began = Instant::now();
    let layout = Layout::new(&arguments.dataset);
    if arguments.dry_run {
        return dry_run(&layout).unwrap_or_else(|error| failure(&error));
    }
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
        Ok(Some((Taken::New(inventory), freed))) => {
            let lines = summary(&layout, &inventory, began.elapsed().as_secs_f64());
            print([lines, pruned(arguments, freed)].concat());
            Exit::Complete
        }
        Ok(Some((Taken::Nothing(inventory), freed))) => {
            let line = format!(
                "nothing new: snapshot {} of {} is sound and holds everything up to commit {}",
                inventory.snapshot,
                layout.root().display(),
                inventory.commit
            );
            print([vec![line], pruned(arguments, freed)].concat());
            Exit::Complete
        }
        Ok(Some((Taken::Empty, _))) => {
            print([format!("no snapshot: {} has no rows yet", layout.root().display())]);
            Exit::Complete
        }
        Err(error) => failure(&error),
    }
}

/// Prints what pruning would remove behind a new snapshot: all parts but those of `pages`.
fn dry_run(layout: &Layout) -> Result<Exit, Error> {
    let manifest = read_manifest(layout, &Disk)?;
    if manifest.last.is_none() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    let parts = manifest.live_parts().filter(|part| *part.table != pages::TABLE);
    let (number, bytes) = parts.fold((0, 0), |(number, bytes), part| (number + 1, bytes + part.bytes));
    print([format!("`--prune` would remove {} of {}", several(number, "part"), size(bytes))]);
    Ok(Exit::Complete)
}

/// The lines about pruning, which freed so many bytes.
fn pruned(arguments: &Arguments, freed: u64) -> Vec<String> {
    if arguments.prune { vec![String::new(), format!("pruned: parts of {} removed", size(freed))] } else { Vec::new() }
}

/// Takes the snapshot. Returns it with the bytes of the parts that were removed; `None` if it was stopped before.
fn snapshot(layout: &Layout, arguments: &Arguments, cancel: Cancel<'_>) -> Result<Option<(Taken, u64)>, Error> {
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
    let before = store.manifest().history.bytes();
    let taken = take_unless(&mut store, &options, cancel)?;
    let freed = before - store.manifest().history.bytes();
    Ok(taken.map(|taken| (taken, freed)))
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
