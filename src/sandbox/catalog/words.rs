//! The vocabulary of the generated catalog: enumerations, licences, names, tags and prose.

use super::random::{Random, Stream};

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

/// The model type, base model and file type that each of the first nights brings.
pub(crate) const NEW: &[[&str; 3]] =
    &[["Gaussian", "Krea 2", "Splat"], ["Voice", "Mochi XL", "Speaker Encoder"], ["Rig", "Lumina 3", "Skeleton"]];

/// Returns the words of a list that there are after this many nights; `place` is its place in [`NEW`].
pub(crate) fn after_nights(words: &[&'static str], nights: usize, place: usize) -> Vec<&'static str> {
    words.iter().copied().chain(NEW.iter().take(nights).map(|new| new[place])).collect()
}

/// The permissions of `allowCommercialUse`.
pub(crate) const LICENCES: &[&str] = &["Image", "RentCivit", "Rent", "Sell"];

const ADJECTIVES: &[&str] = &[
    "abstract",
    "ancient",
    "anime",
    "arcane",
    "art deco",
    "baroque",
    "black and white",
    "bright",
    "celestial",
    "chibi",
    "cinematic",
    "classic",
    "crystal",
    "cute",
    "cyberpunk",
    "dark",
    "detailed",
    "dreamy",
    "elegant",
    "ethereal",
    "fantasy",
    "flat",
    "frozen",
    "futuristic",
    "geometric",
    "glowing",
    "golden",
    "gothic",
    "gritty",
    "hand-drawn",
    "hyperreal",
    "ink",
    "isometric",
    "low poly",
    "lunar",
    "macro",
    "minimal",
    "misty",
    "modern",
    "mystic",
    "neon",
    "noir",
    "ornate",
    "painted",
    "pastel",
    "photographic",
    "pixel",
    "porcelain",
    "psychedelic",
    "retro",
    "romantic",
    "rustic",
    "sci-fi",
    "semi-realistic",
    "sketchy",
    "soft",
    "steampunk",
    "surreal",
    "\u{65b0}\u{6d77}",
    "\u{6c34}\u{5f69}",
    "vintage",
    "vivid",
    "watercolor",
    "woven",
];

const NOUNS: &[&str] = &[
    "alien",
    "architecture",
    "armor",
    "background",
    "beast",
    "bird",
    "building",
    "car",
    "castle",
    "cat",
    "character",
    "city",
    "clothing",
    "cloud",
    "concept",
    "costume",
    "desert",
    "dog",
    "dragon",
    "dress",
    "eyes",
    "face",
    "flower",
    "food",
    "forest",
    "furniture",
    "garden",
    "girl",
    "glass",
    "hair",
    "hero",
    "horse",
    "house",
    "illustration",
    "interior",
    "jewelry",
    "knight",
    "lamp",
    "landscape",
    "lighting",
    "logo",
    "market",
    "mask",
    "mecha",
    "mountain",
    "ocean",
    "painting",
    "pattern",
    "portrait",
    "pose",
    "robot",
    "room",
    "ruins",
    "samurai",
    "scenery",
    "ship",
    "skull",
    "sky",
    "street",
    "style",
    "sword",
    "texture",
    "tower",
    "train",
    "tree",
    "vehicle",
    "village",
    "water",
    "weapon",
    "wings",
    "wizard",
    "\u{5c11}\u{5973}",
    "\u{98a8}\u{666f}",
    "world",
];

/// Sentences that are already safe inside a JSON string.
const SENTENCES: &[&str] = &[
    "Recommended weight is 0.6 to 0.8, higher values overcook the colours.",
    "Works best with a CFG scale between 4 and 7 and at least 25 steps.",
    "Trained on a hand-picked set of images at 1024 pixels, captioned by hand.",
    "Put the file into <code>models/Lora</code> and reload the list.",
    "If hands come out wrong, raise the resolution before you raise the steps.",
    "This version merges the two earlier ones and keeps the lighting of the first.",
    "Please share what you make, I read every comment.",
    "<strong>Do not</strong> use a negative prompt longer than the prompt.",
    "The trigger is needed only for the outfit, not for the face.",
    "\u{63a8}\u{8350}\u{6743}\u{91cd} 0.7\u{ff0c}\u{91c7}\u{6837}\u{5668} DPM++ 2M Karras\u{3002}",
    "\u{3053}\u{306e}\u{30e2}\u{30c7}\u{30eb}\u{306f}\u{6c34}\u{5f69}\u{98a8}\u{306e}\u{7d75}\u{306b}\u{5411}\u{3044}\u{3066}\u{3044}\u{307e}\u{3059}\u{3002}",
    "Have fun \u{1f600}\u{1f3a8} and tag me \u{2764}\u{fe0f}!",
    "Compared with v1 the palette is calmer and &quot;plastic&quot; skin is gone.",
    "Quoted from the readme: \\\"sampling at 8 steps is enough\\\".",
    "A path such as C:\\\\models\\\\lora works as well.",
    "Known limits: crowds, text, and anything seen from above.",
    "Upscale with a denoising strength of 0.35 and a tile size of 512.",
    "Made for landscapes, but portraits turn out well when the prompt is short.",
];

/// Returns a tag by its number, all different; past [`tag_count`] the words repeat with a number behind them.
pub(super) fn tag(number: u32) -> String {
    let (adjectives, nouns) = (ADJECTIVES.len() as u32, NOUNS.len() as u32);
    let noun = NOUNS[(number % nouns) as usize];
    let word = match (number / nouns) % (adjectives + 1) {
        0 => noun.to_owned(),
        row => format!("{} {noun}", ADJECTIVES[(row - 1) as usize]),
    };
    if number < tag_count() { word } else { format!("{word} {}", number / tag_count() + 1) }
}

/// Returns the number of tags that the vocabulary has.
pub(super) fn tag_count() -> u32 {
    (NOUNS.len() * (ADJECTIVES.len() + 1)) as u32
}

/// Returns the name of a user by number: all different, one in 61 made of digits; number 0 is the house account.
pub(super) fn username(seed: u64, number: u32) -> String {
    if number == 0 {
        return "civitai".to_owned();
    }
    let mut random = Random::new(seed, Stream::Name, u64::from(number) << 32);
    if number % 61 == 7 {
        return format!("{}{number:06}", 1 + random.below(9));
    }
    // JavaScript reads the first as a number, and drops the zero of the second.
    match number % 122 {
        8 => return format!("{number}e3"),
        69 => return format!("0{number:04}"),
        _ => {}
    }
    let word = random.pick(NOUNS);
    if word.is_ascii() { format!("{word}_{number}") } else { format!("User{number}") }
}

/// True for a name that is written like a number in JSON.
pub(crate) fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0')
}

/// Draws the name of a model.
pub(super) fn model_name(random: &mut Random) -> String {
    let mut name = format!("{} {}", random.pick(ADJECTIVES), random.pick(NOUNS));
    if let Some(first) = name.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    match random.below(12) {
        0 => name.push_str(" \u{2728}"),
        1 => name.push_str(" \u{3010}\u{6a21}\u{578b}\u{3011}"),
        2 => name.push_str(" \"redux\""),
        3 => name.push_str(" | XL & Pony"),
        _ => {}
    }
    name
}

/// Draws two or three words for prompts, file names and trigger words.
pub(crate) fn phrase(random: &mut Random) -> String {
    format!("{} {}", random.pick(ADJECTIVES), random.pick(NOUNS))
}

/// Appends HTML prose of about this many bytes, safe inside a JSON string.
pub(crate) fn prose(random: &mut Random, bytes: usize, out: &mut String) {
    let end = out.len() + bytes;
    while out.len() < end {
        match random.below(9) {
            0 => {
                let id = random.below(900_000);
                out.push_str("<p><a target=\\\"_blank\\\" rel=\\\"ugc\\\" href=\\\"https://civitai.com/models/");
                out.push_str(&id.to_string());
                out.push_str("\\\">see also</a></p>");
            }
            1 => {
                out.push_str("<p><span style=\\\"color:rgb(193, 194, 197)\\\">");
                out.push_str(random.pick(SENTENCES));
                out.push_str("</span></p>");
            }
            _ => {
                out.push_str("<p>");
                out.push_str(random.pick(SENTENCES));
                out.push(' ');
                out.push_str(random.pick(SENTENCES));
                out.push_str("</p>");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tags_and_users_are_many_and_distinct() {
        let tags: HashSet<String> = (0..3 * tag_count()).map(tag).collect();
        assert!(tags.len() > 9000 && tags.len() == 3 * tag_count() as usize);
        let users: HashSet<String> = (0..5000).map(|n| username(1, n).to_lowercase()).collect();
        assert_eq!(users.len(), 5000);
        assert!(users.iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())).count() > 50);
    }

    #[test]
    fn prose_is_json_safe() {
        let mut out = String::from("\"");
        prose(&mut Random::new(1, Stream::Text, 1), 20_000, &mut out);
        out.push('"');
        assert!(serde_json::from_str::<String>(&out).unwrap().contains("<p>"));
    }
}
