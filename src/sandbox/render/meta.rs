//! Renders the generation data of an image, as a dozen tools upload it: free-form, in every shape ever recorded.

use super::files;
use super::json::Writer;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::words;
use crate::sandbox::traps::{Trap, Traps};

const SAMPLERS: &[&str] = &["Euler a", "DPM++ 2M Karras", "DPM++ SDE Karras", "DDIM", "UniPC", "undefined"];
const TOOLS: &[(u8, u32)] = &[(0, 380), (1, 380), (2, 150), (3, 50), (4, 20)];

/// Appends the object as the next value; its resources name these versions.
pub(super) fn render(seed: u64, id: u32, versions: &[u32], traps: Traps, json: &mut Writer) {
    let mut random = Random::new(seed, Stream::Meta, u64::from(id));
    json.open('{');
    match random.weighted(TOOLS) {
        Some(0) => webui(&mut random, json),
        Some(1) => on_site(&mut random, versions, json),
        Some(2) => comfy(&mut random, versions, json),
        Some(3) => odd_keys(&mut random, json),
        Some(4) => odd_values(&mut random, json),
        _ => {}
    }
    if random.chance(10) && traps.has(Trap::ControlBytes) {
        json.raw("pasted", "\"a\rb\u{2}\"");
    }
    if random.chance(10) && traps.has(Trap::LoneSurrogates) {
        json.raw("Notes", "\"half \\ud83d\"");
    }
    json.close('}');
}

fn prompt(random: &mut Random, json: &mut Writer) {
    let (first, second) = (words::phrase(random), words::phrase(random));
    json.text("prompt", &format!("masterpiece, {first}, (\"{second}\":1.2),\n<lora:{first}:0.8>"));
    if random.chance(600) {
        json.text("negativePrompt", "worst quality, low quality");
    }
}

/// Appends a seed: mostly a 32-bit number; also up to 2^53, beyond 2^63, negative, or text.
fn seed(random: &mut Random, json: &mut Writer) {
    let bits = random.next();
    let text = match random.below(100) {
        0 => format!("{}", bits | 1 << 63),
        1 => format!("-{}", bits >> 40),
        2 => format!("\"{}\"", bits >> 32),
        3 => format!("{}", bits >> 1),
        4 => "-1".to_owned(),
        _ => format!("{}", bits >> 32),
    };
    json.raw("seed", &text);
}

fn numbers(random: &mut Random, json: &mut Writer) {
    seed(random, json);
    match random.below(40) {
        0 => json.text("steps", "30"),
        1 => json.raw("steps", "null"),
        steps => json.int("steps", 10 + steps),
    }
    json.text("sampler", random.pick(SAMPLERS));
    json.raw("cfgScale", random.pick(&["7", "7.5", "4", "1.5", "\"6\"", "3.0", "0"]));
}

/// Appends a web UI's text chunk: settings as texts, hashes by label, resources by hash.
fn webui(random: &mut Random, json: &mut Writer) {
    let hash = files::hex(random, 10).to_lowercase();
    json.text("Size", random.pick(&["512x768", "832x1216", "1024x1024"]));
    prompt(random, json);
    numbers(random, json);
    match random.below(30) {
        0 => json.raw("Model", "{\"meina_belly_7\":\"3mix\"}"),
        _ => json.text("Model", &words::phrase(random)),
    }
    json.text("Model hash", if random.chance(20) { "" } else { &hash });
    match random.below(10) {
        0..4 => json.text("Clip skip", random.pick(&["2", "2", "1", "2.0", " 2"])),
        4..6 => json.int("clipSkip", 2),
        6 => {
            json.int("clipSkip", 1);
            json.text("Clip skip", "1");
        }
        7 => json.text("\\\"add_detail", "1\""),
        8 => json.text("", ""),
        _ => {}
    }
    hashes(random, &hash, json);
    resources(random, (&hash, 600), &["0.5", "1", "-0.25", "null"], json);
    json.text("Version", "v1.9.4");
    json.text("Denoising strength", random.pick(&["0.35", "0.4", "1", "0.50"]));
    json.raw("ControlNet 0", "{\"Module\":\"canny\",\"Weight\":\"0.75\",\"Pixel Perfect\":\"True\"}");
}

fn hashes(random: &mut Random, hash: &str, json: &mut Writer) {
    match random.below(40) {
        0 => json.raw("hashes", &format!("[\"{hash}\",\"0x{hash}\"]")),
        1 => json.raw("hashes", "[]"),
        2 => json.raw("hashes", "{}"),
        3..20 => {
            json.open_at("hashes", '{');
            json.text("model", hash);
            if random.chance(500) {
                json.text("lora:add-detail-xl", &files::hex(random, 12).to_lowercase());
                json.text("LORA:pony/kenva", "0x95d20eda2f");
            }
            json.close('}');
        }
        _ => {}
    }
}

/// Appends the resources by name: in so many of a thousand cases the model with this hash, and often a LoRA with one of these
/// weights.
pub(super) fn resources(random: &mut Random, (hash, chance): (&str, u32), weights: &[&str], json: &mut Writer) {
    json.open_at("resources", '[');
    if random.chance(chance) {
        json.open('{');
        json.text("hash", hash);
        json.text("name", &words::phrase(random));
        json.text("type", "model");
        json.close('}');
    }
    if random.chance(400) {
        json.open('{');
        json.text("name", "add_detail");
        json.text("type", "lora");
        json.raw("weight", random.pick(weights));
        json.close('}');
    }
    json.close(']');
}

