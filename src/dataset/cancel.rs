//! The cancel check of a long reading, made between two reads.

use super::error::Error;

/// Returns true as soon as the work is to be cancelled.
pub type Cancel<'a> = &'a (dyn Fn() -> bool + Sync);

/// The check of work that is never cancelled.
pub(super) const NEVER: Cancel<'static> = &|| false;

/// # Errors
/// [`Error::Cancelled`] if the work is to be cancelled.
pub(super) fn check(cancel: Cancel<'_>) -> Result<(), Error> {
    if cancel() { Err(Error::Cancelled) } else { Ok(()) }
}
