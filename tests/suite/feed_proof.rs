//! The image feed by time on sandboxes of both eras: complete, counted request by request, night after night.

use crate::support::read;

/// Runs a section of `scripts/feed` on a few images, with more options.
fn prove(section: &str, more: &[&str]) {
    let binary = env!("CARGO_BIN_EXE_civitrawl");
    read("../../scripts/feed", &[&["--binary", binary, section, "--images", "3000"], more].concat());
}

#[test]
fn every_image_that_stays_is_there_while_others_come_and_go() {
    prove("whole", &[]);
}

#[test]
fn the_order_within_an_instant_the_row_of_a_cursor_and_the_part_that_answers_first_cost_no_image() {
    prove("whole", &["--traps", "old-first-pages,depth-cap,feed-ties-descend"]);
    prove("whole", &["--traps", "feed-row-repeats,feed-ties-descend,numeric-usernames,big-image-ties"]);
}

#[test]
fn nights_ask_for_what_is_new_and_the_last_one_finds_what_is_gone() {
    prove("nights", &["--nights", "3"]);
}

#[test]
fn the_older_server_gives_what_it_has_and_the_crawl_says_what_is_missing() {
    prove("older", &["--traps", "feed-cursor-fails,feed-cursor-ignored"]);
}
