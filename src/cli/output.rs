//! Output: results go to stdout, everything else to stderr. A result that stdout does not take is reported.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};

use super::exit::Exit;

/// Stdout works.
const OPEN: u8 = 0;
/// Its reader is gone (`| head`), which is no error.
const GONE: u8 = 1;
/// It failed, and some output is lost.
const FAILED: u8 = 2;

/// The state of the process's stdout.
static STDOUT: AtomicU8 = AtomicU8::new(OPEN);

/// Prints a result immediately; returns true while stdout works.
pub(super) fn print(text: &str) -> bool {
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

/// Prints a problem to stderr.
pub(super) fn complain(text: &str) {
    // If even stderr fails, nothing can be done.
    let _ = writeln!(io::stderr(), "civitrawl: {text}");
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
    complain(&error.to_string());
    Exit::from(error)
}
