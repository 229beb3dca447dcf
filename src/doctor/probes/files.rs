//! Downloads: H.

use serde_json::Value;
use url::Url;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::Exchange;
use super::super::finding::{Finding, Judged, Pause};
use super::super::probe::Probe;
use super::super::request::{Request, To};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "H1",
        fact: "a download leads to another host",
        relied_on: &["fetch/transfer.rs", "fetch/attempt_error.rs"],
        remedy: "Download by hand what is needed; the address of files is another.",
        needs: Needs::Download,
        judge: redirect,
    },
    Probe {
        id: "H2",
        fact: "the host of the files sends a part that is asked for",
        relied_on: &["fetch/transfer.rs", "fetch/offer.rs", "fetch/disposition.rs"],
        remedy: "Attach the file to a report: a download that broke off could not be continued.",
        needs: Needs::Download,
        judge: range,
    },
];

/// Largest file that is asked for, in KiB: a host that ignores the range begins to send all of it.
const SIZE_MAX: f64 = 16.0 * 1024.0;
/// Most files that are asked for, if the first ones are refused.
const FILES_MAX: usize = 2;

/// Returns the requests for the smallest public files that any answer shows, of one version each.
fn files(answers: &Answers) -> Vec<Request> {
    let mut sized: Vec<(f64, i64, i64)> = Vec::new();
    for exchange in answers.all().iter().filter(|exchange| exchange.status == 200) {
        let models = exchange.skeleton["items"].as_array().into_iter().flatten();
        for model in models.filter(|model| model["mode"].is_null()) {
            let versions = model["modelVersions"].as_array().into_iter().flatten();
            for version in versions.filter(|version| is_public(version)) {
                let files = version["files"].as_array().into_iter().flatten();
                let id = version["id"].as_i64();
                sized.extend(files.filter_map(|file| Some((file["sizeKB"].as_f64()?, id?, file["id"].as_i64()?))));
            }
        }
    }
    sized.retain(|(size, ..)| *size <= SIZE_MAX);
    sized.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut chosen: Vec<(i64, i64)> = Vec::new();
    for (_, version, file) in sized {
        if chosen.len() < FILES_MAX && chosen.iter().all(|(other, _)| *other != version) {
            chosen.push((version, file));
        }
    }
    let request = |(version, file): (i64, i64)| {
        Request::new(&version.to_string(), &[("fileId", file.to_string())]).to(To::Download)
    };
    chosen.into_iter().map(request).collect()
}

fn is_public(version: &Value) -> bool {
    let is = |key: &str, word: &str| version[key].is_null() || version[key] == word;
    is("availability", "Public") && is("usageControl", "Download") && version["paidAccess"].is_null()
}

/// Returns the first answer that is no refusal, else the last one.
fn answer(answers: &Answers) -> Result<&Exchange, Pause> {
    let mut last = Err(Pause::Lost(format!("no answer shows a public file of up to {} MiB", SIZE_MAX / 1024.0)));
    for request in files(answers) {
        let answer = answers.get(request)?;
        if answer.status < 400 {
            return Ok(answer);
        }
        last = Ok(answer);
    }
    last
}

fn is_redirect(answer: &Exchange) -> bool {
    matches!(answer.status, 301 | 302 | 303 | 307 | 308)
}

fn redirect(answers: &Answers) -> Judged {
    let answer = answer(answers)?;
    let own = Url::parse(&answers.about().server).ok();
    let own = own.as_ref().and_then(Url::host_str).unwrap_or_default();
    let (status, message) = (answer.status, answer.message());
    Ok(match answer.location_host.as_deref() {
        None if is_redirect(answer) => Finding::differs(format!("status {status} without an address")),
        // On this machine hosts differ by port.
        Some(host) if is_redirect(answer) && (host != own || host.starts_with("127.")) => {
            Finding::holds(format!("status {status} to `{host}`"))
        }
        Some(host) if is_redirect(answer) => Finding::handled(format!(
            "status {status} to `{host}` itself, as to log in; such a file is reported as one that needs a key"
        )),
        _ if is_page(answer) => {
            Finding::handled("a page of HTML, as to log in; such a file is reported as one that needs a key")
        }
        _ if status == 200 => Finding::handled("the file itself, which is taken"),
        _ if matches!(status, 401 | 403 | 404 | 410) => {
            Finding::handled(format!("status {status}: `{message}`; such files are reported by these words"))
        }
        _ => Finding::untold(format!("status {status}: `{message}`")),
    })
}

fn is_page(answer: &Exchange) -> bool {
    answer.header("content-type").is_some_and(|kind| kind.contains("html"))
}

