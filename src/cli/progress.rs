//! Progress on a terminal: a line for each walk that is under way, in columns, and one for the run. Fits 80 columns.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::format::{count, span};
use super::screen::screen;
use crate::engine::events::{Event, Listener};
use crate::fetch;

/// The longest name of a walk that is shown whole.
const NAME_CHARS: usize = 20;
/// The remaining time is estimated after this long.
const WATCHED: Duration = Duration::from_secs(5);

/// The lines on the terminal. They are cleared when it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    screen: MultiProgress,
    /// The walks of the crawl, each with the pages that it is expected to have, where that is known.
    expected: BTreeMap<String, Option<u64>>,
    /// The walks under way.
    walks: Mutex<BTreeMap<String, Line>>,
    run: Mutex<Run>,
}

/// A walk's line.
#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    pages: u64,
    items: u64,
    began: Instant,
    pages_at_start: u64,
    expected: Option<u64>,
    /// The values of a fan-out that are left, once that is known.
    values: Option<Values>,
}

/// The values of a fan-out.
#[derive(Debug)]
struct Values {
    /// The time at which their number was known, and their number then.
    known: Instant,
    at_first: u64,
    left: u64,
}

/// The run's line.
#[derive(Debug)]
struct Run {
    bar: ProgressBar,
    began: Instant,
    requests: u64,
    items: u64,
    retries: u64,
    /// The walks that are over, and those that stopped.
    over: usize,
    stopped: usize,
    /// End of the pause that the server asked for; `None` once the pace has recovered.
    paused: Option<Instant>,
}

impl Line {
    fn show(&self, note: &str) {
        let known = self.values.as_ref().map(|values| values.known.elapsed());
        self.bar.set_message(self.text(self.began.elapsed(), known, note));
    }

    /// Returns the text behind the walk's name, after it was watched for so long, and its values were known for so long.
    fn text(&self, watched: Duration, known: Option<Duration>, note: &str) -> String {
        let pages = self.pages - self.pages_at_start;
        let left = match (&self.values, known) {
            (Some(values), Some(known)) => time_left(values.at_first - values.left, values.left, known),
            _ => time_left(pages, self.expected.and_then(|all| all.checked_sub(self.pages)).unwrap_or(0), watched),
        };
        let note = if note.is_empty() { left.unwrap_or_default() } else { note.to_owned() };
        columns(self.pages, "pages", self.items, pages as f64 / watched.as_secs_f64().max(0.001), &note)
    }
}

/// Returns the time that so many more take where so many were done in this time; `None` while that cannot be said.
fn time_left(done: u64, left: u64, watched: Duration) -> Option<String> {
    let is_known = left > 0 && done > 0 && watched >= WATCHED;
    is_known.then(|| format!("{} left", span(left as f64 * watched.as_secs_f64() / done as f64)))
}

/// Returns the columns of a line, at the same places in each.
fn columns(number: u64, things: &str, items: u64, rate: f64, note: &str) -> String {
    let line = format!("{:>7} {things:<8} {:>10} items  {rate:>5.1}/s  {note}", count(number), count(items));
    line.trim_end().to_owned()
}

impl Run {
    fn show(&mut self, walks: usize) {
        let rate = self.requests as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let wait = self.paused.map(|until| until.checked_duration_since(Instant::now()));
        let mut notes = match wait {
            Some(Some(wait)) => vec![format!("the server asked to wait {:.0} s", wait.as_secs_f64().ceil())],
            Some(None) => vec![String::from("slowed down, recovering")],
            None => Vec::new(),
        };
        let counts = [(self.retries, "asked again"), (self.stopped as u64, "stopped")];
        notes.extend((self.over > 0 && walks > 0).then(|| format!("{} of {walks} over", self.over)));
        notes.extend(
            counts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{} {what}", count(*number))),
        );
        self.bar.set_message(columns(self.requests, "requests", self.items, rate, &notes.join(", ")));
    }
}

/// Returns a walk's name, cut to [`NAME_CHARS`].
fn named(walk: &str) -> String {
    let short: String = walk.chars().take(NAME_CHARS).collect();
    if walk.chars().count() > NAME_CHARS { format!("{}…", &short[..short.len() - 1]) } else { short }
}

impl Progress {
    pub(super) fn new(expected: BTreeMap<String, Option<u64>>) -> Self {
        let screen = MultiProgress::with_draw_target(screen(true));
        let bar = ProgressBar::hidden();
        let run =
            Run { bar, began: Instant::now(), requests: 0, items: 0, retries: 0, over: 0, stopped: 0, paused: None };
        Self { screen, expected, walks: Mutex::default(), run: Mutex::new(run) }
    }

    /// Returns the screen that log lines appear on, above the progress lines.
    pub(super) fn screen(&self) -> MultiProgress {
        self.screen.clone()
    }

