//! The stages of a page's way, each as one function that measurements can name, and pages of the sandbox to send through.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use civitrawl::api::endpoint::{Endpoint, NextCursor, Paging};
use civitrawl::api::page::Query;
use civitrawl::dataset::layout::{Layout, RunId};
use civitrawl::dataset::part::{Maker, write_part};
use civitrawl::dataset::store::{Batch, RunInfo, Store};
use civitrawl::fetch::{Answer, Fetcher, INFLATED_CAP, PageUrl, Settings, inflate};
use civitrawl::sandbox::{Config, Sandbox};
use civitrawl::storage::Disk;
use civitrawl::table::{Provenance, Table, Tables};
use url::Url;

/// Pages of one endpoint, as received.
pub(crate) struct Corpus {
    /// The request.
    pub(crate) endpoint: &'static Endpoint,
    params: Vec<(String, String)>,
    /// The answers.
    pub(crate) answers: Vec<Answer>,
}

/// The rows of one commit.
pub(crate) type Rows = Vec<(&'static Table, RecordBatch)>;

impl Corpus {
    /// No page yet of the list that is called so, `models` or `images`.
    pub(crate) fn named(endpoint: &str) -> Self {
        let images = [
            ("browsingLevel", "3"),
            ("withMeta", "true"),
            ("flatMeta", "true"),
            ("withTags", "true"),
            ("sort", "Newest"),
            ("limit", "200"),
        ];
        let models = [("sort", "Oldest"), ("period", "AllTime"), ("nsfw", "true"), ("limit", "100")];
        let (endpoint, params) = match endpoint {
            "models" => (&civitrawl::api::models::MODELS, &models[..]),
            "images" => (&civitrawl::api::images::IMAGES, &images[..]),
            other => panic!("name `models` or `images`, not `{other}`"),
        };
        let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { endpoint, params, answers: Vec::new() }
    }

    /// So many full pages of that list.
    pub(crate) fn fetch(endpoint: &str, pages: usize) -> Self {
        let mut corpus = Self::named(endpoint);
        let models = u32::try_from(pages * 110).expect("pages are few");
        let sandbox = Sandbox::start(Config { models, ..Config::default() }).expect("a sandbox");
        let base = Url::parse(&sandbox.base_url()).expect("an address");
        let settings =
            Settings { requests_per_second: 1000.0, burst: 1000, in_flight: 1, ..Settings::new(base.clone()) };
        let fetcher = Fetcher::new(&settings).expect("a fetcher");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = corpus.endpoint;
        let mut cursor: Option<String> = None;
        while corpus.answers.len() < pages {
            let sent = corpus.params.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let query = sent.chain(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let url = PageUrl::new(&base, &[endpoint.path], query).expect("an address");
            let answer = runtime.block_on(fetcher.attempts(&url, &|_| {}).next()).expect("a page");
            let read = rows(&corpus, &decode(&answer), &mut Tables::default());
            corpus.answers.push(answer);
            let Paging::Cursor { next, .. } = endpoint.paging else { panic!("not paged by cursors") };
            let named = read.expect("more pages than there are");
            let NextCursor::Cursor(next) = next(&corpus.params, &named) else { panic!("no way on") };
            cursor = Some(next);
        }
        corpus
    }

    /// Bytes of JSON.
    pub(crate) fn bytes(&self) -> usize {
        self.answers.iter().map(|answer| decode(answer).len()).sum()
    }
}

/// Bytes received → text.
#[inline(never)]
pub(crate) fn decode(answer: &Answer) -> String {
    let body = inflate(answer.encoding, &answer.body, INFLATED_CAP).expect("a sound body");
    String::from_utf8(body.into_owned()).expect("text")
}

/// Text → rows; returns the cursor that the page names.
#[inline(never)]
pub(crate) fn rows(corpus: &Corpus, text: &str, into: &mut Tables) -> Option<String> {
    let at = Provenance { pass: 1, walk: "bench", page: 1, fetched_at: 1_764_000_000_000 };
    let asked = Query {
        at,
        params: &corpus.params,
        cursor: None,
        key: None,
        limit: 0,
        early: 0,
        again: true,
        first_shown: false,
        compared: true,
    };
    (corpus.endpoint.read)(text, &asked, into).expect("a page").next_cursor
}

/// Rows gathered → one batch a table.
#[inline(never)]
pub(crate) fn gather(tables: &mut Tables) -> Rows {
    let full = tables.builders_mut().into_iter().filter(|builder| builder.rows() > 0);
    full.map(|builder| (builder.table(), builder.finish().expect("rows fit"))).collect()
}

/// Batches → Parquet in memory; returns its bytes.
#[inline(never)]
pub(crate) fn encode(rows: &Rows) -> usize {
    let maker = Maker { crawl: "bench", commit: 1, run: String::from("bench") };
    let part = |(table, rows): &(&'static Table, RecordBatch)| {
        let mut part = Vec::new();
        write_part(table, rows, &maker, &mut part).expect("a part");
        part.len()
    };
    rows.iter().map(part).sum()
}

/// A dataset to commit to, in a directory that goes with it.
pub(crate) struct Target {
    store: Store,
    info: RunInfo,
    _directory: tempfile::TempDir,
}

impl Target {
    /// A new dataset.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(Layout::new(directory.path()), Arc::new(Disk)).expect("a dataset");
        let run = RunId::new(&jiff::Timestamp::UNIX_EPOCH, 1);
        let info = RunInfo { run, crawl: String::from("bench"), definition: serde_json::json!({}) };
        Self { store, info, _directory: directory }
    }
}

/// Batches → durable parts and their record: [`encode`] and all that the disk costs.
#[inline(never)]
pub(crate) fn commit(target: &mut Target, rows: Rows) {
    let batch = Batch { tables: rows, pass: 1, walks: BTreeMap::new(), prune: Vec::new() };
    target.store.commit(&target.info, batch).expect("a commit");
}
