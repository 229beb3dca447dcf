//! Remembers pages as the server lists them without filters.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Mutex;

/// Pages without their filters, remembered for this run by query and cursor. Its lock is held while one is fetched, so that other
/// partitions wait for it instead of fetching it too.
pub(crate) type Unfiltered = Mutex<HashMap<String, Remembered>>;

/// The ids of such a page; empty when it could not be fetched.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(super) at: Instant,
    pub(super) ids: Rc<HashSet<i64>>,
}
