//! The fuzzer of one target, the one that FUZZ_TARGET names. Built and run by `scripts/fuzz`.

#![no_main]

use std::sync::LazyLock;

mod targets;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(word, _)| *word == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`, and no target is called that")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
