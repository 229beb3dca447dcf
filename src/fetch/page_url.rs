//! The address of one page: base, path and query; never an address the server sent.

use std::fmt;

use url::Url;

use super::settings::Error;

/// The address of one page. It never holds the API key, so it may be shown and stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageUrl(Url);

impl PageUrl {
    /// Builds an address below `base` (`https://host/api/v1`) from path segments (`["models", "42"]`) and query pairs, and
    /// percent-encodes both. The pairs keep their order, and a key may repeat.
    ///
    /// # Errors
    /// When `base` has no path, like `data:`.
    pub fn new<K, V>(base: &Url, path: &[&str], query: impl IntoIterator<Item = (K, V)>) -> Result<PageUrl, Error>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut url = base.clone();
        url.path_segments_mut().map_err(|()| Error::server(base, "it has no path"))?.pop_if_empty().extend(path);
        url.set_fragment(None);
        url.query_pairs_mut().clear().extend_pairs(query);
        if url.query() == Some("") {
            url.set_query(None);
        }
        Ok(PageUrl(url))
    }

    /// Returns the address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

/// Returns a query value that no cache has seen. The server ignores a parameter it does not know; a cache does not.
pub fn fresh_key() -> String {
    jiff::Timestamp::now().as_nanosecond().to_string()
}

impl fmt::Display for PageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page_url(path: &[&str], query: &[(&str, &str)]) -> String {
        let base = Url::parse("https://civitai.com/api/v1").unwrap();
        PageUrl::new(&base, path, query.iter().copied()).unwrap().to_string()
    }

    #[test]
    fn joins_and_encodes() {
        assert_eq!(page_url(&["models"], &[]), "https://civitai.com/api/v1/models");
        let cursor = "2024-01-01 00:00:00.000|0";
        assert_eq!(
            page_url(&["models"], &[("types", "LORA"), ("types", "VAE"), ("cursor", cursor)]),
            "https://civitai.com/api/v1/models?types=LORA&types=VAE&cursor=2024-01-01+00%3A00%3A00.000%7C0"
        );
        assert_eq!(page_url(&["tags"], &[("query", "%&=#")]), "https://civitai.com/api/v1/tags?query=%25%26%3D%23");
        assert_eq!(
            page_url(&["model-versions", "by-hash", "a/../b?c#d"], &[]),
            "https://civitai.com/api/v1/model-versions/by-hash/a%2F..%2Fb%3Fc%23d"
        );
    }

    #[test]
    fn a_slash_at_the_end_of_the_base_changes_nothing() {
        let base = Url::parse("https://civitai.com/api/v1/").unwrap();
        let url = PageUrl::new(&base, &["models"], [("limit", "1")]).unwrap();
        assert_eq!(url.as_str(), "https://civitai.com/api/v1/models?limit=1");
    }

    proptest! {
        #[test]
        fn stays_below_the_base_and_keeps_every_pair(
            segment in ".*",
            query in proptest::collection::vec((".*", ".*"), 1..4),
        ) {
            let base = Url::parse("https://civitai.com/api/v1").unwrap();
            let url = PageUrl::new(&base, &[&segment], query.clone()).unwrap();
            prop_assert_eq!(url.url().origin(), base.origin());
            prop_assert!(url.url().path().starts_with("/api/v1"));
            prop_assert_eq!(url.url().query_pairs().into_owned().collect::<Vec<_>>(), query);
        }
    }
}
