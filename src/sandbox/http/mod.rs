//! HTTP: listens, routes, caches, and sends answers as the wire mangles them.

pub(super) mod answer;
pub(super) mod cache;
pub(super) mod call;
pub(super) mod edge;
pub(super) mod file_host;
pub(super) mod journal;
pub(super) mod route;
pub(super) mod server;
pub(super) mod wire;
pub(super) mod world;
