//! Runs work until it ends, a deadline or a signal stops it after the pages under way, or a second signal stops it immediately.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::time::Duration;

use super::exit::Exit;
use super::output::{complain, usage};
use crate::stop::Stop;

/// Runs `work` to its end; the deadline and the first signal ask it to end early through `stop`.
pub(super) fn run_until_stopped<T>(
    stop: &Stop,
    deadline: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| usage(&format!("cannot set up networking: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            result = work => result,
            never = ask_to_stop(stop, deadline) => match never {},
        }
    });
    // Does not wait for dropped requests.
    runtime.shutdown_background();
    Ok(result)
}

/// Asks for a stop at the deadline and at the first signal: the pages under way are finished and committed. The second signal ends
/// the process immediately; the next run continues from the last commit.
async fn ask_to_stop(stop: &Stop, deadline: Option<Duration>) -> Infallible {
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
        complain("stopped at once; run again to continue from the last commit");
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
