//! The image feed by time on sandboxes of both eras: complete, counted request by request, night after night.

use crate::support::read;

/// Runs a section of `scripts/feed` on this many images.
fn prove(section: &str, images: &str) {
    let binary = env!("CARGO_BIN_EXE_civitrawl");
    read("../../scripts/feed", &["--binary", binary, section, "--images", images, "--nights", "3"]);
}

#[test]
fn every_image_that_stays_is_there_while_others_come_and_go() {
    prove("whole", "4000");
}

#[test]
fn nights_ask_for_what_is_new_and_the_last_one_finds_what_is_gone() {
    prove("nights", "3000");
}

#[test]
fn the_older_server_gives_what_it_has_and_the_crawl_says_what_is_missing() {
    prove("older", "3000");
}
