//! A server in between that spoils what a sandbox answers, for faults a sandbox cannot stage.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::log::get;
use crate::support::Sandbox;

/// What is done to a body.
pub(crate) type Spoil = Box<dyn Fn(String) -> String + Send>;

/// Starts one in front of a sandbox; gives its base URL. Its thread ends with the tests.
pub(crate) fn start(sandbox: &Sandbox, spoil: Spoil) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let base = format!("http://{}/api/v1", listener.local_addr().expect("it is bound"));
    let behind = sandbox.base.trim_end_matches("/api/v1").to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that went away is its own business.
            let _ = stream.and_then(|stream| serve(stream, &behind, &spoil));
        }
    });
    base
}

/// Serves one request; the connection closes behind it. Accounts are not served.
fn serve(mut stream: TcpStream, behind: &str, spoil: &Spoil) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?).lines();
    let request = head.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in head {
        if line?.is_empty() {
            break;
        }
    }
    let Some(path) = request.split(' ').nth(1) else { return Ok(()) };
    if path.ends_with("/me") {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let body = spoil(get(&format!("{behind}{path}")));
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n")?;
    write!(stream, "Connection: close\r\n\r\n{body}")
}
