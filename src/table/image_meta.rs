//! `image_meta`: one row per image whose generation data was shown.

table! {
    /// One row per image whose generation data was shown.
    "image_meta", key ["image_id"], of "images" by ["image_id"];
    image_id: Id, "The image.";
    prompt: Long, "`prompt`, when it is text.";
    negative_prompt: Long, "`negativePrompt`, when it is text.";
    seed: Link, "`seed`, when it is a whole number of 64 bits.";
    steps: Int, "`steps`, when it is a whole number.";
    sampler: Text, "`sampler`, when it is text.";
    cfg_scale: Float, "`cfgScale`, when it is a number.";
    clip_skip: Int, "`clipSkip`, when it is a whole number (the text under `Clip skip` is in `extra`).";
    size: Text, "`Size`, when it is text: width x height in pixels.";
    model: Text, "`Model`, when it is text.";
    model_hash: Text, "`Model hash`, when it is text.";
    extra: Long, "JSON object of what neither a column nor image_resources holds exactly, as sent; a key found here counts \
                  instead of its column or rows; only `id` and `meta`: all was sent inside `meta`.";
}
