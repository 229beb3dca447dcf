//! The real server's peculiarities, each behind a switch.

use std::str::FromStr;

use super::error::Error;

/// The sentence of a trap; those apart from `all` end with it.
macro_rules! sentence {
    (in_all, $about:literal) => {
        concat!($about, ".")
    };
    (apart, $about:literal) => {
        concat!($about, " (not part of all).")
    };
}

/// True for the traps of `all`.
macro_rules! belongs_to_all {
    (in_all) => {
        true
    };
    (apart) => {
        false
    };
}

/// The table of traps, one line each: variant, name, `in_all` or `apart`, and what the server does under it.
macro_rules! traps {
    ($($trap:ident, $name:literal, $all:ident, $about:literal;)+) => {
        /// One peculiarity; its bit in [`Traps`] is its position in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Trap {
            $($trap,)+
        }

        impl Traps {
            /// Every trap: its name and what it does, in one sentence.
            pub const NAMES: &[(&str, &str)] = &[$(($name, sentence!($all, $about)),)+];

            /// Every trap of the server as it is. The traps apart from these would make it another server: they hide what
            /// no client can get, or contradict another trap, so each is named on its own.
            pub fn all() -> Traps {
                Traps($(if belongs_to_all!($all) { 1 << Trap::$trap as u128 } else { 0 })|+)
            }
        }
    };
}

