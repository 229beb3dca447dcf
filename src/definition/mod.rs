//! Crawl file → checked [`Crawl`]. Pure: takes the text, returns the crawl or every mistake at once.

mod address;
mod changes;
mod choice;
mod crawl;
mod credential;
mod dropped;
mod fingerprint;
mod identity;
mod later;
mod mistake;
mod params;
mod parse;
mod partitioning;
mod paths;
mod privacy;
mod quantity;
mod server;
mod snapshot;
mod store;
mod suggestion;
mod value;
mod walk;

pub use address::{Address, StoreKind};
pub use changes::Changes;
pub use crawl::{
    Absence, Beginning, Commit, Crawl, Each, Later, Pace, Partitioning, Retry, Sandbox, Server, Source, Timeouts, Walk,
};
pub use fingerprint::{asks_the_same, difference, fingerprint};
pub use identity::identity;
pub use mistake::{Mistake, Mistakes, Place, Warning};
pub use parse::{parse, parse_changed};
pub use paths::{dataset_path, expanded};
pub use server::ServerError;
pub use snapshot::{Keep, Snapshot};
pub use store::{Location, store_beside};

#[cfg(test)]
mod tests;
