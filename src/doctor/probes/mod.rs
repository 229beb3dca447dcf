//! Every probe, by group. A new one is an entry of its group's table, and the function that judges it.

use super::probe::Probe;

mod account;
mod asked;
mod beginning;
mod confirmed;
mod cursors;
mod files;
mod hosts;
mod images;
mod items;
mod lists;
mod lookups;
mod models;
mod service;
#[cfg(test)]
mod tests;

/// The probes by group, in the order in which they are judged.
pub static GROUPS: &[&[Probe]] = &[
    service::PROBES,
    cursors::PROBES,
    models::PROBES,
    lookups::PROBES,
    lists::PROBES,
    images::PROBES,
    lists::ORDER,
    account::PROBES,
    files::PROBES,
    hosts::PROBES,
    items::PROBES,
    service::LIMITS,
];

/// Returns every probe, in the order in which they are judged.
pub fn all() -> impl Iterator<Item = &'static Probe> {
    GROUPS.iter().copied().flatten()
}
