//! What can be looked up, and how people write which one: ids, hashes, and AIRs (`urn:air:sdxl:lora:civitai:123@456`).

/// What can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model, by its id.
    Model,
    /// A version of a model, by its id.
    Version,
    /// The version that a file belongs to, by any hash of the file.
    Hash,
    /// A posted image, by its id.
    Image,
}

/// Why a text names nothing that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no id.
    #[error(
        "`{0}` is no {1} id; write a whole number from 1 to {ID_MAX}, or an AIR such as `urn:air:sdxl:lora:civitai:123@456`"
    )]
    Id(String, &'static str),
    /// It is no hash.
    #[error("`{0}` is no hash; write 8 to 64 hexadecimal digits: SHA256, AutoV1, AutoV2, AutoV3, CRC32 or BLAKE3")]
    Hash(String),
    /// It is an AIR of a model as a whole.
    #[error("`{0}` names no version; write it like `urn:air:sdxl:lora:civitai:123@456`, or look up the model")]
    NoVersion(String),
}

/// The largest id the server takes.
const ID_MAX: i64 = 2_147_483_647;

impl Kind {
    /// What the server is asked for, from what somebody wrote.
    ///
    /// # Errors
    /// When it names no such thing.
    pub fn key(self, text: &str) -> Result<String, KeyError> {
        let shown = || text.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
        let id = |digits: &str| {
            let number = digits
                .parse()
                .ok()
                .filter(|id| digits.bytes().all(|b| b.is_ascii_digit()) && (1..=ID_MAX).contains(id));
            number.map(|id: i64| id.to_string()).ok_or_else(|| KeyError::Id(shown(), self.noun()))
        };
        match (self, air(text)) {
            (Self::Hash, _) => {
                let fits = (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if fits { Ok(text.to_ascii_uppercase()) } else { Err(KeyError::Hash(shown())) }
            }
            (Self::Model, Some((model, _))) => id(model),
            (Self::Version, Some((_, Some(version)))) => id(version),
            (Self::Version, Some((_, None))) => Err(KeyError::NoVersion(shown())),
            (Self::Model | Self::Version | Self::Image, _) => id(text),
        }
    }

    /// Its word in sentences.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Version => "version",
            Self::Hash => "hash",
            Self::Image => "image",
        }
    }
}

/// The model and the version that an AIR of this site names; `civitai:123@456` is enough of one.
fn air(text: &str) -> Option<(&str, Option<&str>)> {
    let at = text.to_ascii_lowercase().find("civitai:")?;
    let whole_word = at == 0 || text.as_bytes()[at - 1] == b':';
    let rest = &text[at + "civitai:".len()..];
    // A layer or a format may follow.
    let ids = rest.split([':', '.']).next()?;
    whole_word.then(|| match ids.split_once('@') {
        Some((model, version)) => (model, Some(version)),
        None => (ids, None),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_from_what_people_write() {
        use Kind::{Hash, Image, Model, Version};
        let cases = [
            (Model, "123", Some("123")),
            (Model, "urn:air:sdxl:lora:civitai:123@456", Some("123")),
            (Model, "urn:air:sdxl:lora:civitai:123", Some("123")),
            (Version, "urn:air:sdxl:lora:civitai:123@456", Some("456")),
            (Version, "URN:AIR:sd1:checkpoint:CIVITAI:123@456:layer.safetensors", Some("456")),
            (Version, "civitai:123@456", Some("456")),
            (Version, "civitai:123", None),
            (Version, "urn:air:sdxl:lora:huggingface:123@456", None),
            (Version, "00456", Some("456")),
            (Image, "77", Some("77")),
            (Image, "+77", None),
            (Model, "0", None),
            (Model, "2147483648", None),
            (Model, "-1", None),
            (Model, "notcivitai:5", None),
            (Model, "", None),
            (Hash, "9abcdef0", Some("9ABCDEF0")),
            (Hash, "9abcdef", None),
            (Hash, "xyzxyzxyz", None),
            (Hash, "civitai:123@456", None),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(kind.key(text).ok().as_deref(), expected, "{kind:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_digits_whatever_was_written(text in "\\PC*|[a-z:@.0-9]{0,30}|(urn:)?civitai:[0-9@.:]{0,12}") {
            for kind in [Kind::Model, Kind::Version, Kind::Image, Kind::Hash] {
                match kind.key(&text) {
                    Ok(key) => prop_assert!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit())),
                    Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
                }
            }
        }
    }
}
