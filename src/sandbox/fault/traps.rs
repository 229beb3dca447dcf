//! The real server's peculiarities, each behind a switch.

use std::str::FromStr;

use crate::sandbox::Error;

/// One peculiarity; the order is that of [`Traps::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
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
    FalseEnds,
    DepthCap,
    UnorderedCreators,
    DummyTotals,
    CachedNegatives,
    HostDifference,
    ForeignFilter,
    HiddenPersons,
    PostedWith,
    RegionClamp,
    ForgedCursorsRefused,
    BigTies,
    FutureDates,
    FeedRestarts,
    PostsLimit,
    Outage,
    EarlyEnd,
    LinkWithoutCursor,
    Mutation,
}

/// A set of traps, read from `all`, `none`, `a,b`, `all,-c` or `all,d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traps(u64);

impl Traps {
    /// Every trap: its name and what it does, in one sentence.
    pub const NAMES: &[(&str, &str)] = &[
        ("trimmed-fractions", "Cursor dates lose their trailing zeros and are read back with `.5` meaning 5 ms."),
        (
            "newest-lost-row",
            "The row a cursor names is not on the page it opens: under sort=Newest for models (not in era 2026-09), under every sort but Oldest for images of a model.",
        ),
        ("short-pages", "Some rows are removed after the limit was applied, so pages hold fewer items than asked for."),
        (
            "empty-pages",
            "Runs of neighbouring rows are removed after the limit, so a page may hold no item and yet a cursor.",
        ),
        ("null-dates", "A few models have no lastVersionAt and cannot be reached by a date cursor."),
        ("tied-dates", "Groups of 2 to 40 models share one lastVersionAt."),
        (
            "hidden-minors",
            "nsfw=true drops the models flagged minor, and images asked for above PG13 lack those of child tags at every level, so neither is a superset of the milder question.",
        ),
        (
            "hidden-early-access",
            "Versions that are not Public are left out unless ids or username is given, and models of such versions only vanish.",
        ),
        ("text-licences", "allowCommercialUse is the text `{A,B}` on some items and an array on others."),
        ("null-counters", "Download and tip counters are null where the creator hid them."),
        (
            "numeric-usernames",
            "Names made of digits arrive as JSON numbers; of images only from the search index in era 2026-09, where `0222` is 222 and `1e3` is 1000.",
        ),
        ("absent-creators", "Models of the house account have no creator key, and some creators have no name."),
        ("empty-versions", "Some healthy models are listed with an empty modelVersions."),
        ("odd-fields", "Unknown keys at every level, new enum values, missing optional keys, tags as objects."),
        ("lone-surrogates", "Some names hold half of a surrogate pair as an escape."),
        ("control-bytes", "Some descriptions hold raw bytes below 0x20, which JSON forbids."),
        ("foreign-links", "metadata.nextPage points to another host."),
        (
            "false-ends",
            "In the middle of a walk over images a page asked for the first time is now and then empty and without a cursor, as after 20 seconds in the database or with an emptied index; asked again it is whole.",
        ),
        (
            "depth-cap",
            "A walk over the search index of images ends after a number of hits, however many there are; the feed service of era 2026-09 has no such end.",
        ),
        (
            "unordered-creators",
            "Creators have no order: as requests go by some change places, so pages overlap and miss.",
        ),
        ("dummy-totals", "Tags claim 0 items on 1 page and never link to the next; only an empty page ends them."),
        (
            "cached-negatives",
            "Lookups of some things that exist answer 404 from the cache, until a query key is changed; in era 2026-09 only those of models, and without a key.",
        ),
        (
            "host-difference",
            "Under the host name `localhost` images are filtered by the level of their model as well as their own.",
        ),
        (
            "foreign-filter",
            "A page of images by modelVersionId, or of models by types, asked for the first time now and then ignores that filter, where the whole list goes on behind the page.",
        ),
        ("hidden-persons", "Models of real persons are in no list, and looked up they are not found."),
        (
            "posted-with",
            "A quarter of the images posted for a version do not name it in modelVersionIds, for their metadata names only another.",
        ),
        (
            "region-clamp",
            "As in a restricted region, models that show nothing of PG or PG13 are silently missing, and images are those of PG and PG13 whatever levels are asked for (not part of all).",
        ),
        (
            "forged-cursors-refused",
            "A cursor that names no row, as one made up for a time window, is refused (not part of all).",
        ),
        (
            "big-ties",
            "More than 100 models share one lastVersionAt, which no cursor gets past before era 2026-09 (not part of all).",
        ),
        ("future-dates", "The 40 newest models are dated ten years from now (not part of all)."),
        (
            "feed-restarts",
            "In era 2026-09 a walk over the feed service is now and then told once to start again without its cursor (not part of all).",
        ),
        ("posts-limit", "In era 2026-09 posts/:id answers a caller 60 times a minute, then 429 (not part of all)."),
        (
            "outage",
            "Of every 200 requests for lists the last 50 are answered by empty ones without a cursor; look-ups are as ever (not part of all).",
        ),
        (
            "early-end",
            "Some pages of models and images behind a cursor name no next one, whenever they are asked for (not part of all).",
        ),
        (
            "link-without-cursor",
            "Some pages of models and images asked for the first time link to the next one and name no cursor (not part of all).",
        ),
        (
            "mutation",
            "As requests go by models are published, published again, edited and unpublished (not part of all).",
        ),
    ];

    /// No trap: the friendliest server.
    pub fn none() -> Traps {
        Traps(0)
    }

    /// Every trap of the server as it is, at once. Those that would make it another server are named one by one: they
    /// hide what no client can get, or contradict another trap.
    pub fn all() -> Traps {
        Traps((1 << Trap::RegionClamp as u32) - 1)
    }

    pub(crate) fn has(self, trap: Trap) -> bool {
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

fn bit(name: &str) -> Result<u64, Error> {
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
        assert_eq!(Traps::NAMES.len(), Trap::Mutation as usize + 1);
        assert_eq!(Traps::NAMES[Trap::TiedDates as usize].0, "tied-dates");
        assert_eq!(Traps::NAMES[Trap::OddFields as usize].0, "odd-fields");
        assert_eq!(Traps::NAMES[Trap::RegionClamp as usize].0, "region-clamp");
        for (place, (_, about)) in Traps::NAMES.iter().enumerate() {
            let apart = about.ends_with("(not part of all).");
            assert_eq!(Traps::all().0 & (1 << place) == 0, apart, "{about}");
        }
    }
}
