//! Compares the models in the tables with the counts that creators report.

use std::collections::{HashMap, HashSet};

use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::layout::Layout;
use crate::dataset::scan::each_batch;
use crate::storage::Disk;
use crate::table::{creators, models};

/// Returns a sentence when creators have more models than the tables hold of theirs; `None` where either table is empty.
///
/// # Errors
/// [`Error::Disk`].
pub(crate) fn missing_models(dataset: &Layout) -> Result<Option<String>, Error> {
    let mut claimed: HashMap<String, i64> = HashMap::new();
    each_batch(dataset, &Disk, &creators::TABLE, &["username", "model_count"], &mut |batch| {
        let (names, counts) = (batch.texts("username"), batch.numbers("model_count"));
        for (name, count) in names.iter().zip(counts.iter()) {
            claimed.extend(name.map(|name| (name.to_owned(), count.unwrap_or(0))));
        }
    })?;
    let (mut ids, mut shown) = (HashSet::new(), HashMap::<String, i64>::new());
    each_batch(dataset, &Disk, &models::TABLE, &["id", "creator_username"], &mut |batch| {
        let (models, names) = (batch.numbers("id"), batch.texts("creator_username"));
        for (model, name) in models.iter().zip(names.iter()) {
            let Some(name) = name.filter(|name| claimed.contains_key(*name) && ids.insert(model)) else { continue };
            match shown.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(shown.insert(name.to_owned(), 1)),
            }
        }
    })?;
    let all: i64 = claimed.values().sum();
    let short = |(name, count): (&String, &i64)| count - shown.get(name).copied().unwrap_or(0);
    let lacking: Vec<i64> = claimed.iter().map(short).filter(|lacking| *lacking > 0).collect();
    Ok((!lacking.is_empty() && !ids.is_empty()).then(|| {
        format!(
            "creators report {all} models, and {} of these are not in the tables, of {} creators; \
             the server lists some of them nowhere (unpublished, or of real persons)",
            lacking.iter().sum::<i64>(),
            lacking.len()
        )
    }))
}
