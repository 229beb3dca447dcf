//! Stderr, written by a thread of its own. A reader that stands still (a stopped terminal, a full pipe) holds the program up for
//! some seconds once; what is written until it reads again is left out, and that is said. An error of stderr is none of ours.

use std::io::{self, Write as _};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::json_log;

/// The time that stderr may take for one text.
const PATIENCE: Duration = Duration::from_secs(5);
/// Printed once stderr is read again.
const GAP: &str = "stderr was not read for a while; messages are missing here";

static STDERR: LazyLock<Stderr> = LazyLock::new(Stderr::default);

/// The texts on their way.
#[derive(Default)]
struct Stderr {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Bytes that the thread has not yet taken.
    waiting: Vec<u8>,
    /// Texts given to the queue, and those written.
    given: u64,
    written: u64,
    /// True from a text that took too long until it is written.
    stuck: bool,
    /// True once a text was left out.
    gap: bool,
    /// True once the thread runs.
    started: bool,
}

/// Writes a text, and returns when it is written or stderr stands still.
pub(super) fn write(text: &[u8]) {
    STDERR.write(text, PATIENCE);
}

/// Writes a text, and waits so long at most.
pub(super) fn write_within(text: &[u8], patience: Duration) {
    STDERR.write(text, patience);
}

impl Stderr {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&'static self, text: &[u8], patience: Duration) {
        let mut queue = self.queue();
        if !queue.started {
            let thread = thread::Builder::new().name(String::from("stderr")).spawn(|| self.keep());
            queue.started = thread.is_ok();
            if thread.is_err() {
                // Without threads nothing else will hang for it.
                let _ = io::stderr().write_all(text);
                return;
            }
        }
        if queue.stuck {
            queue.gap = true;
            return;
        }
        queue.waiting.extend_from_slice(text);
        queue.given += 1;
        let ticket = queue.given;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(queue, patience, |queue| queue.written < ticket && !queue.stuck);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.stuck |= queue.written < ticket;
    }

    /// Writes texts as they come, for ever.
    fn keep(&self) {
        let mut queue = self.queue();
        loop {
            if queue.written == queue.given {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (text, through) = (std::mem::take(&mut queue.waiting), queue.given);
            drop(queue);
            let _ = io::stderr().write_all(&text);
            queue = self.queue();
            queue.written = through;
            queue.stuck = false;
            if std::mem::take(&mut queue.gap) {
                queue.waiting.extend_from_slice(gap().as_bytes());
                queue.given += 1;
            }
            self.changed.notify_all();
        }
    }
}

fn gap() -> String {
    if json_log::is_on() {
        return json_log::line("ERROR", "problem", serde_json::json!({ "text": GAP }));
    }
    format!("civitrawl: {GAP}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_even_if_it_is_empty() {
        for text in ["", "a line of a test\n", ""] {
            write(text.as_bytes());
            let queue = STDERR.queue();
            assert_eq!((queue.written, queue.stuck), (queue.given, false));
        }
    }
}
