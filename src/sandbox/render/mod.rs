//! The JSON that the server writes about one entry of the catalog.

pub(super) mod files;
pub(super) mod image;
pub(super) mod json;
mod legacy;
mod meta;
mod model;
mod number;
mod showcase;
pub(super) mod version;
pub(super) mod version_detail;
pub(super) mod view;

use self::json::Writer;
use self::view::{Item, View};
use super::catalog::{Catalog, Source};
use super::era::Era;

/// Appends a model's item as a request with this view gets it.
pub(super) fn model(catalog: &Catalog, position: u32, view: View, json: &mut Writer) {
    json.separate();
    match &catalog.source {
        Source::Recorded(recording) => json.out.push_str(&recording.items[position as usize].json),
        Source::Generated(generator) => {
            let item = Item::new(generator, catalog.entry(position), view);
            match catalog.era {
                Era::Y2023 => legacy::render(&item, json),
                Era::Aug2026 | Era::Sep2026 => model::render(&item, json),
            }
        }
    }
}
