//! The API key: cannot be printed, and is sent in one header only.

use std::fmt;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::mask::Mask;

/// An API key. Its `Debug` is `***`, it has no `Display`, and its memory is wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why a text is no API key. Holds no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing is left after trimming.
    #[error("the API key is empty: write the key itself, or unset the variable to crawl without one")]
    Empty,
    /// White space, a control character or a character outside ASCII is inside the key.
    #[error(
        "the API key holds white space, a control character or a character outside ASCII: copy it again, as one word"
    )]
    Malformed,
}

impl Secret {
    /// Parses the text of an environment variable or a key file. Surrounding white space is dropped.
    ///
    /// # Errors
    /// When the rest is not one word of printable ASCII.
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let key = text.trim();
        if key.is_empty() {
            return Err(SecretError::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Malformed);
        }
        Ok(Secret(SecretString::from(key)))
    }

    /// Returns the mask that finds the key in answers, or `None` for a key that ordinary text may contain by chance.
    pub(super) fn mask(&self) -> Option<Mask> {
        Mask::of(self.0.expose_secret())
    }

    /// Returns true when the key can be masked in what a server sends.
    pub fn is_masked(&self) -> bool {
        self.mask().is_some()
    }

    /// Returns the value of the `Authorization` header, marked sensitive so that no library prints it.
    pub(super) fn bearer(&self) -> Result<HeaderValue, SecretError> {
        let text = SecretString::from(format!("Bearer {}", self.0.expose_secret()));
        let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| SecretError::Malformed)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_word_of_printable_ascii() {
        for (text, expected) in [
            ("abc123", Ok("Bearer abc123")),
            ("  abc123\r\n", Ok("Bearer abc123")),
            ("", Err(SecretError::Empty)),
            (" \n\t", Err(SecretError::Empty)),
            ("abc 123", Err(SecretError::Malformed)),
            ("abc\n123", Err(SecretError::Malformed)),
            ("abc\u{7}123", Err(SecretError::Malformed)),
            ("clé", Err(SecretError::Malformed)),
            ("abc\u{a0}", Ok("Bearer abc")),
        ] {
            let bearer = Secret::parse(text).and_then(|secret| secret.bearer());
            let bearer = bearer.map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(bearer, expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn never_shows_itself() {
        let secret = Secret::parse("canary-key").unwrap();
        let bearer = secret.bearer().unwrap();
        assert_eq!(format!("{secret:?}"), "***");
        assert!(!format!("{bearer:?}").contains("canary"));
        for refused in ["canary key", "canary\u{0}key", "canaryé"] {
            let error = Secret::parse(refused).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
