//! Checks the API key before the first page: with a bad key the server answers every list as to a visitor, without an error.

use super::context::Context;
use crate::api::me;
use crate::engine::Error;
use crate::engine::events::Event;
use crate::fetch::{self, FetchErrorKind, PageUrl, fresh_key};

/// Asks the server for the key's account. Returns its refusal; any other failure does not keep the crawl from starting.
pub(crate) async fn refusal(context: Context<'_>) -> Result<Option<String>, Error> {
    let fresh = fresh_key();
    for query in [&[][..], &[("_", fresh.as_str())]] {
        let url = PageUrl::new(&context.options.base, &[me::PATH], query.iter().copied())?;
        let notify = |event: fetch::Event| context.run.listener.event(&Event::Fetch { walk: me::PATH, event: &event });
        let mut attempts = context.fetcher.attempts(&url, &notify).as_probe();
        let answer = tokio::select! {
            biased;
            answer = attempts.next() => answer,
            () = context.run.stop.asked() => return Ok(None),
        };
        let Err(error) = answer else { return Ok(None) };
        match &error.kind {
            FetchErrorKind::KeyRefused { status: 401, .. } if query.is_empty() && error.is_from_cache() => {}
            FetchErrorKind::KeyRefused { status: 401, message } => {
                return Ok(Some(format!(
                    "the server does not know the API key (`/{}` answered `401`, `{message}`); renew the key, or crawl \
                     without one",
                    me::PATH
                )));
            }
            // Older servers, and mirrors, do not have it.
            FetchErrorKind::NotFound(_) => {
                tracing::info!("the server has no `/me`, so a key that it does not know would go unnoticed");
                return Ok(None);
            }
            _ => {
                tracing::warn!(reason = %error, "the API key could not be tried; crawling on with it");
                return Ok(None);
            }
        }
    }
    Ok(None)
}
