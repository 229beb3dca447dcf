//! A server of few words: answers every list request with the same text, or as a test says, for items that no catalog would
//! hold. Nothing can be looked up there.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Serves `body` as JSON to everybody until the test's process ends; returns the base URL, `/api/v1` included.
pub fn serve(body: String) -> String {
    serve_as(move |target| target.starts_with("models?").then(|| body.clone()))
}

/// Serves JSON by what is asked for, path and query below `/api/v1/`; `None` is a 404.
pub fn serve_as(answers: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let answers = Arc::new(answers);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let base = format!("http://{}/api/v1", listener.local_addr().expect("a bound port has an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            thread::spawn(move || answer(stream, &*answers));
        }
    });
    base
}

/// A client that goes away early is its own affair.
fn answer(mut stream: TcpStream, answers: &dyn Fn(&str) -> Option<String>) {
    let mut request = Vec::new();
    let mut block = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&block[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    let target = request.strip_prefix("GET /api/v1/").and_then(|target| target.split(' ').next());
    let (status, body) = match target.and_then(answers) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::from(r#"{"error":"No such model"}"#)),
    };
    let head = "content-type: application/json; charset=utf-8\r\nconnection: close\r\ncontent-length:";
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{head} {}\r\n\r\n{body}", body.len());
}
