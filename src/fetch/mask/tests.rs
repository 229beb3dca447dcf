//! A key is found however it is written, and nothing else is.

use proptest::prelude::*;

use super::*;

const KEY: &str = "canary+4f/1d9c=27b3<q\"8'";
const HEX: &str = "0123456789abcdef0123456789abcdef";

fn masked(key: &str, text: &str) -> String {
    let mask = Mask::of(key).unwrap();
    String::from_utf8(mask.masked(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec())).unwrap()
}

/// The ways in which servers, and what stands before them, write text.
fn written(key: &str) -> Vec<String> {
    let each = |write: &dyn Fn(u8) -> String| key.bytes().map(write).collect::<String>();
    let html = key.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#x27;");
    let json = serde_json::to_string(key).unwrap();
    let json = json.trim_matches('"').to_owned();
    let percent: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let mut all = vec![
        key.to_owned(),
        json.clone(),
        json.replace('/', "\\/"),
        percent.clone(),
        percent.to_lowercase(),
        percent.replace('%', "%25"),
        html.clone(),
        html.replace('&', "&amp;"),
        each(&|byte| format!("%{byte:02X}")),
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| format!("\\\\u{byte:04X}")),
        each(&|byte| format!("\\x{byte:02x}")),
        each(&|byte| format!("&#{byte};")),
        each(&|byte| format!("&#x{byte:04X};")),
        each(&|byte| format!("{byte:02x}")),
    ];
    all.extend(all.clone().iter().flat_map(|text| [text.to_uppercase(), text.to_lowercase()]));
    all
}

#[test]
fn a_key_is_masked_however_it_is_written() {
    for key in [KEY, HEX, "CANARYKEY123456", "s3cr3t-k"] {
        for form in written(key) {
            assert_eq!(masked(key, &form), MASK, "{form}");
            let text = format!("Bearer {form}, {form} é");
            assert_eq!(masked(key, &text), format!("Bearer {MASK}, {MASK} é"));
        }
    }
}

#[test]
fn a_key_is_masked_in_base64_wherever_it_stands_in_it() {
    for key in [KEY, HEX, "CANARYKEY123456"] {
        for before in ["", "x", "xx", "Bearer ", "user:"] {
            let text = format!("{before}{key} and more");
            let whole = String::from_utf8(base64(&text.as_bytes()[..text.len() / 3 * 3])).unwrap();
            let in_urls = whole.replace('+', "-").replace('/', "_");
            let escaped: String = url::form_urlencoded::byte_serialize(whole.as_bytes()).collect();
            for form in [&whole, &in_urls, &whole.to_lowercase()] {
                assert_eq!(masked(key, form), MASK, "{before}{key}");
                assert_eq!(masked(key, &format!("\"\\n{form}\"")), format!("\"\\n{MASK}\""));
            }
            assert!(masked(key, &escaped).contains(MASK), "{escaped}");
        }
    }
}

#[test]
fn json_stays_json() {
    for key in [KEY, HEX] {
        for form in written(key).into_iter().chain([String::from_utf8(base64(key.as_bytes())).unwrap()]) {
            let text = format!("{{\"error\":\"bad key \\\"Bearer {form}\\\"\\n\",\"{form}\":[\"{form}\\u00e9\"]}}");
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                let clean = masked(key, &text);
                let read = serde_json::from_str::<serde_json::Value>(&clean);
                assert!(read.is_ok() && clean.matches(MASK).count() == 3, "{clean}");
            }
        }
    }
}

#[test]
fn the_beginning_of_a_long_key_counts() {
    assert_eq!(masked(HEX, "key 0123456789abcdef… is bad"), format!("key {MASK}… is bad"));
    assert_eq!(masked(HEX, "key 0123456789a… is bad"), "key 0123456789a… is bad");
}

#[test]
fn what_ordinary_text_may_hold_is_no_key() {
    for key in ["", "a1b2c3d", "checkpoint", "12345678", "----------------", "aaaa1111", "abababababababab"] {
        assert!(Mask::of(key).is_none(), "{key}");
    }
    for key in ["checkpoint-of-today", "a1b2c3d4", "0123456789012345"] {
        assert!(Mask::of(key).is_some(), "{key}");
    }
    let text = "----------------- 4e1243bd22c66e76c2ba9eddc1f91394e57f9f83 %%% \\\\\\u00 &amp;amp;&#;&; %25%25%2 \\";
    assert_eq!(masked("--------------------a1b2", text), text);
    assert_eq!(masked(HEX, text), text);
}

#[test]
fn headers_are_masked() {
    let mask = Mask::of(KEY).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("etag", HeaderValue::from_str(&format!("W/\"{KEY}\"")).unwrap());
    headers.insert("age", HeaderValue::from_static("7"));
    mask.headers(&mut headers);
    assert_eq!(
        (&headers["etag"], &headers["age"]),
        (&HeaderValue::from_static("W/\"*API-KEY*\""), &HeaderValue::from_static("7"))
    );
}

/// Escapes that never end cost no more than what they are looked at for.
#[test]
fn hostile_text_takes_no_long_time() {
    let mask = Mask::of(KEY).unwrap();
    for piece in ["%25", "\\", "&amp;", "c", "canary+4f/1d9c", "%", "&#0000000"] {
        // A search that goes back at each of so many pieces would not end.
        let text = piece.repeat((1 << 19) / piece.len());
        let clean = mask.masked(text.as_bytes()).unwrap_or_else(|| text.clone().into_bytes());
        assert!(mask.masked(&clean).is_none(), "{piece}");
    }
}

proptest! {
    #[test]
    fn any_text_is_survived_and_holds_no_key(before in ".{0,20}|[%\\\\&;#xu0-9a-f]{0,20}", after: String, key in "[!-~]{8,40}") {
        if let Some(mask) = Mask::of(&key) {
            let text = format!("{before}{key}{after}");
            let clean = String::from_utf8(mask.masked(text.as_bytes()).unwrap()).unwrap();
            prop_assert!(!clean.contains(&key));
        }
    }
}
