//! A server that a test writes every answer of, and keeps every request it got; and a trap, which counts who comes at all.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server; its threads end with the tests.
pub(crate) struct Lure {
    /// Its base URL, `/api/v1` included.
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) target: String,
    /// The `Host` header.
    pub(crate) host: String,
    /// The `Authorization` header, as it came.
    pub(crate) authorization: String,
}

impl Lure {
    /// Starts one that answers a request's target (path and query) with these bytes.
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::of_requests(move |request| answer(&request.target))
    }

    /// Starts one that answers a whole request with these bytes.
    pub(crate) fn of_requests(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let base = format!("http://{}/api/v1", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                // A client that goes away early is its own affair.
                thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Self { base, requests }
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread died").clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Vec<u8>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let target = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut request = Request { target, host: String::new(), authorization: String::new() };
    for line in lines {
        let line = line.ok()?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("host") => value.trim().clone_into(&mut request.host),
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.trim().clone_into(&mut request.authorization);
            }
            Some(_) => {}
            None => break,
        }
    }
    let bytes = answer(&request);
    seen.lock().ok()?.push(request);
    stream.write_all(&bytes).ok()
}

/// A whole answer: status line and further headers (each with its line end) as given, and a body of JSON.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A port that nobody has a reason to come to.
pub(crate) struct Trap {
    /// Its port.
    pub(crate) port: u16,
    visitors: Arc<AtomicUsize>,
}

impl Trap {
    /// Opens one, on IPv4 and (where there is any) IPv6.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let visitors = Arc::new(AtomicUsize::new(0));
        for listener in [Some(listener), TcpListener::bind(("::1", port)).ok()].into_iter().flatten() {
            let visitors = Arc::clone(&visitors);
            thread::spawn(move || {
                for _ in listener.incoming() {
                    visitors.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, visitors }
    }

    /// How many connections came.
    pub(crate) fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}
