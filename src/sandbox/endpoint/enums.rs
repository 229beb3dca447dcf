//! `GET /api/v1/enums`: the words the server knows.

use serde_json::json;

use super::answer::Answer;
use crate::sandbox::catalog::words::{BASE_MODELS, FILE_KINDS, KINDS};

/// Answers a request for the enumerations.
pub(crate) fn answer() -> Answer {
    let enums = json!({
        "ModelType": KINDS,
        "ModelFileType": FILE_KINDS,
        "ActiveBaseModel": BASE_MODELS,
        "BaseModel": BASE_MODELS,
        "BaseModelType": ["Standard", "Inpainting", "Refiner", "Pix2Pix"],
    });
    Answer::json(200, enums.to_string())
}
