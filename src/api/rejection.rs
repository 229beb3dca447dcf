//! What the reasons in `rejects` mean: why an item is in no other table.

/// What is part of a reason, and what it means.
const MEANINGS: &[(&str, &str)] = &[
    (
        "which was asked for",
        "the server answered with something else than was asked for, as it does when it ignores a filter. The page was asked \
         for once more before this was believed.",
    ),
    (
        "which was not asked for",
        "the server answered with something else than was asked for, as it does when it ignores a filter. The page was asked \
         for once more before this was believed.",
    ),
    (
        "` is no object",
        "a part of the item is not what it should be, so its rows could not be made. All of the item is in `rejects.item`.",
    ),
    ("it is no JSON object", "the server's list holds something that is no item at all. It is in `rejects.item`."),
    (
        " has no `",
        "the field is missing that tells such things apart, so a row could not be found again. All of the item is in \
         `rejects.item`.",
    ),
];

/// What a page means that was given up; its row has the position -1.
const PAGE: &str = "a whole page was given up, and `rejects.item` has what arrived of it. `civitrawl status` names it by walk, \
                    number and cursor; the next pass asks for it again.";

/// What a reason means; `None` for what is no reason.
pub fn meaning(reason: &str) -> Option<&'static str> {
    let of_item = MEANINGS.iter().find(|(part, _)| reason.contains(part)).map(|(_, meaning)| *meaning);
    let of_page = ["ask for fewer items", "gave up after", "the page stayed unreadable"];
    of_item.or_else(|| of_page.iter().any(|part| reason.contains(part)).then_some(PAGE))
}

#[cfg(test)]
mod tests {
    use super::meaning;

    #[test]
    fn every_reason_has_a_meaning() {
        for reason in [
            "the model has no `id`",
            "a version has no `id`",
            "the version has no `modelId`",
            "a file has no `id`",
            "the image has no `id`",
            "the tag has no `name`",
            "the creator has no `username`",
            "it is no JSON object",
            "an element of `modelVersions` is no object",
            "an element of `files` or `images` is no object",
            "it is model 1, not 2, which was asked for",
            "it is of type `VAE`, which was not asked for",
            "the page stayed unreadable, the last: x; ask for fewer items at once",
        ] {
            assert!(meaning(reason).is_some(), "{reason}");
        }
        assert_eq!(meaning("anything else"), None);
    }
}
