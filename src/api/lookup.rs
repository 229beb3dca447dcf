//! Keys of look-ups as people write them: ids, hashes, AIRs (`urn:air:sdxl:lora:civitai:123@456`, or only `123@456`), and links
//! to the site's pages or its API.

/// The things that can be looked up.
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

/// A text that is no key of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no id.
    #[error(
        "`{0}` is no {1} id; write a whole number from 1 to {ID_MAX}, an AIR such as `urn:air:sdxl:lora:civitai:123@456`, or a link to its page"
    )]
    Id(String, &'static str),
    /// It is no hash.
    #[error("`{0}` is no hash; write 8 to 64 hexadecimal digits: SHA256, AutoV1, AutoV2, AutoV3, CRC32 or BLAKE3")]
    Hash(String),
    /// It names a model as a whole.
    #[error(
        "`{0}` names no version; write it like `urn:air:sdxl:lora:civitai:123@456` or \
         `https://civitai.com/models/123?modelVersionId=456`, or look up the model"
    )]
    NoVersion(String),
}

/// The largest id the server takes.
pub const ID_MAX: i64 = 2_147_483_647;

impl Kind {
    /// Returns the key to look up from a user's text: a decimal id, or a hash in upper case.
    ///
    /// # Errors
    /// If the text names no such thing.
    pub fn key(self, text: &str) -> Result<String, KeyError> {
        let shown = || text.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
        let id = |digits: &str| {
            let number = digits
                .parse()
                .ok()
                .filter(|id| digits.bytes().all(|b| b.is_ascii_digit()) && (1..=ID_MAX).contains(id));
            number.map(|id: i64| id.to_string()).ok_or_else(|| KeyError::Id(shown(), self.noun()))
        };
        // Exported lists may begin with a byte order mark, pasted keys have blanks, quotes or angle brackets around them.
        let text =
            text.trim_matches(|c: char| c.is_whitespace() || "\u{feff}\u{200b}\"'`<>\u{201c}\u{201d}".contains(c));
        let named = short_air(text).or_else(|| air(text)).or_else(|| link(text)).unwrap_or_else(|| self.plain(text));
        match (self, named) {
            (Self::Hash, Named { hash: Some(text), .. }) => {
                let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
                let fits = (8..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                if fits { Ok(digits.to_ascii_uppercase()) } else { Err(KeyError::Hash(shown())) }
            }
            (Self::Hash, _) => Err(KeyError::Hash(shown())),
            (Self::Model, Named { model: Some(model), .. }) => id(model),
            (Self::Version, Named { version: Some(version), .. }) => id(version),
            (Self::Version, Named { model: Some(_), .. }) => Err(KeyError::NoVersion(shown())),
            (Self::Image, Named { image: Some(image), .. }) => id(image),
            _ => Err(KeyError::Id(shown(), self.noun())),
        }
    }

    /// Reads a text that is neither AIR nor link as the key itself.
    fn plain(self, text: &str) -> Named<'_> {
        let mut named = Named::default();
        *(match self {
            Self::Model => &mut named.model,
            Self::Version => &mut named.version,
            Self::Hash => &mut named.hash,
            Self::Image => &mut named.image,
        }) = Some(text);
        named
    }

    /// The noun for sentences.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Version => "version",
            Self::Hash => "hash",
            Self::Image => "image",
        }
    }
}

/// The ids and the hash in a text.
#[derive(Debug, Clone, Copy, Default)]
struct Named<'a> {
    model: Option<&'a str>,
    version: Option<&'a str>,
    hash: Option<&'a str>,
    image: Option<&'a str>,
}

/// Reads `123@456`, a version as other programs write it.
fn short_air(text: &str) -> Option<Named<'_>> {
    let (model, version) = text.split_once('@')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(model) && digits(version)).then_some(Named {
        model: Some(model),
        version: Some(version),
        ..Named::default()
    })
}

/// Reads the model and the version of an AIR of this site; its end from `civitai:` on is enough.
fn air(text: &str) -> Option<Named<'_>> {
    let at = text.to_ascii_lowercase().find("civitai:")?;
    let whole_word = at == 0 || text.as_bytes()[at - 1] == b':';
    let rest = &text[at + "civitai:".len()..];
    // A layer or a format may follow.
    let ids = rest.split([':', '.']).next().filter(|_| whole_word)?;
    let (model, version) = ids.split_once('@').map_or((ids, None), |(model, version)| (model, Some(version)));
    Some(Named { model: Some(model), version, ..Named::default() })
}

/// The site's hosts; all of them show one catalog.
const HOSTS: [&str; 3] = ["civitai.com", "civitai.red", "civitai.green"];

