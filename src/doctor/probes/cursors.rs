//! Cursors of models: B.

use super::super::about::Needs;
use super::super::answers::{Answers, Heard};
use super::super::exchange::Page;
use super::super::finding::{Finding, Judged, Pause, Verdict};
use super::super::probe::Probe;
use super::super::request::Request;
use super::asked::{first_models, list};
use super::beginning::{self, Beginning, NEWEST, OLDEST, more_of_oldest, named, newest, oldest, sent};
use super::confirmed::twice;

/// Milliseconds from 1970 to 2024-01-01: an instant in the middle of the catalog.
const MIDDLE: i64 = 1_704_067_200_000;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "B1",
        fact: "cursors of models by age are a date of at most three digits of fraction, and an id",
        relied_on: &["api/cursor.rs", "api/place.rs"],
        remedy: "Crawl models with sort = \"Oldest\" and report the cursor: its date is sent back unrepaired.",
        needs: Needs::Nothing,
        judge: form,
    },
    Probe {
        id: "B2",
        fact: "Oldest loses no model between pages",
        relied_on: &["api/models.rs", "engine/walk/by_window.rs"],
        remedy: "Request models by their ids too, as crawls/everything.toml does: a walk by Oldest lacks some.",
        needs: Needs::Nothing,
        judge: oldest_is_whole,
    },
    Probe {
        id: "B3",
        fact: "Newest loses no model between pages",
        relied_on: &["api/models.rs"],
        remedy: "Crawl models with sort = \"Oldest\".",
        needs: Needs::Nothing,
        judge: newest_is_whole,
    },
    Probe {
        id: "B4",
        fact: "Newest loses no model behind the cursor that a crawl sends",
        relied_on: &["api/cursor.rs", "api/models.rs"],
        remedy: "Crawl models with sort = \"Oldest\": a walk by Newest lacks one model of each page.",
        needs: Needs::Nothing,
        judge: repaired_newest_is_whole,
    },
    Probe {
        id: "B5",
        fact: "a cursor's fraction is read as a count of milliseconds",
        relied_on: &["api/cursor.rs"],
        remedy: "None is needed: the crawler sends all three digits.",
        needs: Needs::Nothing,
        judge: fractions_count,
    },
    Probe {
        id: "B6",
        fact: "a fraction padded to three digits is the instant that it says",
        relied_on: &["api/cursor.rs", "api/models.rs"],
        remedy: "Crawl models without `split` and `from`, and request them by their ids too: a resumed walk begins elsewhere.",
        needs: Needs::Nothing,
        judge: padding_is_exact,
    },
    Probe {
        id: "B7",
        fact: "a list by Oldest begins at an instant that a cursor names",
        relied_on: &["api/models.rs", "engine/walk/by_window.rs", "engine/walk/failed_page.rs"],
        remedy: "Leave out `split` and `from` of the walks of models: they fall back to one walk from the beginning.",
        needs: Needs::Nothing,
        judge: windows_begin,
    },
    Probe {
        id: "B8",
        fact: "cursors by Most Downloaded are three numbers",
        relied_on: &["api/models.rs", "api/place.rs"],
        remedy: "None is needed: they are sent back as they are.",
        needs: Needs::Nothing,
        judge: counters,
    },
    Probe {
        id: "B9",
        fact: "a cursor without a date is refused as an invalid cursor",
        relied_on: &["api/models.rs", "fetch/verdict.rs", "engine/walk/failed_page.rs"],
        remedy: "Report the answer: a walk behind the last dated model ends as a failure.",
        needs: Needs::Nothing,
        judge: undated,
    },
];

/// Returns the request for one model behind a cursor by Oldest.
fn one_behind(cursor: &str) -> Request {
    list("Oldest", 1).with("cursor", cursor)
}

/// Returns a text with `0` for each digit.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

