//! Output: results go to stdout, everything else to stderr. A result that stdout does not take is reported. Nothing foreign
//! reaches either but through [`shown`].

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::exit::Exit;
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

fn problem<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> String {
    let lines = lines.into_iter().map(|line| shown(line.as_ref()).into_owned() + "\n");
    format!("civitrawl: {}", lines.collect::<String>())
}

/// Prints an error of the command line, none of whose arguments is raw, and returns the exit code for it.
pub(super) fn misused(error: &clap::Error) -> Exit {
    let text = error.render();
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