/// Reads a link to a page of the site or to its API, with or without its host. `None` for other hosts.
fn link(text: &str) -> Option<Named<'_>> {
    let lower = text.to_ascii_lowercase();
    let scheme =
        ["https://", "http://"].iter().find(|scheme| lower.starts_with(**scheme)).map_or(0, |scheme| scheme.len());
    let (host, rest) = text[scheme..].split_once('/')?;
    let host = host.to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    let ours = HOSTS.iter().any(|own| host.strip_suffix(own).is_some_and(|sub| sub.is_empty() || sub.ends_with('.')));
    let path_alone = scheme == 0 && host.is_empty();
    if !ours && !path_alone {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // Of several versions in one link, the site's choice is unknown.
    let mut versions = query.split('&').filter_map(|pair| pair.strip_prefix("modelVersionId="));
    let version = versions.next().filter(|first| versions.all(|other| other == *first));
    Some(match segments[..] {
        ["api", "v1", "model-versions", "by-hash", hash] => Named { hash: Some(hash), ..Named::default() },
        ["model-versions", version]
        | ["api", "v1", "model-versions", version]
        | ["api", "download", "models", version] => Named { version: Some(version), ..Named::default() },
        ["models", model, ..] | ["api", "v1", "models", model] => {
            Named { model: Some(model), version, ..Named::default() }
        }
        ["images", image] => Named { image: Some(image), ..Named::default() },
        _ => Named::default(),
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
            (Hash, "0x9ABCDEF0", Some("9ABCDEF0")),
            (Hash, " 0X9abcdef0\r\n", Some("9ABCDEF0")),
            (Hash, "\u{feff}9abcdef0", Some("9ABCDEF0")),
            (Hash, "0x9abcdef", None),
            (Hash, "0x0x9abcdef0", None),
            (Hash, "https://civitai.com/api/v1/model-versions/by-hash/9abcdef0", Some("9ABCDEF0")),
            (Hash, "https://civitai.com/models/12345678", None),
            (Version, "123@456", Some("456")),
            (Model, "123@456", Some("123")),
            (Version, "123@", None),
            (Version, "v123@456", None),
            (Version, "air:sdxl:lora:civitai:123@456", Some("456")),
            (Version, "\u{feff} 456 ", Some("456")),
            (Version, "'\"456\"'\r", Some("456")),
            (Version, "<https://civitai.com/models/123?modelVersionId=456>", Some("456")),
            (Hash, "\"0x9ABCDEF0\"", Some("9ABCDEF0")),
            (Version, "https://civitai.com/models/123?modelVersionId=456", Some("456")),
            (Version, "civitai.com/models/123/a-name-v5?x=1&modelVersionId=456#gallery", Some("456")),
            (Version, "HTTPS://www.CivitAI.red/models/123/789-name?modelVersionId=456", Some("456")),
            (Model, "https://civitai.com/models/123/789-name?modelVersionId=456", Some("123")),
            (Version, "https://civitai.com/models/123/v456", None),
            (Version, "https://civitai.com/models/123?modelVersionId=", None),
            (Version, "https://civitai.com/models/123?modelVersionId=4&modelVersionId=5", None),
            (Version, "https://civitai.com/api/download/models/456?type=Model&format=SafeTensor", Some("456")),
            (Version, "/api/v1/model-versions/456", Some("456")),
            (Version, "https://civitai.com/api/v1/models/123", None),
            (Model, "https://civitai.com/api/v1/models/123/", Some("123")),
            (Model, "https://civitai.com/api/download/models/456", None),
            (Version, "https://example.com/models/123?modelVersionId=456", None),
            (Version, "https://civitai.com@example.com/models/123?modelVersionId=456", None),
            (Version, "https://notcivitai.com/models/123?modelVersionId=456", None),
            (Version, "https://civitai.com/user/456", None),
            (Version, "https://civitai.com/images/456", None),
            (Image, "https://civitai.com/images/77?period=AllTime", Some("77")),
            (Image, "https://civitai.com/posts/77", None),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(kind.key(text).ok().as_deref(), expected, "{kind:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_digits_whatever_was_written(text in "\\PC*|[a-z:@.0-9]{0,30}|(urn:)?civitai:[0-9@.:]{0,12}|(https://civitai.com)?/(models|images|x)/[0-9a-z/?&=#]{0,20}") {
            for kind in [Kind::Model, Kind::Version, Kind::Image, Kind::Hash] {
                match kind.key(&text) {
                    Ok(key) => prop_assert!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit())),
                    Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
                }
            }
        }
    }
}