#[rustfmt::skip]
traps! {
    TrimmedFractions, "trimmed-fractions", in_all, "Cursor dates lose their trailing zeros and are read back with `.5` meaning 5 ms";
    NewestLostRow, "newest-lost-row", in_all, "The row a cursor names is not on the page it opens: under sort=Newest for models (not in era 2026-09), under every sort but Oldest for images of a model";
    ShortPages, "short-pages", in_all, "Some rows are removed after the limit was applied, so pages hold fewer items than asked for";
    EmptyPages, "empty-pages", in_all, "Runs of neighbouring rows are removed after the limit, so a page may hold no item and yet a cursor";
    NullDates, "null-dates", in_all, "A few models have no lastVersionAt and cannot be reached by a date cursor";
    TiedDates, "tied-dates", in_all, "Groups of 2 to 40 models share one lastVersionAt";
    HiddenMinors, "hidden-minors", in_all, "nsfw=true drops the models flagged minor, and images asked for above PG13 lack those of child tags at every level, so neither is a superset of the milder question";
    HiddenEarlyAccess, "hidden-early-access", in_all, "Versions that are not Public are left out unless ids or username is given, and models of such versions only vanish";
    TextLicences, "text-licences", in_all, "allowCommercialUse is the text `{A,B}` on some items and an array on others";
    NullCounters, "null-counters", in_all, "Download and tip counters are null where the creator hid them";
    NumericUsernames, "numeric-usernames", in_all, "Names made of digits arrive as JSON numbers; of images only from the search index in era 2026-09, where `0222` is 222 and `1e3` is 1000";
    AbsentCreators, "absent-creators", in_all, "Models of the house account have no creator key, and some creators have no name";
    EmptyVersions, "empty-versions", in_all, "Some healthy models are listed with an empty modelVersions";
    OddFields, "odd-fields", in_all, "Unknown keys at every level, new enum values, missing optional keys, tags as objects";
    LoneSurrogates, "lone-surrogates", in_all, "Some names hold half of a surrogate pair as an escape";
    ControlBytes, "control-bytes", in_all, "Some descriptions hold raw bytes below 0x20, which JSON forbids";
    ForeignLinks, "foreign-links", in_all, "metadata.nextPage points to another host";
    FalseEnds, "false-ends", in_all, "In the middle of a walk over images a page asked for the first time is now and then empty and without a cursor, as after 20 seconds in the database or with an emptied index; asked again it is whole";
    DepthCap, "depth-cap", in_all, "A walk over the search index of images ends after a number of hits, however many there are; the feed service of era 2026-09 has no such end";
    UnorderedCreators, "unordered-creators", in_all, "Creators have no order: as requests go by some change places, so pages overlap and miss";
    DummyTotals, "dummy-totals", in_all, "Tags claim 0 items on 1 page and never link to the next; only an empty page ends them";
    CachedNegatives, "cached-negatives", in_all, "Lookups of some things that exist answer 404 from the cache, until a query key is changed; in era 2026-09 only those of models, and without a key";
    HostDifference, "host-difference", in_all, "Under the host name `localhost` images are filtered by the level of their model as well as their own";
    ForeignFilter, "foreign-filter", in_all, "A page of images by modelVersionId, or of models by types, asked for the first time now and then ignores that filter, where the whole list goes on behind the page";
    HiddenPersons, "hidden-persons", in_all, "Models of real persons are in no list, and looked up they are not found";
    PostedWith, "posted-with", in_all, "A quarter of the images posted for a version do not name it in modelVersionIds, for their metadata names only another";
    RegionClamp, "region-clamp", apart, "As in a restricted region, models that show nothing of PG or PG13 are silently missing, and images are those of PG and PG13 whatever levels are asked for";
    ForgedCursorsRefused, "forged-cursors-refused", apart, "A cursor that names no row, as one made up for a time window, is refused";
    BigTies, "big-ties", apart, "More than 100 models share one lastVersionAt, which no cursor gets past before era 2026-09";
    FutureDates, "future-dates", apart, "The 40 newest models are dated ten years from now";
    FeedRestarts, "feed-restarts", apart, "In era 2026-09 a walk over the feed service is now and then told once to start again without its cursor";
    FeedCursorFails, "feed-cursor-fails", apart, "Before era 2026-09 a `feed:` cursor, which no server of that time made, always fails with status 500 instead of being refused";
    FeedCursorIgnored, "feed-cursor-ignored", apart, "Before era 2026-09 a `feed:` cursor is ignored: the first page comes again, with the cursor of the search index";
    OldFirstPages, "old-first-pages", apart, "In era 2026-09 lists of images asked for without a `feed:` cursor come from the search index, with its cursors and its end; `feed:` cursors are served";
    FeedTiesDescend, "feed-ties-descend", apart, "Within one instant the feed service lists images by descending id, so `feed:<ms>:0` leaves out every image of that instant";
    FeedRowRepeats, "feed-row-repeats", apart, "The row that a `feed:` cursor names opens the page, so it is on two pages";
    BigImageTies, "big-image-ties", apart, "More than 400 images, which is two of the largest pages, share one instant";
    UsersIdsIgnored, "users-ids-ignored", apart, "users?ids= ignores the ids and answers the first users it has";
    PostsLimit, "posts-limit", apart, "In era 2026-09 posts/:id answers a caller 60 times a minute, then 429";
    Outage, "outage", apart, "Of every 200 requests for lists the last 50 are answered by empty ones without a cursor; look-ups are as ever";
    EarlyEnd, "early-end", apart, "Some pages of models and images behind a cursor name no next one, whenever they are asked for";
    LinkWithoutCursor, "link-without-cursor", apart, "Some pages of models and images asked for the first time link to the next one and name no cursor";
    OldestLostRow, "oldest-lost-row", apart, "Under sort=Oldest of models the row a cursor names is not on the page it opens";
    StrictIds, "strict-ids", apart, "Under sort=Newest of models no row of the instant a cursor names is on the page it opens, whatever id it names";
    LongFractions, "long-fractions", apart, "Cursor dates of models have six digits of fraction";
    OffsetCursors, "offset-cursors", apart, "Under sorts by counters the cursor of models is an offset";
    CursorsFail, "cursors-fail", apart, "A cursor of models that cannot be read fails with status 500, as before June 2026, instead of being refused";
    PagesServed, "pages-served", apart, "models?page=2 is the second page";
    MatureByDefault, "mature-by-default", apart, "Without nsfw models of every level are listed";
    IdsIgnored, "ids-ignored", apart, "models?ids= ignores the ids and answers the whole list";
    IdsNewestVersion, "ids-newest-version", apart, "models?ids= shows the newest version of each model only";
    TagFilters, "tag-filters", apart, "models?tag= of an unknown tag is an empty list rather than the whole one";
    UnknownUsersEmpty, "unknown-users-empty", apart, "models?username= of an unknown user is an empty list rather than a 404";
    LargerLimits, "larger-limits", apart, "Pages of models hold up to 200 items";
    BareLookups, "bare-lookups", apart, "models/:id shows of a version what the list does: neither status nor createdAt";
    HtmlNegatives, "html-negatives", apart, "Looked up in vain, models and versions are answered by a page of HTML with status 404";
    ZonedScans, "zoned-scans", apart, "scannedAt has its time zone under model-versions too";
    OtherHash, "other-hash", apart, "model-versions/by-hash answers the version after the one that has the hash";
    ImagesLostRow, "images-lost-row", apart, "The first row of every page of images behind a cursor is missing";
    ImageIdIgnored, "image-id-ignored", apart, "images?imageId= is ignored, as until March 2026, and the whole list answered";
    ImageIdsIgnored, "image-ids-ignored", apart, "In era 2026-09 images?ids= is ignored, as it was before";
    ImageUsersRefused, "image-users-refused", apart, "images?username= of an unknown user is a 404 everywhere, not only in the database";
    FeedFiltersIgnored, "feed-filters-ignored", apart, "In era 2026-09 a `feed:` cursor is continued under filters that the feed service cannot express, and these are ignored";
    EscapedLikes, "escaped-likes", apart, "In tags?query= `%` and `_` are characters like any other, so no query lists everything";
    TextTotals, "text-totals", apart, "The totals of creators are texts, as documented in 2023";
    NewWords, "new-words", apart, "The enumerations name a model type, a base model and a file type of tomorrow";
    NoAccounts, "no-accounts", apart, "There is no `/me`";
    NoEdgeCache, "no-edge-cache", apart, "The edge keeps no answer";
    RateHeaders, "rate-headers", apart, "Every answer names a limit of requests a minute and how many are left, which nobody enforces";
    LoginsDemanded, "logins-demanded", apart, "Every download demands a login";
    NoRanges, "no-ranges", apart, "The host of the files ignores Range and always sends the whole file";
    Mutation, "mutation", apart, "As requests go by models are published, published again, edited and unpublished, and images posted and deleted, which lists notice late";
}

/// A set of traps, read from `all`, `none`, `a,b`, `all,-c` or `all,d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traps(u128);

impl Traps {
    /// Returns no trap: the friendliest server.
    pub fn none() -> Traps {
        Traps(0)
    }

    pub(crate) fn has(self, trap: Trap) -> bool {
        self.0 & (1 << trap as u128) != 0
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

fn bit(name: &str) -> Result<u128, Error> {
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
    fn each_name_reads_as_its_own_trap() {
        for (position, (name, about)) in Traps::NAMES.iter().enumerate() {
            let traps: Traps = name.parse().unwrap();
            assert_eq!(traps.0, 1 << position, "{name}");
            assert_eq!(Traps::all().0 & traps.0 == 0, about.ends_with("(not part of all)."), "{name}");
        }
        assert!("tied-dates".parse::<Traps>().unwrap().has(Trap::TiedDates));
    }
}
