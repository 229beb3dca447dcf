//! One request to one response: its record in the log, the fault or trick that strikes it, its endpoint's answer.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Request, Response};

use super::cache::{Cache, Edge, Packed};
use super::call::Call;
use super::dispatch::{self, Dispatch};
use super::file_host::FileHost;
use super::journal::{Journal, Record};
use super::wire::Script;
use crate::sandbox::catalog::options::CatalogOptions;
use crate::sandbox::config::Config;
use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::endpoint::posts::Limit;
use crate::sandbox::endpoint::world::World;
use crate::sandbox::era::Era;
use crate::sandbox::error::Error;
use crate::sandbox::fault::damage::{self, Step};
use crate::sandbox::fault::plan::{Plan, Target};
use crate::sandbox::fault::tricks::{Trick, Tricks};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::oracle::{self, fewest_requests};
use crate::sandbox::traps::{Trap, Traps};

/// The time that the database works on a query before it returns an empty result.
const PATIENCE: Duration = Duration::from_secs(20);
/// The requests a minute that the trap `rate-headers` names.
const A_MINUTE: usize = 600;

/// The host that a request is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// The API.
    Api,
    /// The host of the files.
    Files,
}

/// The state that all connections share.
pub(super) struct State {
    world: RwLock<World>,
    /// `http` or `https`
    scheme: &'static str,
    files: FileHost,
    latency: Duration,
    era: Era,
    traps: Traps,
    /// The requests for posts; `None` unless they are limited.
    limit: Option<Mutex<Limit>>,
    tricks: Mutex<Tricks>,
    plan: Mutex<Plan>,
    journal: Mutex<Journal>,
    cache: Mutex<Cache>,
}

