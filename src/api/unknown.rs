//! Notes the keys of an item that no column has.

use super::exact::each_field;
use super::extra::Extra;
use crate::table::Table;
use crate::table::unknown::Unknown;

/// Known objects within items: an unknown key inside one is noted with both keys, `stats.viewCount`.
const NESTED: [&str; 7] = ["creator", "stats", "paidAccess", "metadata", "hashes", "thumbnail", "user"];

impl Extra {
    /// The value of the table's column `extra`; `None` if nothing was added. Notes each key in `unknown`.
    pub(super) fn into_column_of(self, table: &Table, unknown: &mut Unknown) -> Option<String> {
        let object = self.into_column()?;
        each_field(&object, |key, json| {
            let mut is_empty = true;
            if NESTED.contains(&key) {
                each_field(json, |last, _| {
                    is_empty = false;
                    unknown.note(table.name, &format!("{key}.{last}"));
                });
            }
            if is_empty {
                unknown.note(table.name, key);
            }
        });
        Some(object)
    }
}
