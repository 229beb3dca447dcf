//! The address of a place in a store: `s3://bucket/prefix` or `az://container/prefix`. Pure.

/// Most characters of a prefix; the names behind it need the rest of the 1,024 that a store takes.
const PREFIX_MAX: usize = 512;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    S3,
    Azure,
}

/// A bucket, or a container, and the names in it that belong to the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) kind: Kind,
    pub(super) bucket: String,
    /// Names joined by `/`, which none of them begins or ends with; empty for the whole bucket.
    pub(super) prefix: String,
}

impl Address {
    /// Parses a URL.
    ///
    /// # Errors
    /// A sentence that quotes nothing which may be a secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let kind = match scheme {
            "s3" => Kind::S3,
            "az" => Kind::Azure,
            _ => return Err(String::from("a place is a directory, `s3://bucket/prefix` or `az://container/prefix`")),
        };
        if rest.contains(['@', '?', '#']) {
            return Err(format!(
                "the place is a `{scheme}://` URL with `@`, `?` or `#` in it: write the bucket and the prefix only; credentials are \
                 taken from the environment or the machine's role"
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(shaped) || bucket.starts_with(['.', '-']) {
            return Err(format!(
                "the place is a `{scheme}://` URL without a bucket's name: write `{scheme}://bucket/prefix`"
            ));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let named = |name: &str| {
            !matches!(name, "" | "." | "..") && name.bytes().all(|byte| shaped(byte) || b"=+,~".contains(&byte))
        };
        if prefix.len() > PREFIX_MAX || !(prefix.is_empty() || prefix.split('/').all(named)) {
            return Err(format!(
                "the prefix in `{scheme}://{bucket}/…` is not names of letters, digits and `-._=+,~`, joined by `/`, {PREFIX_MAX} \
                 characters at most"
            ));
        }
        Ok(Self { kind, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// Returns the address as a URL.
    pub(super) fn url(&self) -> String {
        let scheme = if self.kind == Kind::S3 { "s3" } else { "az" };
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.bucket, self.prefix)
    }

    /// Returns the key of a name in the place.
    pub(super) fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_and_prefixes_are_taken_and_nothing_else() {
        for (text, url, key) in [
            ("s3://models", "s3://models", "x/y"),
            ("s3://models/", "s3://models", "x/y"),
            ("s3://models/a", "s3://models/a", "a/x/y"),
            ("az://models/a/b=1/", "az://models/a/b=1", "a/b=1/x/y"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.url().as_str(), address.key("x/y").as_str()), (url, key));
        }
        for text in [
            "s3://",
            "s3:///a",
            "s3://ab",
            "s3://-abc",
            "s3://abc//a",
            "s3://abc/a//b",
            "s3://abc/../b",
            "s3://abc/./b",
            "s3://abc/a b",
            "s3://abc/a%2fb",
            "s3://abc/a\\b",
            "s3://abc/ä",
            "gs://abc/a",
            "S3://abc",
            "https://abc/a",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        for text in ["s3://key:canary@abc/a", "s3://abc/a?sig=canary", "az://abc/a#canary", "s3://can/ary canary"] {
            let refused = Address::parse(text).unwrap_err();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn a_url_is_read_back(text in "(s3|az)://[a-z0-9.-]{3,10}(/[a-z.=]{1,4}){0,3}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.url()).unwrap(), address);
            }
        }
    }
}
