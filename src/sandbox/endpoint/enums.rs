//! `GET /api/v1/enums`: the words the server knows, and the generated catalog uses.

use serde_json::json;

use crate::sandbox::http::answer::Answer;

/// Model types as `/enums` lists them.
pub(crate) const KINDS: &[&str] = &[
    "Checkpoint",
    "TextualInversion",
    "Hypernetwork",
    "AestheticGradient",
    "LORA",
    "LoCon",
    "DoRA",
    "Controlnet",
    "Upscaler",
    "MotionModule",
    "VAE",
    "TextEncoder",
    "UNet",
    "CLIPVision",
    "Poses",
    "Wildcards",
    "Workflows",
    "ComfyWorkflows",
    "Detection",
    "VisionLanguage",
    "CLIP",
    "LLM",
    "Other",
];

/// Base models in use.
pub(crate) const BASE_MODELS: &[&str] = &[
    "SD 1.5",
    "SDXL 1.0",
    "Pony",
    "Illustrious",
    "Flux.1 D",
    "NoobAI",
    "SD 1.4",
    "SD 2.1 768",
    "SDXL Turbo",
    "Flux.1 Kontext",
    "Wan Video 14B t2v",
    "Qwen",
    "ZImageTurbo",
    "Chroma",
    "HiDream",
    "Hunyuan Video",
    "SD 3.5 Large",
    "LTXV",
    "Anima",
    "Other",
];

/// File types as `/enums` lists them.
pub(crate) const FILE_KINDS: &[&str] = &[
    "Model",
    "Text Encoder",
    "Vision Encoder",
    "Pruned Model",
    "Negative",
    "Training Data",
    "VAE",
    "Config",
    "Archive",
    "UNet",
    "Diffusion Model",
    "CLIPVision",
    "ControlNet",
    "Workflow",
    "Upscaler",
    "Enhancement LoRA",
    "Other",
];

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
