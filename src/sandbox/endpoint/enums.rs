//! `GET /api/v1/enums`: the words the server knows.

use serde_json::json;

use super::answer::Answer;
use crate::sandbox::catalog::words::{BASE_MODELS, FILE_KINDS, KINDS, after_nights};

/// Answers a request for the enumerations, of which each of the first nights brings a new word.
pub(crate) fn answer(nights: usize) -> Answer {
    let base_models = after_nights(BASE_MODELS, nights, 1);
    let enums = json!({
        "ModelType": after_nights(KINDS, nights, 0),
        "ModelFileType": after_nights(FILE_KINDS, nights, 2),
        "ActiveBaseModel": base_models,
        "BaseModel": base_models,
        "BaseModelType": ["Standard", "Inpainting", "Refiner", "Pix2Pix"],
    });
    Answer::json(200, enums.to_string())
}