impl State {
    /// Builds the catalog; requests come by `scheme`, and `files` is the address of the host of the files.
    pub(super) fn new(config: Config, scheme: &'static str, files: SocketAddr) -> Result<State, Error> {
        let options = CatalogOptions {
            seed: config.seed,
            traps: config.traps,
            era: config.era,
            models: config.models,
            creators: config.creators,
            tags: config.tags,
            recorded: config.catalog.as_deref(),
        };
        let images = config.images.unwrap_or_else(|| config.models.saturating_mul(10));
        Ok(State {
            world: RwLock::new(World::build(&options, images, config.depth_cap as usize)?),
            scheme,
            files: FileHost { seed: config.seed, traps: config.traps, origin: format!("{scheme}://{files}") },
            latency: config.latency,
            era: config.era,
            traps: config.traps,
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

    /// Answers a request below `/sandbox/`.
    fn inspect(&self, path: &str, call: &Call) -> Answer {
        match path {
            "night" if !call.get => self.pass_night(&call.pairs),
            "log" => Answer::lines(lock(&self.journal).lines()),
            "stats" => Answer::json(200, lock(&self.journal).stats()),
            "entries" => oracle::entries(&self.world()),
            path => match path.split_once('/') {
                Some(("truth", table)) => oracle::answer(&self.world(), &call.origin, table, &call.pairs),
                Some(("least", endpoint)) => fewest_requests::answer(&self.world(), endpoint, &call.pairs),
                _ => Answer::error(
                    404,
                    "known are /sandbox/log, stats, entries, truth/<table>, least/<endpoint>, and POST /sandbox/night",
                ),
            },
        }
    }

    /// Answers `POST /sandbox/night?share=0.01` with the changes of a night.
    fn pass_night(&self, pairs: &[(String, String)]) -> Answer {
        let text = pairs.iter().find(|(key, _)| key == "share").map_or("0.01", |(_, text)| text);
        let Some(share) = text.parse().ok().filter(|share| (0.0..=1.0).contains(share)) else {
            return Answer::error(400, "share is how much of the catalog changes, from 0 to 1");
        };
        let report = self.world.write().unwrap_or_else(PoisonError::into_inner).pass_night(share);
        report.map_or_else(
            || Answer::error(400, "a recorded catalog does not change"),
            |report| Answer::json(200, report.to_string()),
        )
    }
}

/// Serves one request; an error closes the connection, with a reset if `torn` is set.
pub(super) async fn serve(
    state: Arc<State>,
    host: Host,
    torn: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> io::Result<Response<Script>> {
    let call = Call::of(request, state.scheme).await?;
    let sent = Arc::new(AtomicU64::new(0));
    if let (Host::Api, Some(path)) = (host, call.path.strip_prefix("/sandbox/")) {
        let packed = pack(state.inspect(path, &call), call.gzip)?;
        let script = Script::new(damage::steps(&packed.answer.body, None), sent, torn);
        return respond(&packed, &[], script);
    }
    let number = lock(&state.journal).open(&call, Arc::clone(&sent));
    let url = format!("{}?{}", call.path, call.query);
    let fault = lock(&state.plan).strike(&Target { path: call.below(), url: &url, pairs: &call.pairs });
    let exchange = Exchange { state: &state, call: &call, number, fault: fault.as_ref() };
    exchange.note(|record| record.fault = fault.as_ref().map(|fault| fault.kind.word()));
    if !state.latency.is_zero() {
        tokio::time::sleep(state.latency).await;
    }
    match exchange.kind() {
        Some(Kind::Reset) => {
            torn.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Some(Kind::Hang) => return std::future::pending().await,
        _ => {}
    }
    let script = |steps| Script::new(steps, sent, torn);
    if host == Host::Files {
        return exchange.send_file(script);
    }
    let trick =
        fault.is_none().then(|| lock(&state.tricks).strike(call.below(), &call.pairs, call.authorization)).flatten();
    if trick == Some(Trick::FalseEnd(true)) && !state.latency.is_zero() {
        tokio::time::sleep(PATIENCE).await;
    }
    let (packed, made_before) = match trick {
        Some(trick) => exchange.tricked(trick)?,
        None => exchange.damaged()?,
    };
    exchange.finish(&packed.answer);
    let headers = exchange.headers(&packed, made_before);
    respond(&packed, &headers, script(damage::steps(&packed.answer.body, exchange.kind())))
}

/// One request on its way to its response. Its methods return an answer with true when the edge may report it as cached.
struct Exchange<'a> {
    state: &'a State,
    call: &'a Call,
    /// The request's number in the log, counted from 0.
    number: usize,
    fault: Option<&'a Fault>,
}

impl Exchange<'_> {
    fn kind(&self) -> Option<Kind> {
        self.fault.map(|fault| fault.kind)
    }

    /// Changes the request's record in the log.
    fn note(&self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = lock(&self.state.journal).record(self.number) {
            change(record);
        }
    }

    fn dispatch<'w>(&'w self, world: &'w World) -> Dispatch<'w> {
        Dispatch { world, files: &self.state.files, call: self.call, requests: self.number as u64 }
    }

    fn answer(&self) -> Answer {
        self.dispatch(&self.state.world()).answer()
    }

    /// Returns a false answer ready to be sent.
    fn tricked(&self, trick: Trick) -> io::Result<(Arc<Packed>, bool)> {
        let packed = self.fresh(self.dispatch(&self.state.world()).false_answer(trick))?;
        let cached = trick == Trick::Denied && packed.answer.status == 404;
        Ok((packed, cached))
    }

    /// Returns the true answer ready to be sent, from the cache if an earlier request made it.
    fn undamaged(&self) -> io::Result<(Arc<Packed>, bool)> {
        let (state, call) = (self.state, self.call);
        let limited = state.limit.as_ref().filter(|_| state.era == Era::Sep2026 && call.below().starts_with("posts/"));
        if let Some(refusal) = limited.and_then(|limit| lock(limit).refusal(Instant::now())) {
            return Ok((self.fresh(refusal)?, false));
        }
        let version = state.world.write().unwrap_or_else(PoisonError::into_inner).advance(self.number as u64);
        let key = format!("{version} {} {} {}?{}", call.gzip, call.host, call.path, call.query);
        if let Some(packed) = call.get.then(|| lock(&state.cache).get(&key)).flatten() {
            return Ok((packed, true));
        }
        let packed = self.fresh(self.answer())?;
        if call.get && !self.dispatch(&state.world()).may_change() {
            lock(&state.cache).put(&key, Arc::clone(&packed));
        }
        Ok((packed, false))
    }

    /// Returns the answer as the fault leaves it.
    fn damaged(&self) -> io::Result<(Arc<Packed>, bool)> {
        let Some(fault) = self.fault else {
            return self.undamaged();
        };
        if let Some(answer) = damage::replacement(fault, self.state.era, self.call.below()) {
            return Ok((self.fresh(answer)?, false));
        }
        let packed = match fault.kind {
            Kind::InvalidJson | Kind::ControlBytes | Kind::Loop => {
                let earlier = lock(&self.state.journal).earlier_cursor(self.number, fault.back);
                let mut answer = self.answer();
                damage::spoil(&mut answer, fault.kind, earlier.as_deref());
                self.fresh(answer)?
            }
            Kind::BadGzip => {
                let answer = self.answer();
                let body = damage::bad_gzip(&answer.body)?;
                Arc::new(Packed { answer: Answer { body, ..answer }, gzip: true, since: Instant::now() })
            }
            Kind::Bomb => {
                let answer = Answer::json(200, damage::bomb(fault.bytes)?);
                Arc::new(Packed { answer, gzip: true, since: Instant::now() })
            }
            _ => return self.undamaged(),
        };
        Ok((packed, false))
    }

    fn fresh(&self, answer: Answer) -> io::Result<Arc<Packed>> {
        pack(answer, self.call.gzip).map(Arc::new)
    }

    /// Returns the response of the host of the files.
    fn send_file(&self, script: impl FnOnce(Vec<Step>) -> Script) -> io::Result<Response<Script>> {
        let mut served = self.state.files.serve(self.call, dispatch::now());
        if let Some(answer) = self.fault.and_then(|fault| damage::replacement(fault, self.state.era, self.call.below()))
        {
            (served.status, served.body) = (answer.status, answer.body);
        }
        if self.kind() == Some(Kind::Flip) {
            served.body = damage::flipped(&served.body);
        }
        self.note(|record| record.status = Some(served.status));
        let ranges = if self.state.traps.has(Trap::NoRanges) { "none" } else { "bytes" };
        let mut response = Response::builder()
            .status(served.status)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::ACCEPT_RANGES, ranges)
            .header(header::ETAG, served.etag)
            .header(header::CONTENT_DISPOSITION, served.disposition)
            .header(header::CONTENT_LENGTH, served.body.len());
        if let Some(range) = served.range {
            response = response.header(header::CONTENT_RANGE, range);
        }
        response.body(script(damage::steps(&served.body, self.kind()))).map_err(io::Error::other)
    }

    /// Logs the answer that is about to be sent.
    fn finish(&self, answer: &Answer) {
        let readable = matches!(self.kind(), None | Some(Kind::Slow | Kind::Loop | Kind::ControlBytes));
        let items: &[u32] = if readable { &answer.items } else { &[] };
        lock(&self.state.journal).serve(self.call.below().split('/').next().unwrap_or_default(), items);
        self.note(|record| {
            record.status = Some(answer.status);
            record.items = Some(items.len());
        });
    }

    /// Returns the headers of an answer.
    fn headers(&self, packed: &Packed, made_before: bool) -> Vec<(HeaderName, String)> {
        let (state, status) = (self.state, packed.answer.status);
        let edge = Edge { era: state.era, traps: state.traps, call: self.call, status };
        let (word, cached) = edge.cache_status(made_before);
        let mut headers = vec![
            (header::DATE, self.state.world().date()),
            (header::CACHE_CONTROL, edge.cache_control().to_owned()),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
            (header::VARY, "Accept-Encoding".to_owned()),
            (header::SERVER, "cloudflare".to_owned()),
            (HeaderName::from_static("cf-ray"), format!("8c{:014x}-FRA", self.number)),
            (HeaderName::from_static("cf-cache-status"), word.to_owned()),
        ];
        if state.traps.has(Trap::RateHeaders) {
            let left = A_MINUTE.saturating_sub(self.number + 1);
            for (name, value) in [("ratelimit-limit", A_MINUTE), ("ratelimit-remaining", left), ("ratelimit-reset", 60)]
            {
                headers.push((HeaderName::from_static(name), value.to_string()));
            }
        }
        if let Some(seconds) = packed.answer.retry_after {
            headers.push((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(location) = &packed.answer.location {
            headers.push((header::LOCATION, location.to_string()));
        }
        if cached {
            headers.push((header::AGE, packed.since.elapsed().as_secs().to_string()));
        }
        if let Some(seconds) = self.fault.and_then(|fault| fault.retry_after) {
            headers.push((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(fault) = self.fault.filter(|fault| fault.kind == Kind::Redirect) {
            headers.push((header::LOCATION, fault.to.clone()));
        }
        headers
    }
}

fn respond(packed: &Packed, headers: &[(HeaderName, String)], script: Script) -> io::Result<Response<Script>> {
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
    response.body(script).map_err(io::Error::other)
}

fn pack(answer: Answer, gzip: bool) -> io::Result<Packed> {
    let gzip = gzip && !answer.body.is_empty();
    let body = if gzip { damage::gzip(&answer.body)? } else { answer.body.clone() };
    Ok(Packed { answer: Answer { body, ..answer }, gzip, since: Instant::now() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
