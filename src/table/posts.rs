//! `posts`: one row per post and look-up that showed it.

table! {
    /// One row per post and look-up that showed it.
    "posts", key ["id"];
    id: Id, "The post's id.";
    title: Long, "Its title, if it has one.";
    detail: Long, "Its description, in HTML.";
    nsfw_level: Int, "Level bits of its images together: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32.";
    published_at: Time, "When it was published.";
    model_version_id: Link, "The model version it was made for; null if for none.";
    user_id: Link, "Who posted it; null with `pseudonymize`.";
    username: Text, "Their name.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
