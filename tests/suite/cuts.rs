//! Answers cut short at every byte, as text and compressed: none is ever taken for a page, and none leaves a row.

use std::io::Write;

use civitrawl::api::ENDPOINTS;
use civitrawl::api::page::Query;
use civitrawl::fetch::{Encoding, INFLATED_CAP, inflate};
use civitrawl::table::{Provenance, Tables};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Sandbox, get};

/// Pages in the shapes of the real server, one of each list.
const PAGES: [(&str, &str); 4] = [
    ("models", "models?limit=1&sort=Oldest&nsfw=true"),
    ("images", "images?limit=3&withMeta=true"),
    ("creators", "creators?limit=5"),
    ("tags", "tags?limit=5"),
];

/// Returns whether the endpoint takes this text for a page; a text it does not take leaves no row.
fn is_taken(name: &str, body: &str) -> bool {
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.name == name).expect("it is an endpoint");
    let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
    let mut tables = Tables::default();
    let asked = Query {
        at,
        params: &[],
        cursor: None,
        key: None,
        limit: 0,
        early: 0,
        again: true,
        first_shown: false,
        compared: true,
    };
    let taken = (endpoint.read)(body, &asked, &mut tables).is_ok();
    assert!(taken || tables.rows() == 0, "{name}: an unreadable page left rows");
    taken
}

#[test]
fn a_page_cut_at_any_byte_is_no_page() {
    let sandbox = Sandbox::start(&["--models", "40", "--images", "60"]);
    for (name, page) in PAGES {
        let body = get(&format!("{}/{page}", sandbox.base));
        let body = body.trim_end();
        assert!(is_taken(name, body), "{name}: {body}");
        let cuts = (0..body.len()).filter(|cut| body.is_char_boundary(*cut));
        let taken: Vec<usize> = cuts.filter(|cut| is_taken(name, &body[..*cut])).collect();
        assert_eq!(taken, Vec::<usize>::new(), "{name}: bytes of {}", body.len());
    }
}

#[test]
fn a_compressed_page_cut_at_any_byte_is_no_page() {
    let sandbox = Sandbox::start(&["--models", "40", "--images", "60"]);
    for (name, page) in PAGES {
        let body = get(&format!("{}/{page}", sandbox.base));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        let whole = encoder.finish().unwrap();
        let inflated = |cut: usize| inflate(Encoding::Gzip, &whole[..cut], INFLATED_CAP);
        assert_eq!(inflated(whole.len()).unwrap(), body.as_bytes());
        let taken: Vec<usize> = (0..whole.len()).filter(|cut| inflated(*cut).is_ok()).collect();
        assert_eq!(taken, Vec::<usize>::new(), "{name}: bytes of {}", whole.len());
    }
}
