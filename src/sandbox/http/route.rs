//! One request to one response: which endpoint answers, which fault strikes, what is written to the log.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Request, Response};

use super::answer::Answer;
use super::cache::{Cache, Packed};
use super::call::Call;
use super::journal::Journal;
use super::wire::{Script, Step};
use super::world::World;
use super::{edge, world};
use crate::sandbox::endpoint::posts::Limit;
use crate::sandbox::era::Era;
use crate::sandbox::fault::damage;
use crate::sandbox::fault::plan::{Asked, Plan};
use crate::sandbox::fault::traps::Trap;
use crate::sandbox::fault::tricks::{Trick, Tricks};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::oracle::{fewest_requests, study};
use crate::sandbox::{Config, Error, oracle};

/// How long the database works on a query before it calls its result empty.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which of the two hosts is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The API.
    Api,
    /// The one that keeps the files.
    Storage,
}

/// What all connections share.
pub(crate) struct State {
    world: RwLock<World>,
    latency: Duration,
    era: Era,
    /// The requests for posts, where they are limited.
    limit: Option<Mutex<Limit>>,
    tricks: Mutex<Tricks>,
    plan: Mutex<Plan>,
    journal: Mutex<Journal>,
    cache: Mutex<Cache>,
}

impl State {
    pub(crate) fn new(config: Config, storage: String) -> Result<State, Error> {
        Ok(State {
            world: RwLock::new(World::build(&config, storage)?),
            latency: config.latency,
            era: config.era,
            limit: config.traps.has(Trap::PostsLimit).then(Mutex::default),
            tricks: Mutex::new(Tricks::new(config.seed, config.traps, config.era)),
            plan: Mutex::new(Plan::new(config.seed, config.faults)),
            journal: Mutex::new(Journal::new()),
            cache: Mutex::new(Cache::default()),
        })
    }

    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn inspect(&self, path: &str, call: &Call) -> Answer {
        match path {
            "night" if !call.get => self.world.write().unwrap_or_else(PoisonError::into_inner).pass_night(&call.pairs),
            "log" => Answer::lines(lock(&self.journal).lines()),
            "stats" => Answer::json(200, lock(&self.journal).stats()),
            path => match path.split_once('/') {
                Some(("truth", table)) => oracle::answer(&self.world(), &call.host, table, &call.pairs),
                Some(("least", endpoint)) => fewest_requests::answer(&self.world(), endpoint, &call.pairs),
                Some(("study", name)) => study::answer(&self.world(), &call.host, name),
                _ => Answer::error(
                    404,
                    "known are /sandbox/log, stats, truth/<table>, least/<endpoint>, study/<name>, and POST /sandbox/night",
                ),
            },
        }
    }

    /// A false answer ready to be sent; true when it claims to come from a cache.
    fn tricked(&self, call: &Call, number: usize, trick: Trick) -> io::Result<(Arc<Packed>, bool)> {
        let packed = pack(self.world().falsely(call, number as u64, trick), call.gzip)?;
        let hit = trick == Trick::Denied && packed.answer.status == 404;
        Ok((Arc::new(packed), hit))
    }

    /// The answer ready to be sent, from the cache where it was made before; true when it was.
    fn packed(&self, call: &Call, number: usize) -> io::Result<(Arc<Packed>, bool)> {
        let limited = self.limit.as_ref().filter(|_| self.era == Era::Sep2026 && call.below().starts_with("posts/"));
        if let Some(refusal) = limited.and_then(|limit| lock(limit).refusal(Instant::now())) {
            return Ok((Arc::new(pack(refusal, call.gzip)?), false));
        }
        let age = self.world.write().unwrap_or_else(PoisonError::into_inner).advance(number as u64);
        let key = format!("{age} {} {} {}?{}", call.gzip, call.host, call.path, call.query);
        if let Some(packed) = call.get.then(|| lock(&self.cache).get(&key)).flatten() {
            return Ok((packed, true));
        }
        let packed = Arc::new(pack(self.world().answer(call, number as u64), call.gzip)?);
        if call.get && !self.world().restless(call.below()) {
            lock(&self.cache).put(&key, Arc::clone(&packed));
        }
        Ok((packed, false))
    }
}

