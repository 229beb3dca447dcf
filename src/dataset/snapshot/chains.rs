//! Chains: parts whose keys follow each other are read one after the other, so that few files are open together.

use std::collections::BTreeSet;

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
    let mut known = Vec::with_capacity(parts.len());
    for part in parts {
        let footer = part.open(storage, cancel)?.footer()?;
        let memory = part.bytes_held() + memory(&footer);
        known.push((extent(&footer, table.key), (part, memory)));
    }
    let weighed = |chain: Vec<(RecordedFile, u64)>| {
        let memory = chain.iter().map(|(_, memory)| *memory).max().unwrap_or(0);
        Weighed { files: chain.into_iter().map(|(part, _)| part).collect(), memory }
    };
    Ok(in_chains(known).into_iter().map(weighed).collect())
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

/// The least or the greatest value of a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Number(i64),
    Text(Vec<u8>),
    /// Above any value.
    Greatest,
}

/// Two keys, of which no row has a lesser or a greater one.
type Extent<K> = (K, K);

/// Returns the extent of a file by its footer. It takes the columns of the key one by one, so it is exact as far as all rows have
/// the same value in each column but the last.
fn extent(footer: &ParquetMetaData, key: &[&str]) -> Extent<Vec<Bound>> {
    let (mut least, mut greatest) = (Vec::new(), Vec::new());
    for column in key {
        let Some((min, max)) = bounds(footer, column) else {
            greatest.push(Bound::Greatest);
            break;
        };
        least.push(min);
        greatest.push(max);
    }
    (least, greatest)
}

/// Returns the least and the greatest value in a column of a file; `None` if its footer does not know them.
fn bounds(footer: &ParquetMetaData, column: &str) -> Option<Extent<Bound>> {
    let descriptor = footer.file_metadata().schema_descr();
    let index = descriptor.columns().iter().position(|known| known.path().string() == column)?;
    let of_group = |group: &RowGroupMetaData| match group.column(index).statistics()? {
        Statistics::Int64(ids) => Some((Bound::Number(*ids.min_opt()?), Bound::Number(*ids.max_opt()?))),
        // Deprecated statistics have another order of texts.
        statistics @ Statistics::ByteArray(texts) if !statistics.is_min_max_deprecated() => {
            Some((Bound::Text(texts.min_bytes_opt()?.to_vec()), Bound::Text(texts.max_bytes_opt()?.to_vec())))
        }
        _ => None,
    };
    let groups: Option<Vec<Extent<Bound>>> = footer.row_groups().iter().map(of_group).collect();
    groups?.into_iter().reduce(|all, group| (all.0.min(group.0), all.1.max(group.1)))
}

/// Puts things with an extent into chains: each goes behind the chain that ends nearest before it, or begins another one.
fn in_chains<K: Ord + Clone, T>(mut things: Vec<(Extent<K>, T)>) -> Vec<Vec<T>> {
    things.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut chains: Vec<Vec<T>> = Vec::new();
    let mut ends: BTreeSet<(K, usize)> = BTreeSet::new();
    for ((least, greatest), thing) in things {
        let before = ends.range(..(least, 0)).next_back().cloned();
        let chain = match before.and_then(|end| ends.take(&end)) {
            Some((_, chain)) => chain,
            None => {
                chains.push(Vec::new());
                chains.len() - 1
            }
        };
        chains[chain].push(thing);
        ends.insert((greatest, chain));
    }
    chains
}

#[cfg(test)]
mod tests {
    use std::slice;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::ParquetMetaDataReader;
    use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
    use proptest::prelude::*;

    use super::*;

    type Ids = Extent<i64>;
    type Key = (i64, String, i64);

    /// Returns the extent of a file with these keys, and statistics of so many columns.
    fn extent_of(rows: &[Key], known: usize) -> Extent<Vec<Bound>> {
        let names = ["pass", "walk", "page"];
        let columns: [ArrayRef; 3] = [
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
        ];
        let rows = RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap();
        let without = |properties: WriterPropertiesBuilder, name: &&str| {
            properties.set_column_statistics_enabled((*name).into(), EnabledStatistics::None)
        };
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3));
        let properties = names[known..].iter().fold(properties, without).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        let file = Bytes::from(writer.into_inner().unwrap());
        extent(&ParquetMetaDataReader::new().parse_and_finish(&file).unwrap(), &names)
    }

    fn bounds_of((pass, walk, page): &Key) -> Vec<Bound> {
        vec![Bound::Number(*pass), Bound::Text(walk.clone().into_bytes()), Bound::Number(*page)]
    }

    #[test]
    fn an_extent_is_exact_where_all_but_the_last_column_are_the_same_in_all_rows() {
        let key = |pass, walk: &str, page| (pass, walk.to_owned(), page);
        let of_one_walk: Vec<Key> = (3..9).map(|page| key(1, "models", page)).collect();
        assert_eq!(extent_of(&of_one_walk, 3), (bounds_of(&of_one_walk[0]), bounds_of(&of_one_walk[5])));
        let of_two = [key(1, "images", 7), key(1, "models", 2)];
        assert_eq!(extent_of(&of_two, 3), (bounds_of(&key(1, "images", 2)), bounds_of(&key(1, "models", 7))));
    }

    #[test]
    fn a_column_without_statistics_leaves_the_end_open() {
        let row = (1, String::from("models"), 2);
        for known in 0..3 {
            let (least, greatest) = extent_of(slice::from_ref(&row), known);
            assert_eq!(least, bounds_of(&row)[..known]);
            assert_eq!(greatest, [&bounds_of(&row)[..known], &[Bound::Greatest]].concat());
        }
    }

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
        fn no_key_is_outside_of_its_extent(
            // The writer shortens long texts in its statistics.
            rows in prop::collection::vec((0..3_i64, "(aé){30,40}[a-zé]{0,9}|[a-c]", any::<i64>()), 1..12),
            known in 0..4_usize,
        ) {
            let (least, greatest) = extent_of(&rows, known);
            for row in &rows {
                prop_assert!(least <= bounds_of(row) && bounds_of(row) <= greatest, "{row:?}");
            }
        }

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
