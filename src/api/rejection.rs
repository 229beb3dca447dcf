//! Why an item is in no table but `rejects`: every reason is worded here, around the words by which its meaning is found again.

use std::borrow::Cow;

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// A whole page was given up.
    Page,
    /// It is not what was asked for.
    Foreign,
    /// The field is missing that tells it apart.
    Keyless,
    /// It is no item at all.
    NoItem,
    /// A part of it is not what it should be.
    Part,
    /// It, or a part of it, came before on the same page, and not the same.
    Twin,
}

impl Rejection {
    /// All of them; where the words of several are in a reason, the first counts.
    pub const ALL: [Self; 6] = [Self::Page, Self::Twin, Self::Foreign, Self::Keyless, Self::NoItem, Self::Part];

    /// The words that each of its reasons has.
    const fn words(self) -> &'static str {
        match self {
            Self::Page => "the page was given up: ",
            Self::Foreign => ", which was query for",
            Self::Keyless => " has no `",
            Self::NoItem => "it is no JSON object",
            Self::Part => " is no object",
            Self::Twin => "twin: ",
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Page => {
                "`rejects.item` has what arrived of it. `civitrawl status` names it by walk, number and cursor; the next \
                 pass asks for it again."
            }
            Self::Foreign => {
                "the server answered with something else than was query for, as it does when it ignores a filter. The page \
                 was query for once more before this was believed."
            }
            Self::Keyless => {
                "the field is missing that tells such things apart, so a row could not be found again. All of the item is in \
                 `rejects.item`."
            }
            Self::NoItem => "the server's list holds something that is no item at all. It is in `rejects.item`.",
            Self::Twin => {
                "the page shows the same thing twice, with different content. The first is in the tables, this one in \
                 `rejects.item`; nothing is missing."
            }
            Self::Part => {
                "a part of the item is not what it should be, so its rows could not be made. All of the item is in \
                 `rejects.item`."
            }
        }
    }

    /// The kind of a reason as `rejects.reason` has it; `None` for what is no reason.
    pub fn of(reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| reason.contains(kind.words()))
    }
}

/// Why a whole page was given up, as `rejects.reason` has it.
pub fn of_page(reason: &str) -> String {
    format!("{}{reason}", Rejection::Page.words())
}

/// Why no table can take an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: Cow<'static, str>,
    /// Whether the server is known to list such things without a name, and nothing is missing without them.
    pub(super) nameless: bool,
}

impl Reason {
    fn new(text: String) -> Self {
        Self { text: Cow::Owned(text), nameless: false }
    }

    /// `what` lacks the field that tells such things apart.
    pub(super) fn keyless(what: &str, field: &str) -> Self {
        Self::new(format!("{what}{}{field}`", Rejection::Keyless.words()))
    }

    /// Likewise, where the server is known to list such things, and nothing is missing without them.
    pub(super) fn nameless(what: &str, field: &str) -> Self {
        Self { nameless: true, ..Self::keyless(what, field) }
    }

    /// An element of these lists is not what it should be.
    pub(super) fn part(lists: &str) -> Self {
        Self::new(format!("an element of {lists}{}", Rejection::Part.words()))
    }

    /// It is no item at all.
    pub(super) fn no_item() -> Self {
        Self { text: Cow::Borrowed(Rejection::NoItem.words()), nameless: false }
    }

    /// It came before on the same page, and not the same.
    pub(super) fn twin(noun: &str, key: &str) -> Self {
        Self::new(format!(
            "{}{noun} {key} is on the page twice, with different content; the first was taken",
            Rejection::Twin.words()
        ))
    }

    /// It is something else: `it is … not …`.
    pub(super) fn foreign(text: &str) -> Self {
        Self::new(format!("{text}{}", Rejection::Foreign.words()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_known_by_its_words() {
        let reasons = [
            (Reason::keyless("a version", "id"), Rejection::Keyless),
            (Reason::nameless("the creator", "username"), Rejection::Keyless),
            (Reason::part("`files` or `images`"), Rejection::Part),
            (Reason::no_item(), Rejection::NoItem),
            (Reason::foreign("it is model 1, not 2"), Rejection::Foreign),
            (Reason::foreign("it is by `x has no `y`, not by `z`"), Rejection::Foreign),
            (Reason::twin("tag", "`a has no `b`"), Rejection::Twin),
            (Reason::new(of_page("the answer has no `metadata`")), Rejection::Page),
        ];
        for (reason, kind) in &reasons {
            assert_eq!(Rejection::of(&reason.text), Some(*kind), "{}", reason.text);
        }
        assert!(Rejection::ALL.iter().all(|kind| reasons.iter().any(|(_, met)| met == kind)));
        assert_eq!(Rejection::of("anything else"), None);
    }
}
