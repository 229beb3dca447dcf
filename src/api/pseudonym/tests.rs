//! Names in JSON of any shape: none is left where it is promised to be hidden, and nothing else changes.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::new("a key of sixteen characters").unwrap()
}

fn hide(text: &str) -> String {
    pseudonyms().hide(text).unwrap().into_owned()
}

#[test]
fn names_are_hidden_where_they_are_promised_to_be_and_nowhere_else() {
    for (text, hidden) in [
        (r#"{"username":"Bob_7"}"#, r#"{"username":"ANON"}"#),
        (r#"{"a":[{"username" : "bob_7"}],"x":"Bob_7"}"#, r#"{"a":[{"username" : "ANON"}],"x":"Bob_7"}"#),
        (r#"{"username":"Bob\u005f7"}"#, r#"{"username":"ANON"}"#),
        (r#"{"user\u006eame":"Bob_7"}"#, r#"{"user\u006eame":"ANON"}"#),
        (r#"{"username":["Bob_7",{"x":"bob_7"}],"y":1}"#, r#"{"username":["ANON",{"x":"ANON"}],"y":1}"#),
        (r#"{"username":null,"user":"Bob_7"}"#, r#"{"username":null,"user":"Bob_7"}"#),
        (r#"{"t":"\"username\":\"x\"","u":"username"}"#, r#"{"t":"\"username\":\"x\"","u":"username"}"#),
        (r#"{"username":"Bob_7""#, r#"{"username":"ANON""#),
        (
            r#"{"id":1,"user":{"id":22,"username":"Bob_7"},"userId":22}"#,
            r#"{"id":1,"user":{"id":null,"username":"ANON"},"userId":22}"#,
        ),
        (r#"{"user":{"id":22,"username":null}}"#, r#"{"user":{"id":null,"username":null}}"#),
    ] {
        assert_eq!(hide(text), hidden.replace("ANON", &pseudonyms().of("Bob_7")), "{text}");
    }
}

#[test]
fn a_name_is_hidden_as_a_word_of_a_link() {
    for (link, hidden) in [
        ("https://h/u/Bob_7/x.jpeg", "https://h/u/ANON/x.jpeg"),
        (r"https:\/\/h\/u\/Bob_7.jpeg", r"https:\/\/h\/u\/ANON.jpeg"),
        (r"https:\u002F\u002fh/\u0042ob_7", r"https:\u002F\u002fh/ANON"),
        ("https://h/m?username=bob_7&x=1", "https://h/m?username=ANON&x=1"),
        ("https://bob_7.h.com/", "https://ANON.h.com/"),
        ("https://BOB_7.com/", "https://ANON.com/"),
        ("https://h/@Bob_7", "https://h/@ANON"),
        ("https://h/Bob_7_avatar.png", "https://h/ANON_avatar.png"),
        ("https://h/u=Bob_7,w=96/x", "https://h/u=ANON,w=96/x"),
        ("https://h/?u=https%3A%2F%2Fg%2FBob_7%20x", "https://h/?u=https%3A%2F%2Fg%2FANON%20x"),
        ("https://h/%42ob%5F7", "https://h/ANON"),
        ("/u/Bob_7.jpeg", "/u/ANON.jpeg"),
        ("//h/Bob_7", "//h/ANON"),
        ("u/Bob_7.jpeg", "u/ANON.jpeg"),
        ("?username=Bob_7", "?username=ANON"),
        (r#"By Bob_7: <a href=\"https://h/Bob_7\">Bob_7</a>"#, r#"By Bob_7: <a href=\"https://h/ANON\">Bob_7</a>"#),
        ("[Bob_7](https://h/Bob_7)", "[Bob_7](https://h/ANON)"),
        // A part of another word is no name, nor is a word of a text.
        ("https://h/Bob_77/xBob_7/Bob/7", "https://h/Bob_77/xBob_7/Bob/7"),
        ("Bob_7", "Bob_7"),
        ("and/or Bob_7", "and/or Bob_7"),
    ] {
        let text = |link: &str| format!(r#"{{"x":"{link}","username":"Bob_7"}}"#);
        let anon = pseudonyms().of("Bob_7");
        let expected =
            text(&hidden.replace("ANON", &anon)).replace(r#""username":"Bob_7""#, &format!(r#""username":"{anon}""#));
        assert_eq!(hide(&text(link)), expected, "{link}");
    }
}

#[test]
fn the_sites_own_links_and_the_longest_names_are_kept_apart() {
    let text = r#"[{"username":"civitai"},{"username":"https"},{"username":"Bob"},{"username":"Bob_7"},{"username":"p"},
        "https://image.civitai.com/civitai/Bob_7/Bob/7","<p>a</p>"]"#;
    let of = |name: &str| pseudonyms().of(name);
    let link = format!("https://image.civitai.com/{}/{}/{}/7", of("civitai"), of("Bob_7"), of("Bob"));
    assert!(hide(text).contains(&link) && hide(text).contains("<p>a</p>"), "{}", hide(text));
}

#[test]
fn a_name_that_became_a_number_has_one_pseudonym() {
    let same = [
        [r#""0222""#, "222"],
        ["5e3", r#""5000""#],
        [r#""10000000000000000000000""#, "1e+22"],
        [r#""BOB""#, r#""bob""#],
        ["-77001", r#""-77001""#],
        ["77001.5", r#""77001.50""#],
        ["true", r#""TRUE""#],
        ["0", r#""-0""#],
    ];
    for [a, b] in same {
        let of = |value: &str| hide(&format!(r#"{{"username":{value},"x":1}}"#));
        assert_eq!(of(a), of(b), "{a} {b}");
        assert!(
            serde_json::from_str::<Value>(&of(a)).unwrap()["username"].as_str().unwrap().starts_with("anon-"),
            "{a}"
        );
    }
    let linked = |link: &str| hide(&format!(r#"{{"username":1e+22,"x":"{link}"}}"#));
    for link in ["/u/10000000000000000000000", "/u/1e+22", "/u/010000000000000000000000"] {
        assert!(linked(link).contains(&format!("/u/{}", pseudonyms().of("1e22"))), "{}", linked(link));
    }
    assert_ne!(pseudonyms().of("a"), Pseudonyms::new("another key of sixteen").unwrap().of("a"));
    assert!(Pseudonyms::new("short").is_err());
}

#[test]
fn many_names_and_links_take_time_in_proportion() {
    let page = |items: usize| -> String {
        let item = |n: usize| format!(r#"{{"username":"user_{n}_a","x":"https://h/user_{n}_a/user_{n}/a_a_a_a_a_a"}}"#);
        format!("[{}]", (0..items).map(item).collect::<Vec<_>>().join(","))
    };
    // A square would take minutes.
    let hidden = hide(&page(50_000));
    assert!(!hidden.contains("user_77_a"));
    let deep = hide(&format!(r#"{{"username":"{0}","x":"/{0}{0}"}}"#, "a_".repeat(200_000)));
    assert!(deep.contains("a_a_a"), "a name of so many words is no name of the site");
    let data = format!("data:image/png;base64,{}", "A/".repeat(1 << 20));
    assert!(hide(&format!(r#"{{"username":"Bob_7","x":"{data}"}}"#)).contains(&data), "an image holds no name");
    for unlike in [page(50_001), format!(r#"{{"username":"Bob_7","x":"/{}"}}"#, "a".repeat(1 << 20))] {
        assert_eq!(pseudonyms().hide(&unlike), Err(TooManyNames));
    }
}

/// A name as people have it, or one that became a number.
fn name() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[A-Za-z0-9_]{4,12}".prop_map(Value::from),
        "[a-zé日]{3,6}[-. _][A-Z]{3,4}".prop_map(Value::from),
        (100_000_i64..).prop_map(Value::from),
        (1e5_f64..1e25).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

/// The text of a name, as it is written into links.
fn written(name: &Value) -> String {
    name.as_str().map_or_else(|| name.to_string(), str::to_owned)
}

/// JSON in which these names stand under their key, in links, and beside both.
fn document(names: &[Value]) -> impl Strategy<Value = Value> + use<> {
    let names = prop::sample::select(names.to_vec());
    let encode = |text: &str, escape: bool| match escape {
        true => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        false => text.to_owned(),
    };
    let link = (names.clone(), 0..6_usize, any::<bool>()).prop_map(move |(name, form, escape)| {
        // A blank ends a link, unless it is encoded.
        let name = encode(&written(&name), escape || written(&name).contains(' '));
        let forms = [
            "https://h.x/u/{}/y.png",
            "/u/{}_a",
            "https://{}.h.x/",
            "text <a href=\"http://h.x/@{}\">",
            "//h.x/?a={},b=1#{}",
            "u/{}.jpeg",
        ];
        json!(forms[form].replace("{}", &name))
    });
    let leaf = prop_oneof![
        link,
        any::<i32>().prop_map(Value::from),
        "[ a-z\"\\\\é]{0,8}".prop_map(Value::from),
        Just(Value::Null),
    ];
    let under = (names, 0..3_usize).prop_map(|(name, form)| match form {
        0 => json!({ "username": name }),
        1 => json!({ "username": [name, null, { "deep": name }] }),
        _ => json!({ "username": { "a": name }, "other": 1 }),
    });
    prop_oneof![leaf, under].prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..5).prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

/// The names below the key, folded.
fn planted(value: &Value, below: bool, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| planted(value, below || key == "username", into)),
        Value::Array(all) => all.iter().for_each(|value| planted(value, below, into)),
        Value::Null => {}
        scalar if below => into.push(folded(&written(scalar))),
        _ => {}
    }
}

/// Fails unless the names are hidden below the key and in links, and everything else is equal.
fn compare(was: &Value, is: &Value, below: bool, names: &[String]) -> Result<(), TestCaseError> {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            prop_assert!(was.keys().eq(is.keys()));
            for (key, value) in was {
                compare(value, &is[key], below || key == "username", names)?;
            }
        }
        (Value::Array(was), Value::Array(is)) => {
            prop_assert_eq!(was.len(), is.len());
            was.iter().zip(is).try_for_each(|(was, is)| compare(was, is, below, names))?;
        }
        (Value::Null, is) => prop_assert!(is.is_null()),
        (was, is) if below => prop_assert_eq!(is, &json!(pseudonyms().of(&written(was)))),
        (Value::String(was), Value::String(is)) if was.contains('/') => {
            let decoded = percent_encoding::percent_decode_str(is).decode_utf8_lossy().to_lowercase();
            for name in names {
                // Short ones may be a part of something else.
                prop_assert!(
                    name.chars().count() < 4 || !decoded.contains(name.as_str()),
                    "`{name}` is in `{is}`, was `{was}`"
                );
            }
            prop_assert!(was == is || is.contains("anon-"));
        }
        (was, is) => prop_assert_eq!(was, is),
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_name_is_left_where_it_is_promised_to_be_hidden_and_all_else_is_equal(
        (document, escaped) in (prop::collection::vec(name(), 1..4).prop_flat_map(|names| document(&names)), any::<bool>())
    ) {
        let text = document.to_string();
        let text = if escaped { text.replace('/', "\\/").replace("username", "u\\u0073ername") } else { text };
        let hidden: Value = serde_json::from_str(&hide(&text)).unwrap();
        let mut names = Vec::new();
        planted(&document, false, &mut names);
        compare(&document, &hidden, false, &names)?;
    }

    #[test]
    fn any_text_is_survived(text in "\\PC*|[\"\\\\{}\\[\\]:, ]{0,12}(\"username\" ?: ?(\"[a-z\\\\é]{0,4}\"?|[-0-9.e+]{0,5}|\\[))?[\"\\\\{}:/é%u]{0,14}") {
        let hidden = hide(&text);
        prop_assert_eq!(hidden == text, matches!(pseudonyms().hide(&text), Ok(Cow::Borrowed(_))));
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&hidden).is_ok(), "{}", hidden);
        }
    }
}
