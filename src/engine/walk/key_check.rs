//! The API key, tried once before the first page: where it is no longer good, every list is answered as to a stranger.

use std::sync::atomic::AtomicBool;

use super::context::Context;
use crate::api::me;
use crate::engine::Error;
use crate::engine::events::Event;
use crate::fetch::{self, Cause, PageUrl, fresh_key};

/// Asks whose key it is; gives the server's refusal. Whatever else becomes of the question, the crawl goes on.
pub(crate) async fn refusal(shared: Context<'_>) -> Result<Option<String>, Error> {
    let never = AtomicBool::new(false);
    let fresh = fresh_key();
    for query in [&[][..], &[("_", fresh.as_str())]] {
        let url = PageUrl::new(shared.base, &[me::PATH], query.iter().copied())?;
        let notify = |event: fetch::Event| shared.listener.event(&Event::of(me::PATH, &event));
        let answer = tokio::select! {
            biased;
            answer = shared.fetcher.probe(&url, &notify) => answer,
            () = shared.stop.must_drop(&never) => return Ok(None),
        };
        let Err(failure) = answer else { return Ok(None) };
        match &failure.cause {
            Cause::Stop(fetch::Stop::KeyRefused { status: 401, .. }) if query.is_empty() && failure.is_from_cache() => {
            }
            Cause::Stop(fetch::Stop::KeyRefused { status: 401, message }) => {
                return Ok(Some(format!(
                    "the server does not know the API key (`/{}` answered `401`, `{message}`); renew the key, or crawl \
                     without one",
                    me::PATH
                )));
            }
            // Older servers, and mirrors, do not have it.
            Cause::Stop(fetch::Stop::NotFound { .. }) => {
                tracing::info!("the server has no `/me`, so a key that it does not know would go unnoticed");
                return Ok(None);
            }
            _ => {
                tracing::warn!(reason = %failure, "the API key could not be tried; crawling on with it");
                return Ok(None);
            }
        }
    }
    Ok(None)
}
