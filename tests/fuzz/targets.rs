//! The fuzz targets: each gives bytes to one reader of foreign input, and fails when a promise of it is broken.

use std::io::Read as _;

use civitrawl::api::ENDPOINTS;
use civitrawl::api::endpoint::{NextCursor, Paging};
use civitrawl::api::page::{Page, Query};
use civitrawl::dataset::commit::Record;
use civitrawl::dataset::recovery::{check_chain, plan_recovery};
use civitrawl::definition;
use civitrawl::definition::{Place, difference, fingerprint};
use civitrawl::doctor::session::judge;
use civitrawl::doctor::{file, probes};
use civitrawl::fetch::{
    Encoding, InflateError, Judge, ResponseFacts, TransportError, TransportErrorKind, Unreadable, Verdict, inflate,
};
use civitrawl::table::{Provenance, Tables};

/// Gives bytes to a reader; panics when it breaks a promise.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("record", record),
    ("crawl_file", crawl_file),
    ("page", page),
    ("repair", repair),
    ("cursor", cursor),
    ("verdict", verdict),
    ("inflate", body),
    ("budget", budget),
    ("examination", examination),
];

/// Two commit records, one on each side of a NUL, each as it is and with a checksum that fits, alone and as a chain.
fn record(data: &[u8]) {
    let texts: Vec<String> = data.split(|byte| *byte == 0).take(2).map(sealed).collect();
    for text in [&String::from_utf8_lossy(data).into_owned()].into_iter().chain(&texts) {
        if let Ok(record) = Record::decode(1, text.as_bytes()) {
            let again = record.encode().expect("a record has a JSON form");
            let same = Record::decode(1, again.as_bytes()).expect("what was written is read");
            assert_eq!(record, same);
        }
    }
    let chain: Vec<(u64, Vec<u8>)> = (1..).zip(texts.into_iter().map(String::into_bytes)).collect();
    let (manifest, damages) = check_chain(&chain);
    assert!(!damages.is_empty() || manifest.last.is_some(), "a file was passed over");
    if let Err(damages) = plan_recovery(&manifest, &[].into()) {
        assert!(damages.iter().all(|damage| !damage.to_string().is_empty()));
    }
    for part in manifest.history.parts.values().flatten() {
        assert_plain(&part.name.to_string());
        assert_plain(&part.name.staged());
    }
}

/// A record's text with the checksum it would have: without it nothing behind the checksum is ever reached.
fn sealed(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let body = text.rsplit_once(",\"checksum\"").map_or(&*text, |(body, _)| body);
    format!("{body},\"checksum\":\"{}\"}}\n", blake3::hash(body.as_bytes()))
}

/// A name that cannot lead out of its directory.
fn assert_plain(name: &str) {
    assert!(!name.contains(['/', '\\', '\0']) && !name.contains(".."), "{name:?}");
}

/// A crawl file: checked, or refused with mistakes that each name a line of it.
fn crawl_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match definition::parse("crawl", &text, ENDPOINTS) {
        Ok((crawl, _)) => {
            let print = fingerprint(&crawl);
            assert!(difference(&print, &print).is_empty());
            assert!(!crawl.walks.is_empty() && crawl.pace.requests_per_second > 0.0);
        }
        Err(mistakes) => {
            let lines = 1 + text.matches('\n').count();
            assert!(!mistakes.list.is_empty());
            assert!(
                mistakes.list.iter().all(|mistake| (Place::Line(1)..=Place::Line(lines)).contains(&mistake.place)),
                "{mistakes}"
            );
        }
    }
}

/// The answer to a question; the first byte says which endpoint was asked, and how.
fn page(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let params = [("sort", "Newest"), ("types", "LORA"), ("username", "a"), ("modelId", "1")];
    let params: Vec<(String, String)> = params.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let params = if how & 8 == 0 { &[][..] } else { &params };
    let (cursor, again) = ((how & 16 != 0).then_some("10"), how & 32 != 0);
    let body = String::from_utf8_lossy(body);
    let read = || read(endpoint_of(*how), &body, params, cursor, again);
    assert_eq!(read(), read(), "one answer, two pages");
}

