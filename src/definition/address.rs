//! The address of a place in a store: `s3://bucket/prefix` or `az://container/prefix`. Pure.

/// Most characters of a prefix; the names behind it need the rest of the 1,024 that a store takes.
const PREFIX_MAX: usize = 512;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// S3, and what is compatible with it.
    S3,
    /// Azure's blob storage.
    Azure,
}

/// A bucket, or a container, and the names in it that belong to the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The kind of its store.
    pub kind: StoreKind,
    /// The name of the bucket.
    pub bucket: String,
    /// Names joined by `/`, which none of them begins or ends with; empty for the whole bucket.
    pub prefix: String,
}

impl Address {
    /// Parses what follows the scheme of a URL.
    ///
    /// # Errors
    /// The fault with its remedy, as the rest of a sentence about the URL that quotes nothing which may be a secret.
    pub(super) fn parse(kind: StoreKind, text: &str) -> Result<Self, String> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(shaped) || bucket.starts_with(['.', '-']) {
            let scheme = kind.scheme();
            return Err(format!("is a `{scheme}://` URL without a bucket's name: write `{scheme}://bucket/prefix`"));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let named = |name: &str| {
            !matches!(name, "" | "." | "..") && name.bytes().all(|byte| shaped(byte) || b"=+,~".contains(&byte))
        };
        if prefix.len() > PREFIX_MAX || !(prefix.is_empty() || prefix.split('/').all(named)) {
            return Err(format!(
                "has a prefix that is not names of letters, digits and `-._=+,~`, joined by `/`, {PREFIX_MAX} characters at most"
            ));
        }
        Ok(Self { kind, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// Returns the address as a URL.
    pub fn url(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{}://{}{slash}{}", self.kind.scheme(), self.bucket, self.prefix)
    }

    /// Returns the key of a name in the place.
    pub fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }
}

impl StoreKind {
    fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_and_prefixes_are_taken_and_nothing_else() {
        for (kind, text, url, key) in [
            (StoreKind::S3, "models", "s3://models", "x/y"),
            (StoreKind::S3, "models/", "s3://models", "x/y"),
            (StoreKind::S3, "models/a", "s3://models/a", "a/x/y"),
            (StoreKind::Azure, "models/a/b=1/", "az://models/a/b=1", "a/b=1/x/y"),
        ] {
            let address = Address::parse(kind, text).unwrap();
            assert_eq!((address.url().as_str(), address.key("x/y").as_str()), (url, key));
        }
        for text in [
            "",
            "/a",
            "ab",
            "-abc",
            "abc//a",
            "abc/a//b",
            "abc/../b",
            "abc/./b",
            "abc/a b",
            "abc/a%2fb",
            "abc/a\\b",
            "abc/ä",
            "key:x@abc/a",
            "abc/a?b",
        ] {
            assert!(Address::parse(StoreKind::S3, text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_url_is_read_back(text in "[a-z0-9.-]{3,10}(/[a-z.=]{1,4}){0,3}") {
            if let Ok(address) = Address::parse(StoreKind::Azure, &text) {
                let url = address.url();
                prop_assert_eq!(Address::parse(StoreKind::Azure, url.strip_prefix("az://").unwrap()).unwrap(), address);
            }
        }
    }
}
