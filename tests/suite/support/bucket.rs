//! An object store of few words that speaks S3, holds what it was given in memory, and has faults.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// The name of the only bucket.
pub const BUCKET: &str = "models";
/// The credentials that it takes.
pub const KEY_ID: &str = "AKIACANARYID00000000";
pub const SECRET: &str = "canary/secret+0000000000000000000000000";

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    /// The key of the object; empty for the bucket.
    pub key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Call {
    /// Returns the step of a file that is sent in parts.
    pub fn step_of_upload(&self) -> Option<&'static str> {
        match (self.asks("uploads"), self.asks("uploadId"), self.method.as_str()) {
            (Some(_), _, _) => Some("begin"),
            (_, Some(_), "PUT") => Some("part"),
            (_, Some(_), "POST") => Some("end"),
            _ => None,
        }
    }

    /// Returns the folder that the call lists.
    pub fn lists(&self) -> Option<&str> {
        self.asks("prefix").filter(|_| self.key.is_empty())
    }

    fn asks(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Returns true if the body has this text in it.
    pub fn has(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(text)
    }

    pub fn says(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A way to answer a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As asked.
    Well,
    /// The work is done, and the answer is lost.
    Lost,
    /// The connection is closed before the work.
    Reset,
    /// Nothing is done, and nothing is heard.
    Deaf,
    /// The work is done, and nothing more is heard of it.
    Hang,
    /// This status and code instead of the work.
    Refusal(u16, &'static str),
    /// A redirect to this port of this machine.
    Redirect(u16),
    /// The work is done whatever the request's condition says.
    Unconditional,
    /// Another client replaces the object before the work.
    Before,
    /// Another client replaces the object after the work.
    After,
    /// The work is called done, and is not.
    Forgotten,
    /// One bit of the body is another one.
    Flipped,
    /// The body ends early, and then the connection.
    Cut,
    /// No HTTP at all.
    Noise,
    /// Half of what a list holds is left out.
    Omitting,
    /// A list names everything twice.
    Repeating,
    /// A list that goes on for ever.
    Endless,
    /// The names that the store makes up are longer than an address can be.
    Wordy,
    /// An empty page before each page of a list.
    Sparse,
    /// A list that names other things.
    Straying,
}

impl Way {
    /// Returns the end of a name that the store makes up.
    fn suffix(self) -> String {
        if self == Self::Wordy { "x".repeat(70_000) } else { String::new() }
    }

    /// Everything that may happen to any one call, whoever else there is.
    pub const FAULTS: [Self; 15] = [
        Self::Lost,
        Self::Reset,
        Self::Hang,
        Self::Deaf,
        Self::Refusal(503, "SlowDown"),
        Self::Refusal(409, "OperationAborted"),
        Self::Refusal(403, "canary"),
        Self::Forgotten,
        Self::Flipped,
        Self::Cut,
        Self::Noise,
        Self::Omitting,
        Self::Repeating,
        Self::Sparse,
        Self::Straying,
    ];
}

type Fault = dyn Fn(usize, &Call) -> Way + Send + Sync;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    calls: Vec<Call>,
}

/// The store, on a loopback port; its threads end with the tests.
pub struct Store {
    port: u16,
    state: Arc<Mutex<State>>,
    fault: Arc<Mutex<Box<Fault>>>,
    gate: Arc<Gate>,
}

/// The calls about parts that are under way: so many now, so many at most, and so many that wait for each other.
#[derive(Default)]
struct Gate {
    counts: Mutex<(usize, usize, usize)>,
    moved: Condvar,
}

impl Gate {
    fn enter(&self) {
        let mut counts = self.counts.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        self.moved.notify_all();
        drop(
            self.moved.wait_timeout_while(counts, Duration::from_secs(20), |(_, most, wanted)| most < wanted).unwrap(),
        );
    }

    fn leave(&self) {
        self.counts.lock().unwrap().0 -= 1;
        self.moved.notify_all();
    }
}

impl Store {
    /// Starts an empty one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let fault: Arc<Mutex<Box<Fault>>> = Arc::new(Mutex::new(Box::new(|_, _| Way::Well)));
        let gate: Arc<Gate> = Arc::default();
        let (both, faults, gates) = (Arc::clone(&state), Arc::clone(&fault), Arc::clone(&gate));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (state, fault, gate) = (Arc::clone(&both), Arc::clone(&faults), Arc::clone(&gates));
                thread::spawn(move || while serve(&socket, &state, &fault, &gate).is_some() {});
            }
        });
        Self { port, state, fault, gate }
    }

    /// Answers each later call in this way; the first has number 0.
    pub fn answers(&self, fault: impl Fn(usize, &Call) -> Way + Send + Sync + 'static) {
        *self.fault.lock().unwrap() = Box::new(fault);
        self.lock().calls.clear();
    }

    /// Counts the calls about parts under way anew, and answers none of them before there are so many.
    pub fn gather(&self, wanted: usize) {
        // Those of a copy that was cut off are still under way.
        let counts = self.gate.counts.lock().unwrap();
        *self.gate.moved.wait_while(counts, |(under_way, ..)| *under_way > 0).unwrap() = (0, 0, wanted);
    }

    /// Returns the most calls about parts that were under way at once.
    pub fn gathered(&self) -> usize {
        self.gate.counts.lock().unwrap().1
    }

    /// Sets a command's environment, so that it uses this store.
    pub fn used_by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
    }

    /// Returns the calls since the last fault was set.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Returns the objects.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().objects.clone()
    }

    /// Replaces the objects, and forgets what was begun.
    pub fn hold(&self, objects: BTreeMap<String, Vec<u8>>) {
        let mut state = self.lock();
        state.objects = objects;
        state.uploads.clear();
    }

    /// Returns the uploads that were begun and neither completed nor given up.
    pub fn uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// An answer: status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// Serves one request of a connection. Returns `None` once the connection is to be closed.