fn form(answers: &Answers) -> Judged {
    let page = answers.page(first_models())?;
    let Some(cursor) = page.cursor else {
        return Ok(Finding::untold(format!("the list ends after {} models", page.items.len())));
    };
    if cursor.starts_with('|') {
        return Ok(Finding::untold("the first models have no date"));
    }
    let repaired = sent("Oldest", cursor);
    let is_known = repaired.rsplit_once('|').is_some_and(|(date, _)| shape(date) == "0000-00-00 00:00:00.000");
    let is_known = is_known && named(&repaired).is_some();
    Ok(match is_known {
        true => Finding::holds(format!("`{cursor}`")),
        false => Finding::differs(format!("`{cursor}`")),
    })
}

/// Returns the rows of the longer page behind the first page that the page behind its cursor does not show, up to the last row
/// of that.
///
/// # Errors
/// When the page does not show whether rows are lost.
fn lost(beginning: &Beginning<'_>, page: Page<'_>) -> Result<Vec<i64>, Pause> {
    let untold = |why: &str| Err(Pause::Lost(String::from(why)));
    let (longer, first, shown) = (beginning.longer.ids(), beginning.first.ids(), page.ids());
    let passed = first.last().map_or(Some(0), |last| Some(longer.iter().position(|row| row == last)? + 1));
    let Some(rest) = passed.map(|passed| &longer[passed..]) else {
        return untold("the longer page does not show the end of the first one");
    };
    let reaches_further = shown.iter().any(|row| !longer.contains(row));
    let reached = match rest.iter().rposition(|row| shown.contains(row)) {
        _ if reaches_further => rest.len(),
        Some(last) => last + 1,
        None if shown.is_empty() => return untold("the page behind the cursor is empty"),
        // Rows of one instant do so under Oldest.
        None if !beginning.newest => return untold("the page behind the cursor is the first one again"),
        None => rest.len(),
    };
    let lost: Vec<i64> = rest[..reached].iter().copied().filter(|row| !shown.contains(row)).collect();
    match named(beginning.cursor) {
        Some(row) if lost.is_empty() && !shown.contains(&row) => {
            Err(Pause::Lost(format!("model {row}, which the cursor names, is not shown")))
        }
        _ => Ok(lost),
    }
}

/// Returns the rows that are lost behind a cursor.
///
/// # Errors
/// When the answer does not show it: the finding or the reason.
fn lost_behind(beginning: &Beginning<'_>, answer: &Heard<'_>) -> Result<Vec<i64>, Pause> {
    lost(beginning, answer.clone()?.page()?)
}

/// Returns the message of a cursor that was refused.
fn refused<'a>(answer: &Heard<'a>) -> Option<&'a str> {
    answer.as_ref().ok().filter(|answer| answer.status == 400).map(|answer| answer.message())
}

fn whole(beginning: &Beginning<'_>, cursor: &str, answer: &Heard<'_>) -> String {
    let shown = answer.as_ref().ok().and_then(|answer| answer.page().ok()).map(|page| page.ids()).unwrap_or_default();
    let again = shown.iter().filter(|row| beginning.first.ids().contains(row)).count();
    format!("`{cursor}` opens a page with the model that it names; none is lost, {again} shown again")
}

fn rows(lost: &[i64]) -> String {
    let lost: Vec<String> = lost.iter().map(i64::to_string).collect();
    lost.join(", ")
}

/// Judges the page behind the cursor that a crawl sends.
fn repaired_is_whole(beginning: &Beginning<'_>) -> Judged {
    let sent = &beginning.sent;
    if let Some(message) = refused(&beginning.repaired) {
        return Ok(Finding::differs(format!("`{sent}` is refused: `{message}`")));
    }
    let lost = lost_behind(beginning, &beginning.repaired)?;
    Ok(match lost.as_slice() {
        [] => Finding::holds(whole(beginning, sent, &beginning.repaired)),
        lost => Finding::differs(format!("behind `{sent}` model {} is lost", rows(lost))),
    })
}

/// Judges the page behind the server's own cursor.
fn raw_is_whole(beginning: &Beginning<'_>) -> Judged {
    let Beginning { cursor, sent, .. } = beginning;
    let lost = lost_behind(beginning, &beginning.raw)?;
    Ok(match lost.as_slice() {
        [] => Finding::holds(whole(beginning, cursor, &beginning.raw)),
        lost => Finding::handled(format!("behind `{cursor}` model {} is lost; the crawl sends `{sent}`", rows(lost))),
    })
}

