//! `post_images`: one row per image that a look-up of a post showed, in the order shown.

table! {
    /// One row per image that a look-up of a post showed, in the order shown; the server shows the first 100.
    "post_images", key ["post_id", "position"], of "posts" by ["post_id"];
    post_id: Id, "The post.";
    position: Id, "Place in the post's list, counted from 0.";
    image_id: Id, "The image; its own row is in `images`, if a walk of images has seen it.";
}
