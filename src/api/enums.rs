//! `GET /enums`: the words the server knows at this moment, asked for before a walk is split by them.

use serde::Deserialize;

use super::models_params::TYPES;

/// The path below the server's base URL.
pub const PATH: &str = "enums";

/// The model types that the server tells, and those it was known to have: none of either may be left out of a split.
pub fn model_types(body: Option<&[u8]>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Enums {
        #[serde(rename = "ModelType", default)]
        model_types: Vec<String>,
    }
    let told = body.and_then(|body| serde_json::from_slice::<Enums>(body).ok()).map(|enums| enums.model_types);
    let known = TYPES.iter().map(|name| (*name).to_owned());
    let mut types: Vec<String> = told.into_iter().flatten().chain(known).collect();
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
