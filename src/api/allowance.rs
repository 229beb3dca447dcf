//! The memory that the items of a page may take while they are read, counted before it grows.
//!
//! A few bytes of JSON may become a thousand of memory: `{}` is a whole version. So readers charge whatever they are about to
//! keep, and keep no more of an item once it has taken its allowance; the rest of it is only counted. The counts belong to the
//! reading thread, because a reader of one value has no argument that could carry them.

use std::cell::Cell;

use super::rejection::Reason;

/// Most items of a page. The largest page that can be requested has 200.
pub(super) const ITEMS_MAX: usize = 5000;
/// Most bytes that an item may take beside the text of the page, and that all items of a page may take together. Real pages
/// take a few MiB.
const BYTES_MAX: usize = 32 << 20;

#[derive(Default)]
struct Counts {
    /// Bytes of the item being read.
    item: Cell<usize>,
    /// Elements of its lists, at any depth.
    parts: Cell<u64>,
    /// The key that one of its objects has twice, with different values.
    twice: Cell<Option<&'static str>>,
    /// Bytes of the items before it, and their number.
    page: Cell<usize>,
    items: Cell<usize>,
}

thread_local! {
    static COUNTS: Counts = Counts::default();
}

/// Begins a page.
pub(super) fn begin_page() {
    COUNTS.with(|counts| {
        counts.page.set(0);
        counts.items.set(0);
        reset_item(counts);
    });
}

fn reset_item(counts: &Counts) {
    counts.item.set(0);
    counts.parts.set(0);
    counts.twice.set(None);
}

/// Charges the item for bytes about to be kept. Returns false if it has none left, so that nothing may be kept.
pub(super) fn charge(bytes: usize) -> bool {
    COUNTS.with(|counts| {
        let all = counts.item.get().saturating_add(bytes);
        counts.item.set(all);
        all <= BYTES_MAX
    })
}

/// Charges the item for an element of a list.
pub(super) fn charge_part(bytes: usize) -> bool {
    COUNTS.with(|counts| counts.parts.set(counts.parts.get() + 1));
    charge(bytes)
}

/// Returns true when the item has taken its allowance.
pub(super) fn is_spent() -> bool {
    COUNTS.with(|counts| counts.item.get() > BYTES_MAX)
}

/// Notes that an object of the item has this key twice, with different values.
pub(super) fn note_twice(key: &'static str) {
    COUNTS.with(|counts| counts.twice.set(Some(key)));
}

/// Ends an item. Returns the reason for which it was not read whole, if there is one; then it takes nothing.
pub(super) fn end_item() -> Option<Reason> {
    COUNTS.with(|counts| {
        let bytes = counts.item.get();
        let flaw = match (bytes > BYTES_MAX, counts.twice.get()) {
            (true, _) => Some(Reason::too_large(counts.parts.get(), BYTES_MAX)),
            (false, Some(key)) => Some(Reason::broken(&format!("it has `{key}` twice, with different values"))),
            (false, None) => None,
        };
        counts.items.set(counts.items.get() + 1);
        if flaw.is_none() {
            counts.page.set(counts.page.get() + bytes);
        }
        reset_item(counts);
        flaw
    })
}

/// Returns true when the items of the page are too many, or have taken its allowance.
pub(super) fn is_page_spent() -> bool {
    COUNTS.with(|counts| counts.page.get() > BYTES_MAX || counts.items.get() > ITEMS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_takes_too_much_takes_nothing_of_the_page() {
        begin_page();
        assert!(charge(BYTES_MAX) && !is_spent() && !charge_part(1) && is_spent());
        let flaw = end_item().unwrap().to_string();
        assert!(flaw.starts_with("too_large: its 1 part"), "{flaw}");
        assert!(charge(BYTES_MAX) && end_item().is_none() && !is_page_spent());
        assert!(charge(1) && end_item().is_none() && is_page_spent());
        begin_page();
        note_twice("id");
        assert_eq!(end_item().unwrap().to_string(), "broken: it has `id` twice, with different values");
        assert!(end_item().is_none() && !is_page_spent());
    }
}
