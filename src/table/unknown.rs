//! Keys that no column has, counted while rows are gathered. Their number and length are bounded, as the server sends them.

use std::collections::BTreeMap;

/// Most different keys counted per table.
pub const KEYS_MAX: usize = 100;
/// Longest key, in characters; the rest is cut off.
const LENGTH_MAX: usize = 100;
/// The key that counts all keys beyond [`KEYS_MAX`].
pub const OTHERS: &str = "…";

/// Counts by table and key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unknown(BTreeMap<&'static str, BTreeMap<String, u64>>);

impl Unknown {
    /// Counts a key of a row of the table.
    pub fn note(&mut self, table: &'static str, key: &str) {
        let key: String = key.chars().filter(|c| !c.is_control()).take(LENGTH_MAX).collect();
        add(self.0.entry(table).or_default(), &key, 1, |count| *count += 1);
    }

    /// Returns every table, key and count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        self.0.iter().flat_map(|(table, keys)| keys.iter().map(move |(key, count)| (*table, key.as_str(), *count)))
    }
}

/// Changes the value of a key. A new key gets the value `first`, or shares [`OTHERS`] once there are too many.
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
