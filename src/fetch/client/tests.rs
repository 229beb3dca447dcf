//! The client's requests and transport errors, against a server on a loopback port.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::fetch::Secret;
use crate::fetch::loopback::{Reaction, Server, answer, page};

const NO_QUERY: [(&str, &str); 0] = [];

fn settings(base: &Url) -> Settings {
    Settings {
        key: Some(Secret::parse("canary").unwrap()),
        idle_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_millis(900),
        ..Settings::new(base.clone())
    }
}

async fn get(client: &Client, base: &Url) -> Result<(ResponseFacts, Answer), TransportError> {
    let url = PageUrl::new(base, &["models"], NO_QUERY).unwrap();
    client.send(&url, None).await
}

async fn error_of(reaction: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> TransportErrorKind {
    let server = Server::start(reaction).await;
    let client = Client::new(&settings(&server.base)).unwrap();
    get(&client, &server.base).await.unwrap_err().kind
}

#[tokio::test]
async fn says_who_it_is_and_what_it_takes() {
    let server = Server::always(page()).await;
    let client = Client::new(&settings(&server.base)).unwrap();
    get(&client, &server.base).await.unwrap();
    let head = server.log(|log| log.heads[0].clone());
    let version = env!("CARGO_PKG_VERSION");
    let user_agent = format!("user-agent: civitrawl/{version} (+https://crates.io/crates/civitrawl)\r\n");
    for line in [
        "get /api/v1/models http/1.1\r\n",
        "accept: application/json\r\n",
        "accept-encoding: gzip\r\n",
        "authorization: bearer canary\r\n",
        &user_agent,
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    for name in ["cookie:", "referer:"] {
        assert!(!head.contains(name), "{name} in {head}");
    }
}

#[tokio::test]
async fn the_key_goes_to_its_own_origin_only() {
    let (own, other) = (Server::always(page()).await, Server::always(page()).await);
    let client = Client::new(&settings(&own.base)).unwrap();
    get(&client, &own.base).await.unwrap();
    get(&client, &other.base).await.unwrap();
    assert!(own.log(|log| log.heads[0].contains("canary")));
    assert!(!other.log(|log| log.heads[0].contains("canary")));
    let mut settings = settings(&own.base);
    settings.key = None;
    get(&Client::new(&settings).unwrap(), &own.base).await.unwrap();
    assert!(!own.log(|log| log.heads[1].contains("authorization")));
}

#[tokio::test]
async fn transport_errors_are_distinguished() {
    let promised = || b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"items\"".to_vec();
    let endless = || b"HTTP/1.1 200 OK\r\n\r\n".iter().copied().chain(vec![b'x'; 500]).collect();
    let br = || answer("200 OK", "content-encoding: br\r\n", b"x");
    assert_eq!(error_of(|_| Reaction::Send(Vec::new())).await, TransportErrorKind::Cut);
    assert_eq!(error_of(|_| Reaction::Reset(Vec::new())).await, TransportErrorKind::Cut);
    assert_eq!(error_of(move |_| Reaction::Send(promised())).await, TransportErrorKind::Cut);
    assert_eq!(error_of(move |_| Reaction::Reset(promised())).await, TransportErrorKind::Cut);
    assert_eq!(error_of(|_| Reaction::Stall(Vec::new())).await, TransportErrorKind::Timeout);
    assert_eq!(error_of(move |_| Reaction::Stall(promised())).await, TransportErrorKind::Timeout);
    assert_eq!(error_of(move |_| Reaction::Drip(endless())).await, TransportErrorKind::Timeout);
    assert_eq!(error_of(move |_| Reaction::Send(br())).await, TransportErrorKind::Encoding);
    let nobody = Url::parse("http://127.0.0.1:1/api/v1").unwrap();
    let client = Client::new(&settings(&nobody)).unwrap();
    assert_eq!(get(&client, &nobody).await.unwrap_err().kind, TransportErrorKind::Connect);
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_a_tls_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let base = Url::parse(&format!("https://{address}/api/v1")).unwrap();
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(&page()).await.unwrap();
        socket
    };
    let client = Client::new(&settings(&base)).unwrap();
    let (result, _socket) = tokio::join!(get(&client, &base), server);
    let error = result.unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn the_wire_cap_holds_with_and_without_a_length() {
    let undeclared = [&b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"[..], &[b'x'; 1001]].concat();
    for (bytes, cap) in [
        (answer("200 OK", "", &[b'x'; 1001]), 1000),
        (undeclared, 1000),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec(), WIRE_CAP),
    ] {
        let server = Server::start(move |_| Reaction::Stall(bytes.clone())).await;
        let mut client = Client::new(&settings(&server.base)).unwrap();
        client.wire_cap = cap;
        let error = get(&client, &server.base).await.unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::TooLarge, "{error}");
    }
    let server = Server::always(answer("200 OK", "", &[b'x'; 1000])).await;
    let mut client = Client::new(&settings(&server.base)).unwrap();
    client.wire_cap = 1000;
    assert!(get(&client, &server.base).await.is_ok());
}

#[tokio::test]
async fn keeps_of_an_answer_what_is_needed_and_of_a_redirect_the_host() {
    let headers = "location: https://u:canary@Elsewhere.org/canary?token=canary\r\n\
        retry-after: 7\r\nage: 12\r\ncf-cache-status: HIT\r\ncontent-type: text/html\r\n";
    let server = Server::always(answer("302 Found", headers, b"<p>moved")).await;
    let client = Client::new(&settings(&server.base)).unwrap();
    let (facts, answer) = get(&client, &server.base).await.unwrap();
    assert_eq!(facts.redirect_host.as_deref(), Some("elsewhere.org"));
    assert_eq!(facts.retry_after, Some(Duration::from_secs(7)));
    assert_eq!((facts.status, &facts.head[..]), (302, &b"<p>moved"[..]));
    assert_eq!(answer.age_s, Some(12));
    assert_eq!(answer.cache_status.as_deref(), Some("HIT"));
    assert!(!format!("{facts:?} {answer:?}").contains("canary"));
}

#[tokio::test]
async fn a_throttling_answer_counts_without_its_body() {
    let cut = "HTTP/1.1 429 Too Many\r\nretry-after: 3\r\ncontent-length: 100\r\n\r\n{";
    let server = Server::always(cut.into()).await;
    let client = Client::new(&settings(&server.base)).unwrap();
    let (facts, _) = get(&client, &server.base).await.unwrap();
    assert_eq!((facts.status, facts.retry_after), (429, Some(Duration::from_secs(3))));
}

#[test]
fn the_least_rate_counts_after_a_grace() {
    for (bytes, seconds, slow) in [
        (0, 29, false),
        (0, 30, false),
        (0, 31, true),
        (31 * 1024 - 1, 31, true),
        (31 * 1024, 31, false),
        (1 << 20, 3600, true),
        (64 << 20, 3600, false),
    ] {
        let elapsed = Duration::from_secs(seconds);
        assert_eq!(is_too_slow(bytes, elapsed), slow, "{bytes} in {seconds}");
    }
}
