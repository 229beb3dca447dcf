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
    nsfw_word: Text, "Level by its old name: None, Soft, Mature or X, or true/false; before 2024.";
    nsfw_level: Int, "Level bit: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32.";
    width: Int, "Width in pixels.";
    height: Int, "Height in pixels.";
    hash: Long, "BlurHash.";
    has_meta: Bool, "True if generation data exists.";
    meta: Long, "Generation data as JSON text, exactly as sent; null in today's lists.";
    has_positive_prompt: Bool, "True if a prompt exists.";
    on_site: Bool, "Made with the site's generator.";
    remix_of_id: Link, "The image it was made from.";
    minor: Bool, "Flagged as depicting a minor.";
    poi: Bool, "Depicts a real person.";
    availability: Text, "Public, Unsearchable, Private or EarlyAccess; only from look-ups.";
    flags: Int, "Bit mask of the server's own marks; only from look-ups.";
    metadata: Long, "The server's facts about the file, as JSON text: size in bytes, width, height, hash; only from look-ups.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
