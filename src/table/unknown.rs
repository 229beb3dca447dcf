//! Keys that no column knows, counted while rows are gathered: what the server sends is an input, so they are bounded.

use std::collections::BTreeMap;

/// The most keys that are told apart in a table.
pub const KEYS_MAX: usize = 100;
/// The most characters of a key.
const LENGTH_MAX: usize = 100;
/// What stands for the keys beyond [`KEYS_MAX`].
pub const OTHERS: &str = "…";

/// Counts by table and key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unknown(BTreeMap<&'static str, BTreeMap<String, u64>>);

impl Unknown {
    /// Counts a key that a row of the table has.
    pub fn note(&mut self, table: &'static str, key: &str) {
        let key: String = key.chars().filter(|c| !c.is_control()).take(LENGTH_MAX).collect();
        add(self.0.entry(table).or_default(), &key, 1, |count| *count += 1);
    }

    /// Every table, key and count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        self.0.iter().flat_map(|(table, keys)| keys.iter().map(move |(key, count)| (*table, key.as_str(), *count)))
    }
}

/// Changes the value of a key; a new key gets the value `first`, or shares that of [`OTHERS`] where there are too many.
pub fn add<T>(keys: &mut BTreeMap<String, T>, key: &str, first: T, change: impl Fn(&mut T)) {
    let key = if keys.contains_key(key) || keys.len() < KEYS_MAX { key } else { OTHERS };
    match keys.get_mut(key) {
        Some(value) => change(value),
        None => drop(keys.insert(key.to_owned(), first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_few_short_and_printable() {
        let mut unknown = Unknown::default();
        for n in 0..1000 {
            unknown.note("models", &format!("{n:03}\n{}", "é".repeat(1000)));
            unknown.note("models", "000");
        }
        unknown.note("tags", "x");
        let seen: Vec<_> = unknown.iter().collect();
        assert_eq!(seen.iter().filter(|(table, ..)| *table == "models").count(), KEYS_MAX + 1);
        assert!(seen.contains(&("tags", "x", 1)) && seen.contains(&("models", "000", 1000)));
        assert!(seen.contains(&("models", OTHERS, 901)), "{seen:?}");
        assert!(seen.iter().all(|(_, key, _)| key.chars().count() <= LENGTH_MAX && !key.contains('\n')));
    }
}