fn oldest_is_whole(answers: &Answers) -> Judged {
    twice(OLDEST, |name| {
        let beginning = if name == OLDEST { more_of_oldest(answers)?.beginning } else { oldest(answers, name)? };
        let repaired = repaired_is_whole(&beginning)?;
        let is_whole = repaired.verdict == Verdict::Holds;
        Ok(raw_is_whole(&beginning).ok().filter(|raw| is_whole && raw.verdict == Verdict::Handled).unwrap_or(repaired))
    })
}

fn newest_is_whole(answers: &Answers) -> Judged {
    raw_is_whole(&newest(answers, NEWEST)?)
}

fn repaired_newest_is_whole(answers: &Answers) -> Judged {
    twice(NEWEST, |name| repaired_is_whole(&newest(answers, name)?))
}

const NO_FRACTION: &str = "no date of the first models has a fraction that shows it";

fn fractions_count(answers: &Answers) -> Judged {
    let Some(fraction) = more_of_oldest(answers)?.fraction else {
        return Ok(Finding::untold(NO_FRACTION));
    };
    let (row, cursor) = (fraction.row, &fraction.short);
    let shown = shown(fraction.at_short)?;
    Ok(match shown.contains(&row) {
        true => Finding::holds(format!("`{cursor}` is before model {row}")),
        false => Finding::handled(format!("`{cursor}` is behind model {row}: padding changes nothing")),
    })
}

fn padding_is_exact(answers: &Answers) -> Judged {
    let Some(fraction) = more_of_oldest(answers)?.fraction else {
        return Ok(Finding::untold(NO_FRACTION));
    };
    let (row, cursor) = (fraction.row, &fraction.padded);
    if let Some(message) = refused(&fraction.at_padded) {
        return Ok(Finding::differs(format!("`{cursor}` is refused: `{message}`")));
    }
    let shown = shown(fraction.at_padded)?;
    Ok(match shown.contains(&row) {
        false => Finding::holds(format!("`{cursor}` is behind model {row}")),
        true => Finding::differs(format!("`{cursor}` is before model {row}, which is older")),
    })
}

/// Returns the ids of a page that has some.
fn shown(answer: Heard<'_>) -> Result<Vec<i64>, Pause> {
    let shown = answer?.page()?.ids();
    if shown.is_empty() { Err(Pause::Lost(String::from("the page is empty"))) } else { Ok(shown) }
}

fn windows_begin(answers: &Answers) -> Judged {
    let Some(windows) = beginning::windows() else {
        return Ok(Finding::untold("this version makes no such cursors"));
    };
    let forged = (windows.forge)(MIDDLE);
    let answer = answers.get(one_behind(&forged))?;
    if answer.status == 400 {
        return Ok(Finding::differs(format!("`{forged}` is refused: `{}`", answer.message())));
    }
    let page = answer.page()?;
    let first = answers.page(first_models())?;
    let instant = |page: Page<'_>| page.cursor.and_then(windows.at);
    Ok(match (instant(first), instant(page)) {
        (Some(first), _) if first >= MIDDLE => Finding::untold("all models are of 2024 or later"),
        (_, None) => Finding::untold(format!("the page at `{forged}` has no cursor that shows its instant")),
        (_, Some(next)) if next < MIDDLE => {
            Finding::differs(format!("`{forged}` opens a page that ends at `{}`", page.cursor.unwrap_or_default()))
        }
        _ => Finding::holds(format!("`{forged}` opens a page that ends at `{}`", page.cursor.unwrap_or_default())),
    })
}

