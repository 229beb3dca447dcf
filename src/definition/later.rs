//! `from`, `incremental` and `confirm_gone`: where the passes of a walk begin and what they look up, checked against the endpoint.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::crawl::{Beginning, Later, Partitioning};
use super::mistake::Findings;
use super::quantity;
use super::value::{Section, text};
use crate::api::endpoint::{Endpoint, Paging};
use crate::api::models::MODELS;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// The catalog is younger.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The lists that a walk can enter at any instant, in the words of a sentence.
pub(super) const ENTERED: &str = "a list that can be entered at any instant: `models` or `images` with `sort = \"Oldest\"`, but no \
    search, and no images of one `postId`, `imageId` or `modelId`, or with `requiringMeta`";

/// The three keys of a walk, types checked.
pub(super) struct LaterKeys {
    from_at: Option<usize>,
    from: Option<Beginning>,
    incremental_at: Option<usize>,
    overlap: Option<Duration>,
    confirm_at: usize,
    confirm_gone: bool,
}

impl LaterKeys {
    /// Reads the keys, so that none counts as unknown.
    pub(super) fn take(section: &mut Section<'_>, found: &mut Findings<'_>) -> LaterKeys {
        let from_at = section.has("from").then(|| section.at_key("from"));
        let form = "a date in quotes, such as `\"2026-11-01\"`, or a time before now, such as `\"now - 30d\"`";
        let from = section.read("from", form, found, |value| beginning(text(value)?));
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
        LaterKeys { from_at, from, incremental_at, overlap, confirm_at, confirm_gone }
    }

    /// True if the walk has a `from`, whatever its value.
    pub(super) fn has_from(&self) -> bool {
        self.from_at.is_some()
    }

    /// Returns the settings; `None`, with a mistake noted, if the endpoint does not support them.
    pub(super) fn check(
        self,
        endpoint: &Endpoint,
        params: &[(String, String)],
        partitions: &Partitioning,
        found: &mut Findings<'_>,
    ) -> Option<Later> {
        let is_dated = can_be_entered(endpoint, params) && !matches!(partitions, Partitioning::Each(_));
        for (key, at) in [("from", self.from_at), ("incremental", self.incremental_at)] {
            if let Some(at) = at.filter(|_| !is_dated) {
                found.mistake(at, format!("`{key}` needs {ENTERED}; in one piece or in time windows."));
                return None;
            }
        }
        if let (Some(at), Some(Beginning::Date(date)), Partitioning::Windows { from: Some(split), .. }) =
            (self.from_at, self.from, partitions)
            && date < *split
        {
            found.mistake(at, "`split.from` is later than `from`, where the walk begins; leave `split.from` out.");
            return None;
        }
        if self.confirm_gone && endpoint.name != MODELS.name {
            let text =
                format!("`confirm_gone` looks up models, and this walk is over `{}`; leave it out.", endpoint.name);
            found.mistake(self.confirm_at, text);
            return None;
        }
        if self.confirm_gone && self.has_from() {
            let text = "`confirm_gone` looks up what a whole list no longer shows, and a walk with `from` reads only a part; \
                        leave one of them out.";
            found.mistake(self.confirm_at, text);
            return None;
        }
        Some(Later { from: self.from, incremental: self.overlap, confirm_gone: self.confirm_gone })
    }
}

/// True if a walk with these parameters can begin at any instant.
pub(super) fn can_be_entered(endpoint: &Endpoint, params: &[(String, String)]) -> bool {
    matches!(endpoint.paging, Paging::Cursor { windows: Some(windows), .. } if (windows.fits)(params))
}

/// Reads `2026-11-01` or `now - 30d`.
fn beginning(text: &str) -> Option<Beginning> {
    match text.trim().strip_prefix("now") {
        Some(rest) => {
            let ago = quantity::duration(rest.trim_start().strip_prefix('-')?.trim())?;
            (SECOND..=LONGEST).contains(&ago).then_some(Beginning::Ago(ago))
        }
        // A longer text has a time too, which would not count.
        None => date(text).filter(|date| *date >= 0 && text.len() <= "2026-11-01".len()).map(Beginning::Date),
    }
}

/// Returns the midnight (UTC) that begins this day, in milliseconds since 1970.
pub(super) fn date(text: &str) -> Option<i64> {
    let date: Date = text.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_walk_begins_at_a_date_or_a_time_before_now() {
        const DAY: u64 = 86_400;
        let ago = |seconds| Some(Beginning::Ago(Duration::from_secs(seconds)));
        let cases = [
            ("2026-11-01", Some(Beginning::Date(1_793_491_200_000)), "2026-11-01"),
            ("1970-01-01", Some(Beginning::Date(0)), "1970-01-01"),
            ("now - 30d", ago(30 * DAY), "now - 30d"),
            ("now - 24h", ago(DAY), "now - 1d"),
            (" now-1d 12h ", ago(36 * 3600), "now - 36h"),
            ("now - 90s", ago(90), "now - 1m 30s"),
            ("now - 3650d", ago(3650 * DAY), "now - 3650d"),
            ("now - 3651d", None, ""),
            ("now - 0s", None, ""),
            ("now - 10ms", None, ""),
            ("now - -1d", None, ""),
            ("now + 1d", None, ""),
            ("now - 1mo", None, ""),
            ("now", None, ""),
            ("now -", None, ""),
            ("1969-12-31", None, ""),
            ("2026-11-31", None, ""),
            ("2026-11", None, ""),
            ("2026-11-01T12:00:00", None, ""),
            ("2026-11-01 12:00", None, ""),
            ("yesterday", None, ""),
            ("", None, ""),
        ];
        for (text, expected, shown) in cases {
            assert_eq!(beginning(text), expected, "{text}");
            assert_eq!(expected.map(|begins| begins.to_string()).unwrap_or_default(), shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 1..=LONGEST.as_secs(), day in 0_i64..100_000) {
            for begins in [Beginning::Ago(Duration::from_secs(seconds)), Beginning::Date(day * 86_400_000)] {
                let text = begins.to_string();
                // Years beyond 9999 have no date of ten characters.
                prop_assert_eq!(beginning(&text), Some(begins), "{}", text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(now ?-? ?)?.{0,12}") {
            let _ = beginning(&text);
        }
    }
}
