//! `image_resources`: one row per resource that an image's generation data names, in the order of the sources.

table! {
    /// One row per resource that an image's generation data names, in the order of the sources.
    "image_resources", key ["image_id", "position"], of "images" by ["image_id"];
    image_id: Id, "The image.";
    position: Id, "Place among all resources of the image, counted from 0.";
    source: Name, "The list it is from: resources, civitaiResources, additionalResources or hashes.";
    r#type: Text, "checkpoint, model, lora, embed, ... (an open list); null for hashes.";
    name: Text, "Its name; of civitaiResources the version's name, of hashes the label.";
    hash: Text, "Its hash as sent.";
    weight: Float, "How strongly it was applied (`strength` of additionalResources).";
    model_version_id: Link, "The model version it is.";
}
