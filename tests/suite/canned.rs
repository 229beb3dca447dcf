//! A server of one page: answers every list request with the same text, for items that no catalog would hold. Nothing can
//! be looked up there.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves `body` as JSON to everybody until the test's process ends; returns the base URL, `/api/v1` included.
pub fn serve(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let base = format!("http://{}/api/v1", listener.local_addr().expect("a bound port has an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = body.clone();
            thread::spawn(move || answer(stream, &body));
        }
    });
    base
}

/// A client that goes away early is its own affair.
fn answer(mut stream: TcpStream, body: &str) {
    let mut request = Vec::new();
    let mut block = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&block[..read]),
        }
    }
    let is_list = request.starts_with(b"GET /api/v1/models?");
    let (status, body) = if is_list { ("200 OK", body) } else { ("404 Not Found", r#"{"error":"No such model"}"#) };
    let head = "content-type: application/json; charset=utf-8\r\nconnection: close\r\ncontent-length:";
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{head} {}\r\n\r\n{body}", body.len());
}
