//! Progress on a terminal: a line for each walk, redrawn as pages arrive, and one for the run. Fits 80 columns.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::format::{count, several, span};
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
    /// Pages that each walk is expected to have, where that is known.
    expected: BTreeMap<String, u64>,
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
}

/// The run's line.
#[derive(Debug)]
struct Run {
    bar: ProgressBar,
    began: Instant,
    requests: u64,
    retries: u64,
    /// End of the pause that the server asked for; `None` once the pace has recovered.
    paused: Option<Instant>,
}

impl Line {
    fn show(&self, note: &str) {
        self.bar.set_message(self.text(self.began.elapsed(), note));
    }

    /// Returns the text behind the walk's name, after it was watched for so long.
    fn text(&self, watched: Duration, note: &str) -> String {
        let rate = (self.pages - self.pages_at_start) as f64 / watched.as_secs_f64().max(0.001);
        let left = self.expected.and_then(|expected| expected.checked_sub(self.pages));
        let left = left.filter(|left| *left > 0 && rate > 0.0 && watched >= WATCHED);
        let left = left.map(|left| format!("about {} left", span(left as f64 / rate)));
        let note = if note.is_empty() { left.unwrap_or_default() } else { note.to_owned() };
        let (pages, items) = (several(self.pages, "page"), several(self.items, "item"));
        format!("{pages}  {items}  {rate:.1}/s  {note}").trim_end().to_owned()
    }
}

impl Run {
    fn show(&mut self) {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let mut text = format!("{}  {:.1}/s", several(self.requests, "request"), self.requests as f64 / seconds);
        if self.retries > 0 {
            text.push_str(&format!("  {} asked again", count(self.retries)));
        }
        if let Some(until) = self.paused {
            match until.checked_duration_since(Instant::now()) {
                Some(wait) => text.push_str(&format!("  the server asked to wait {:.0} s", wait.as_secs_f64().ceil())),
                None => text.push_str("  slowed down, recovering"),
            }
        }
        self.bar.set_message(text);
    }
}

/// Adds a line at the bottom of the screen.
fn line(screen: &MultiProgress, prefix: &str) -> ProgressBar {
    let bar = screen.add(ProgressBar::new_spinner());
    // The template is a constant that parses.
    let style = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_prefix(prefix.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Returns a walk's name, cut to [`NAME_CHARS`].
fn named(walk: &str) -> String {
    let short: String = walk.chars().take(NAME_CHARS).collect();
    if walk.chars().count() > NAME_CHARS { format!("{}…", &short[..short.len() - 1]) } else { short }
}

impl Progress {
    pub(super) fn new(expected: BTreeMap<String, u64>) -> Self {
        let screen = MultiProgress::with_draw_target(screen(true));
        let run = Run { bar: ProgressBar::hidden(), began: Instant::now(), requests: 0, retries: 0, paused: None };
        Self { screen, expected, walks: Mutex::default(), run: Mutex::new(run) }
    }

    /// Returns the screen that log lines appear on, above the progress lines.
    pub(super) fn screen(&self) -> MultiProgress {
        self.screen.clone()
    }

    fn walks(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, walk: &str, pages: u64, items: u64) {
        let bar = line(&self.screen, &named(walk));
        let expected = self.expected.get(walk).copied();
        let line = Line { bar, pages, items, began: Instant::now(), pages_at_start: pages, expected };
        line.show("");
        self.walks().insert(walk.to_owned(), line);
        self.run(|run| run.bar.tick());
    }

    fn change(&self, walk: &str, change: impl FnOnce(&mut Line)) {
        if let Some(line) = self.walks().get_mut(walk) {
            change(line);
        }
    }

    fn run(&self, change: impl FnOnce(&mut Run)) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut run);
        run.show();
    }
}

impl Listener for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Started { .. } => self.run(|run| run.bar = line(&self.screen, "run")),
            Event::WalkStarted { walk, pages, items } => self.begin(walk, *pages, *items),
            Event::Page { walk, items, .. } => self.change(walk, |line| {
                line.pages += 1;
                line.items += items;
                line.show("");
            }),
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
            Event::WalkEnded { walk, .. } => self.change(walk, |line| {
                line.show("over");
                line.bar.finish();
            }),
            Event::WalkStopped { walk, .. } => self.change(walk, |line| {
                line.show("stopped");
                line.bar.finish();
            }),
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
    fn a_line_fits_80_columns_and_estimates_the_remaining_time() {
        let text = |pages, pages_at_start, seconds, expected, note| {
            let (bar, began) = (ProgressBar::hidden(), Instant::now());
            let line = Line { bar, pages, items: 100 * pages, began, pages_at_start, expected };
            line.text(Duration::from_secs(seconds), note)
        };
        let left = "1 234 pages  123 400 items  1.0/s  about 2 h 9 min left";
        assert_eq!(text(1_234, 234, 1000, Some(9_000), ""), left);
        assert_eq!(text(1, 0, 1, Some(9), ""), "1 page  100 items  1.0/s");
        assert_eq!(text(10, 0, 1000, Some(9), ""), "10 pages  1 000 items  0.0/s");
        assert_eq!(text(10, 0, 1000, None, "over"), "10 pages  1 000 items  0.0/s  over");
        let widest = text(98_765, 0, 1000, Some(10_000_000), "").chars().count();
        assert!(2 + NAME_CHARS + 2 + widest <= 80 + 4, "{widest}");
        assert_eq!(named("models"), "models");
        assert_eq!(named(&"w".repeat(40)).chars().count(), NAME_CHARS);
    }
}