    fn walks(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line above the run's, or that one at the bottom of the screen.
    fn line(&self, name: &str, above: Option<&ProgressBar>) -> ProgressBar {
        let bar = ProgressBar::new_spinner();
        let bar = match above {
            Some(run) => self.screen.insert_before(run, bar),
            None => self.screen.add(bar),
        };
        // The template is a constant that parses.
        let style = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let width = self.expected.keys().map(|walk| named(walk).chars().count()).max().unwrap_or(NAME_CHARS);
        bar.set_prefix(format!("{:<width$}", named(name), width = width.max("run".len())));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn begin(&self, walk: &str, pages: u64, items: u64) {
        let expected = self.expected.get(walk).copied().flatten();
        let bar = {
            let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            self.line(walk, Some(&run.bar))
        };
        let line = Line { bar, pages, items, began: Instant::now(), pages_at_start: pages, expected, values: None };
        line.show("");
        self.walks().insert(walk.to_owned(), line);
    }

    fn change(&self, walk: &str, change: impl FnOnce(&mut Line)) {
        if let Some(line) = self.walks().get_mut(walk) {
            change(line);
        }
    }

    /// Removes a walk's line; the run's line counts it.
    fn end(&self, walk: &str, count: impl FnOnce(&mut Run)) {
        let line = self.walks().remove(walk);
        if let Some(line) = line {
            line.bar.finish_and_clear();
            self.screen.remove(&line.bar);
        }
        self.run(count);
    }

    fn run(&self, change: impl FnOnce(&mut Run)) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut run);
        run.show(self.expected.len());
    }
}

impl Listener for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Started { .. } => self.run(|run| run.bar = self.line("run", None)),
            Event::WalkStarted { walk, pages, items } => self.begin(walk, *pages, *items),
            Event::ValuesLeft { walk, left } => self.change(walk, |line| match &mut line.values {
                Some(values) => values.left = *left,
                None => line.values = Some(Values { known: Instant::now(), at_first: *left, left: *left }),
            }),
            Event::Page { walk, items, .. } => {
                self.change(walk, |line| {
                    line.pages += 1;
                    line.items += items;
                    line.show("");
                });
                self.run(|run| run.items += items);
            }
            Event::Fetch { walk, event } => match event {
                fetch::Event::Sent { .. } => self.run(|run| run.requests += 1),
                fetch::Event::Answered { .. } => {}
                fetch::Event::Retrying { wait, .. } => {
                    self.run(|run| run.retries += 1);
                    self.change(walk, |line| line.show(&format!("asking again in {:.0} s", wait.as_secs_f64().ceil())));
                }
                fetch::Event::Throttled { pause, endpoint: None, .. } => {
                    self.run(|run| run.paused = Some(Instant::now() + *pause));
                }
                fetch::Event::Recovered { endpoint: None, .. } => self.run(|run| run.paused = None),
                // The run keeps its pace while one endpoint waits.
                fetch::Event::Throttled { .. } | fetch::Event::Recovered { .. } => {}
            },
            Event::WalkEnded { walk, .. } => self.end(walk, |run| run.over += 1),
            Event::WalkStopped { walk, .. } => self.end(walk, |run| run.stopped += 1),
            Event::GivenUp { .. }
            | Event::Smaller { .. }
            | Event::Committed { .. }
            | Event::SnapshotTaken { .. }
            | Event::Pruned { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // A bar that is dropped redraws all others, so each is cleared first.
        let walks = self.walks.get_mut().unwrap_or_else(PoisonError::into_inner);
        walks.values().for_each(|line| line.bar.finish_and_clear());
        self.run.get_mut().unwrap_or_else(PoisonError::into_inner).bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_slow_until_its_pace_has_recovered() {
        let progress = Progress::new(BTreeMap::new());
        let message = || progress.run.lock().unwrap().bar.message();
        let happens = |event| progress.event(&Event::Fetch { walk: "models", event: &event });
        happens(fetch::Event::Throttled { pause: Duration::from_secs(3600), rate: 0.5, endpoint: None });
        assert!(message().contains("  the server asked to wait 3"), "{}", message());
        happens(fetch::Event::Throttled { pause: Duration::ZERO, rate: 0.25, endpoint: None });
        assert!(message().ends_with("  slowed down, recovering"), "{}", message());
        happens(fetch::Event::Recovered { rate: 1.0, endpoint: None });
        assert!(message().ends_with("/s"), "{}", message());
    }

    #[test]
    fn lines_have_columns_fit_80_and_estimate_the_remaining_time() {
        let text = |pages, pages_at_start, seconds, expected, values: Option<(u64, u64)>, note| {
            let (bar, began) = (ProgressBar::hidden(), Instant::now());
            let values = values.map(|(at_first, left)| Values { known: began, at_first, left });
            let line = Line { bar, pages, items: 100 * pages, began, pages_at_start, expected, values };
            let watched = Duration::from_secs(seconds);
            line.text(watched, line.values.is_some().then_some(watched), note)
        };
        for (line, shown) in [
            (
                text(1_234, 234, 1000, Some(9_000), None, ""),
                "  1 234 pages       123 400 items    1.0/s  2 h 9 min left",
            ),
            (text(1, 0, 1, Some(9), None, ""), "      1 pages           100 items    1.0/s"),
            (text(10, 0, 1000, Some(9), None, ""), "     10 pages         1 000 items    0.0/s"),
            (
                text(10, 0, 1000, None, None, "asking again in 8 s"),
                "     10 pages         1 000 items    0.0/s  asking again in 8 s",
            ),
            // Each value has two pages and more, so the values count.
            (
                text(50, 0, 100, Some(60), Some((100, 80)), ""),
                "     50 pages         5 000 items    0.5/s  6 min 40 s left",
            ),
            (text(50, 0, 100, None, Some((100, 0)), ""), "     50 pages         5 000 items    0.5/s"),
        ] {
            assert_eq!(line, shown);
        }
        let widest = text(98_765, 0, 1000, Some(10_000_000), None, "").chars().count();
        assert!(2 + NAME_CHARS + 2 + widest <= 80, "{widest}");
        assert_eq!(named("models"), "models");
        assert_eq!(named(&"w".repeat(40)).chars().count(), NAME_CHARS);
    }
}
