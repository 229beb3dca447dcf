//! A region clamp: the server hides what is above PG13 from some countries and says nothing of it. Pure.
//!
//! Models that show PG or PG13 beside higher levels stay, those that show neither vanish. A question for images of higher
//! levels only is answered with those of PG and PG13.

use super::message::PageRequest;
use crate::api::page::Page;
use crate::dataset::commit::WalkState;

/// The bits of PG and PG13.
const MILD: u32 = 3;
/// Questions after one person or one theme: there may honestly be nothing above PG13.
const NARROW: &[&str] = &["query", "tag", "tagname", "tags", "user", "userId", "username"];

/// Counts the mild items of a page that asked for higher levels.
pub(crate) fn count(walk: &mut WalkState, request: &PageRequest, page: &Page) {
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
