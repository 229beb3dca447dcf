//! The real server's peculiarities, each behind a switch.

use std::str::FromStr;

use super::Error;

/// One peculiarity; the order is that of [`Traps::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    TrimmedFractions,
    NewestLostRow,
    ShortPages,
    EmptyPages,
    NullDates,
    TiedDates,
    HiddenMinors,
    HiddenEarlyAccess,
    TextLicences,
    NullCounters,
    NumericUsernames,
    AbsentCreators,
    EmptyVersions,
    OddFields,
    LoneSurrogates,
    ControlBytes,
    ForeignLinks,
}

/// A set of traps, read from `all`, `none`, `a,b` or `all,-c`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traps(u32);

impl Traps {
    /// Every trap: its name and what it does, in one sentence.
    pub const NAMES: &[(&str, &str)] = &[
        ("trimmed-fractions", "Cursor dates lose their trailing zeros and are read back with `.5` meaning 5 ms."),
        ("newest-lost-row", "Under sort=Newest the row a cursor names is not on the page it opens."),
        ("short-pages", "Some rows are removed after the limit was applied, so pages hold fewer items than asked for."),
        (
            "empty-pages",
            "Runs of neighbouring rows are removed after the limit, so a page may hold no item and yet a cursor.",
        ),
        ("null-dates", "A few models have no lastVersionAt and cannot be reached by a date cursor."),
        ("tied-dates", "Groups of 2 to 40 models share one lastVersionAt."),
        ("hidden-minors", "nsfw=true drops the models flagged minor, so it is no superset of its absence."),
        (
            "hidden-early-access",
            "Versions that are not Public are left out unless ids or username is given, and models of such versions only vanish.",
        ),
        ("text-licences", "allowCommercialUse is the text `{A,B}` on some items and an array on others."),
        ("null-counters", "Download and tip counters are null where the creator hid them."),
        ("numeric-usernames", "Names made of digits arrive as JSON numbers."),
        ("absent-creators", "Models of the house account have no creator key."),
        ("empty-versions", "Some healthy models are listed with an empty modelVersions."),
        ("odd-fields", "Unknown keys at every level, new enum values, missing optional keys, tags as objects."),
        ("lone-surrogates", "Some names hold half of a surrogate pair as an escape."),
        ("control-bytes", "Some descriptions hold raw bytes below 0x20, which JSON forbids."),
        ("foreign-links", "metadata.nextPage points to another host."),
    ];

    /// No trap: the friendliest server.
    pub fn none() -> Traps {
        Traps(0)
    }

    /// Every trap at once.
    pub fn all() -> Traps {
        Traps((1 << Traps::NAMES.len()) - 1)
    }

    pub(super) fn has(self, trap: Trap) -> bool {
        self.0 & (1 << trap as u32) != 0
    }
}

impl FromStr for Traps {
    type Err = Error;

    /// Reads a comma list of trap names, `all`, `none`, and names to leave out with `-` before them.
    fn from_str(text: &str) -> Result<Traps, Error> {
        let mut traps = Traps::none();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, wanted) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            let bits = match name {
                "all" => Traps::all().0,
                "none" => 0,
                name => bit(name)?,
            };
            match (name, wanted) {
                ("none", _) => traps = Traps::none(),
                (_, true) => traps.0 |= bits,
                (_, false) => traps.0 &= !bits,
            }
        }
        Ok(traps)
    }
}

fn bit(name: &str) -> Result<u32, Error> {
    let known = || Traps::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let position = Traps::NAMES.iter().position(|(known, _)| *known == name);
    let position = position.ok_or_else(|| Error::Trap { word: name.to_owned(), known: known() })?;
    Ok(1 << position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_from_words() {
        let read = |text: &str| text.parse::<Traps>().unwrap();
        assert_eq!(read("all"), Traps::all());
        assert_eq!(read("none"), Traps::none());
        assert_eq!(read(""), Traps::none());
        assert!(read("tied-dates, foreign-links").has(Trap::ForeignLinks));
        assert!(!read("tied-dates,foreign-links").has(Trap::NullDates));
        assert!(!read("all,-tied-dates").has(Trap::TiedDates));
        assert!(read("all,-tied-dates").has(Trap::TrimmedFractions));
    }

    #[test]
    fn a_wrong_word_is_named_with_what_is_known() {
        let error = "all,-tied".parse::<Traps>().unwrap_err().to_string();
        assert!(error.contains("`tied`") && error.contains("tied-dates"), "{error}");
    }

    #[test]
    fn names_stand_in_the_order_of_the_traps() {
        assert_eq!(Traps::NAMES.len(), Trap::ForeignLinks as usize + 1);
        assert_eq!(Traps::NAMES[Trap::TiedDates as usize].0, "tied-dates");
        assert_eq!(Traps::NAMES[Trap::OddFields as usize].0, "odd-fields");
    }
}