/// The number of an endpoint: three low bits, and a fourth beyond the first eight.
fn endpoint_of(how: u8) -> usize {
    usize::from((how & 7) | (how >> 6 & 1) << 3)
}

/// Reads a page as the engine does; `None` when it is unreadable, and then there is no row of it.
fn read(endpoint: usize, body: &str, params: &[(String, String)], cursor: Option<&str>, again: bool) -> Option<Page> {
    let endpoint = ENDPOINTS[endpoint % ENDPOINTS.len()];
    let key = matches!(endpoint.paging, Paging::Lookup).then_some("7");
    let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
    let mut tables = Tables::default();
    let page = (endpoint.read)(
        body,
        &Query { at, params, cursor, key, limit: 100, early: 0, again, first_shown: false, compared: true },
        &mut tables,
    )
    .ok();
    assert!(page.is_some() || tables.rows() == 0, "an unreadable page left rows");
    let bytes = tables.bytes();
    assert!(bytes < 4096 + 512 * body.len(), "{} bytes became {bytes}", body.len());
    let mut rejects = 0;
    for builder in tables.builders_mut() {
        let rows = builder.finish().expect("rows fit their table");
        rejects += if builder.table().name == "rejects" { rows.num_rows() as u64 } else { 0 };
    }
    if let Some(page) = &page {
        let refused = page.rejects + page.nameless;
        // The second copy of a thing is kept too if it differs.
        assert!((refused..=refused + page.twins).contains(&rejects), "{page:?}");
        assert!(refused + page.ids.len() as u64 <= page.items, "{page:?}");
    }
    page
}

/// Bytes of the pages that [`budget`] makes; the second is twice the first.
const SWOLLEN: [usize; 2] = [512 << 10, 1 << 20];
/// Most memory for such a page: the allowance of an item, which is doubled while a list grows, and the rows.
const PEAK_MAX: u64 = 128 << 20;

