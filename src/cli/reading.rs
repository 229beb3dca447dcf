//! Progress of a command that reads files for long: the bytes read, and the time left where all bytes are known. On a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

use super::screen::screen;

/// Returns a line that begins with a word for the work, such as `hashing`. It is drawn if it is `wanted`.
pub(super) fn reading(wanted: bool, work: &'static str, all: Option<u64>) -> ProgressBar {
    let template = match all {
        Some(_) => "{prefix} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}, {eta} left  {wide_msg}",
        None => "{prefix} {decimal_bytes}  {decimal_bytes_per_sec}",
    };
    // The templates are valid constants.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(all, screen(wanted)).with_prefix(work).with_style(style)
}