/// Serves one request; an error closes the connection, with a reset when `torn` was set.
pub(crate) async fn serve(
    state: Arc<State>,
    host: Host,
    torn: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> io::Result<Response<Script>> {
    let call = Call::of(request).await?;
    let sent = Arc::new(AtomicU64::new(0));
    if let (Host::Api, Some(path)) = (host, call.path.strip_prefix("/sandbox/")) {
        let packed = pack(state.inspect(path, &call), call.gzip)?;
        let steps = damage::steps(&packed.answer.body, None);
        return respond(&packed, &[], steps, sent, torn);
    }
    let number = lock(&state.journal).open(&call, Arc::clone(&sent));
    let url = format!("{}?{}", call.path, call.query);
    let fault = lock(&state.plan).strike(&Asked { path: call.below(), url: &url, pairs: &call.pairs });
    if let (Some(fault), Some(record)) = (&fault, lock(&state.journal).record(number)) {
        record.fault = Some(fault.kind.word());
    }
    if !state.latency.is_zero() {
        tokio::time::sleep(state.latency).await;
    }
    match fault.as_ref().map(|fault| fault.kind) {
        Some(Kind::Reset) => {
            torn.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Some(Kind::Hang) => return std::future::pending().await,
        _ => {}
    }
    if host == Host::Storage {
        return send_file(&state, &call, number, fault.as_ref(), sent, torn);
    }
    let trick =
        fault.is_none().then(|| lock(&state.tricks).strike(call.below(), &call.pairs, call.authorization)).flatten();
    if trick == Some(Trick::FalseEnd(true)) && !state.latency.is_zero() {
        tokio::time::sleep(PATIENCE).await;
    }
    let (packed, hit) = match trick {
        Some(trick) => state.tricked(&call, number, trick)?,
        None => prepare(&state, &call, number, fault.as_ref())?,
    };
    finish(&state, &call, number, &packed.answer, fault.as_ref());
    let headers = headers(&state, &call, &packed, hit, fault.as_ref());
    let steps = damage::steps(&packed.answer.body, fault.map(|fault| fault.kind));
    respond(&packed, &headers, steps, sent, torn)
}

/// The answer to be sent, as far as a fault leaves it; true when it came from the cache.
fn prepare(state: &State, call: &Call, number: usize, fault: Option<&Fault>) -> io::Result<(Arc<Packed>, bool)> {
    let Some(fault) = fault else {
        return state.packed(call, number);
    };
    if let Some(answer) = damage::replacement(fault, state.era, call.below()) {
        return Ok((Arc::new(pack(answer, call.gzip)?), false));
    }
    let packed = match fault.kind {
        Kind::InvalidJson | Kind::ControlBytes | Kind::Loop => {
            let earlier = lock(&state.journal).earlier_cursor(number, fault.back);
            let mut answer = state.world().answer(call, number as u64);
            damage::spoil(&mut answer, fault.kind, earlier.as_deref());
            pack(answer, call.gzip)?
        }
        Kind::BadGzip => {
            let answer = state.world().answer(call, number as u64);
            let body = damage::bad_gzip(&answer.body)?;
            Packed { answer: Answer { body, ..answer }, gzip: true, since: Instant::now() }
        }
        Kind::Bomb => {
            let answer = Answer::json(200, damage::bomb(fault.bytes)?);
            Packed { answer, gzip: true, since: Instant::now() }
        }
        _ => return state.packed(call, number),
    };
    Ok((Arc::new(packed), false))
}

/// The storage host's answer.
fn send_file(
    state: &State,
    call: &Call,
    number: usize,
    fault: Option<&Fault>,
    sent: Arc<AtomicU64>,
    torn: Arc<AtomicBool>,
) -> io::Result<Response<Script>> {
    let mut served = state.world().storage.serve(call, world::now());
    if let Some(answer) = fault.and_then(|fault| damage::replacement(fault, state.era, call.below())) {
        (served.status, served.body) = (answer.status, answer.body);
    }
    if fault.is_some_and(|fault| fault.kind == Kind::Flip) {
        served.body = damage::flipped(&served.body);
    }
    if let Some(record) = lock(&state.journal).record(number) {
        record.status = Some(served.status);
    }
    let mut response = Response::builder()
        .status(served.status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_DISPOSITION, served.disposition)
        .header(header::CONTENT_LENGTH, served.body.len());
    if let Some(range) = served.range {
        response = response.header(header::CONTENT_RANGE, range);
    }
    let steps = damage::steps(&served.body, fault.map(|fault| fault.kind));
    response.body(Script::new(steps, sent, torn)).map_err(io::Error::other)
}

/// Writes to the log what is about to be sent.
fn finish(state: &State, call: &Call, number: usize, answer: &Answer, fault: Option<&Fault>) {
    let whole = fault.is_none_or(|fault| matches!(fault.kind, Kind::Slow | Kind::Loop | Kind::ControlBytes));
    let items: &[u32] = if whole { &answer.items } else { &[] };
    let mut journal = lock(&state.journal);
    journal.serve(call.below().split('/').next().unwrap_or_default(), items);
    if let Some(record) = journal.record(number) {
        record.status = Some(answer.status);
        record.items = Some(items.len());
    }
}

/// The headers of an answer that was, or was not, made before.
fn headers(
    state: &State,
    call: &Call,
    packed: &Packed,
    made_before: bool,
    fault: Option<&Fault>,
) -> Vec<(HeaderName, String)> {
    let status = packed.answer.status;
    let (word, hit) = edge::word(state.era, call, status, made_before);
    let mut headers = vec![
        (header::DATE, state.world().date()),
        (header::CACHE_CONTROL, edge::control(state.era, call, status).to_owned()),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (HeaderName::from_static("cf-cache-status"), word.to_owned()),
    ];
    if let Some(seconds) = packed.answer.retry_after {
        headers.push((header::RETRY_AFTER, seconds.to_string()));
    }
    if let Some(location) = &packed.answer.location {
        headers.push((header::LOCATION, location.to_string()));
    }
    if hit {
        headers.push((header::AGE, packed.since.elapsed().as_secs().to_string()));
    }
    if let Some(fault) = fault {
        if let Some(seconds) = fault.retry_after {
            headers.push((header::RETRY_AFTER, seconds.to_string()));
        }
        if fault.kind == Kind::Redirect {
            headers.push((header::LOCATION, fault.to.clone()));
        }
    }
    headers
}

fn respond(
    packed: &Packed,
    headers: &[(HeaderName, String)],
    steps: Vec<Step>,
    sent: Arc<AtomicU64>,
    torn: Arc<AtomicBool>,
) -> io::Result<Response<Script>> {
    let mut response = Response::builder()
        .status(packed.answer.status)
        .header(header::CONTENT_TYPE, packed.answer.content_type)
        .header(header::CONTENT_LENGTH, packed.answer.body.len());
    if packed.gzip {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Script::new(steps, sent, torn)).map_err(io::Error::other)
}

fn pack(answer: Answer, gzip: bool) -> io::Result<Packed> {
    let gzip = gzip && !answer.body.is_empty();
    let body = if gzip { damage::gzip(&answer.body)? } else { answer.body.clone() };
    Ok(Packed { answer: Answer { body, ..answer }, gzip, since: Instant::now() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