fn range(answers: &Answers) -> Judged {
    let answer = answer(answers)?;
    if !is_redirect(answer) {
        return Ok(Finding::untold("no download leads to a host of files"));
    }
    let answer = answers.get(answer.request.clone().to(To::Storage))?;
    let range = answer.header("content-range").unwrap_or_default();
    Ok(match answer.status {
        200 | 206 if is_page(answer) => Finding::untold("a page of HTML instead of a file, as to log in"),
        206 if range.starts_with("bytes 0-0/") => Finding::holds(format!("status 206, `{range}`")),
        206 => Finding::differs(format!("status 206, but the range `{range}`")),
        200 => Finding::handled("status 200 with the whole file; a download that broke off begins anew"),
        status => Finding::untold(format!("the host of the files answers with status {status}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::finding::Verdict::{self, Differs, Handled, Holds, Untold};
    use super::super::super::testing::{about, answer, judge, page};
    use super::super::asked::first_models;
    use super::*;

    fn version(id: i64, availability: &str, size: f64) -> Value {
        json!({ "id": id, "availability": availability, "files": [{ "id": 10 * id, "sizeKB": size }] })
    }

    fn models() -> Value {
        let large = 1e6;
        let versions = [
            version(1, "EarlyAccess", 1.0),
            version(2, "Public", large),
            version(3, "Public", 7.0),
            version(4, "Public", 5.0),
        ];
        let archived = json!({ "id": 2, "mode": "Archived", "modelVersions": [version(5, "Public", 0.5)] });
        page([json!({ "id": 1, "modelVersions": versions }), archived], None)
    }

    /// A file's answer: status, the host of a redirect, and headers.
    type Given = (u16, Option<&'static str>, &'static [(&'static str, &'static str)]);

    fn given(request: &Request, (status, host, headers): Given) -> Exchange {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Exchange {
            location_host: host.map(str::to_owned),
            headers: headers.iter().map(own).collect(),
            ..answer(request, status, json!({ "message": "no" }))
        }
    }

    /// Returns the verdicts of both probes about a server with these models, this answer to the smallest file, and to the next,
    /// and this one of the host of the files.
    fn examined(models: &Value, smallest: Given, next: Given, store: Given) -> (Verdict, Verdict) {
        let mut answers = Answers::new(about());
        answers.add(answer(&first_models(), 200, models.clone()));
        let mut verdict = |probe: &Probe| {
            let finding = judge(probe.judge, &mut answers, |request| {
                let of = |request: &Request| (request.path.clone(), request.query[0].1.clone());
                let is_smallest = of(request) == (String::from("4"), String::from("40"));
                assert!(is_smallest || of(request) == (String::from("3"), String::from("30")), "{request:?}");
                match request.to {
                    To::Storage => given(request, store),
                    _ => given(request, if is_smallest { smallest } else { next }),
                }
            });
            finding.verdict
        };
        (verdict(&PROBES[0]), verdict(&PROBES[1]))
    }

    #[test]
    fn the_smallest_public_file_is_followed_to_its_host() {
        let away = (307, Some("store.example"), [].as_slice());
        let part: Given = (206, None, &[("content-range", "bytes 0-0/5120")]);
        let none: Given = (404, None, &[]);
        let html = &[("content-type", "text/html; charset=utf-8")];
        let cases: &[(Given, Given, Given, (Verdict, Verdict))] = &[
            (away, none, part, (Holds, Holds)),
            ((401, None, &[]), away, part, (Holds, Holds)),
            ((401, None, &[]), none, part, (Handled, Untold)),
            ((410, None, &[]), (403, None, &[]), part, (Handled, Untold)),
            ((500, None, &[]), (502, None, &[]), part, (Untold, Untold)),
            ((307, None, &[]), none, part, (Differs, Holds)),
            ((302, Some("civitai.com"), &[]), none, (200, None, html), (Handled, Untold)),
            ((200, None, html), none, part, (Handled, Untold)),
            ((200, None, &[]), none, part, (Handled, Untold)),
            (away, none, (206, None, &[]), (Holds, Differs)),
            (away, none, (206, None, &[("content-range", "bytes 1-1/5120")]), (Holds, Differs)),
            (away, none, (200, None, &[]), (Holds, Handled)),
            (away, none, (403, None, &[]), (Holds, Untold)),
        ];
        for (smallest, next, store, verdicts) in cases {
            let found = examined(&models(), *smallest, *next, *store);
            assert_eq!(found, *verdicts, "{smallest:?} {next:?} {store:?}");
        }
        let large =
            page([json!({ "modelVersions": [version(2, "Public", 1e6), version(1, "EarlyAccess", 1.0)] })], None);
        assert_eq!(examined(&large, none, none, part), (Untold, Untold));
    }
}
