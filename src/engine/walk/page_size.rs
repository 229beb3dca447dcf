//! Sizes the pages of a partition: fewer items where a page cannot be had, and as many as usual again behind it. Pure.

/// The items to ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    usual: u32,
    largest: u32,
    now: u32,
    /// Items ahead among which is one that makes every page with it fail; `None` while no such page was met.
    failing: Option<u32>,
}

impl Size {
    pub(crate) fn new(usual: u32, largest: u32, larger: bool) -> Self {
        Self { usual, largest, now: if larger { largest } else { usual }, failing: None }
    }

    /// Items to ask for now.
    pub(crate) fn now(self) -> u32 {
        self.now
    }

    /// True when the item is being sought that makes a page fail.
    pub(crate) fn is_seeking(self) -> bool {
        self.failing.is_some()
    }

    /// Asks for half of it; `failing` says that one item spoils the page, not their number.
    pub(crate) fn halve(&mut self, failing: bool) {
        if failing {
            self.failing = Some(self.now);
        }
        self.now = self.now.div_ceil(2);
    }

    /// A page was taken: what is sought is among the rest.
    pub(crate) fn taken(&mut self) {
        self.failing = self.failing.map(|rest| rest.saturating_sub(self.now)).filter(|rest| *rest > 0);
        self.now = match self.failing {
            Some(rest) => rest.div_ceil(2),
            None => self.now.saturating_mul(2).min(self.usual),
        };
    }

    /// The item that was sought is given up.
    pub(crate) fn given_up(&mut self) {
        if self.failing.take().is_some() {
            self.now = self.usual;
        }
    }

    /// As many as the server gives.
    pub(crate) fn enlarge(&mut self) {
        (self.now, self.failing) = (self.largest, None);
    }

    /// Another number, for a question that is asked once more. Asked for one more, an honest last page is not full; asked for
    /// one less, it names the page of the last item.
    pub(crate) fn another(&mut self) {
        self.now = match self.now {
            // A look-up.
            0 => 0,
            now if now < self.largest => now + 1,
            now => (now - 1).max(1),
        };
    }

    /// As many as usual.
    pub(crate) fn reset(&mut self) {
        (self.now, self.failing) = (self.usual, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages asked for until the row at this place is isolated and given up, of which each holding it fails.
    fn pages_to_isolate(bad: u32) -> (u32, u32) {
        let (mut size, mut at, mut request) = (Size::new(100, 100, false), 0, 0);
        loop {
            request += 1;
            let holds_it = (at..at + size.now()).contains(&bad);
            match (holds_it, size.now()) {
                (true, 1) => {
                    size.given_up();
                    return (at, request);
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
            let (at, request) = pages_to_isolate(bad);
            assert_eq!(at, bad);
            assert!(request <= 14, "{bad}: {request} pages");
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
