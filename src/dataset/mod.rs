//! The dataset on disk: parts, commit records, run reports, and the protocol that keeps them true at any instant.
//!
//! ```text
//! OPEN     recognize the directory, else refuse and touch nothing; read the records from the last full one on: no gap, each
//!          whole and naming its predecessor's hash, else refuse and touch nothing; lock; try the links and syncs of commits;
//!          finish the last commit's publish and removals; sweep staged leftovers and redundant records.
//! COMMIT   per table: staged part written; the record drafted; all parts, their directories and the draft synced side by side;
//!          per part: its footer re-read, hashed; the draft linked to its number (the commit point), its directory synced.
//! PUBLISH  per part: linked from its staged to its final name. Parts that the commit removed are unlinked, their directories
//!          synced. Behind a full record, the records before it are removed.
//! SETTLE   with the syncs of the next commit or report, or at the end: the directories of the published parts synced side by side;
//!          then their staged names removed.
//! FAIL     before the commit point: staged files are removed, the checkpoint is untouched.
//! ```

pub mod cancel;
pub mod changed;
mod checksummed_json;
pub mod columns;
pub mod commit;
pub mod damage;
mod directories;
mod error;
mod folder;
pub mod history;
pub mod layout;
pub mod manifest;
pub mod missing;
pub mod novelty;
pub mod origin;
mod page_numbers;
pub mod part;
pub mod place;
pub mod read;
mod recorded_file;
pub mod recovery;
pub mod scan;
pub mod snapshot;
pub mod snapshot_reader;
pub mod sources;
pub mod store;
pub mod stored_pages;
pub mod values;
pub mod verify;
pub mod walk_state;

pub use error::Error;
