//! Parses the file name in a `Content-Disposition` header. Pure.

use percent_encoding::percent_decode_str;

/// Returns the file name in a header, as sent: `filename*` if it has one, else `filename`.
pub(super) fn file_name(header: &str) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for (name, value) in parameters(header) {
        match name.to_ascii_lowercase().as_str() {
            "filename" => plain = Some(value),
            "filename*" => extended = decoded(&value),
            _ => {}
        }
    }
    extended.or(plain).filter(|name| !name.trim().is_empty())
}

/// Returns the `name=value` pairs of a header. Values may be quoted, with `\` before a literal character.
fn parameters(header: &str) -> Vec<(String, String)> {
    let (mut pairs, mut name, mut value) = (Vec::new(), String::new(), None::<String>);
    let (mut quoted, mut escaped) = (false, false);
    let mut end = |name: &mut String, value: &mut Option<String>| {
        if let Some(value) = value.take() {
            pairs.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        name.clear();
    };
    for c in header.chars() {
        match (&mut value, c) {
            (Some(value), c) if escaped => {
                value.push(c);
                escaped = false;
            }
            (Some(_), '\\') if quoted => escaped = true,
            (Some(_), '"') => quoted = !quoted,
            (_, ';') if !quoted => end(&mut name, &mut value),
            (Some(value), c) => value.push(c),
            (None, '=') => value = Some(String::new()),
            (None, c) => name.push(c),
        }
    }
    end(&mut name, &mut value);
    pairs
}

/// Decodes an extended value: `UTF-8''na%C3%AFve.txt` becomes `naïve.txt`.
fn decoded(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let bytes: Vec<u8> = percent_decode_str(encoded).collect();
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_in_every_form() {
        for (header, name) in [
            ("attachment; filename=\"a b.safetensors\"", Some("a b.safetensors")),
            ("attachment;filename=plain.pt", Some("plain.pt")),
            ("attachment; filename=\"x\\\"y;z.pt\"; size=3", Some("x\"y;z.pt")),
            ("attachment; filename=\"fallback\"; filename*=UTF-8''na%C3%AFve%20one.pt", Some("na\u{ef}ve one.pt")),
            ("attachment; FileName*=iso-8859-1'en'%A3.pt", Some("\u{a3}.pt")),
            ("attachment; filename=\"f\"; filename*=utf-7''x", Some("f")),
            ("attachment; filename=\"f\"; filename*=UTF-8''%FF", Some("f")),
            ("inline", None),
            ("attachment; filename=\"\"", None),
            ("", None),
        ] {
            assert_eq!(file_name(header).as_deref(), name, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_survived(header in "\\PC*|attachment; ?filename\\*?=[\\\\\";%'A-Fa-f0-9=]{0,20}") {
            if let Some(name) = file_name(&header) {
                prop_assert!(!name.trim().is_empty());
            }
        }
    }
}
