//! `version_images`: one row per showcase image of a version, in the order shown.

table! {
    /// One row per showcase image of a version, in the order shown.
    "version_images", key ["version_id", "position"], of "model_versions" by ["version_id"];
    version_id: Id, "The version it shows.";
    position: Id, "Place in the version's list, counted from 0.";
    image_id: Link, "The image's id, from its `id` or from its link's file name.";
    model_id: Id, "The model of that version.";
    url: Long, "Link to the image.";
    r#type: Text, "image, video or audio.";
    nsfw: Text, "Level by its old name (None, Soft, Mature, X) or true/false; before 2024.";
    nsfw_level: Int, "Level bit: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32.";
    width: Int, "Width in pixels.";
    height: Int, "Height in pixels.";
    hash: Long, "BlurHash.";
    has_meta: Bool, "Whether generation data exists.";
    meta: Long, "Generation data as JSON text, exactly as sent; null in today's lists.";
    extra: Long, "JSON object of the fields no column takes; null when there are none.";
}
