//! `incremental` and `confirm_gone`: the settings for passes after the first, checked against the endpoint.

use std::time::Duration;

use super::crawl::{Later, Partitioning};
use super::mistake::Findings;
use super::value::Section;
use crate::api::endpoint::{Endpoint, Paging};
use crate::api::models::MODELS;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The two keys of a walk, types checked.
pub(super) struct LaterKeys {
    incremental_at: Option<usize>,
    overlap: Option<Duration>,
    confirm_at: usize,
    confirm_gone: bool,
}

impl LaterKeys {
    /// Reads the keys, so that none counts as unknown.
    pub(super) fn take(section: &mut Section<'_>, found: &mut Findings<'_>) -> LaterKeys {
        let incremental_at = section.has("incremental").then(|| section.at_key("incremental"));
        let is_table = section.take("incremental").is_some_and(|value| value.get_ref().as_table().is_some());
        let mut incremental = section.section("incremental", found);
        let overlap = incremental.duration("overlap", SECOND..=YEAR, found);
        if is_table && !incremental.has("overlap") {
            let text = "`incremental` needs `overlap`: how far behind the last pass's end to begin, such as `\"3d\"`.";
            found.mistake(incremental.at(), text);
        }
        incremental.finish(found);
        let confirm_at = section.at_key("confirm_gone");
        let confirm_gone = section.bool("confirm_gone", found).unwrap_or(false);
        LaterKeys { incremental_at, overlap, confirm_at, confirm_gone }
    }

    /// Returns the settings; `None`, with a mistake noted, if the endpoint does not support them.
    pub(super) fn check(
        self,
        endpoint: &Endpoint,
        params: &[(String, String)],
        partitions: &Partitioning,
        found: &mut Findings<'_>,
    ) -> Option<Later> {
        if let Some(at) = self.incremental_at {
            let dated =
                matches!(endpoint.paging, Paging::Cursor { windows: Some(windows), .. } if (windows.fits)(params));
            if !dated || matches!(partitions, Partitioning::Each(_)) {
                let text = "`incremental` needs a list that can be entered at any instant: `models` with \
                            `sort = \"Oldest\"`, in one piece or in time windows.";
                found.mistake(at, text);
                return None;
            }
        }
        if self.confirm_gone && endpoint.name != MODELS.name {
            let text =
                format!("`confirm_gone` looks up models, and this walk is over `{}`; leave it out.", endpoint.name);
            found.mistake(self.confirm_at, text);
            return None;
        }
        Some(Later { incremental: self.overlap, confirm_gone: self.confirm_gone })
    }
}
