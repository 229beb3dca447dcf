//! What the program says: results go to stdout, everything else to stderr. What stdout does not take is never lost silently.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};

use super::exit::Exit;

/// Stdout takes what is printed.
const OPEN: u8 = 0;
/// Its reader went away (`| head`), which is no error.
const LEFT: u8 = 1;
/// It refused, and something is lost.
const REFUSED: u8 = 2;

/// The state of stdout, which the process has one of.
static STDOUT: AtomicU8 = AtomicU8::new(OPEN);

/// Prints a result at once; gives whether all so far was taken, and more may be printed.
pub(super) fn print(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    taken(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Notes what came of a print; gives whether all so far was taken.
pub(super) fn taken(printed: io::Result<()>) -> bool {
    let is_open = STDOUT.load(Ordering::Relaxed) == OPEN;
    match printed {
        Ok(()) => return is_open,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => STDOUT.fetch_max(LEFT, Ordering::Relaxed),
        Err(error) => {
            if is_open {
                complain(&format!("cannot write to stdout: {error}; what was to be printed is lost"));
            }
            STDOUT.fetch_max(REFUSED, Ordering::Relaxed)
        }
    };
    false
}

/// True when stdout takes no more.
pub(super) fn is_closed() -> bool {
    STDOUT.load(Ordering::Relaxed) != OPEN
}

/// The code to end with: a result that stdout refused was not delivered.
pub(super) fn settled(exit: Exit) -> Exit {
    let refused = STDOUT.load(Ordering::Relaxed) == REFUSED;
    match exit {
        Exit::Complete | Exit::Stopped | Exit::Doubtful if refused => Exit::Disk,
        exit => exit,
    }
}

/// Tells of something that went wrong.
pub(super) fn complain(text: &str) {
    // Nothing is left to do when even this cannot be written.
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
