//! A response body sent step by step: data, pauses, endless silence, a torn connection.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

use crate::sandbox::fault::damage::Step;

/// A body that sends its steps and counts their bytes.
pub(super) struct Script {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    sent: Arc<AtomicU64>,
    torn: Arc<AtomicBool>,
}

impl Script {
    /// `sent` counts the bytes; `torn` is set when the connection is to be reset.
    pub(super) fn new(steps: Vec<Step>, sent: Arc<AtomicU64>, torn: Arc<AtomicBool>) -> Script {
        Script { steps: steps.into(), pause: None, sent, torn }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                match pause.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.pause = None,
                }
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(bytes)) => {
                    self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Pause(duration)) => self.pause = Some(Box::pin(tokio::time::sleep(duration))),
                Some(Step::Forever) => {
                    self.steps.push_front(Step::Forever);
                    return Poll::Pending;
                }
                Some(Step::Reset) => {
                    self.torn.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))));
                }
            }
        }
    }
}
