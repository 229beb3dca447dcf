//! Copies of a dataset: `push` to a place, `pull` from it.
//!
//! ```text
//! PUSH     parts, the newest snapshot's files, its inventory, the records, each hashed before it gets its name; all durable;
//!          `latest.json` replaced (the commit point); the Delta log of each table. Nothing is ever removed: a reader may hold it.
//! PULL     what `latest.json` names and the dataset lacks, each hashed: parts to their staged names, the snapshot to a draft;
//!          all synced; the records in order; the snapshot; then the dataset is opened, which publishes the parts.
//! ```
//! A place has no state but its head: whatever a killed push left beside it is used by the next push, or by none. All other
//! names are for ever those of one content, so a put whose answer was lost is repeated. A few files are under way at a time; those
//! of one line above are all there before the next line begins.

mod chain;
mod copied;
mod delta;
mod directory;
mod head;
mod kept;
mod pull;
mod push;
mod several;
mod truth;

pub use copied::Copied;
pub use directory::Directory;
pub use kept::{Place, Sink};
pub use pull::pull;
pub use push::push;
pub use truth::{Opened, Opening, Truth, Whose};
