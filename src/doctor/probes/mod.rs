//! Every probe, by group. A new one is an entry of its group's table, and the function that judges it.

use super::probe::Probe;

mod account;
mod beginning;
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
    images::PROBES,
    lists::PROBES,
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
