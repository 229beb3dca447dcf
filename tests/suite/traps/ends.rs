//! Lists that end where they should not: empty for a while, cut short, or without a cursor to the next page.

use super::{ALL, ALL_PARAMS, column, log};
use crate::support::{Room, Sandbox, Walk, assert_exit, crawl, crawl_file, printed};

fn models() -> Walk {
    Walk::of("models").params(ALL_PARAMS).limit(20)
}

#[test]
fn trap_05_an_outage_finds_nothing_gone_and_is_named() {
    let sandbox = Sandbox::start(&["--models", "300", "--traps", "outage"]);
    let room = Room::new(&crawl_file(&[models()]), &sandbox.base);
    let gone = format!("SELECT count(gone_at) FROM '{}/latest/models.parquet'", room.dataset().display());
    let (mut outages, mut is_over) = (0, false);
    for pass in 1..=80 {
        let output = room.run(&[]);
        match output.status.code() {
            Some(0) if outages > 0 => is_over = true,
            Some(0) => {}
            _ => {
                assert_exit(&output, 4);
                assert!(printed(&output).contains("doubtful"), "{}", printed(&output));
                outages += 1;
            }
        }
        assert_eq!(room.value(&gone), 0, "pass {pass}");
        if is_over {
            break;
        }
    }
    assert!(outages > 0 && is_over, "{outages} outages");
    room.assert_sound();
}

#[test]
fn trap_05_a_list_that_ends_early_is_not_complete() {
    let sandbox = Sandbox::start(&["--models", "1500", "--traps", "early-end"]);
    let (room, said) = crawl(&sandbox, &[models()], 4);
    assert!(said.contains("doubtful") && said.contains("names no cursor"), "{said}");
    assert!(column(&room, "models", "id").len() < sandbox.truth(&format!("models?{ALL}")).len());
}

#[test]
fn trap_05_a_link_without_a_cursor_is_asked_for_again() {
    let sandbox = Sandbox::start(&["--models", "1500", "--traps", "link-without-cursor"]);
    let (room, _) = crawl(&sandbox, &[models()], 0);
    assert_eq!(column(&room, "models", "id").len(), sandbox.truth(&format!("models?{ALL}")).len());
    assert!(log(&sandbox).iter().any(|request| request["query"].to_string().contains("_=")), "nothing was asked again");
}
