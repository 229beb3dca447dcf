//! Detects a region clamp: from some countries the server silently hides everything above PG13. Pure.
//!
//! Models that show PG or PG13 beside higher levels stay, those that show neither vanish. A request for images of higher
//! levels only is answered with images of PG and PG13.

use super::message::PageRequest;
use crate::api::envelope::Page;
use crate::dataset::commit::WalkState;

/// The bits of PG and PG13.
const MILD: u32 = 3;
/// Parameters that name one person or theme, of which there may honestly be nothing above PG13.
const NARROW: &[&str] = &["query", "tag", "tagname", "tags", "user", "userId", "username"];

/// Counts the mild items of a page whose request included higher levels.
pub(super) fn count(walk: &mut WalkState, request: &PageRequest, page: &Page) {
    let mild = page.items.saturating_sub(page.rejects + page.nameless + page.above_pg13);
    let value = |name: &str| request.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let levels = value("browsingLevel").and_then(|levels| levels.parse::<u32>().ok()).unwrap_or(0);
    let is_narrow = NARROW.iter().any(|name| value(name).is_some());
    match request.endpoint.name {
        "images" if levels != 0 && levels & MILD == 0 => walk.unasked_mild += mild,
        "images" if levels & !MILD != 0 && !is_narrow => walk.mild += mild,
        "models" if value("nsfw") == Some("true") && !is_narrow => walk.mild += mild,
        _ => {}
    }
}
