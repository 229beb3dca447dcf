//! The reasons why an item is in no table but `rejects`: a code that `civitrawl explain` knows, and a sentence.

use std::borrow::Cow;

/// The kinds of reasons; `rejects.reason` begins with the code of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The whole page was given up.
    PageGivenUp,
    /// The item, or a part of it, repeats an earlier one of the page with different content.
    Twin,
    /// The item does not match the query.
    Foreign,
    /// The field is missing that is the key of the item or of a part.
    MissingKey,
    /// The same, where the server is known to list such items and nothing is missing without them.
    Nameless,
    /// The item is no JSON object.
    NotAnObject,
    /// A part of the item is no JSON object.
    MalformedPart,
}

impl Rejection {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::PageGivenUp,
        Self::Twin,
        Self::Foreign,
        Self::MissingKey,
        Self::Nameless,
        Self::NotAnObject,
        Self::MalformedPart,
    ];

    /// The stable name in `rejects.reason` and for `civitrawl explain`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::PageGivenUp => "page_given_up",
            Self::Twin => "twin",
            Self::Foreign => "foreign",
            Self::MissingKey => "missing_key",
            Self::Nameless => "nameless",
            Self::NotAnObject => "not_an_object",
            Self::MalformedPart => "malformed_part",
        }
    }

    /// The explanation for users, with the remedy.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::PageGivenUp => {
                "`rejects.item` has what arrived of the page. `civitrawl status` names it by walk, number and cursor; the next \
                 pass requests it again."
            }
            Self::Twin => {
                "the page shows the same thing twice, with different content. The first is in the tables, this one in \
                 `rejects.item`; nothing is missing."
            }
            Self::Foreign => {
                "the server returned an item that does not match the request, as it does when it ignores a filter. The page \
                 was requested a second time before this was believed."
            }
            Self::MissingKey => {
                "the field is missing that is the key of such things, so a row could not be found again. All of the item is in \
                 `rejects.item`."
            }
            Self::Nameless => {
                "the item has no name, as the server lists some users. All of the item is in `rejects.item`; nothing is \
                 missing."
            }
            Self::NotAnObject => "an element of the server's list is no JSON object. It is in `rejects.item`.",
            Self::MalformedPart => {
                "a part of the item is no JSON object, so its rows could not be made. All of the item is in `rejects.item`."
            }
        }
    }
}

/// `rejects.reason` of a page that was given up for this reason.
pub fn of_page(reason: &str) -> String {
    format!("{}: {reason}", Rejection::PageGivenUp.code())
}

/// The reason why no table can take an item. Displays as in `rejects.reason`: the code, a colon, the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {sentence}", .kind.code())]
pub(super) struct Reason {
    pub(super) kind: Rejection,
    pub(super) sentence: Cow<'static, str>,
}

impl Reason {
    fn new(kind: Rejection, sentence: String) -> Self {
        Self { kind, sentence: Cow::Owned(sentence) }
    }

    /// `noun`, for example `the model`, lacks the field that is its key.
    pub(super) fn missing_key(noun: &str, field: &str) -> Self {
        Self::new(Rejection::MissingKey, format!("{noun} has no `{field}`"))
    }

    /// The same, where the server is known to list such items and nothing is missing without them.
    pub(super) fn nameless(noun: &str, field: &str) -> Self {
        Self { kind: Rejection::Nameless, ..Self::missing_key(noun, field) }
    }

    /// An element of these lists is no object.
    pub(super) fn malformed_part(lists: &str) -> Self {
        Self::new(Rejection::MalformedPart, format!("an element of {lists} is no object"))
    }

    /// The item is no object.
    pub(super) const fn not_an_object() -> Self {
        Self { kind: Rejection::NotAnObject, sentence: Cow::Borrowed("it is no JSON object") }
    }

    /// A `noun` with this key repeats an earlier one of the page with different content.
    pub(super) fn twin(noun: &str, key: &str) -> Self {
        let sentence = format!("{noun} {key} is on the page twice, with different content; the first was taken");
        Self::new(Rejection::Twin, sentence)
    }

    /// The item does not match the query; `text` reads `it is … not …`.
    pub(super) fn foreign(text: &str) -> Self {
        Self::new(Rejection::Foreign, format!("{text}, which was asked for"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_begins_with_its_code() {
        let reasons = [
            (Reason::missing_key("the model", "id"), "missing_key: the model has no `id`"),
            (Reason::nameless("the creator", "username"), "nameless: the creator has no `username`"),
            (Reason::malformed_part("`files`"), "malformed_part: an element of `files` is no object"),
            (Reason::not_an_object(), "not_an_object: it is no JSON object"),
            (Reason::foreign("it is model 1, not 2"), "foreign: it is model 1, not 2, which was asked for"),
        ];
        for (reason, text) in reasons {
            assert_eq!(reason.to_string(), text);
        }
        assert_eq!(of_page("no `metadata`"), "page_given_up: no `metadata`");
    }
}
