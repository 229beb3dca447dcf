//! Runs work under the user's eyes: a deadline and the signals stop it softly, a second signal at once.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::time::Duration;

use super::exit::Exit;
use super::output::{complain, usage};
use crate::stop::Stop;

/// Runs `work` to its end, which a deadline or signal may bring nearer through `stop`.
pub(super) fn heeding<T>(stop: &Stop, deadline: Option<Duration>, work: impl Future<Output = T>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| usage(&format!("cannot set up networking: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            result = work => result,
            never = heed(stop, deadline) => match never {},
        }
    });
    // Requests that were dropped are not waited for.
    runtime.shutdown_background();
    Ok(result)
}

/// Turns the deadline and the signals into a stop: the first signal finishes the pages under way and commits, the second
/// ends the process at once (the next run goes on from the last commit).
async fn heed(stop: &Stop, deadline: Option<Duration>) -> Infallible {
    let deadline = async {
        match deadline {
            Some(deadline) => tokio::time::sleep(deadline).await,
            None => pending().await,
        }
        stop.ask("the deadline is reached");
        pending::<()>().await;
    };
    let signals = async {
        let mut signals = Signals::new();
        stop.ask(format!("{} received", signals.next().await));
        signals.next().await;
        complain("stopped at once; run again to go on from the last commit");
        std::process::exit(Exit::Stopped as i32)
    };
    tokio::join!(deadline, signals).1
}

/// The signals that ask a program to end.
#[cfg(unix)]
struct Signals(Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok()))
    }

    async fn next(&mut self) -> &'static str {
        let Some((interrupt, terminate)) = &mut self.0 else { return pending().await };
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    }
}

/// The signal that asks a program to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}