fn counters(answers: &Answers) -> Judged {
    let page = answers.page(list("Most Downloaded", 1))?;
    let Some(cursor) = page.cursor else {
        return Ok(Finding::untold(format!("the list ends after {} models", page.items.len())));
    };
    let numbers: Vec<_> = cursor.split('|').map(str::parse::<i64>).collect();
    Ok(match numbers.as_slice() {
        [Ok(_), Ok(_), Ok(_)] => Finding::holds(format!("`{cursor}`")),
        _ => Finding::handled(format!("`{cursor}`, which a crawl sends back as it is")),
    })
}

fn undated(answers: &Answers) -> Judged {
    let answer = answers.get(one_behind("|1"))?;
    let message = answer.message();
    Ok(match answer.status {
        400 if message.contains("Invalid cursor") => Finding::holds(format!("400 `{message}`")),
        200 => {
            Finding::handled("it is answered; a crawl ends before models without a date, and finds them by their ids")
        }
        500 => Finding::handled("500 as of an older server; a crawl never sends such a cursor"),
        status => Finding::differs(format!("{status} `{message}`")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::exchange::Exchange;
    use super::super::super::finding::Verdict::{Differs, Handled, Untold};
    use super::super::super::testing::{Case, answer, assert_moved, examine, page, value};
    use super::*;

    /// A list of models and its rules.
    #[derive(Clone)]
    struct List {
        /// Milliseconds of the dates from [`List::BEGAN`] on, by id from 1.
        dates: Vec<i64>,
        /// Ids that are hidden after the limit.
        hidden: Vec<i64>,
        /// True if the row that a cursor names opens its page, under Oldest and under Newest.
        inclusive: (bool, bool),
        /// True if no row of a cursor's instant is on its page under Newest.
        strict: bool,
        /// True if all rows of a cursor's instant are on its page under Oldest.
        repeats: bool,
        /// True if `.5` is 5 ms.
        counts: bool,
        /// Digits of cursors, as many as the server prints.
        digits: usize,
        /// True if cursors are ignored.
        ignores: bool,
        /// The status of a cursor that cannot be read, or that names no row if `refuses` is set.
        refusal: u16,
        refuses: bool,
        counters: &'static str,
    }

    impl List {
        /// 2023-12-31 23:59:00.
        const BEGAN: i64 = 1_704_067_140_000;

        fn new() -> Self {
            Self {
                dates: (0..80).map(|id| id * 7_129 + 340).collect(),
                hidden: Vec::new(),
                inclusive: (true, true),
                strict: false,
                repeats: false,
                counts: true,
                digits: 3,
                ignores: false,
                refusal: 400,
                refuses: false,
                counters: "5|4|3",
            }
        }

        fn text(&self, at: i64) -> String {
            let date = jiff::Timestamp::from_millisecond(Self::BEGAN + at).unwrap();
            let text = date.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
            if self.digits > 3 {
                return text;
            }
            text[..text.len() - 3].trim_end_matches('0').trim_end_matches('.').to_owned()
        }

        fn instant(&self, date: &str) -> Option<i64> {
            let (seconds, fraction) = date.split_once('.').unwrap_or((date, ""));
            let fraction = if self.counts { format!("{fraction:0>3}") } else { format!("{fraction:0<3}") };
            let at: jiff::civil::DateTime = seconds.parse().ok()?;
            let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond() - Self::BEGAN;
            Some(at + fraction[..3].parse::<i64>().ok()?)
        }

        fn serve(&self, request: &Request) -> Exchange {
            let limit: usize = value(request, "limit").unwrap().parse().unwrap();
            let sort = value(request, "sort").unwrap();
            if sort == "Most Downloaded" {
                return answer(request, 200, page([json!({ "id": 3 })], Some(self.counters)));
            }
            let is_oldest = sort == "Oldest";
            let mut rows: Vec<(i64, i64)> = self.dates.iter().copied().zip(1..).collect();
            rows.sort_unstable();
            if !is_oldest {
                rows.reverse();
            }
            if let Some(cursor) = value(request, "cursor").filter(|_| !self.ignores) {
                let (date, id) = cursor.split_once('|').unwrap();
                let (at, id) = (self.instant(date), id.parse::<i64>().unwrap());
                let known = rows.iter().any(|(date, row)| Some(*date) == at && (*row == id || *row + 1 == id));
                let Some(at) = at.filter(|_| known || !self.refuses) else {
                    return answer(request, self.refusal, json!({ "message": "Invalid cursor: unparseable" }));
                };
                rows.retain(|row| match (is_oldest, row.0 == at && self.strict) {
                    (true, _) if self.repeats => row.0 >= at,
                    (true, _) => *row > (at, id) || (self.inclusive.0 && *row == (at, id)),
                    (false, true) => false,
                    (false, _) => *row < (at, id) || (self.inclusive.1 && *row == (at, id)),
                });
            }
            let cursor = rows.get(limit).map(|(date, id)| format!("{}|{id}", self.text(*date)));
            let items = rows.iter().take(limit).map(|row| row.1).filter(|id| !self.hidden.contains(id));
            answer(request, 200, page(items.map(|id| json!({ "id": id })), cursor.as_deref()))
        }
    }

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        let cases: &[Case<List>] = &[
            ("as today", |_| (), &[]),
            ("Oldest begins behind the row", |list| list.inclusive.0 = false, &[("B2", Differs)]),
            ("Newest begins behind the row", |list| list.inclusive.1 = false, &[("B3", Handled)]),
            ("Newest begins behind the instant", |list| list.strict = true, &[("B3", Handled), ("B4", Differs)]),
            ("fractions are decimal", |list| list.counts = false, &[("B5", Handled)]),
            ("six digits", |list| list.digits = 6, &[("B1", Differs)]),
            (
                "made-up cursors are refused",
                |list| list.refuses = true,
                &[("B5", Untold), ("B6", Differs), ("B7", Differs)],
            ),
            (
                "cursors are ignored",
                |list| list.ignores = true,
                &[("B2", Untold), ("B3", Handled), ("B4", Differs), ("B6", Differs), ("B7", Differs), ("B9", Handled)],
            ),
            ("cursors that cannot be read fail", |list| list.refusal = 500, &[("B9", Handled)]),
            ("by offset", |list| list.counters = "100", &[("B8", Handled)]),
            ("the row of the cursor is hidden", |list| list.hidden = vec![4, 77, 27], &[]),
            (
                "all rows of cursors are hidden",
                |list| list.hidden = vec![3, 4, 5, 26, 27, 28],
                &[("B2", Untold), ("B3", Untold), ("B4", Untold), ("B5", Untold), ("B6", Untold)],
            ),
            (
                "no fractions",
                |list| list.dates = (0..80).map(|id| id * 9000).collect(),
                &[("B5", Untold), ("B6", Untold)],
            ),
            (
                "hardly any model",
                |list| list.dates.truncate(2),
                &[
                    ("B1", Untold),
                    ("B2", Untold),
                    ("B3", Untold),
                    ("B4", Untold),
                    ("B5", Untold),
                    ("B6", Untold),
                    ("B7", Untold),
                ],
            ),
            ("many of one instant", |list| list.dates = [vec![340; 20], vec![80_000; 20]].concat(), &[]),
            (
                "many of one instant, which repeat",
                |list| (list.dates, list.repeats) = ([vec![340; 20], vec![80_000; 20]].concat(), true),
                &[("B2", Untold)],
            ),
        ];
        assert_moved(&PROBES.iter().collect::<Vec<_>>(), List::new, List::serve, cases);
    }

    #[test]
    fn a_loss_is_believed_if_it_is_seen_twice() {
        let (sound, broken) = (List::new(), List { strict: true, inclusive: (false, true), ..List::new() });
        for (id, spoilt, expected) in [
            ("B2", "oldest0", Handled),
            ("B2", "oldest", Differs),
            ("B4", "newest0", Handled),
            ("B4", "newest", Differs),
        ] {
            let is_spoilt = |request: &Request| value(request, "_").is_some_and(|key| key.contains(spoilt));
            let finding = examine(id, |request| if is_spoilt(request) { &broken } else { &sound }.serve(request));
            assert_eq!(finding.verdict, expected, "{id} {spoilt}: {}", finding.evidence);
        }
    }
}
