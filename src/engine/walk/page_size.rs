//! Sizes the pages of a partition: fewer items where a page cannot be had, and as many as usual again behind it. Pure.

/// The number of items to request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    usual: u32,
    largest: u32,
    now: u32,
    /// Items ahead, one of which makes every page with it fail; `None` while no page fails.
    failing: Option<u32>,
}

impl Size {
    pub(super) fn new(usual: u32, largest: u32, larger: bool) -> Self {
        Self { usual, largest, now: if larger { largest } else { usual }, failing: None }
    }

    /// Items to request now.
    pub(super) fn now(self) -> u32 {
        self.now
    }

    /// Returns true while the item that makes pages fail is being isolated.
    pub(super) fn is_seeking(self) -> bool {
        self.failing.is_some()
    }

    /// Halves the page; `failing` is true when one item spoils it, not their number.
    pub(super) fn halve(&mut self, failing: bool) {
        if failing {
            self.failing = Some(self.now);
        }
        self.now = self.now.div_ceil(2);
    }

    /// Records a page that was taken: the failing item is among the rest.
    pub(super) fn taken(&mut self) {
        self.failing = self.failing.map(|rest| rest.saturating_sub(self.now)).filter(|rest| *rest > 0);
        self.now = match self.failing {
            Some(rest) => rest.div_ceil(2),
            None => self.now.saturating_mul(2).min(self.usual),
        };
    }

    /// Records that the failing item was given up.
    pub(super) fn given_up(&mut self) {
        if self.failing.take().is_some() {
            self.now = self.usual;
        }
    }

    /// Requests as many as the server gives.
    pub(super) fn enlarge(&mut self) {
        (self.now, self.failing) = (self.largest, None);
    }

    /// Changes the number for a repeated request. With one more, an honest last page is not full; with one less, it names the
    /// page of the last item.
    pub(super) fn another(&mut self) {
        self.now = match self.now {
            // A look-up.
            0 => 0,
            now if now < self.largest => now + 1,
            now => (now - 1).max(1),
        };
    }

    /// Requests as many as usual.
    pub(super) fn reset(&mut self) {
        (self.now, self.failing) = (self.usual, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the place and the pages requested until the row at it is given up; each page that holds it fails.
    fn pages_to_isolate(bad: u32) -> (u32, u32) {
        let (mut size, mut at, mut pages) = (Size::new(100, 100, false), 0, 0);
        loop {
            pages += 1;
            let holds_it = (at..at + size.now()).contains(&bad);
            match (holds_it, size.now()) {
                (true, 1) => {
                    size.given_up();
                    return (at, pages);
                }
                (true, _) => size.halve(true),
                (false, now) => {
                    at += now;
                    size.taken();
                }
            }
        }
    }

    #[test]
    fn a_failing_row_is_found_by_halves() {
        for bad in 0..100 {
            let (at, pages) = pages_to_isolate(bad);
            assert_eq!(at, bad);
            assert!(pages <= 14, "{bad}: {pages} pages");
        }
    }

    #[test]
    fn a_question_asked_once_more_has_another_number_and_the_next_the_usual_one() {
        for (usual, largest, another) in [(20, 100, 21), (100, 100, 99), (1, 100, 2), (1, 1, 1), (0, 0, 0)] {
            let mut size = Size::new(usual, largest, false);
            size.another();
            assert_eq!(size.now(), another);
            size.taken();
            assert_eq!(size.now(), usual);
        }
    }

    #[test]
    fn what_was_too_much_at_once_grows_again() {
        let mut size = Size::new(20, 100, false);
        size.halve(false);
        size.halve(false);
        assert_eq!((size.now(), size.is_seeking()), (5, false));
        size.taken();
        assert_eq!(size.now(), 10);
        size.enlarge();
        assert_eq!(size.now(), 100);
        size.taken();
        assert_eq!(size.now(), 20);
    }
}
