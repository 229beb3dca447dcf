//! The main thread listens, and the command works on another. The first signal and the deadline ask it to end; a grace later, or
//! at a second signal, the process ends whatever hangs: a page being read, a disk, a pipe, a name server.
//!
//! The main thread never touches a disk or waits for one, because the kernel hands signals to it first: while it hung in a call,
//! none would be heard.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::exit::Exit;
use super::json_log;
use super::output::{complain, complain_within};
use super::screen::leave;
use super::stderr;
use crate::stop::Stop;

/// Time for work to end after it was asked to. Ends are promised within 10 s.
const GRACE: Duration = Duration::from_secs(9);
/// Time for the last words before the process ends; stderr may hang as well.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The stack of the thread that works: that of a main thread.
const STACK: usize = 8 << 20;

static LISTENER: OnceLock<Sender<Word>> = OnceLock::new();

/// A word to the main thread.
enum Word {
    /// A signal was received.
    Signal(&'static str),
    /// From now on this work is to be asked before the process ends; the deadline counts from the process's start.
    Work(Stop, Option<Duration>),
    /// The command has ended.
    Ended(Exit),
}

/// Runs the command on a thread of its own, and returns its exit code. Ends the process instead if it is stopped by force, or
/// by a panic of any thread.
pub(super) fn attended(command: impl FnOnce() -> Exit + Send + 'static) -> Exit {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref().map(String::as_str));
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        end(Exit::Bug, &format!("panicked{place}: {}; {}", text.unwrap_or("no message"), Exit::Bug.meaning()));
    }));
    let (words, inbox) = channel();
    let ended = LISTENER.get_or_init(|| words.clone());
    listen(words);
    let work = move || _ = ended.send(Word::Ended(command()));
    if let Err(error) = thread::Builder::new().name(String::from("command")).stack_size(STACK).spawn(work) {
        complain(&format!("cannot start a thread: {error}"));
        return Exit::Disk;
    }
    let mut listener = Listener::default();
    let began = Instant::now();
    loop {
        match inbox.recv_timeout(listener.patience(began.elapsed())) {
            Ok(Word::Ended(exit)) => return exit,
            Ok(Word::Work(stop, deadline)) => listener.attend(stop, deadline),
            Ok(Word::Signal(name)) => listener.ask(began.elapsed(), &format!("{name} received")),
            Err(RecvTimeoutError::Timeout) => listener.time_is_up(began.elapsed()),
            // The static sender lives as long as the process.
            Err(RecvTimeoutError::Disconnected) => return Exit::Stopped,
        }
    }
}

/// Makes the first signal and the deadline ask this work to end, instead of ending the process. The first deadline counts.
pub(super) fn attend(stop: &Stop, deadline: Option<Duration>) {
    if let Some(listener) = LISTENER.get() {
        // The main thread listens until the process ends.
        let _ = listener.send(Word::Work(stop.clone(), deadline));
    }
}

/// Runs `work` to its end; the deadline and the first signal ask it to end early through `stop`.
pub(super) fn run_until_stopped<T>(
    stop: &Stop,
    deadline: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T, Exit> {
    attend(stop, deadline);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        complain(&format!("cannot set up networking: {error}"));
        Exit::Disk
    })?;
    let result = runtime.block_on(work);
    // Does not wait for dropped requests.
    runtime.shutdown_background();
    Ok(result)
}

/// The state of the main thread. Times are since the process's start.
#[derive(Default)]
struct Listener {
    stop: Option<Stop>,
    deadline: Option<Duration>,
    /// The end of the grace, and why the work was asked to end; `None` while it was not.
    asked: Option<(Duration, String)>,
}

impl Listener {
    fn attend(&mut self, stop: Stop, deadline: Option<Duration>) {
        self.deadline = self.deadline.or(deadline);
        if let Some((_, reason)) = &self.asked {
            stop.ask(reason.as_str());
        }
        self.stop = Some(stop);
    }

    /// Returns the time from `now` to the deadline, or to the end of the grace.
    fn patience(&self, now: Duration) -> Duration {
        let until = self.asked.as_ref().map(|(until, _)| *until).or(self.deadline);
        until.map_or(Duration::MAX, |until| until.saturating_sub(now))
    }

    /// Asks the work to end. Work that was asked already, or that nobody can ask, ends with the process.
    fn ask(&mut self, now: Duration, reason: &str) {
        match &self.stop {
            None => end(Exit::Stopped, &format!("stopped early: {reason}")),
            Some(_) if self.asked.is_some() => {
                end(Exit::Stopped, "stopped at once; run again to continue from the last commit")
            }
            Some(stop) => {
                stop.ask(reason);
                self.asked = Some((now + GRACE, reason.to_owned()));
            }
        }
    }

    fn time_is_up(&mut self, now: Duration) {
        match &self.asked {
            None => self.ask(now, "the deadline is reached"),
            Some((_, reason)) => end(
                Exit::Stopped,
                &format!(
                    "stopped by force: {reason}, and what was under way did not end within {} s; run again to continue from the \
                     last commit",
                    GRACE.as_secs()
                ),
            ),
        }
    }
}

/// Ends the process whatever its threads do: no lock is waited for, and nothing else is run.
fn end(exit: Exit, last_words: &str) -> ! {
    stderr::write_within(leave().as_bytes(), LAST_WORDS);
    complain_within(last_words, LAST_WORDS);
    if let Some(line) = json_log::end(exit) {
        stderr::write_within(line.as_bytes(), LAST_WORDS);
    }
    signal_hook::low_level::exit(exit as i32)
}

/// Sends each signal that asks a program to end. Where they cannot be listened to, the system ends the program.
#[cfg(unix)]
fn listen(words: Sender<Word>) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::low_level::signal_name;

    let heard = [SIGTERM, SIGINT, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) else { return };
    let forward = move || {
        let names = signals.forever().filter_map(signal_name);
        names.for_each(|name| _ = words.send(Word::Signal(name)));
    };
    // Without the thread the signals would go unheard; but then the command has none either.
    let _ = thread::Builder::new().name(String::from("signals")).spawn(forward);
}

/// Returns true for a signal that whoever started the program wants ignored, as `nohup` and `&` in a script do.
#[cfg(target_os = "linux")]
fn is_ignored(signal: i32) -> bool {
    let status = crate::storage::read_text(std::path::Path::new("/proc/self/status"), 64 << 10).unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Returns true for a signal of a terminal where there is none: elsewhere nothing says what is ignored.
#[cfg(all(unix, not(target_os = "linux")))]
fn is_ignored(signal: i32) -> bool {
    use std::io::{IsTerminal as _, stderr, stdin, stdout};
    signal != signal_hook::consts::SIGTERM
        && !(stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal())
}

/// Sends each Ctrl-C.
#[cfg(not(unix))]
fn listen(words: Sender<Word>) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let pressed = Arc::new(AtomicBool::new(false));
    if signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&pressed)).is_err() {
        return;
    }
    let forward = move || {
        loop {
            thread::sleep(Duration::from_millis(100));
            if pressed.swap(false, Ordering::Relaxed) {
                let _ = words.send(Word::Signal("Ctrl-C"));
            }
        }
    };
    let _ = thread::Builder::new().name(String::from("signals")).spawn(forward);
}
