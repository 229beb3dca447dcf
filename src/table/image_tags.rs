//! `image_tags`: one row per tag of an image.

table! {
    /// One row per tag of an image (sent only with `withTags`).
    "image_tags", key ["image_id", "tag_id"], of "images" by ["image_id"];
    image_id: Id, "The image.";
    tag_id: Id, "The tag's id.";
    tag: Text, "The tag's name.";
}
