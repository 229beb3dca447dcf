//! A Civitai that fits in the binary: a seeded or recorded catalog behind real HTTP, with the real server's paging, its
//! traps as switches and its failures as data. It shares no code with the crawler, because it exists to test the crawler.
//!
//! Six rooms, each of which imports only the rooms above it:
//!
//! * `catalog`: the models and images as a compact index, their sort orders, and the changes that happen to them;
//! * `render`: the JSON of one model, version or image, made on demand from the index;
//! * `endpoint`: one file per endpoint: its parameters, its rules of visibility and paging, its answers;
//! * `fault`: failures and false answers: which request gets one, and how it damages the answer;
//! * `oracle`: `/sandbox/…`: the rows and requests of a perfect client, for tests to compare with;
//! * `http`: sockets, routing, the edge cache, the log, the host of files.
//!
//! A request arrives at `http::server`, is taken apart by `http::call` and passes through `http::route`: it is logged,
//! `fault::plan` and `fault::tricks` decide whether it fails, `http::dispatch` asks its endpoint for an answer, the endpoint
//! reads its parameters, picks rows of the catalog and renders them, and `fault::damage` turns the answer into bytes to send.
//! `config`, `error`, `era` and `traps` are beside the rooms, because every room uses them.
//!
//! To add a trap: add its line to the table in `traps`, ask `traps.has(Trap::…)` at the place where it strikes, and let
//! `oracle` follow if the trap changes the rows that a perfect client gets.

mod catalog;
mod config;
mod endpoint;
mod era;
mod error;
mod fault;
mod http;
mod oracle;
mod render;
mod traps;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use endpoint::me::DEAD_KEY;
pub use era::Era;
pub use error::Error;
pub use fault::Fault;
pub use http::server::Sandbox;
pub use traps::Traps;
