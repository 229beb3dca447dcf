//! `users`: one row per user and answer that showed them.

table! {
    /// One row per user and answer that showed them.
    "users", key ["id"];
    id: Id, "The user's id.";
    username: Text, "Their name; null for one who has not chosen any.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
