//! Judges a list that no longer shows all that it showed before: believed, or doubtful and for which reason. Pure.

use crate::definition::Absence;

/// The evidence about things that a list no longer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence {
    /// Items of the list.
    pub(super) came: u64,
    /// Things expected on it.
    pub(super) expected: u64,
    /// Expected things that are not on it.
    pub(super) missing: u64,
    /// So many may be missing whatever the look-ups show, because each of them is settled by itself.
    pub(super) few: u64,
    /// Look-ups of missing things that were answered.
    pub(super) asked: u64,
    /// Answered look-ups that show their thing.
    pub(super) shown: u64,
    /// True when look-ups show what the list shows.
    pub(super) controlled: bool,
    /// True when a walk beside this one, which may list some of them now, is not believed.
    pub(super) beside: bool,
    /// Missing things that an earlier doubtful pass still showed; `None` without such a pass.
    pub(super) lately: Option<u64>,
}

/// Returns why the list is not believed; `None` when it is.
pub(super) fn doubt(limits: Absence, of: Evidence) -> Option<String> {
    let Evidence { came, expected, missing, .. } = of;
    if missing == 0 {
        return None;
    }
    if came == 0 {
        return Some(format!("nothing came of a list that showed {expected} things before"));
    }
    if missing <= of.few {
        return None;
    }
    let much = |missing: u64| missing > limits.most_missing(expected);
    let because = if !of.controlled || of.asked == 0 {
        String::from("look-ups do not answer for what it shows either")
    } else if of.shown > 0 {
        format!("of {} of them, asked for singly, the server still shows {}", of.asked, of.shown)
    } else if of.beside {
        String::from("a walk beside this one, which may list some of them now, is not believed either")
    } else if much(missing) && of.lately.is_none_or(much) {
        String::from("so much is believed only when a second pass misses it too")
    } else {
        return None;
    };
    let still = expected - missing;
    Some(format!(
        "of {expected} things that the list showed before it shows {still}, and {missing} are missing; {because}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_list_is_believed_as_far_as_the_evidence_goes() {
        let limits = Absence { shrink: 0.2, fewer: 100, sample: 20 };
        let of = |expected, missing, shown, lately| Evidence {
            came: expected - missing,
            expected,
            missing,
            few: 20,
            asked: 20.min(missing),
            shown,
            controlled: true,
            beside: false,
            lately,
        };
        let cases = [
            ("nothing is missing", of(1000, 0, 0, None), None),
            ("few are missing, whatever look-ups show", of(1000, 20, 20, None), None),
            ("everything is missing", of(1000, 1000, 0, None), Some("nothing came")),
            ("the only thing is missing", of(1, 1, 0, None), Some("nothing came")),
            ("everything is missing twice", of(1000, 1000, 0, Some(0)), Some("nothing came")),
            ("a plausible share is missing", of(1000, 200, 0, None), None),
            ("a small list lost half", of(150, 100, 0, None), None),
            ("one of the sample is shown", of(1000, 21, 1, None), Some("still shows 1")),
            ("too much is missing for the first time", of(1000, 201, 0, None), Some("a second pass")),
            ("too much is missing again", of(1000, 201, 0, Some(0)), None),
            ("most of it is missing again", of(1000, 301, 0, Some(200)), None),
            ("other things are missing", of(1000, 301, 0, Some(201)), Some("a second pass")),
            ("too much is missing twice, and shown", of(1000, 201, 3, Some(0)), Some("still shows 3")),
            ("look-ups are away", Evidence { controlled: false, ..of(1000, 50, 0, None) }, Some("do not answer")),
            ("no look-up was answered", Evidence { asked: 0, ..of(1000, 50, 0, None) }, Some("do not answer")),
            (
                "they may be beside it",
                Evidence { beside: true, ..of(1000, 50, 0, None) },
                Some("a walk beside this one"),
            ),
            ("each is settled by itself", Evidence { beside: true, ..of(1000, 20, 0, None) }, None),
            ("a hole explains it", Evidence { few: 120, ..of(1000, 110, 9, None) }, None),
        ];
        for (what, evidence, expected) in cases {
            let detail = doubt(limits, evidence);
            match expected {
                None => assert_eq!(detail, None, "{what}"),
                Some(part) => {
                    assert!(detail.as_ref().is_some_and(|detail| detail.contains(part)), "{what}: {detail:?}");
                }
            }
        }
    }
}
