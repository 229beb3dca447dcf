//! HTTP: sockets, routing, the edge cache, the log, and bodies as faults damage them.

mod cache;
mod call;
mod dispatch;
mod file_host;
mod journal;
mod route;
pub(super) mod server;
mod wire;
