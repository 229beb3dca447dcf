//! `GET /enums`: the words the server knows now, requested before a walk is split by them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::allowance::begin_page;
use super::exact::{elements, text};
use super::models_params::TYPES;

/// The path below the server's base URL.
pub const PATH: &str = "enums";

/// Most model types that are believed: each becomes a list of its own. The server has some twenty.
const TYPES_MAX: usize = 1000;

/// Returns the model types that the server lists together with those known when this was written, so that a split misses none.
pub fn model_types(body: Option<&[u8]>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Enums<'a> {
        #[serde(rename = "ModelType", borrow)]
        model_types: &'a RawValue,
    }
    begin_page();
    let enums = body.and_then(|body| serde_json::from_slice::<Enums<'_>>(body).ok());
    let listed = enums.and_then(|enums| elements(enums.model_types.get())).filter(|types| types.len() <= TYPES_MAX);
    let listed = listed.into_iter().flatten().filter_map(|name| Some(text(name)?.into_owned()));
    let mut types: Vec<String> = listed.chain(TYPES.iter().map(|name| (*name).to_owned())).collect();
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
        let many = format!(r#"{{"ModelType":[{}]}}"#, vec!["\"x\""; TYPES_MAX + 1].join(","));
        assert_eq!(model_types(Some(many.as_bytes())).len(), TYPES.len(), "so many are none");
        assert_eq!(model_types(None).len(), TYPES.len());
        assert_eq!(model_types(Some(b"<html>")).len(), TYPES.len());
    }
}
