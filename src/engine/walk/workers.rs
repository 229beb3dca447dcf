//! Several workers over one queue.

use futures_util::future::try_join_all;

use super::partition::Finish;
use crate::engine::Error;

/// Takes items with `next` and works on them, `workers` at once, until there are none. A worker also ends with the first item
/// that is not done. Returns the worst finish.
pub(super) async fn run<T>(
    workers: u32,
    next: impl AsyncFn() -> Option<T>,
    work: impl AsyncFn(T) -> Result<Finish, Error>,
) -> Result<Finish, Error> {
    let worker = || async {
        while let Some(item) = next().await {
            match work(item).await? {
                Finish::Done => {}
                finish => return Ok(finish),
            }
        }
        Ok::<_, Error>(Finish::Done)
    };
    Ok(Finish::worst(try_join_all((0..workers).map(|_| worker())).await?))
}
