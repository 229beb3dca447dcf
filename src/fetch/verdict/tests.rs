//! Verdicts as tables; the error bodies are recorded ones.

use super::*;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=UTF-8";
const CHALLENGE: &str = "<script>cpo.src = '/cdn-cgi/challenge-platform/h/g/orchestrate/managed/v1';</script>";

fn facts(status: u16, content_type: &str, head: &str) -> ResponseFacts {
    ResponseFacts { status, content_type: Some(content_type.to_owned()), head: head.into(), ..ResponseFacts::default() }
}

fn first(reply: &ResponseFacts) -> Result<(), Verdict> {
    Judge::default().response(reply)
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn pages() {
    for (content_type, head) in [
        (JSON, r#"{"items":[],"metadata":{}}"#),
        ("application/json", ""),
        ("text/plain", " \n{\"items\":"),
        ("", "[]"),
    ] {
        assert_eq!(first(&facts(200, content_type, head)), Ok(()), "{head:?}");
    }
}

#[test]
fn stops() {
    let too_many = r#"{"error":"You've requested too many pages, please use cursors instead"}"#;
    let query_page = r#"{"error":"Cannot use page param with query search."}"#;
    let region = r#"{"error":"Not available in your region","code":"REGION_BLOCKED"}"#;
    for (status, content_type, head, stop) in [
        (429, JSON, too_many, "PagingCap"),
        (400, JSON, query_page, r#"BadRequest("Cannot use page param with query search.")"#),
        (
            400,
            JSON,
            r#"{"message":"Invalid cursor: expected 2 values"}"#,
            r#"CursorRefused("Invalid cursor: expected 2 values")"#,
        ),
        (
            400,
            JSON,
            r#"{"message":"This cursor cannot be continued with these filters"}"#,
            r#"CursorLapsed("This cursor cannot be continued with these filters")"#,
        ),
        (
            400,
            JSON,
            r#"{"error":"This cursor can no longer be continued; start again without it"}"#,
            r#"CursorLapsed("This cursor can no longer be continued; start again without it")"#,
        ),
        (401, JSON, r#"{"error":"Unauthorized"}"#, r#"KeyRefused { status: 401, message: "Unauthorized" }"#),
        (
            403,
            JSON,
            r#"{"message":"Only for its owner"}"#,
            r#"KeyRefused { status: 403, message: "Only for its owner" }"#,
        ),
        (403, "text/plain", "error code: 1010", r#"Blocked("error code: 1010")"#),
        (403, HTML, "<p>error code: 1020", r#"Blocked("<p>error code: 1020")"#),
        (404, JSON, r#"{"error":"Missing model file"}"#, r#"NotFound("Missing model file")"#),
        (404, HTML, "<p>lost", r#"Unexpected { status: 404, message: "<p>lost" }"#),
        (404, "text/plain", "no backend", r#"Unexpected { status: 404, message: "no backend" }"#),
        (404, JSON, "", r#"Unexpected { status: 404, message: "" }"#),
        (
            405,
            JSON,
            r#"{"error":"Method not allowed"}"#,
            r#"Unexpected { status: 405, message: "Method not allowed" }"#,
        ),
        (451, JSON, region, r#"RegionBlocked("Not available in your region")"#),
        (302, HTML, "", r#"Unexpected { status: 302, message: "" }"#),
        (410, HTML, "", r#"Unexpected { status: 410, message: "" }"#),
        (501, HTML, "", r#"Unexpected { status: 501, message: "" }"#),
        (505, HTML, "", r#"Unexpected { status: 505, message: "" }"#),
    ] {
        match first(&facts(status, content_type, head)) {
            Err(Verdict::Fail(kind)) => assert_eq!(format!("{kind:?}"), stop),
            other => panic!("{status} {head}: {other:?}"),
        }
    }
    let host = text("example.org");
    let redirect = ResponseFacts { redirect_host: Some(host.clone()), ..facts(308, HTML, "") };
    assert_eq!(first(&redirect), Err(Verdict::Fail(FetchErrorKind::Redirected(host))));
}

#[test]
fn retries() {
    let busy = r#"{"error":"Server busy, please retry shortly."}"#;
    let two = Some(Duration::from_secs(2));
    for (status, content_type, head, retry_after, throttles) in [
        (200, HTML, "<p>We're adjusting a few things, be back in a few minutes...</p>", None, false),
        (200, "text/plain", "", None, false),
        (204, "", "", None, false),
        (206, JSON, "{}", None, false),
        (304, "", "", None, false),
        (403, HTML, CHALLENGE, None, true),
        (408, JSON, "", None, false),
        (425, JSON, "", None, false),
        (429, HTML, "<html>error 1015", None, true),
        (429, JSON, r#"{"error":"Rate limit exceeded, please retry shortly."}"#, two, true),
        (499, "", "", None, false),
        (500, "text/plain", "Internal Server Error", None, false),
        (500, JSON, r#"{"message":"An unexpected error occurred","error":{}}"#, None, false),
        (500, JSON, r#"{"error":"canceling statement due to statement timeout","code":"57014"}"#, None, false),
        (502, HTML, "<html>Bad gateway", None, false),
        (503, JSON, busy, None, false),
        (503, JSON, busy, two, true),
        (504, HTML, "", None, false),
        (520, HTML, "", None, false),
        (524, HTML, "", None, false),
        (527, HTML, "", None, false),
        (507, HTML, "", None, false),
        (529, HTML, "", None, false),
        (530, HTML, "error code: 1033", None, false),
        (599, "", "", None, false),
    ] {
        let facts = ResponseFacts { retry_after, ..facts(status, content_type, head) };
        match first(&facts) {
            Err(Verdict::Retry { wait, throttled, .. }) => {
                assert_eq!((wait, throttled), (retry_after, throttles), "{status} {head}");
            }
            other => panic!("{status} {head}: {other:?}"),
        }
    }
}

#[test]
fn without_a_key_a_401_is_believed_when_it_comes_a_third_time() {
    let unauthorized = facts(401, JSON, r#"{"error":"Unauthorized"}"#);
    let mut judge = Judge::keyless();
    for _ in 0..2 {
        assert!(matches!(judge.response(&unauthorized), Err(Verdict::Retry { .. })));
    }
    let Err(Verdict::Fail(stop)) = judge.response(&unauthorized) else { panic!("it is asked for ever") };
    assert!(matches!(stop, FetchErrorKind::KeyWanted { status: 401, .. }));
    assert!(stop.to_string().contains("no API key was given"), "{stop}");
    let barred = Judge::keyless().response(&facts(403, JSON, r#"{"message":"Only for its owner"}"#));
    assert!(matches!(barred, Err(Verdict::Fail(FetchErrorKind::KeyWanted { status: 403, .. }))));
    assert!(matches!(Judge::keyless().response(&facts(403, HTML, CHALLENGE)), Err(Verdict::Retry { .. })));
}

#[test]
fn only_the_servers_own_word_makes_a_page_one_that_always_fails() {
    let failed = |answers: &[ResponseFacts]| {
        let mut judge = Judge::default();
        answers.iter().for_each(|reply| drop(judge.response(reply)));
        matches!(judge.spent(answers.len() as u32, text("why")), FetchErrorKind::AlwaysFails(_))
    };
    let own = || facts(500, JSON, r#"{"error":"An unexpected error occurred","code":"INTERNAL_SERVER_ERROR"}"#);
    let away = || facts(502, HTML, "<html>Bad gateway");
    assert!(failed(&[own()]) && failed(&[own(), away(), own()]));
    assert!(!failed(&[away()]) && !failed(&[own(), away()]) && !failed(&[facts(500, HTML, "<html>")]));
    // A report of a failure may come as an answer that looks like a page.
    let mut judge = Judge::default();
    let verdict = judge.unreadable(&Unreadable::Failure(text("\"Server\u{1b} busy\"")));
    assert!(matches!(&verdict, Verdict::Retry { reason, .. } if reason.ends_with("`\"Server busy\"`")), "{verdict:?}");
    assert!(matches!(judge.spent(1, text("why")), FetchErrorKind::AlwaysFails(_)));
}

#[test]
fn a_page_that_is_too_much_each_time_is_so_however_few_the_attempts() {
    let spent = |unreadable: u32, timeouts: u32, away: u32| {
        let mut judge = Judge::default();
        let timeout = TransportError { kind: TransportErrorKind::Timeout, detail: text("why") };
        (0..unreadable).for_each(|_| drop(judge.unreadable(&Unreadable::Damaged(text("why")))));
        (0..timeouts).for_each(|_| drop(judge.transport_error(&timeout)));
        (0..away).for_each(|_| drop(judge.response(&facts(502, HTML, "<html>Bad gateway"))));
        judge.spent(unreadable + timeouts + away, text("why"))
    };
    for (unreadable, timeouts) in [(1, 0), (2, 0), (1, 1)] {
        assert!(matches!(spent(unreadable, timeouts, 0), FetchErrorKind::Unreadable(_)), "{unreadable} {timeouts}");
        assert!(matches!(spent(unreadable, timeouts, 1), FetchErrorKind::GaveUp(_)), "{unreadable} {timeouts}");
    }
    assert!(matches!(spent(0, 1, 0), FetchErrorKind::TimedOut(_)));
    assert!(matches!(spent(0, 0, 1), FetchErrorKind::GaveUp(_)));
}

#[test]
fn transport_errors() {
    let judged = |kind| {
        let detail = text("why");
        Judge::default().transport_error(&TransportError { kind, detail })
    };
    for kind in [
        TransportErrorKind::Connect,
        TransportErrorKind::Tls,
        TransportErrorKind::Cut,
        TransportErrorKind::Encoding,
        TransportErrorKind::Timeout,
    ] {
        let verdict = judged(kind);
        assert!(
            matches!(&verdict, Verdict::Retry { wait: None, throttled: false, reason } if reason.contains("(why)")),
            "{verdict:?}"
        );
    }
    let verdict = judged(TransportErrorKind::TooLarge);
    assert!(matches!(verdict, Verdict::Fail(FetchErrorKind::TooLarge(_))));
}

#[test]
fn a_second_timeout_of_any_kind_asks_for_less() {
    let own = |judge: &mut Judge| {
        judge.transport_error(&TransportError { kind: TransportErrorKind::Timeout, detail: text("idle") })
    };
    let statement = r#"{"error":"canceling statement due to statement timeout"}"#;
    for answered in [facts(408, JSON, ""), facts(504, HTML, ""), facts(524, HTML, ""), facts(500, JSON, statement)] {
        let mut judge = Judge::default();
        assert!(matches!(own(&mut judge), Verdict::Retry { .. }));
        for _ in 0..3 {
            let other = judge.response(&facts(502, HTML, ""));
            assert!(matches!(other, Err(Verdict::Retry { .. })), "{other:?}");
        }
        let second = judge.response(&answered);
        assert!(matches!(second, Err(Verdict::Fail(FetchErrorKind::TimedOut(_)))), "{second:?}");

        let mut judge = Judge::default();
        let first = judge.response(&answered);
        assert!(matches!(first, Err(Verdict::Retry { .. })), "{first:?}");
        let second = own(&mut judge);
        assert!(matches!(second, Verdict::Fail(FetchErrorKind::TimedOut(_))), "{second:?}");
    }
}

#[test]
fn unreadable_is_retried_twice_and_too_large_never() {
    let mut judge = Judge::default();
    let damaged = Unreadable::Damaged(text("bad\u{1b} comma"));
    for _ in 0..2 {
        let verdict = judge.unreadable(&damaged);
        assert!(matches!(&verdict, Verdict::Retry { reason, .. } if reason.contains("(bad comma)")), "{verdict:?}");
    }
    let excess = FetchErrorKind::Unreadable(text("bad comma"));
    assert_eq!(judge.unreadable(&damaged), Verdict::Fail(excess));
    let large = Unreadable::TooLarge(text("big"));
    let excess = FetchErrorKind::TooLarge(text("big"));
    assert_eq!(Judge::default().unreadable(&large), Verdict::Fail(excess));
}
