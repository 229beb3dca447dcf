//! `image_meta`: one row per image whose generation data was shown.

table! {
    /// One row per image whose generation data was shown.
    "image_meta", key ["image_id"], of "images" by ["image_id"];
    image_id: Id, "The image.";
    prompt: Long, "`prompt`, when it is text.";
    negative_prompt: Long, "`negativePrompt`, when it is text.";
    seed: Link, "`seed`, when it is sent as a whole number of 64 bits; otherwise `extra` has it as it was sent.";
    steps: Int, "`steps`, when it is a whole number in any form.";
    sampler: Text, "`sampler`, when it is text.";
    cfg_scale: Float, "`cfgScale`, when it is a number in any form.";
    clip_skip: Int, "`clipSkip` or `Clip skip`, when it is a whole number in any form.";
    size: Text, "`Size`, when it is text: width x height in pixels.";
    model: Text, "`Model`, when it is text.";
    model_hash: Text, "`Model hash`, when it is text.";
    version: Text, "`Version` of the tool, when it is text.";
    workflow: Text, "`workflow`, when it is text: txt2img, img2img-hires, ...";
    denoising_strength: Float, "`Denoising strength` (sent as text) or `denoise`, when it is a number in any form.";
    remix_of_id: Link, "`remixOfId` in `extra`: the image it was made from.";
    comfy: Long, "`comfy` as JSON text as sent: a node graph, or a JSON string that holds one; often long.";
    extra: Long, "JSON object of what cannot be rebuilt from a column or from image_resources, as sent; a key found here, in \
                  any spelling, counts instead of its column or rows; only `id` and `meta`: all was sent inside `meta`.";
}
