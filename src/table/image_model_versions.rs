//! `image_model_versions`: one row per model version that an image is known to be made with.

table! {
    /// One row per model version that an image is known to be made with.
    "image_model_versions", key ["image_id", "model_version_id"], of "images" by ["image_id"];
    image_id: Id, "The image.";
    model_version_id: Id, "The model version.";
}
