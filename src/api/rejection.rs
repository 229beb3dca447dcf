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
    /// The item has too many parts.
    TooLarge,
    /// The item is no sound JSON, or says two different things.
    Broken,
}

impl Rejection {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::PageGivenUp,
        Self::Twin,
        Self::Foreign,
        Self::MissingKey,
        Self::Nameless,
        Self::NotAnObject,
        Self::MalformedPart,
        Self::TooLarge,
        Self::Broken,
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
            Self::TooLarge => "too_large",
            Self::Broken => "broken",
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
            Self::TooLarge => {
                "the item has more parts than fit into the memory that one item may take. No item of the real server comes near \
                 that; the beginning of this one is in `rejects.item`."
            }
            Self::Broken => {
                "the item could not be read by itself, or says two different things under one key, so that nobody knows which \
                 is meant. It is in `rejects.item`."
            }
        }
    }
}

/// Most bytes of a sentence.
const SENTENCE_MAX: usize = 500;

/// Returns the longest beginning of a text that has at most this many bytes.
pub(super) fn start(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// `rejects.reason` of a page that was given up for this reason, and of whose text the first `kept` of `all` bytes are kept.
pub fn of_page(reason: &str, kept: usize, all: usize) -> String {
    let cut = if kept < all { format!("; `item` has the first {kept} of its {all} bytes") } else { String::new() };
    format!("{}: {reason}{cut}", Rejection::PageGivenUp.code())
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
        // It may quote a name of any length.
        let sentence =
            if sentence.len() > SENTENCE_MAX { format!("{}…", start(&sentence, SENTENCE_MAX)) } else { sentence };
        Self { kind, sentence: Cow::Owned(sentence) }
    }

    /// The item's parts take more memory than the allowance, in bytes.
    pub(super) fn too_large(parts: u64, allowance: usize) -> Self {
        let (noun, verb) = if parts == 1 { ("part", "takes") } else { ("parts", "take") };
        let sentence = format!("its {parts} {noun} {verb} more than {} MiB of memory", allowance >> 20);
        Self::new(Rejection::TooLarge, sentence)
    }

    /// The item cannot be read for this reason.
    pub(super) fn broken(why: &str) -> Self {
        Self::new(Rejection::Broken, why.to_owned())
    }

    /// Adds that only the beginning of the item's text is kept, so many of so many bytes.
    pub(super) fn cut(self, kept: usize, all: usize) -> Self {
        Self::new(self.kind, format!("{}; `item` has the first {kept} of its {all} bytes", self.sentence))
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
            (Reason::too_large(7, 1 << 20), "too_large: its 7 parts take more than 1 MiB of memory"),
            (Reason::broken("x").cut(2, 9), "broken: x; `item` has the first 2 of its 9 bytes"),
        ];
        for (reason, text) in reasons {
            assert_eq!(reason.to_string(), text);
        }
        assert!(Reason::foreign(&"é".repeat(1000)).to_string().len() < SENTENCE_MAX + 20);
        assert_eq!(of_page("no `metadata`", 9, 9), "page_given_up: no `metadata`");
    }
}
