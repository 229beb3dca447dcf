//! A tiny server on a loopback port for tests, which choose its answers. One request per connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use url::Url;

/// The server's reaction to one request.
pub(super) enum Reaction {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends these bytes and then nothing, without closing.
    Stall(Vec<u8>),
    /// Sends one of these bytes every 20 ms.
    Drip(Vec<u8>),
    /// Waits, sends these bytes and closes.
    Late(Duration, Vec<u8>),
}

/// The requests that the server received.
#[derive(Default)]
pub(super) struct Log {
    /// Request heads in order of arrival, in lower case.
    pub(super) heads: Vec<String>,
    /// Times of arrival.
    pub(super) arrivals: Vec<Instant>,
    /// Most requests under way at once.
    pub(super) most: usize,
    under_way: usize,
}

/// The running server; it ends with the test's runtime.
pub(super) struct Server {
    /// `http://127.0.0.1:PORT/api/v1`
    pub(super) base: Url,
    log: Arc<Mutex<Log>>,
}

impl Server {
    /// Starts a server that reacts to the nth request (from 0) as `react` returns.
    pub(super) async fn start(react: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let (seen, react) = (Arc::clone(&log), Arc::new(react));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (seen, react) = (Arc::clone(&seen), Arc::clone(&react));
                tokio::spawn(async move { serve(socket, &seen, &*react).await });
            }
        });
        let base = Url::parse(&format!("http://{address}/api/v1")).unwrap();
        Server { base, log }
    }

    /// Starts a server that sends the same answer to every request.
    pub(super) async fn always(answer: Vec<u8>) -> Server {
        Server::start(move |_| Reaction::Send(answer.clone())).await
    }

    /// Reads the log so far.
    pub(super) fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().unwrap())
    }

    /// Requests received.
    pub(super) fn count(&self) -> usize {
        self.log(|log| log.heads.len())
    }
}

/// An answer with a body and its length.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n").as_bytes(), body]
        .concat()
}

/// A page without items.
pub(super) fn page() -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", b"{\"items\":[]}")
}

async fn serve(mut socket: TcpStream, seen: &Mutex<Log>, react: &(dyn Fn(usize) -> Reaction + Send + Sync)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let nth = {
        let mut log = seen.lock().unwrap();
        log.heads.push(String::from_utf8(head).unwrap().to_ascii_lowercase());
        log.arrivals.push(Instant::now());
        log.under_way += 1;
        log.most = log.most.max(log.under_way);
        log.heads.len() - 1
    };
    let reaction = react(nth);
    if let Reaction::Late(wait, _) = reaction {
        sleep(wait).await;
    }
    // The client may continue as soon as it has the last byte.
    seen.lock().unwrap().under_way -= 1;
    play(&mut socket, reaction).await;
}

async fn play(socket: &mut TcpStream, reaction: Reaction) {
    // A client that went away is part of some tests.
    match reaction {
        Reaction::Send(bytes) | Reaction::Late(_, bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        Reaction::Reset(bytes) => {
            let _ = socket.write_all(&bytes).await;
            socket.set_zero_linger().unwrap();
        }
        Reaction::Stall(bytes) => {
            let _ = socket.write_all(&bytes).await;
            sleep(Duration::from_secs(3600)).await;
        }
        Reaction::Drip(bytes) => {
            for byte in bytes {
                if socket.write_all(&[byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
