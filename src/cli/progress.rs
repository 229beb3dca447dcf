//! Progress on a terminal: one line a walk, redrawn as pages arrive.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::grid::count;
use crate::engine::monitor::{Event, Monitor};

/// The lines on the terminal.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    screen: MultiProgress,
    walks: Arc<Mutex<BTreeMap<String, Line>>>,
}

#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    pages: u64,
    items: u64,
    began: Instant,
    pages_at_start: u64,
}

impl Line {
    fn show(&self, note: &str) {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = (self.pages - self.pages_at_start) as f64 / seconds;
        self.bar.set_message(format!("{} pages  {} items  {rate:.1}/s  {note}", count(self.pages), count(self.items)));
    }
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { screen: MultiProgress::new(), walks: Arc::default() }
    }

    /// Where log lines go while lines are on the terminal: above them.
    pub(super) fn log(&self) -> impl Write + use<> {
        Above(self.screen.clone())
    }

    fn walks(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, walk: &str, pages: u64, items: u64) {
        let bar = self.screen.add(ProgressBar::new_spinner());
        // The template is a constant that parses.
        let style = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(walk.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        let line = Line { bar, pages, items, began: Instant::now(), pages_at_start: pages };
        line.show("");
        self.walks().insert(walk.to_owned(), line);
    }

    fn change(&self, walk: &str, change: impl FnOnce(&mut Line)) {
        if let Some(line) = self.walks().get_mut(walk) {
            change(line);
        }
    }
}

impl Monitor for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::WalkStarted { walk, pages, items } => self.begin(walk, *pages, *items),
            Event::Page { walk, items, .. } => self.change(walk, |line| {
                line.pages += 1;
                line.items += items;
                line.show("");
            }),
            Event::Retrying { walk, wait, .. } => {
                self.change(walk, |line| line.show(&format!("asking again in {:.0} s", wait.as_secs_f64())));
            }
            Event::Throttled { pause, .. } => {
                for line in self.walks().values() {
                    line.show(&format!("the server asked to wait {:.0} s", pause.as_secs_f64()));
                }
            }
            Event::WalkEnded { walk, .. } => self.change(walk, |line| {
                line.show("over");
                line.bar.finish();
            }),
            Event::WalkStopped { walk, .. } => self.change(walk, |line| {
                line.show("stopped");
                line.bar.finish();
            }),
            Event::Started { .. }
            | Event::Sent { .. }
            | Event::Answered { .. }
            | Event::GivenUp { .. }
            | Event::Smaller { .. }
            | Event::Committed { .. }
            | Event::SnapshotTaken { .. } => {}
        }
    }
}

/// Writes above the progress lines.
struct Above(MultiProgress);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
