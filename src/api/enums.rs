//! `GET /enums`: the words the server knows now, requested before a walk is split by them.

use serde::Deserialize;

use super::models_params::TYPES;

/// The path below the server's base URL.
pub const PATH: &str = "enums";

/// Returns the model types that the server lists together with those known when this was written, so that a split misses none.
pub fn model_types(body: Option<&[u8]>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Enums {
        #[serde(rename = "ModelType", default)]
        model_types: Vec<String>,
    }
    let listed = body.and_then(|body| serde_json::from_slice::<Enums>(body).ok()).map(|enums| enums.model_types);
    let known = TYPES.iter().map(|name| (*name).to_owned());
    let mut types: Vec<String> = listed.into_iter().flatten().chain(known).collect();
    types.sort();
    types.dedup();
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_adds_is_walked_too() {
        let types = model_types(Some(br#"{"ModelType":["LORA","Hologram"],"BaseModel":[]}"#));
        assert!(types.contains(&"Hologram".to_owned()) && types.contains(&"Checkpoint".to_owned()));
        assert_eq!(types.len(), TYPES.len() + 1);
        assert_eq!(model_types(None).len(), TYPES.len());
        assert_eq!(model_types(Some(b"<html>")).len(), TYPES.len());
    }
}
