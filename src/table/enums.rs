//! `enums`: one row per word that the server knows, and answer that showed it.

table! {
    /// One row per word that the server knows, and answer that showed it.
    "enums", key ["kind", "value"];
    kind: Name, "The list it is on: ModelType, ModelFileType, ActiveBaseModel, BaseModel, BaseModelType (an open list).";
    value: Name, "The word, as parameters and fields have it.";
}
