//! Keys that look like an API key: refused in any table, and their value is never shown.

/// Such keys in lower case, without `-` and `_`.
const NAMES: &[&str] = &[
    "accesstoken",
    "apikey",
    "apitoken",
    "authorization",
    "bearer",
    "civitaiapikey",
    "civitaitoken",
    "key",
    "password",
    "secret",
    "token",
];

/// Returns the refusal of a key that looks like an API key; `None` for other keys.
pub(super) fn refusal(key: &str) -> Option<String> {
    let bare: String = key.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    NAMES.contains(&bare.to_ascii_lowercase().as_str()).then(|| {
        format!(
            "`{key}`: an API key never goes into a crawl file. Set the environment variable CIVITAI_API_KEY, \
             or name a file that holds the key: `key_file = \"…\"`."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn knows_the_usual_spellings() {
        for key in ["api_key", "API-Key", "apiKey", "key", "token", "CIVITAI_API_KEY", "Authorization"] {
            assert!(refusal(key).is_some_and(|text| text.contains("CIVITAI_API_KEY")), "{key}");
        }
        for key in ["key_file", "keep_bodies", "tokens", "server", ""] {
            assert_eq!(refusal(key), None, "{key}");
        }
    }
}