/// Appends data of the site's own generator: resources by version id, settings as numbers and booleans.
fn on_site(random: &mut Random, versions: &[u32], json: &mut Writer) {
    prompt(random, json);
    numbers(random, json);
    json.int("clipSkip", 1 + random.below(2));
    json.text("Size", "832x1216");
    civitai_resources(random, versions, json);
    json.raw("resources", "[]");
    json.text("Created Date", "2025-04-17T2128:57.2255340Z");
    json.text("workflow", random.pick(&["txt2img", "img2img-hires"]));
    json.int("width", 832);
    json.int("height", 1216);
    json.int("quantity", 1 + random.below(4));
    json.flag("draft", false);
    json.raw("extra", if random.chance(300) { "{\"remixOfId\":130000042}" } else { "{}" });
}

fn civitai_resources(random: &mut Random, versions: &[u32], json: &mut Writer) {
    json.open_at("civitaiResources", '[');
    for (place, version) in versions.iter().enumerate() {
        json.open('{');
        json.text("type", if place == 0 { "checkpoint" } else { "lora" });
        if place > 0 {
            json.raw("weight", random.pick(&["0.65", "1", "0.8"]));
        }
        json.int("modelVersionId", *version);
        if random.chance(500) {
            json.text("modelVersionName", "v1.0");
        }
        json.close('}');
    }
    json.close(']');
}

/// Appends a node graph, as JSON text or as an object, now and then hundreds of kilobytes.
fn comfy(random: &mut Random, versions: &[u32], json: &mut Writer) {
    prompt(random, json);
    numbers(random, json);
    let nodes = if random.chance(8) { 1500 } else { 3 + random.below(12) };
    let node =
        |n| format!("\"{n}\":{{\"inputs\":{{\"seed\":{n},\"text\":\"a \\\"{n}\\\" b\"}},\"class_type\":\"KSampler\"}}");
    let graph = format!("{{\"prompt\":{{{}}},\"workflow\":{{}}}}", (0..nodes).map(node).collect::<Vec<_>>().join(","));
    if random.chance(600) {
        json.text("comfy", &graph);
    } else {
        json.raw("comfy", &graph);
    }
    for list in ["models", "vaes", "upscalers", "modelIds", "versionIds", "controlNets"] {
        json.raw(list, if random.chance(300) { "[\"one.safetensors\"]" } else { "[]" });
    }
    json.raw("denoise", random.pick(&["1", "0.5"]));
    if random.chance(400) {
        let resource = "{\"name\":\"urn:air:sdxl:lora:civitai:12@34\",\"type\":\"lora\",\"strength\":0.7}";
        json.raw("additionalResources", &format!("[{resource}]"));
        civitai_resources(random, versions, json);
    }
}

/// Appends a misparsed text: hundreds of keys, now and then thousands.
fn odd_keys(random: &mut Random, json: &mut Writer) {
    let count = if random.chance(60) { 4000 } else { 100 + random.below(300) };
    for n in 0..count {
        let key = format!("{} {n}", words::phrase(random));
        match random.below(5) {
            0 => json.int(&key, random.below(1000)),
            1 => json.raw(&key, "[1,{\"deep\":null}]"),
            2 => json.raw(&key, "1e-7"),
            _ => json.text(&key, "true\u{0}"),
        }
    }
}

/// Appends known keys with values of unexpected types.
fn odd_values(random: &mut Random, json: &mut Writer) {
    let odd = [
        "null",
        "[]",
        "{\"a\":1}",
        "true",
        "\"\"",
        "12345678901234567890123",
        "0.1",
        "\"007\"",
        "\"1e3\"",
        "\" 30\"",
        "20.0",
        "\"7,5\"",
        "\"inf\"",
    ];
    let keys =
        ["prompt", "negativePrompt", "seed", "steps", "sampler", "cfgScale", "clipSkip", "Size", "Model", "extra"];
    for key in keys {
        json.raw(key, random.pick(&odd));
    }
    for key in ["resources", "civitaiResources", "additionalResources", "hashes"] {
        json.raw(key, random.pick(&["null", "\"text\"", "7", "{}", "[]"]));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_shape_occurs_and_is_json() {
        let texts: Vec<String> = (0..3000)
            .map(|id| {
                let mut json = Writer::default();
                render(1, id, &[7, 8], Traps::none(), &mut json);
                json.out
            })
            .collect();
        let values: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let some = |test: &dyn Fn(&Value) -> bool| assert!(values.iter().any(test));
        some(&|meta| meta["seed"].as_u64().is_some_and(|seed| seed > i64::MAX as u64));
        some(&|meta| meta["seed"].as_i64().is_some_and(|seed| seed < -1));
        some(&|meta| meta["seed"].is_string());
        some(&|meta| meta["Model"].is_object());
        some(&|meta| meta["hashes"].is_object());
        some(&|meta| meta["hashes"][0].is_string());
        some(&|meta| meta["comfy"].is_string());
        some(&|meta| meta["comfy"].is_object());
        some(&|meta| meta["additionalResources"][0]["strength"].is_f64());
        some(&|meta| meta["civitaiResources"][1]["modelVersionId"] == 8);
        some(&|meta| meta.as_object().is_some_and(|keys| keys.len() == 4000));
        some(&|meta| meta.as_object().is_some_and(|keys| keys.is_empty()));
        assert!(texts.iter().any(|text| text.len() > 100_000));
    }
}
