//! The terminal behind stderr, as progress lines draw on it: frame by frame, each by way of the thread that writes stderr.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressDrawTarget, TermLike};
use terminal_size::{Height, Width, terminal_size_of};

use super::shown::shown;
use super::stderr;

/// Frames a second at most.
const FRAMES: u8 = 20;

/// The frame being drawn.
#[derive(Debug, Default)]
struct Screen(Mutex<Frame>);

#[derive(Debug, Default)]
struct Frame {
    text: String,
    /// The cells that are written, without those that are cleared.
    cells: usize,
}

/// The cursor's row below the first line of what is drawn.
static ROW: AtomicUsize = AtomicUsize::new(0);
/// Set once anything was drawn, and once nothing is drawn any more.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// Ends all drawing. Returns what clears the lines that are drawn, without waiting for anyone.
pub(super) fn leave() -> String {
    IS_LEFT.store(true, Ordering::SeqCst);
    match (IS_DRAWN.load(Ordering::SeqCst), ROW.load(Ordering::SeqCst)) {
        (false, _) => String::new(),
        (true, 0) => String::from("\r\x1b[J"),
        (true, row) => format!("\r\x1b[{row}A\x1b[J"),
    }
}

/// Returns where progress is drawn: nowhere unless it is `wanted` and stderr is a terminal that can move its cursor.
pub(super) fn screen(wanted: bool) -> ProgressDrawTarget {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match wanted && !is_dumb && io::stderr().is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Screen::default()), FRAMES),
        false => ProgressDrawTarget::hidden(),
    }
}

/// Returns the terminal's columns and lines.
fn size() -> (u16, u16) {
    terminal_size_of(io::stderr()).map_or((80, 24), |(Width(columns), Height(lines))| (columns, lines))
}

impl Screen {
    fn frame(&self) -> MutexGuard<'_, Frame> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a movement of the cursor: none by 0, which terminals take for 1.
    fn moved(&self, by: usize, direction: char) -> io::Result<()> {
        if by > 0 {
            self.frame().text.push_str(&format!("\x1b[{by}{direction}"));
        }
        Ok(())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(line)?;
        self.frame().text.push('\n');
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // Lines begin with a return to the first column, which is drawn alone.
        let text = if text == "\r" { Cow::Borrowed(text) } else { shown(text) };
        let mut frame = self.frame();
        frame.cells += if text == "\r" { 0 } else { text.chars().count() };
        frame.text.push_str(&text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.frame().text.push_str("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame());
        if !IS_LEFT.load(Ordering::SeqCst) {
            IS_DRAWN.store(true, Ordering::SeqCst);
            // Lines are filled up with blanks, so that each but the last ends in the next row.
            ROW.store(frame.cells.saturating_sub(1) / usize::from(size().0.max(1)), Ordering::SeqCst);
            stderr::write(frame.text.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_moves_the_cursor_by_our_own_hand_only() {
        let screen = Screen::default();
        screen.move_cursor_up(0).unwrap();
        screen.move_cursor_up(2).unwrap();
        screen.write_str("\r").unwrap();
        screen.write_line("a\u{1b}[2Jb\r\u{202e}").unwrap();
        screen.clear_line().unwrap();
        assert_eq!(screen.frame().text, "\u{1b}[2A\ra\\u{1b}[2Jb\\r\\u{202e}\n\r\u{1b}[2K");
    }
}
