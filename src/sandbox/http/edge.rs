//! The network's edge: which answers it may keep, and what it says of each.

use super::call::Call;
use crate::sandbox::era::Era;

const KEPT: &str = "public, s-maxage=300, stale-while-revalidate=150";

/// `Cache-Control` of an answer.
pub(crate) fn control(era: Era, call: &Call, status: u16) -> &'static str {
    let missing_model = status == 404 && call.below().starts_with("models/");
    match status {
        400.. if era == Era::Sep2026 && !missing_model => "no-store, max-age=0",
        _ if bypassed(era, call) => "private, max-age=0, no-cache",
        500.. => "no-store",
        _ => KEPT,
    }
}

/// True when the edge passes a request by, whatever it keeps.
fn bypassed(era: Era, call: &Call) -> bool {
    call.below() == "me" || (era == Era::Sep2026 && call.authorization)
}

/// `cf-cache-status` of an answer that was, or was not, made before; true when it comes from the cache.
pub(crate) fn word(era: Era, call: &Call, status: u16, made_before: bool) -> (&'static str, bool) {
    let kept = era != Era::Sep2026 || control(era, call, status) == KEPT;
    match (bypassed(era, call), made_before && kept) {
        (true, _) => ("BYPASS", false),
        (_, true) => ("HIT", true),
        (_, false) => ("MISS", false),
    }
}
