//! The damage of a fault to an answer: to its content, to its encoding, and to the way its bytes are sent.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use url::form_urlencoded::byte_serialize;

use super::{Fault, Kind};
use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::era::Era;

/// One step of sending a body.
#[derive(Debug)]
pub(crate) enum Step {
    /// Bytes to send.
    Data(Bytes),
    /// Silence.
    Pause(Duration),
    /// Silence without end.
    Forever,
    /// The connection is reset.
    Reset,
}

/// Long enough for the bytes before it to leave, so that a reset does not overtake them.
const BEFORE_TEARING: Duration = Duration::from_millis(30);

/// Returns the answer of a fault that replaces the real one; `None` for other faults.
pub(crate) fn replacement(fault: &Fault, era: Era, path: &str) -> Option<Answer> {
    match fault.kind {
        Kind::Status => Some(status(fault.code, era, path)),
        Kind::Html => Some(Answer::html(200, "We're adjusting a few things, be back in a few minutes...")),
        Kind::Redirect => Some(Answer { content_type: "text/plain", ..Answer::json(302, "") }),
        _ => None,
    }
}

/// Returns an error in the words of the real server, or of the network in front of it.
fn status(code: u16, era: Era, path: &str) -> Answer {
    let newest = era == Era::Sep2026;
    match code {
        401 => Answer::error(401, "Unauthorized"),
        429 => Answer::error(429, "Rate limit exceeded, please retry shortly."),
        451 => Answer::json(
            451,
            "{\"error\":\"This service is not available in your region\",\"code\":\"REGION_BLOCKED\"}",
        ),
        500 if newest => Answer::unexpected(),
        500 => Answer::json(500, "{\"message\":\"An unexpected error occurred\",\"error\":{}}"),
        503 if newest && path == "images" => {
            Answer::error(503, "Image search is temporarily overloaded \u{2014} please retry.")
        }
        503 => Answer::error(503, "Model search is temporarily overloaded \u{2014} please retry."),
        403 => Answer::html(403, "error code: 1010"),
        502 | 520..=527 => Answer::html(code, &format!("civitai.com | {code}: error")),
        code => Answer::error(code, "An unexpected error occurred"),
    }
}

/// Spoils the content of an answer; `earlier` is the cursor that a loop returns to.
pub(crate) fn spoil(answer: &mut Answer, kind: Kind, earlier: Option<&str>) {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let spoiled = match (kind, earlier, answer.next_cursor.as_deref()) {
        (Kind::InvalidJson, ..) => text.chars().take(text.chars().count() * 2 / 3).collect(),
        (Kind::ControlBytes, ..) => text.replacen("{\"items\":[{", "{\"items\":[{\"pasted\":\"a\r\nb\u{1}\tc\",", 1),
        (Kind::Loop, Some(earlier), Some(next)) => turn_back(&text, next, earlier),
        _ => return,
    };
    answer.body = spoiled.into();
}

/// Replaces the next cursor in the metadata, which are the last member.
fn turn_back(text: &str, next: &str, earlier: &str) -> String {
    let (items, metadata) = text.split_at(text.rfind("\"metadata\":").unwrap_or(0));
    let encoded = |cursor: &str| byte_serialize(cursor.as_bytes()).collect::<String>();
    let metadata = metadata.replacen(&format!("\"{next}\""), &format!("\"{earlier}\""), 1);
    format!("{items}{}", metadata.replacen(&encoded(next), &encoded(earlier), 1))
}

/// Compresses an answer's body as the server's edge does.
pub(crate) fn gzip(body: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::new(1));
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}

/// Returns the compressed body with a few bytes of its middle flipped.
pub(crate) fn bad_gzip(body: &[u8]) -> io::Result<Bytes> {
    let mut packed = gzip(body)?.to_vec();
    let middle = packed.len() / 2;
    packed.iter_mut().skip(middle).take(24).for_each(|byte| *byte ^= 0x5a);
    Ok(packed.into())
}

/// Returns the body with its middle byte changed.
pub(crate) fn flipped(body: &[u8]) -> Bytes {
    let mut changed = body.to_vec();
    let middle = changed.len() / 2;
    changed.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x5a);
    changed.into()
}

/// Returns a valid, small, compressed list answer that unpacks to this many bytes of blanks.
pub(crate) fn bomb(bytes: u64) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    let blanks = vec![b' '; 1 << 20];
    encoder.write_all(b"{\"items\":[")?;
    let mut left = bytes;
    while left > 0 {
        let part = left.min(blanks.len() as u64);
        encoder.write_all(&blanks[..part as usize])?;
        left -= part;
    }
    encoder.write_all(b"],\"metadata\":{}}")?;
    encoder.finish().map(Bytes::from)
}

/// Returns the steps by which a body is sent under a fault.
pub(crate) fn steps(body: &Bytes, kind: Option<Kind>) -> Vec<Step> {
    let half = || Step::Data(body.slice(..body.len() / 2));
    match kind {
        Some(Kind::Cut) => vec![half(), Step::Pause(BEFORE_TEARING), Step::Reset],
        Some(Kind::Truncate) => vec![half(), Step::Pause(BEFORE_TEARING)],
        Some(Kind::Stall) => vec![half(), Step::Forever],
        Some(Kind::Slow) => {
            let chunks = body.chunks(1024).map(|chunk| Step::Data(body.slice_ref(chunk)));
            chunks.flat_map(|chunk| [chunk, Step::Pause(Duration::from_secs(1))]).collect()
        }
        _ => vec![Step::Data(body.clone())],
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_loop_replaces_cursor_and_link() {
        let text = "{\"items\":[{\"name\":\"9|8|7\"}],\"metadata\":{\"nextCursor\":\"9|8|7\",\"nextPage\":\"http://h/?cursor=9%7C8%7C7\"}}";
        let mut answer = Answer { next_cursor: Some("9|8|7".to_owned()), ..Answer::json(200, text) };
        spoil(&mut answer, Kind::Loop, Some("1|2|3"));
        let spoiled = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(spoiled, text.replace("Cursor\":\"9|8|7", "Cursor\":\"1|2|3").replace("9%7C8%7C7", "1%7C2%7C3"));
    }

    #[test]
    fn bodies_are_packed_spoiled_and_blown_up() {
        let unpack = |bytes: &[u8]| {
            let mut out = Vec::new();
            GzDecoder::new(bytes).read_to_end(&mut out).map(|_| out)
        };
        let body = b"some body that is long enough to be worth packing".repeat(50);
        assert_eq!(unpack(&gzip(&body).unwrap()).unwrap(), body);
        assert!(unpack(&bad_gzip(&body).unwrap()).is_err());
        let bomb = bomb(3 << 20).unwrap();
        assert!(bomb.len() < 60_000 && unpack(&bomb).unwrap().len() == (3 << 20) + 26);
    }

    #[test]
    fn control_bytes_and_invalid_json_are_refused_by_a_strict_reader() {
        for kind in [Kind::ControlBytes, Kind::InvalidJson] {
            let mut answer = Answer::json(200, "{\"items\":[{\"id\":1}],\"metadata\":{}}");
            spoil(&mut answer, kind, None);
            assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err(), "{kind:?}");
        }
    }
}
