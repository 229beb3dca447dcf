//! Whole fetches against a server on a loopback port that misbehaves.

use std::io::Write;
use std::sync::Mutex;

use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;

use super::*;
use crate::fetch::FetchErrorKind;
use crate::fetch::loopback::{Reaction, Server, answer, page};
use crate::fetch::{Encoding, FileFacts, INFLATED_CAP, Secret, Settings, inflate};

const JSON: &str = "content-type: application/json\r\n";
const GZIP_JSON: &str = "content-type: application/json\r\ncontent-encoding: gzip\r\n";

/// Fast enough not to be what a test waits for.
fn settings(server: &Server) -> Settings {
    Settings {
        key: Some(Secret::parse("canary").unwrap()),
        requests_per_second: 1000.0,
        burst: 100,
        idle_timeout: Duration::from_millis(300),
        ..Settings::new(server.base.clone())
    }
}

fn decode(answer: &Answer) -> Result<String, Unreadable> {
    let body = inflate(answer.encoding, &answer.body, INFLATED_CAP)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The text of a page, and the answer that it was read from.
type Page = (String, Answer);

async fn take(mut attempts: Attempts<'_>) -> Result<Page, FetchError> {
    loop {
        let answer = attempts.next().await?;
        match decode(&answer) {
            Ok(text) => return Ok((text, answer)),
            Err(unreadable) => attempts.unreadable(&unreadable)?,
        }
    }
}

/// Fetches one page; returns the result and the events. Neither may show the key.
async fn fetch(settings: &Settings) -> (Result<Page, FetchError>, Vec<Event>) {
    fetch_by(&Fetcher::new(settings).unwrap(), &settings.base).await
}

async fn fetch_by(fetcher: &Fetcher, base: &url::Url) -> (Result<Page, FetchError>, Vec<Event>) {
    let url = PageUrl::new(base, &["models"], [("limit", "100")]).unwrap();
    let events = Mutex::new(Vec::new());
    let notify = |event| events.lock().unwrap().push(event);
    let result = take(fetcher.attempts(&url, &notify)).await;
    let events = events.into_inner().unwrap();
    let mut shown = format!("{result:?} {events:?} {url} {url:?}");
    if let Err(failure) = &result {
        shown += &failure.to_string();
    }
    assert!(!shown.contains("canary"), "{shown}");
    (result, events)
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_page_arrives_as_sent_and_is_read() {
    let body = gzip(b"{\"items\":[1]}");
    let server = Server::always(answer("200 OK", GZIP_JSON, &body)).await;
    let (result, events) = fetch(&settings(&server)).await;
    let (text, answer) = result.unwrap();
    assert_eq!(text, "{\"items\":[1]}");
    assert_eq!(answer.body, body);
    assert_eq!(answer.encoding, Encoding::Gzip);
    assert_eq!(answer.attempts, 1);
    let latency = answer.latency;
    let bytes = body.len() as u64;
    assert_eq!(events, [Event::Sent { attempt: 1 }, Event::Answered { status: 200, bytes, latency }]);
}

#[tokio::test]
async fn passing_trouble_is_outlasted() {
    let whole = gzip(b"{\"items\":[1]}");
    let cut = answer("200 OK", GZIP_JSON, &whole[..whole.len() - 4]);
    let server = Server::start(move |nth| match nth {
        0 => Reaction::Reset(Vec::new()),
        1 => Reaction::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()),
        2 => Reaction::Send(cut.clone()),
        3 => Reaction::Send(answer("502 Bad Gateway", "content-type: text/html\r\n", b"<p>")),
        _ => Reaction::Send(page()),
    })
    .await;
    let (result, events) = fetch(&settings(&server)).await;
    assert_eq!(result.unwrap().1.attempts, 5);
    let retried: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Retrying { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    assert_eq!(retried, [1, 2, 3, 4]);
    assert_eq!(server.count(), 5);
}

#[tokio::test]
async fn what_stays_unreadable_or_slow_is_too_much() {
    let server = Server::always(answer("200 OK", GZIP_JSON, b"\x1f\x8b no gzip")).await;
    let failure = fetch(&settings(&server)).await.0.unwrap_err();
    assert!(matches!(failure.kind, FetchErrorKind::Unreadable(_)), "{failure}");
    assert_eq!((failure.attempts, server.count()), (3, 3));
    assert!(failure.answer.is_some());

    let server = Server::start(|_| Reaction::Stall(Vec::new())).await;
    let failure = fetch(&settings(&server)).await.0.unwrap_err();
    assert!(matches!(failure.kind, FetchErrorKind::TimedOut(_)), "{failure}");
    assert_eq!((failure.attempts, server.count()), (2, 2));
    assert!(failure.answer.is_none());
}

#[tokio::test]
async fn a_server_that_is_away_ends_the_budget() {
    let server = Server::always(answer("500 Oops", "", b"Internal Server Error")).await;
    let few = Settings { attempts_max: 3, ..settings(&server) };
    let failure = fetch(&few).await.0.unwrap_err();
    let last = "the server answered `500`, `Internal Server Error`".to_owned();
    assert_eq!(failure.kind, FetchErrorKind::GaveUp(last));
    assert_eq!((failure.attempts, server.count()), (3, 3));
}

#[tokio::test]
async fn final_answers_are_not_asked_for_again() {
    let too_many = br#"{"error":"You've requested too many pages, please use cursors instead"}"#;
    let server = Server::always(answer("429 Too Many", "retry-after: 1\r\n", too_many)).await;
    let failure = fetch(&settings(&server)).await.0.unwrap_err();
    assert_eq!(failure.kind, FetchErrorKind::PagingCap);
    assert_eq!(server.count(), 1);

    let server = Server::always(answer("404 Not Found", JSON, b"{\"error\":\"no\"}")).await;
    let failure = fetch(&settings(&server)).await.0.unwrap_err();
    assert!(matches!(failure.kind, FetchErrorKind::NotFound(_)), "{failure}");
    assert_eq!(failure.answer.unwrap().status, 404);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Server::always(page()).await;
    let location = format!("location: {}/canary\r\n", target.base);
    let server = Server::always(answer("301 Moved", &location, b"")).await;
    let failure = fetch(&settings(&server)).await.0.unwrap_err();
    let host = "127.0.0.1".to_owned();
    assert_eq!(failure.kind, FetchErrorKind::Redirected(host));
    assert_eq!((server.count(), target.count()), (1, 0));
}

#[tokio::test]
async fn retry_after_is_honoured_and_slows_down() {
    let server = Server::start(|nth| match nth {
        0 => Reaction::Send(answer("503 Busy", "retry-after: 1\r\n", b"{\"error\":\"busy\"}")),
        _ => Reaction::Send(page()),
    })
    .await;
    let (result, events) = fetch(&settings(&server)).await;
    assert_eq!(result.unwrap().1.attempts, 2);
    let pause = Duration::from_secs(1);
    assert!(events.contains(&Event::Throttled { pause, rate: 500.0, endpoint: None }), "{events:?}");
    let gap = server.log(|log| log.arrivals[1] - log.arrivals[0]);
    assert!(gap >= Duration::from_millis(950), "{gap:?}");
}

#[tokio::test]
async fn a_recovered_pace_is_reported_once() {
    let server = Server::start(|nth| match nth {
        0 => Reaction::Send(answer("503 Busy", "retry-after: 0\r\n", b"{\"error\":\"busy\"}")),
        _ => Reaction::Send(page()),
    })
    .await;
    let fetcher = Fetcher::new(&settings(&server)).unwrap();
    let mut recovered = Vec::new();
    for _ in 0..40 {
        let (result, events) = fetch_by(&fetcher, &server.base).await;
        assert!(result.is_ok());
        recovered.extend(events.into_iter().filter(|event| matches!(event, Event::Recovered { .. })));
    }
    assert_eq!(recovered, [Event::Recovered { rate: 1000.0, endpoint: None }]);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let late = Duration::from_millis(30);
    let server = Server::start(move |_| Reaction::Late(late, page())).await;
    let settings = Settings { in_flight: 3, ..settings(&server) };
    many(&settings, 20).await;
    assert_eq!(server.count(), 20);
    assert_eq!(server.log(|log| log.most), 3);
}

#[tokio::test]
async fn no_more_requests_arrive_than_the_bucket_gives() {
    let server = Server::start(|nth| match nth {
        0..20 => Reaction::Reset(Vec::new()),
        _ => Reaction::Send(page()),
    })
    .await;
    let settings = Settings { requests_per_second: 40.0, burst: 2, in_flight: 50, ..settings(&server) };
    many(&settings, 40).await;
    let (count, took) = server.log(|log| {
        let (first, last) = (log.arrivals[0], log.arrivals[log.arrivals.len() - 1]);
        (log.arrivals.len(), last - first)
    });
    assert_eq!(count, 60, "retries count too");
    // Arrivals may bunch by what the way takes; one request of tolerance is 25 ms of it.
    let most = 2.0 + 40.0 * took.as_secs_f64() + 2.0;
    assert!(count as f64 <= most, "{count} in {took:?}");
}

async fn many(settings: &Settings, count: usize) {
    let url = PageUrl::new(&settings.base, &["models"], [("limit", "1")]).unwrap();
    let fetcher = Fetcher::new(settings).unwrap();
    let pages = (0..count).map(|_| take(fetcher.attempts(&url, &|_| {})));
    for result in join_all(pages).await {
        assert!(result.is_ok(), "{result:?}");
    }
}

#[test]
fn can_be_awaited_on_any_thread() {
    fn send(_: impl Send) {}
    let _ = |fetcher: &Fetcher, url: &PageUrl| send(take(fetcher.attempts(url, &|_| {})));
}

/// A sink in memory.
#[derive(Default)]
struct Memory(Vec<u8>);

impl crate::fetch::Sink for Memory {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn source(&self) -> Option<&crate::fetch::Source> {
        None
    }

    async fn note(&mut self, _: Option<crate::fetch::Source>) -> std::io::Result<()> {
        Ok(())
    }

    async fn room(&mut self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }

    async fn difference(&mut self, at: u64, bytes: &bytes::Bytes) -> std::io::Result<Option<u64>> {
        let differ = self.0[at as usize..].iter().zip(bytes).position(|(one, other)| one != other);
        Ok(differ.map(|after| at + after as u64))
    }

    async fn cut(&mut self, at: u64) -> std::io::Result<()> {
        self.0.truncate(at as usize);
        Ok(())
    }

    async fn append(&mut self, bytes: bytes::Bytes) -> std::io::Result<()> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// An answer with these bytes of a file of three MiB, from this one on.
fn piece(from: usize, bytes: usize) -> Vec<u8> {
    const WHOLE: usize = 3 << 20;
    let place =
        if from == 0 { String::new() } else { format!("content-range: bytes {from}-{}/{WHOLE}\r\n", WHOLE - 1) };
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{place}connection: close\r\n\r\n", WHOLE - from);
    [head.into_bytes(), vec![7; bytes]].concat()
}

#[tokio::test]
async fn each_mib_renews_the_budget_of_a_file_and_less_does_not() {
    const MIB: usize = 1 << 20;
    // Every request is answered by a redirect, then by the file: a range is only asked for behind one.
    let start = |step: usize| {
        Server::start(move |nth| match nth % 2 {
            0 => Reaction::Send(answer("302 Found", "location: /api/v1/store\r\n", b"")),
            _ => Reaction::Send(piece(nth / 2 * step, step)),
        })
    };
    for (step, requests, bytes, arrives) in [(MIB, 6, 3 * MIB, true), (1, 4, 2, false)] {
        let server = start(step).await;
        let fetcher = Fetcher::new(&Settings { attempts_max: 2, ..settings(&server) }).unwrap();
        let url = PageUrl::new(&server.base, &["file"], [("", ""); 0]).unwrap();
        let (mut sink, facts) = (Memory::default(), FileFacts { hashed: true, sizes: None, bytes_max: u64::MAX });
        let result = fetcher.attempts(&url, &|_| {}).file(&mut sink, &facts, true).await;
        assert_eq!(result.is_ok(), arrives, "{result:?}");
        assert_eq!((server.count(), sink.0.len()), (requests, bytes));
    }
}

#[tokio::test]
async fn neither_a_file_nor_an_error_may_drip_for_long() {
    let drip = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 100000\r\n\r\n").into_bytes();
        Server::start(move |_| Reaction::Drip([&head[..], &vec![7; 3500]].concat()))
    };
    let fetches = [("200 OK", "bytes a second"), ("503 Busy", "503")].map(async |(status, reason)| {
        let server = drip(status).await;
        let idle_timeout = Duration::from_secs(20);
        let fetcher = Fetcher::new(&Settings { attempts_max: 1, idle_timeout, ..settings(&server) }).unwrap();
        let url = PageUrl::new(&server.base, &["file"], [("", ""); 0]).unwrap();
        let (mut sink, facts) = (Memory::default(), FileFacts { hashed: true, sizes: None, bytes_max: u64::MAX });
        let error = fetcher.attempts(&url, &|_| {}).file(&mut sink, &facts, true).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{status}: {error}");
    });
    join_all(fetches).await;
}
