//! `post_tags`: one row per tag of a post, in the order shown.

table! {
    /// One row per tag of a post, in the order shown.
    "post_tags", key ["post_id", "position"], of "posts" by ["post_id"];
    post_id: Id, "The post.";
    position: Id, "Place in the post's list, counted from 0.";
    tag_id: Link, "The tag's id, where the server sends it.";
    tag: Text, "The tag's name.";
}