fn serve(socket: &TcpStream, state: &Mutex<State>, fault: &Mutex<Box<Fault>>, gate: &Gate) -> Option<()> {
    let call = receive(socket)?;
    if !call.key.contains("/parts/") {
        return respond(socket, &call, state, fault);
    }
    gate.enter();
    let responded = respond(socket, &call, state, fault);
    gate.leave();
    responded
}

fn respond(mut socket: &TcpStream, call: &Call, state: &Mutex<State>, fault: &Mutex<Box<Fault>>) -> Option<()> {
    let mut state = state.lock().unwrap();
    state.calls.push(call.clone());
    let way = fault.lock().unwrap()(state.calls.len() - 1, call);
    let (status, headers, mut body) = match way {
        Way::Reset => return None,
        Way::Noise => {
            socket.write_all(b"SSH-2.0-canary\r\n").ok()?;
            return None;
        }
        Way::Refusal(status, code) => refusal(status, code, call),
        Way::Redirect(port) => (307, vec![("location", format!("http://127.0.0.1:{port}/"))], Vec::new()),
        Way::Before => {
            state.objects.insert(call.key.clone(), b"another".to_vec());
            state.answer(call, way)
        }
        Way::After => {
            let answer = state.answer(call, way);
            state.objects.insert(call.key.clone(), b"another".to_vec());
            answer
        }
        Way::Deaf => (200, Vec::new(), Vec::new()),
        Way::Forgotten if call.method == "PUT" => (200, vec![("etag", etag(&call.body))], Vec::new()),
        way => state.answer(call, way),
    };
    drop(state);
    match way {
        Way::Lost => return None,
        Way::Hang | Way::Deaf => loop {
            thread::park();
        },
        Way::Flipped if !body.is_empty() => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        _ => {}
    }
    let mut head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nlast-modified: Mon, 30 Nov 2026 08:00:00 GMT\r\n",
        body.len()
    );
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    if way == Way::Cut {
        body.truncate(body.len() / 2);
    }
    socket.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if call.method != "HEAD" {
        socket.write_all(&body).ok()?;
    }
    socket.flush().ok()?;
    (way != Way::Cut).then_some(())
}

