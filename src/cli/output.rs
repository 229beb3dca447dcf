//! Output: results go to stdout, everything else to stderr. A result that stdout does not take is reported. Nothing foreign
//! reaches either but through [`shown`].

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::json;

use super::exit::Exit;
use super::json_log;
use super::shown::{shown, shown_json};
use super::stderr;

/// Stdout works.
const OPEN: u8 = 0;
/// Its reader is gone (`| head`), which is no error.
const GONE: u8 = 1;
/// It failed, and some output is lost.
const FAILED: u8 = 2;

/// The state of the process's stdout.
static STDOUT: AtomicU8 = AtomicU8::new(OPEN);

/// Prints lines of a result immediately; returns true while stdout works. Whatever is in a line, it stays one line.
pub(super) fn print<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> bool {
    let lines = lines.into_iter().map(|line| shown(line.as_ref()).into_owned() + "\n");
    print_own(&lines.collect::<String>())
}

/// Prints a line of JSON immediately; returns true while stdout works.
pub(super) fn print_json(value: &str) -> bool {
    print_own(&(shown_json(value).into_owned() + "\n"))
}

/// Prints, as it is, a text in which nothing is foreign: a manual page, a script; returns true while stdout works.
pub(super) fn print_own(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    taken(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Records the outcome of a print; returns true while stdout works.
pub(super) fn taken(printed: io::Result<()>) -> bool {
    let is_open = STDOUT.load(Ordering::Relaxed) == OPEN;
    match printed {
        Ok(()) => return is_open,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => STDOUT.fetch_max(GONE, Ordering::Relaxed),
        Err(error) => {
            if is_open {
                complain(&format!("cannot write to stdout: {error}; the output is lost"));
            }
            STDOUT.fetch_max(FAILED, Ordering::Relaxed)
        }
    };
    false
}

/// True if stdout no longer works.
pub(super) fn is_closed() -> bool {
    STDOUT.load(Ordering::Relaxed) != OPEN
}

/// Returns the final exit code: a result that stdout did not take changes it.
pub(super) fn settled(exit: Exit) -> Exit {
    let failed = STDOUT.load(Ordering::Relaxed) == FAILED;
    match exit {
        Exit::Complete | Exit::Stopped | Exit::Doubtful if failed => Exit::Disk,
        exit => exit,
    }
}

/// Prints a problem to stderr, as one line.
pub(super) fn complain(text: &str) {
    stderr::write(problem([text]).as_bytes());
}

/// Prints a problem to stderr, and waits so long at most.
pub(super) fn complain_within(text: &str, patience: Duration) {
    stderr::write_within(problem([text]).as_bytes(), patience);
}

/// Prints a problem of several lines to stderr.
pub(super) fn complain_of<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) {
    stderr::write(problem(lines).as_bytes());
}

/// Prints warnings to stderr, a line each. Of those that differ only in what they quote and in numbers the first few are printed,
/// and the rest counted.
pub(super) fn warn_of(warnings: &[String]) {
    let kind = |warning: &str| -> String {
        let plain = warning.split('`').step_by(2);
        plain.collect::<String>().chars().filter(|c| !c.is_ascii_digit()).collect()
    };
    let most = if json_log::is_on() { usize::MAX } else { ALIKE_MAX };
    let kinds: Vec<String> = warnings.iter().map(|warning| kind(warning)).collect();
    for (at, warning) in warnings.iter().enumerate() {
        let alike = |others: &[String]| others.iter().filter(|other| **other == kinds[at]).count();
        match (alike(&kinds[..at]) + 1, alike(&kinds[at + 1..])) {
            (shown, later) if shown == most && later > 0 => warn(&format!("{warning} (and {later} more like it)")),
            (shown, _) if shown <= most => warn(warning),
            _ => {}
        }
    }
}

/// The most messages of a kind that are shown.
pub(super) const ALIKE_MAX: usize = 3;

/// Prints a warning to stderr, as one line.
pub(super) fn warn(text: &str) {
    let line = match json_log::is_on() {
        true => json_log::line("WARN", "warning", json!({ "text": text })),
        false => format!("warning: {}\n", shown(text)),
    };
    stderr::write(line.as_bytes());
}

/// Returns the lines of a problem as they are printed; one line where the log is JSON.
fn problem<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> String {
    if json_log::is_on() {
        let lines: Vec<String> = lines.into_iter().map(|line| line.as_ref().trim().to_owned()).collect();
        return json_log::line("ERROR", "problem", json!({ "text": lines.join("\n") }));
    }
    let lines = lines.into_iter().map(|line| shown(line.as_ref()).into_owned() + "\n");
    format!("civitrawl: {}", lines.collect::<String>())
}

/// Prints an error of the command line, none of whose arguments is raw, and returns the exit code for it.
pub(super) fn misused(error: &clap::Error) -> Exit {
    let text = error.render();
    if json_log::is_on() {
        complain_of(text.to_string().lines());
        return Exit::Usage;
    }
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !io::stderr().is_terminal();
    let text = if is_plain { text.to_string() } else { text.ansi().to_string() };
    stderr::write(text.as_bytes());
    Exit::Usage
}

/// Prints a mistake in the arguments, or in the machine they name, and returns the exit code for it.
pub(super) fn usage(text: &str) -> Exit {
    complain(text);
    Exit::Usage
}

/// Prints an error and returns the exit code for it.
pub(super) fn failure<E: Display>(error: &E) -> Exit
where
    for<'e> Exit: From<&'e E>,
{
    // Some errors list things. Further lines are indented, so that none of them looks like another message.
    let indented = |(at, line): (usize, &str)| {
        if at == 0 || line.starts_with("  ") { line.to_owned() } else { format!("  {line}") }
    };
    complain_of(error.to_string().lines().enumerate().map(indented));
    Exit::from(error)
}
