//! Chains: parts whose keys follow each other are read one after the other, so that few files are open together.

use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::run::{RUN_BYTES, memory};
use crate::dataset::cancel::Cancel;
use crate::dataset::error::Error;
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::Storage;
use crate::table::Table;

/// Files of which each has greater keys than the one before it. They are read one after the other.
pub(super) type Chain = Vec<RecordedFile>;

/// A chain, and the memory that it takes while one of its files is open, in bytes.
pub(super) struct Weighed {
    pub(super) files: Chain,
    pub(super) memory: u64,
}

/// Puts the parts of a table into as few chains as possible, by the statistics in their footers. A part without any is a chain
/// of its own. The reader of a chain checks that its rows are in order.
pub(super) fn chained(
    storage: &dyn Storage,
    table: &Table,
    parts: Vec<RecordedFile>,
    cancel: Cancel<'_>,
) -> Result<Vec<Weighed>, Error> {
    let (mut known, mut chains) = (Vec::new(), Vec::new());
    for part in parts {
        let footer = part.open(storage, cancel)?.footer()?;
        let (memory, ids) = (part.bytes_held() + memory(&footer), ids_of(&footer, table.key[0]));
        match ids {
            Some(ids) => known.push((ids, (part, memory))),
            None => chains.push(Weighed { files: vec![part], memory }),
        }
    }
    for chain in in_chains(known) {
        let memory = chain.iter().map(|(_, memory)| *memory).max().unwrap_or(0);
        chains.push(Weighed { files: chain.into_iter().map(|(part, _)| part).collect(), memory });
    }
    Ok(chains)
}

/// Returns how many of the first chains to merge into a run: as few as must be gone for the others to fit beside it, of those
/// that fit together. `None` if all fit into this memory.
pub(super) fn too_many(chains: &[Weighed], open_max: u64) -> Option<usize> {
    let mut left: u64 = chains.iter().map(|chain| chain.memory).sum();
    if chains.len() < 2 || left <= open_max {
        return None;
    }
    let mut open = 0;
    let goes = |chain: &&Weighed| {
        let is_due = left + RUN_BYTES > open_max;
        open += chain.memory;
        left -= chain.memory;
        is_due && open <= open_max
    };
    Some(chains.iter().take_while(goes).count().max(2))
}

/// The least and the greatest id of a part.
type Ids = (i64, i64);

/// Returns the least and the greatest id in a column of a file, by its footer; `None` if that does not know them.
fn ids_of(footer: &ParquetMetaData, column: &str) -> Option<Ids> {
    let descriptor = footer.file_metadata().schema_descr();
    let index = descriptor.columns().iter().position(|known| known.path().string() == column)?;
    let of_group = |group: &RowGroupMetaData| match group.column(index).statistics()? {
        Statistics::Int64(ids) => Some((*ids.min_opt()?, *ids.max_opt()?)),
        _ => None,
    };
    let groups: Option<Vec<Ids>> = footer.row_groups().iter().map(of_group).collect();
    groups?.into_iter().reduce(|all, ids| (all.0.min(ids.0), all.1.max(ids.1)))
}

/// Puts things with an extent into chains: each goes behind the chain that ends nearest before it, or begins another one.
fn in_chains<T>(mut things: Vec<(Ids, T)>) -> Vec<Vec<T>> {
    things.sort_by_key(|(ids, _)| *ids);
    let mut chains: Vec<(i64, Vec<T>)> = Vec::new();
    for ((least, greatest), thing) in things {
        let before = chains.iter_mut().filter(|(end, _)| *end < least).max_by_key(|(end, _)| *end);
        match before {
            Some((end, chain)) => {
                *end = greatest;
                chain.push(thing);
            }
            None => chains.push((greatest, vec![thing])),
        }
    }
    chains.into_iter().map(|(_, chain)| chain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chains_of(extents: &[Ids]) -> Vec<Vec<Ids>> {
        in_chains(extents.iter().map(|ids| (*ids, *ids)).collect())
    }

    #[test]
    fn what_follows_is_read_behind_and_what_overlaps_or_touches_beside() {
        let cases: [(&[Ids], &[&[Ids]]); 5] = [
            (&[], &[]),
            (&[(4, 6), (1, 3)], &[&[(1, 3), (4, 6)]]),
            (&[(1, 3), (3, 4)], &[&[(1, 3)], &[(3, 4)]]),
            (&[(1, 9), (2, 3), (4, 5)], &[&[(1, 9)], &[(2, 3), (4, 5)]]),
            (&[(1, 4), (2, 7), (5, 9), (8, 8)], &[&[(1, 4), (5, 9)], &[(2, 7), (8, 8)]]),
        ];
        for (extents, chains) in cases {
            assert_eq!(chains_of(extents), chains, "{extents:?}");
        }
    }

    #[test]
    fn as_few_chains_are_merged_as_make_room_for_the_others() {
        let cases: [(&[u64], Option<usize>); 8] = [
            (&[], None),
            (&[99], None),
            (&[4, 4], None),
            (&[4, 5], Some(2)),
            (&[1; 9], Some(2)),
            (&[1; 12], Some(5)),
            (&[1; 99], Some(8)),
            (&[7, 7, 7], Some(2)),
        ];
        for (memory, together) in cases {
            let chain = |memory: &u64| Weighed { files: Vec::new(), memory: memory * RUN_BYTES };
            let chains: Vec<Weighed> = memory.iter().map(chain).collect();
            assert_eq!(too_many(&chains, 8 * RUN_BYTES), together, "{memory:?}");
        }
    }

    proptest! {
        #[test]
        fn chains_ascend_and_are_as_few_as_overlap_at_one_id(
            extents in prop::collection::vec((0..60_i64, 0..20_i64), 0..30)
        ) {
            let extents: Vec<Ids> = extents.into_iter().map(|(least, more)| (least, least + more)).collect();
            let chains = chains_of(&extents);
            prop_assert!(chains.iter().all(|chain| chain.is_sorted_by(|a, b| a.1 < b.0)));
            let at = |id: i64| extents.iter().filter(|ids| (ids.0..=ids.1).contains(&id)).count();
            prop_assert_eq!(chains.len(), (0..80).map(at).max().unwrap_or(0));
            let mut left: Vec<Ids> = chains.concat();
            left.sort_unstable();
            let mut all = extents;
            all.sort_unstable();
            prop_assert_eq!(left, all);
        }
    }
}
