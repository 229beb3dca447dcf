//! HTTP/2 as a server may abuse it: connections that fall silent, requests that it does not begin with, floods. The server
//! here writes its frames by hand.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConnection, StreamOwned};

use crate::support::{PEM, Room, assert_exit, most_memory, printed, tls_config};

const CRAWL: &str = r#"
timeouts = { connect = "2s", idle = "1s", total = "2s" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Most Downloaded", limit = 100 }
"#;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` and `content-type: application/json`, as HPACK writes them.
const HEAD: &[u8] = b"\x88\x5f\x10application/json";
/// Pages of the list, each of ten models but the last.
const PAGES: usize = 12;
/// Requests for all of it: the end is asked for twice.
const REQUESTS: usize = PAGES + 1;
const MODELS: u64 = (PAGES as u64 - 1) * 10 + 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The next page of the list, as the answer to this stream.
fn page(stream: u32, number: usize) -> Vec<u8> {
    let number = number.min(PAGES - 1);
    let ids = number * 10 + 1..=if number + 1 < PAGES { number * 10 + 10 } else { number * 10 + 1 };
    let items: Vec<String> =
        ids.map(|id| format!(r#"{{"id":{id},"name":"m","modelVersions":[{{"id":{id},"name":"v"}}]}}"#)).collect();
    let cursor = if number + 1 < PAGES { format!(r#""nextCursor":"{}""#, number + 1) } else { String::new() };
    let body = format!(r#"{{"items":[{}],"metadata":{{{cursor}}}}}"#, items.join(","));
    [frame(HEADERS, END_HEADERS, stream, HEAD), frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
}

/// One request: of which connection, from 0, and of which number on it, from 0.
#[derive(Debug, Clone, Copy)]
struct Asked {
    connection: usize,
    nth: usize,
    stream: u32,
}

/// The server's reaction to a request.
enum Reaction {
    /// The next page.
    Page,
    /// These frames.
    Frames(Vec<u8>),
    /// These frames, and the connection is closed.
    Close(Vec<u8>),
    /// These frames without end.
    Flood(Vec<u8>, Vec<u8>),
    /// Nothing any more on this connection, which stays open.
    Silence,
}

struct Server {
    base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts a server with these settings for the nth connection.
    fn start(
        settings: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
        react: impl Fn(Asked) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("https://{}/api/v1", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, both, pages) = (Arc::clone(&asked), Arc::new((settings, react)), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for (connection, socket) in listener.incoming().flatten().enumerate() {
                let (seen, both, pages) = (Arc::clone(&seen), Arc::clone(&both), Arc::clone(&pages));
                let stream = StreamOwned::new(ServerConnection::new(tls_config(&[b"h2"])).unwrap(), socket);
                let settings = both.0(connection);
                let react = move |nth, stream| {
                    let asked = Asked { connection, nth, stream };
                    seen.lock().unwrap().push(asked);
                    both.1(asked)
                };
                // A client that closes early is no fault of the server.
                thread::spawn(move || serve(stream, &settings, react, &pages));
            }
        });
        Self { base, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.asked().iter().map(|asked| asked.connection).max().map_or(0, |last| last + 1)
    }
}

fn serve(
    mut client: impl Read + Write,
    settings: &[u8],
    mut react: impl FnMut(usize, u32) -> Reaction,
    pages: &AtomicUsize,
) -> Option<()> {
    client.read_exact(&mut [0; 24]).ok()?;
    client.write_all(&frame(SETTINGS, 0, 0, settings)).ok()?;
    let mut nth = 0;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        client.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes(stream);
        let reaction = match kind {
            SETTINGS | PING if flags & ACK == 0 => {
                Reaction::Frames(frame(kind, ACK, 0, if kind == PING { &payload } else { &[] }))
            }
            HEADERS => {
                nth += 1;
                react(nth - 1, stream)
            }
            _ => continue,
        };
        match reaction {
            Reaction::Page => client.write_all(&page(stream, pages.fetch_add(1, Ordering::SeqCst))).ok()?,
            Reaction::Frames(frames) => client.write_all(&frames).ok()?,
            Reaction::Close(frames) => {
                client.write_all(&frames).ok()?;
                return client.flush().ok();
            }
            Reaction::Flood(first, more) => {
                client.write_all(&first).ok()?;
                loop {
                    client.write_all(&more).ok()?;
                }
            }
            Reaction::Silence => loop {
                thread::park();
            },
        }
        client.flush().ok()?;
    }
}

fn no_settings(_: usize) -> Vec<u8> {
    Vec::new()
}

/// `SETTINGS_MAX_CONCURRENT_STREAMS`
fn streams(most: u32) -> Vec<u8> {
    [&3u16.to_be_bytes()[..], &most.to_be_bytes()].concat()
}

fn room(server: &Server, retry: &str) -> Room {
    Room::new(&format!("retry = {{ {retry} }}\n{CRAWL}"), &server.base)
}

/// Crawls all of the list in pages of the size that was asked for first.
fn assert_whole(server: &Server, retry: &str, why: &str) {
    let room = room(server, retry);
    let output = room.crawl().env("SSL_CERT_FILE", PEM).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{why}: {}", printed(&output));
    assert_eq!(room.value("SELECT count(DISTINCT id) FROM models"), MODELS, "{why}");
    assert_eq!(room.value("SELECT count(*) FROM pages WHERE url NOT LIKE '%limit=100%'"), 0, "{why}");
}

#[test]
fn a_silent_connection_is_replaced_before_less_is_asked_for() {
    let server = Server::start(no_settings, |asked| match asked {
        Asked { connection: 0, nth: 3.., .. } => Reaction::Silence,
        _ => Reaction::Page,
    });
    assert_whole(&server, "attempts = 2", "silent after three pages");
    assert_eq!((server.connections(), server.asked().len()), (2, REQUESTS + 1));

    // It lives, but has room for no request.
    let full = Server::start(|connection| if connection == 0 { streams(0) } else { Vec::new() }, |_| Reaction::Page);
    assert_whole(&full, "attempts = 2", "no room for streams");
    assert_eq!((full.connections(), full.asked().len()), (2, REQUESTS));

    // Each connection falls silent after some pages.
    let server = Server::start(no_settings, |asked| if asked.nth == 5 { Reaction::Silence } else { Reaction::Page });
    assert_whole(&server, "attempts = 2", "each silent after five pages");
    assert_eq!(server.asked().len(), REQUESTS + 2);
}

#[test]
fn a_request_that_the_server_did_not_begin_with_costs_no_attempt() {
    let refused = |asked: Asked| frame(RST_STREAM, 0, asked.stream, &7u32.to_be_bytes());
    let gone = |last: u32| frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat());
    let server = Server::start(no_settings, move |asked| match asked.nth % 2 {
        0 => Reaction::Frames(refused(asked)),
        _ => Reaction::Page,
    });
    assert_whole(&server, "attempts = 1", "REFUSED_STREAM");
    let server = Server::start(no_settings, move |asked| match asked.nth {
        0 => Reaction::Page,
        _ => Reaction::Close(gone(asked.stream - 2)),
    });
    assert_whole(&server, "attempts = 1", "GOAWAY");
    let server = Server::start(no_settings, move |asked| match asked.connection % 2 {
        0 => Reaction::Close(gone(0)),
        _ => Reaction::Page,
    });
    assert_whole(&server, "attempts = 1", "GOAWAY at once");

    // A server that begins with none ends the run as usual.
    let server = Server::start(no_settings, move |asked| Reaction::Frames(refused(asked)));
    let output = room(&server, "attempts = 2").crawl().env("SSL_CERT_FILE", PEM).output().unwrap();
    assert_exit(&output, 3);
    assert!(printed(&output).contains("did not begin with the request"), "{}", printed(&output));
    assert!((10..20).contains(&server.asked().len()), "{:?}", server.asked());
    // So does one that wants calm.
    let calm = |asked: Asked| frame(RST_STREAM, 0, asked.stream, &11u32.to_be_bytes());
    let server = Server::start(no_settings, move |asked| Reaction::Frames(calm(asked)));
    let output = room(&server, "attempts = 2").crawl().env("SSL_CERT_FILE", PEM).output().unwrap();
    assert_exit(&output, 3);
    assert_eq!(server.asked().len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn floods_end_in_time_and_in_little_memory() {
    let head = |stream| frame(HEADERS, END_HEADERS, stream, HEAD);
    type Flood = fn(u32) -> Vec<u8>;
    let floods: [(&str, bool, Flood); 7] = [
        ("empty DATA", true, |stream| frame(DATA, 0, stream, b"")),
        ("padding", true, |stream| frame(DATA, 8, stream, &[&[255][..], &[0; 255]].concat())),
        ("PING", false, |_| frame(PING, 0, 0, b"12345678")),
        ("SETTINGS", false, |_| frame(SETTINGS, 0, 0, b"")),
        ("unknown frames", true, |_| frame(0x77, 0, 0, &[0; 100])),
        ("CONTINUATION", false, |stream| frame(CONTINUATION, 0, stream, &b"\x00\x01a\x01b".repeat(100))),
        // A header of 4 kB in the table, named again and again.
        ("references", false, |stream| frame(CONTINUATION, 0, stream, &[0xbe; 16_000])),
    ];
    thread::scope(|scope| {
        for (name, headed, flood) in floods {
            scope.spawn(move || {
                let server = Server::start(no_settings, move |Asked { stream, .. }| {
                    let first = match name {
                        "CONTINUATION" => frame(HEADERS, 0, stream, b"\x88"),
                        "references" => {
                            let big = [b"\x88\x40\x01a\x7f\xa1\x1e", &[b'x'; 4000][..]].concat();
                            frame(HEADERS, 0, stream, &big)
                        }
                        _ if headed => head(stream),
                        _ => Vec::new(),
                    };
                    Reaction::Flood(first, flood(stream).repeat(1 + 16_000 / flood(stream).len()))
                });
                let room = room(&server, "attempts = 1");
                let (output, most) = most_memory(room.crawl().env("SSL_CERT_FILE", PEM));
                assert_eq!(output.status.code(), Some(3), "{name}: {}", printed(&output));
                assert!((1..128 << 10).contains(&most), "{name}: it took {most} KiB");
            });
        }
    });
}
