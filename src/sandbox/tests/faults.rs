//! Every fault, as a client sees it on the wire.

use std::io::ErrorKind;

use super::*;

const LIST: &str = "/api/v1/models?limit=10&sort=Oldest";
const IMPATIENT: &str = "X-Test: impatient\r\n";

/// The first answer under a fault, and the one after it to the same request.
fn struck(fault: &str, head: &str) -> (io::Result<Reply>, io::Result<Reply>) {
    let server = sandbox(100, "none", &[fault]);
    let first = fetch(&server, LIST, head);
    (first, fetch(&server, LIST, &head.replace(IMPATIENT, "")))
}

fn failure(fault: &str, head: &str) -> ErrorKind {
    let (first, second) = struck(fault, head);
    assert_eq!(second.unwrap().ids().len(), 10, "{fault}");
    first.err().unwrap().kind()
}

#[test]
fn connections_are_torn_cut_and_left_hanging() {
    assert_eq!(failure("kind=reset", ""), ErrorKind::ConnectionReset);
    assert_eq!(failure("kind=cut", ""), ErrorKind::ConnectionReset);
    assert_eq!(failure("kind=truncate", ""), ErrorKind::UnexpectedEof);
    for fault in ["kind=hang", "kind=stall", "kind=slow"] {
        assert_eq!(failure(fault, IMPATIENT), ErrorKind::WouldBlock, "{fault}");
    }
}

#[test]
fn statuses_and_pages_take_the_place_of_the_answer() {
    let (first, second) = struck("kind=status,code=429,retry_after=2", "");
    let first = first.unwrap();
    assert_eq!((first.status, field(&first.head, "retry-after")), (429, Some("2".to_owned())));
    assert_eq!(second.unwrap().status, 200);
    let first = struck("kind=status", "").0.unwrap();
    assert_eq!((first.status, field(&first.head, "cache-control")), (503, Some("no-store, max-age=0".to_owned())));
    let first = struck("kind=html", "").0.unwrap();
    assert_eq!(first.status, 200);
    assert!(first.text().starts_with("<!DOCTYPE html>") && first.head.contains("text/html"));
    let first = struck("kind=redirect,to=http://elsewhere.invalid/x", "").0.unwrap();
    assert_eq!((first.status, field(&first.head, "location")), (302, Some("http://elsewhere.invalid/x".to_owned())));
}

#[test]
fn bodies_are_spoiled() {
    for fault in ["kind=invalid-json", "kind=control-bytes"] {
        let (first, second) = struck(fault, "");
        assert!(serde_json::from_slice::<Value>(&first.unwrap().body).is_err(), "{fault}");
        assert!(serde_json::from_slice::<Value>(&second.unwrap().body).is_ok(), "{fault}");
    }
    for fault in ["kind=bad-gzip", "kind=bomb,bytes=5000000"] {
        let first = struck(fault, "Accept-Encoding: gzip\r\n").0.unwrap();
        assert_eq!(field(&first.head, "content-encoding").as_deref(), Some("gzip"));
        assert!(first.body.len() < 200_000, "{fault}");
    }
}

#[test]
fn a_loop_leads_back_to_a_cursor_that_was_sent() {
    let server = sandbox(100, "none", &["kind=loop,nth=4,back=1"]);
    let mut cursors = vec![String::new()];
    for _ in 0..4 {
        let reply = get(&server, &format!("{LIST}&cursor={}", cursors[cursors.len() - 1]));
        cursors.push(reply.next_cursor().unwrap());
    }
    assert_eq!(cursors[4], cursors[2]);
    assert_ne!(cursors[3], cursors[2]);
    assert_eq!(lines(&server, "/sandbox/log")[3]["fault"], "loop");
}

#[test]
fn inspection_is_spared() {
    let server = sandbox(100, "none", &["kind=reset,times=0"]);
    assert!(fetch(&server, LIST, "").is_err() && fetch(&server, LIST, "").is_err());
    assert_eq!(truth(&server, "nsfw=true&archived=true").len(), 100);
    assert_eq!(lines(&server, "/sandbox/log").len(), 2);
}