/// A page of one element over and over: the first byte says which endpoint was asked, NULs stand before and behind the element.
/// It takes little memory, and twice the page takes twice the allocations, not four times as many.
fn budget(data: &[u8]) {
    let Some((how, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let mut pieces = text.splitn(3, '\0');
    let [before, element, behind] = [(); 3].map(|()| pieces.next().unwrap_or_default());
    if element.is_empty() || data.len() > 4096 {
        return;
    }
    let [first, second] = SWOLLEN.map(|bytes| {
        let elements = vec![element; bytes / (element.len() + 1)].join(",");
        let body = [before, &elements, behind].concat();
        let taken = allocation_counter::measure(|| {
            std::hint::black_box(read(endpoint_of(*how), &body, &[], None, true));
        });
        assert!(taken.bytes_max < PEAK_MAX, "{} bytes take {} of memory", body.len(), taken.bytes_max);
        taken.bytes_total
    });
    assert!(second < first * 5 / 2 + (16 << 20), "a page takes {first} bytes, one of twice its length {second}");
}

/// A page of one name, written as raw as servers write: sound as sent or after repair, or refused.
fn repair(data: &[u8]) {
    let body = format!(r#"{{"items":[{{"name":"{}"}}],"metadata":{{}}}}"#, String::from_utf8_lossy(data));
    let tags = ENDPOINTS.iter().position(|endpoint| endpoint.name == "tags").expect("there are tags");
    let page = read(tags, &body, &[], None, true);
    let sound = serde_json::from_str::<serde_json::Value>(&body).is_ok();
    assert!(!sound || page.as_ref().is_some_and(|page| page.repairs == 0), "repaired without need: {page:?}");
    assert!(sound || page.is_none_or(|page| page.repairs > 0), "read although it is no JSON");
}

/// A cursor a server gave: what is sent back stands where it stood, and repairing it twice changes nothing more.
fn cursor(data: &[u8]) {
    let cursor = &*String::from_utf8_lossy(data);
    for endpoint in ENDPOINTS {
        let Paging::Cursor { next, windows, .. } = &endpoint.paging else { continue };
        for sort in ["Oldest", "Newest", "Most Downloaded"] {
            let params = [("sort".to_owned(), sort.to_owned())];
            let NextCursor::Cursor(sent) = next(&params, cursor) else { continue };
            if sort == "Oldest" {
                assert_eq!(next(&params, &sent), NextCursor::Cursor(sent.clone()), "{cursor:?}");
            }
            let Some(windows) = windows else { continue };
            if let (Some(was), Some(is)) = ((windows.at)(cursor), (windows.at)(&sent)) {
                assert_eq!(was, is, "{cursor:?} became {sent:?}");
                let forged = (windows.at)(&(windows.forge)(is));
                assert_eq!(forged, Some(is), "{cursor:?}");
            }
        }
    }
}

/// The result of one request: a page, or the next step, in words fit for a log.
fn verdict(data: &[u8]) {
    let [high, low, kind, rest @ ..] = data else { return };
    let types = [None, Some("application/json"), Some("text/html; charset=utf-8"), Some("x/\u{7}")];
    let facts = ResponseFacts {
        status: u16::from_be_bytes([*high, *low]),
        content_type: types[usize::from(kind & 3)].map(str::to_owned),
        head: rest.to_vec(),
        retry_after: (kind & 4 != 0).then_some(std::time::Duration::from_secs(u64::from(*kind))),
        redirect_host: (kind & 8 != 0).then(|| "elsewhere.example".to_owned()),
    };
    let mut judge = Judge::default();
    match judge.response(&facts) {
        Ok(()) => assert_eq!(facts.status, 200),
        Err(verdict) => assert_printable(&verdict),
    }
    let detail = String::from_utf8_lossy(rest).into_owned();
    let kinds = [
        TransportErrorKind::Connect,
        TransportErrorKind::Tls,
        TransportErrorKind::Cut,
        TransportErrorKind::Encoding,
        TransportErrorKind::TooLarge,
    ];
    assert_printable(
        &judge.transport_error(&TransportError { kind: kinds[usize::from(*kind) % 5], detail: String::new() }),
    );
    let ends = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_));
    let unreadable = Unreadable::Damaged(detail);
    assert!((0..3).any(|_| ends(&judge.unreadable(&unreadable))), "an unreadable page is asked for for ever");
    let timeout = TransportError { kind: TransportErrorKind::Timeout, detail: String::new() };
    assert!((0..2).any(|_| ends(&judge.transport_error(&timeout))), "a page that times out is asked for for ever");
}

/// Fails unless a verdict's text is one line, short and printable.
fn assert_printable(verdict: &Verdict) {
    let text = match verdict {
        Verdict::Retry { reason, .. } => reason.clone(),
        Verdict::Fail(kind) => kind.to_string(),
    };
    assert!(!text.is_empty() && text.chars().count() < 500 && !text.contains(char::is_control), "{text:?}");
}

/// A compressed body: never more than the cap, and what a decoder of others makes of it.
fn body(data: &[u8]) {
    const CAP: usize = 1 << 16;
    let inflated = inflate(Encoding::Gzip, data, CAP);
    let (mut expected, mut others) = (Vec::new(), flate2::bufread::MultiGzDecoder::new(data).take(CAP as u64 + 1));
    let sound = others.read_to_end(&mut expected).is_ok();
    match inflated {
        Ok(inflated) => assert!(sound && inflated == expected, "others read another text"),
        Err(InflateError::TooLarge { .. }) => assert!(!sound || expected.len() > CAP, "it is not too large"),
        Err(InflateError::Damaged(_)) => assert!(!sound || expected.len() > CAP, "others can read it"),
    }
}

/// A file of an examination: refused with a reason, or judged by every probe, and then written and read as the same.
fn examination(data: &[u8]) {
    match file::read(&String::from_utf8_lossy(data)) {
        Ok((answers, findings)) => {
            assert!(!answers.is_open(), "a file has all its answers");
            for probe in probes::all() {
                let judged = judge(&answers, probe);
                assert!(judged.is_ok(), "{}: no request is sent for a file", probe.id);
            }
            let (again, same) = file::read(&file::text(&answers, &findings)).expect("what was written is read");
            assert_eq!(
                (again.about(), again.all(), again.ended(), same),
                (answers.about(), answers.all(), answers.ended(), findings)
            );
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}
