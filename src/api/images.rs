//! `GET /images`: the image feed.
//!
//! Paged by cursor only. A cursor of the search index is an offset; one of the feed service (`feed:…`) names the last row shown by
//! sort value and id. Neither needs a repair. For images by id, and for a model without a version, the server takes an older path
//! whose cursor is an image id. Short and empty pages with a cursor are normal on every path.
//!
//! The search index ends after a number of hits, the feed service does not. It serves its cursors even to callers whose first
//! pages come from the index, so a list by age begins with a forged one. The order of the rows of one instant is unknown.

use super::endpoint::{Endpoint, NextCursor, Paging, Windows};
use super::envelope::{repaired, take_list};
use super::image::Image;
use super::images_params::{LIMIT_MAX, PARAMS, mixes_levels};
use super::page::{Page, Query, Unreadable, value_of};
use super::place::{Place, feed, feed_instant, offset, one_id};
use crate::table::{Tables, gallery_images, images};

/// The endpoint.
pub static IMAGES: Endpoint = Endpoint {
    name: "images",
    path: "images",
    tables: &[&images::TABLE, &gallery_images::TABLE],
    params: PARAMS,
    limit_max: LIMIT_MAX,
    // Images of any kind in mid-2026.
    catalog_rows: 120_000_000,
    whole_with: &["imageId", "modelId", "modelVersionId", "postId", "userId", "username"],
    a_minute: None,
    paging: Paging::Cursor { next, place, windows: Some(WINDOWS) },
    read,
};

const WINDOWS: Windows = Windows {
    fits: |params| value_of(params, "sort") == Some("Oldest") && is_served_by_feed(params),
    // Behind the last instant before it: its own rows may have any order.
    forge: |at| format!("feed:{}:0", at.saturating_sub(1).max(0)),
    at: feed_instant,
    without: Some(
        "the server does not know cursors by time (`feed:…`), and its older list ends after some ten thousand images as if \
         that were all; ask by version, as `crawls/images-by-version.toml` does",
    ),
};

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    let page = repaired(body, |text| take_list::<Image>(text, query, into))?;
    // The older path gives up after 20 s with a page that looks like the last; the feed does the same while its index is down.
    let suspect = query.cursor.is_some() || older_path(query.params);
    let doubtful = page.doubtful || (page.items == 0 && page.next_cursor.is_none() && suspect);
    Ok(Page { doubtful, ..page })
}

/// On the older path every sort but `Oldest` runs from the newest id down. A page begins strictly below its cursor although that
/// names the first row not yet shown: sent back unchanged, it would lose one image a page.
fn next(params: &[(String, String)], next_cursor: &str) -> NextCursor {
    let descending = value_of(params, "sort") != Some("Oldest");
    let above = next_cursor.parse::<i64>().ok().and_then(|id| id.checked_add(1));
    match above.filter(|_| descending && older_path(params)) {
        Some(above) => NextCursor::Cursor(above.to_string()),
        None => NextCursor::Cursor(next_cursor.to_owned()),
    }
}

fn place(params: &[(String, String)], cursor: Option<&str>) -> Option<Place> {
    let (cursor, rises) = (cursor?, value_of(params, "sort") == Some("Oldest"));
    if older_path(params) {
        return one_id(cursor, rises);
    }
    feed(cursor, rises).or_else(|| offset(cursor))
}

/// True if the feed service can express a request with these parameters.
fn is_served_by_feed(params: &[(String, String)]) -> bool {
    let given = |name| value_of(params, name).is_some();
    !given("postId") && !given("requiringMeta") && !older_path(params)
}

/// True if such parameters ask for images up to PG13 or for those above, but not for both: for about half of all.
pub fn is_of_one_side(params: &[(String, String)]) -> bool {
    value_of(params, "browsingLevel").is_some_and(|mask| !mixes_levels(mask))
}

/// True if the server answers such parameters on its older path.
fn older_path(params: &[(String, String)]) -> bool {
    let given = |name| value_of(params, name).is_some();
    given("imageId") || given("ids") || (given("modelId") && !given("modelVersionId"))
}
