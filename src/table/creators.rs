//! `creators`: one row per creator and page that showed them.

table! {
    /// One row per creator and page that showed them.
    "creators", key ["username"];
    username: Name, "The creator's name; a name of digits only may be sent as a number and is kept as text.";
    model_count: Int, "Models of the creator; null when there are none.";
    link: Long, "Link to the list of the creator's models.";
    image: Long, "Link to the creator's picture.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