fn receive(mut socket: &TcpStream) -> Option<Call> {
    let (mut head, mut block) = (Vec::new(), [0; 8192]);
    let end = loop {
        match socket.read(&mut block) {
            Ok(length @ 1..) => head.extend_from_slice(&block[..length]),
            _ => return None,
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    // The client waits for the answer before it sends more than the body.
    let mut body = head.split_off(end);
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let named = lines.filter_map(|line| line.split_once(':'));
    let headers: BTreeMap<String, String> =
        named.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    let key = decoded(path.trim_start_matches('/').strip_prefix(BUCKET)?.trim_start_matches('/'));
    let begun = body.len();
    body.resize(headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0), 0);
    socket.read_exact(&mut body[begun..]).ok()?;
    Some(Call { method, key, query, headers, body })
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn etag(content: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(content).to_hex()[..32])
}

/// An error, which echoes the request with all that should be secret.
fn refusal(status: u16, code: &str, call: &Call) -> Answer {
    let echo = format!("{SECRET} {} {}", call.says("authorization").unwrap_or_default(), call.key);
    (status, Vec::new(), format!("<Error><Code>{code}</Code><Message>{echo}</Message></Error>").into_bytes())
}

impl State {
    fn answer(&mut self, call: &Call, way: Way) -> Answer {
        if !call.says("authorization").is_some_and(|value| value.contains(&format!("Credential={KEY_ID}/"))) {
            return refusal(403, "InvalidAccessKeyId", call);
        }
        match (call.method.as_str(), call.asks("uploadId")) {
            ("GET", None) if call.key.is_empty() => self.list(call, way),
            ("GET" | "HEAD", None) => self.get(call),
            ("PUT", None) => self.put(call, way),
            ("POST", None) if call.asks("uploads").is_some() => {
                let id = format!("upload{}{}", self.calls.len(), way.suffix());
                self.uploads.insert(id.clone(), BTreeMap::new());
                let body =
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
                (200, Vec::new(), body.into_bytes())
            }
            (method, Some(id)) => self.upload(method, id, call),
            _ => refusal(501, "NotImplemented", call),
        }
    }

    fn get(&self, call: &Call) -> Answer {
        let Some(content) = self.objects.get(&call.key) else { return refusal(404, "NoSuchKey", call) };
        let mut headers = vec![("etag", etag(content))];
        let Some(range) = call.says("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return (200, headers, content.clone());
        };
        let (from, to) = range.split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        if from >= content.len() {
            return refusal(416, "InvalidRange", call);
        }
        let to = to.min(content.len() - 1);
        headers.push(("content-range", format!("bytes {from}-{to}/{}", content.len())));
        (206, headers, content[from..=to].to_vec())
    }

    fn put(&mut self, call: &Call, way: Way) -> Answer {
        let there = self.objects.get(&call.key).map(|content| etag(content));
        let holds = match (call.says("if-none-match"), call.says("if-match")) {
            (Some("*"), None) => there.is_none(),
            (None, Some(tag)) => there.as_deref() == Some(tag),
            _ => true,
        };
        if !holds && way != Way::Unconditional {
            return refusal(412, "PreconditionFailed", call);
        }
        self.objects.insert(call.key.clone(), call.body.clone());
        (200, vec![("etag", etag(&call.body))], Vec::new())
    }

    fn upload(&mut self, method: &str, id: &str, call: &Call) -> Answer {
        let Some(parts) = self.uploads.get_mut(id) else { return refusal(404, "NoSuchUpload", call) };
        match method {
            "PUT" => {
                parts.insert(call.asks("partNumber").unwrap().parse().unwrap(), call.body.clone());
                (200, vec![("etag", etag(&call.body))], Vec::new())
            }
            "POST" => {
                let content = self.uploads.remove(id).unwrap().into_values().flatten().collect::<Vec<u8>>();
                let tag = etag(&content);
                self.objects.insert(call.key.clone(), content);
                let body = format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>");
                (200, Vec::new(), body.into_bytes())
            }
            _ => {
                self.uploads.remove(id);
                (204, Vec::new(), Vec::new())
            }
        }
    }

    /// Lists three names a page.
    fn list(&self, call: &Call, way: Way) -> Answer {
        let (prefix, after) = (call.asks("prefix").unwrap_or(""), call.asks("continuation-token").unwrap_or(""));
        let below = self.objects.iter().filter_map(|(key, content)| Some((key.strip_prefix(prefix)?, content.len())));
        let mut names: BTreeMap<String, Option<usize>> = below
            .map(|(name, bytes)| match name.split_once('/') {
                Some((folder, _)) => (format!("{folder}/"), None),
                None => (name.to_owned(), Some(bytes)),
            })
            .filter(|(name, _)| name.as_str() > after)
            .collect();
        let mut next = names.keys().nth(3).and(names.keys().nth(2)).cloned();
        names = names.into_iter().take(3).collect();
        if way == Way::Sparse && !after.ends_with('!') {
            // No name is between this one and the last one shown.
            (names, next) = (BTreeMap::new(), Some(format!("{after}!")));
        }
        if way == Way::Omitting {
            names = names.into_iter().skip(1).collect();
        }
        let stray = if way == Way::Straying { "elsewhere/" } else { "" };
        let mut body = String::from("<ListBucketResult>");
        for (name, bytes) in std::iter::repeat_n(&names, if way == Way::Repeating { 2 } else { 1 }).flatten() {
            body += &match bytes {
                Some(bytes) => format!(
                    "<Contents><Key>{stray}{prefix}{name}</Key><LastModified>2026-11-30T08:00:00.000Z</LastModified><ETag>\"0\"</ETag><Size>{bytes}</Size></Contents>"
                ),
                None => format!("<CommonPrefixes><Prefix>{stray}{prefix}{name}</Prefix></CommonPrefixes>"),
            };
        }
        let next = match way {
            Way::Endless => Some(String::from("again")),
            Way::Wordy => Some(way.suffix()),
            _ => next,
        };
        body += &next.map(|next| format!("<NextContinuationToken>{next}</NextContinuationToken>")).unwrap_or_default();
        (200, Vec::new(), format!("{body}</ListBucketResult>").into_bytes())
    }
}
