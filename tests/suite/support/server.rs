//! A server of few words, every answer of which a test writes, and which keeps every request; and a port nobody should ask.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::sandbox::{Sandbox, get};

/// A server on a loopback port, one request a connection; its threads end with the tests.
pub struct Server {
    /// Its base URL, `/api/v1` included.
    pub base: String,
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request as it was sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// All of it, as far as it was read.
    head: String,
}

impl Request {
    /// Returns a header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let fields =
            self.head.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map_or("", |(_, value)| value.trim())
    }
}

impl Server {
    /// Starts one that sends these bytes for a request: an [`answer`], or what is no HTTP at all.
    pub fn answering(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start("http", |socket| socket, answer)
    }

    /// Starts the same server behind TLS.
    pub fn encrypted(config: Arc<ServerConfig>, answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let encrypt = move |socket| StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        Self::start("https", encrypt, answer)
    }

    /// Answers with JSON by path and query below `/api/v1/`; `None` is a 404.
    pub fn of_json(json: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::answering(move |request| match request.target.strip_prefix("/api/v1/").and_then(&json) {
            Some(body) => answer("200 OK", "", &body),
            None => answer("404 Not Found", "", r#"{"error":"No such model"}"#),
        })
    }

    /// Answers every request for models with the same JSON.
    pub fn of_models(body: String) -> Self {
        Self::of_json(move |target| target.starts_with("models?").then(|| body.clone()))
    }

    /// Stands in front of a sandbox and changes its answers, for faults a sandbox cannot stage. Accounts are not served.
    pub fn in_front_of(sandbox: &Sandbox, spoil: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        let behind = sandbox.side("").trim_end_matches("/sandbox/").to_owned();
        Self::answering(move |Request { target, .. }| match target.ends_with("/me") {
            true => answer("404 Not Found", "", ""),
            false => answer("200 OK", "", &spoil(get(&format!("{behind}{target}")))),
        })
    }

    /// Returns every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread died").clone()
    }

    fn start<S: Read + Write>(
        scheme: &str,
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, both) = (Arc::clone(&requests), Arc::new((wrap, answer)));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (seen, both) = (Arc::clone(&seen), Arc::clone(&both));
                // A client that closes early is no fault of the server.
                thread::spawn(move || serve(both.0(socket), &seen, &both.1));
            }
        });
        Self { base: format!("{scheme}://127.0.0.1:{port}/api/v1"), port, requests }
    }
}

fn serve(
    mut stream: impl Read + Write,
    seen: &Mutex<Vec<Request>>,
    answer: impl Fn(&Request) -> Vec<u8>,
) -> Option<()> {
    let (mut head, mut block) = (String::new(), [0; 8192]);
    while !head.contains("\r\n\r\n") {
        match stream.read(&mut block) {
            Ok(length @ 1..) => head.push_str(&String::from_utf8_lossy(&block[..length])),
            _ => break,
        }
    }
    let is_whole = head.contains("\r\n\r\n");
    let request = Request { target: head.split(' ').nth(1)?.to_owned(), head };
    let bytes = is_whole.then(|| answer(&request));
    seen.lock().ok()?.push(request);
    stream.write_all(&bytes?).ok()?;
    stream.flush().ok()
}

/// A whole answer: status line and further headers (each with its line end) as given, and a body of JSON.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A port that no request has a reason to reach.
pub struct Trap {
    pub port: u16,
    visitors: Arc<AtomicUsize>,
}

impl Trap {
    /// Opens one, on IPv4 and (where there is any) IPv6.
    pub fn open() -> Self {
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

    /// Returns how many connections were made.
    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}
