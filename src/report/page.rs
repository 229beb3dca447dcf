//! The page around the sections: head, key figures, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::catalog::Catalog;
use super::chart::figure;
use super::health::Health;
use super::sections;
use super::text::{foreign, percent};
use crate::dataset::snapshot::State;
use crate::dataset::snapshot_reader::SnapshotReader;

/// Forbids scripts and requests, whatever a name contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn render(snapshot: &SnapshotReader<'_>, catalog: &Catalog, health: &Health) -> Markup {
    let inventory = &snapshot.inventory;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (inventory.crawl) ": the catalog at a glance" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    h1 { (foreign(&inventory.crawl)) }
                    p {
                        "The catalog as of " time datetime=(inventory.at) { (inventory.at.strftime("%e %B %Y, %H:%M UTC")) }
                        ": pass " (inventory.pass) ", " (state(inventory.state)) "."
                    }
                }
                main {
                    (figures(catalog))
                    (sections::models(catalog))
                    (sections::versions(catalog))
                    (sections::licences(catalog))
                    (sections::people(catalog))
                    (sections::files(catalog))
                    (sections::images(catalog))
                    (sections::health(health))
                    (sections::growth(snapshot, &health.there))
                }
                footer {
                    p { "civitrawl " (inventory.version) ", snapshot " (inventory.snapshot) " through commit " (inventory.commit) ". Things that are gone are counted in the last table only." }
                }
            }
        }
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Unfinished => "not over yet",
        State::Complete => "complete",
        State::Doubtful => "over, but rows may be missing",
    }
}

/// Renders the key figures; those of tables that were not crawled are left out.
fn figures(catalog: &Catalog) -> Markup {
    let images = catalog.showcase.0 + catalog.images.0;
    let with_data = catalog.showcase.1 + catalog.images.1;
    let figures = [
        ("models", catalog.models),
        ("versions", catalog.versions),
        ("files", catalog.files.count),
        ("creators", catalog.creators),
        ("tags", catalog.tags),
        ("downloads", catalog.downloads),
        ("images", images),
    ];
    html! {
        dl.figures {
            @for (name, number) in figures.into_iter().filter(|(_, number)| *number > 0) { (figure(name, number)) }
            @if images > 0 { div { dt { "images with data" } dd { (percent(with_data, images)) } } }
        }
    }
}
