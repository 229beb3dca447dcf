//! `tags`: one row per model tag and page that showed it.

table! {
    /// One row per model tag and page that showed it.
    "tags", key ["name"];
    name: Name, "The tag's name.";
    model_count: Int, "Models with this tag (2023 and before).";
    link: Long, "Link to the list of its models, not encoded.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
