//! `gallery_images`: one row per image, version and page on which the server listed the image for that version.

table! {
    /// One row per image, version and page on which the server listed the image for that version.
    "gallery_images", key ["image_id", "model_version_id"];
    image_id: Id, "The image.";
    model_version_id: Id, "The version requested by `modelVersionId`; `image_model_versions` need not have it.";
    post_id: Link, "The post that the image belongs to.";
}
