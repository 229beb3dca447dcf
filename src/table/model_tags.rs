//! `model_tags`: one row per tag of a model, in the order shown.

table! {
    /// One row per tag of a model, in the order shown.
    "model_tags", key ["model_id", "position"], of "models" by ["model_id"];
    model_id: Id, "The model.";
    position: Id, "Place in the model's list, counted from 0.";
    tag: Text, "The tag's name.";
}
