//! `civitrawl doctor`: asks a server for each fact that the crawler relies on, and judges its answers.
//!
//! ```text
//! probes ── judge(answers) ─▶ finding
//!    ▲          │ a request that has no answer yet
//!    └ answers ◀┴─ session: fetch, skeleton          (or: the answers of a file)
//! ```
//! A probe is a pure function of the answers that are known. It names the request that it needs next, and is judged again with
//! the answer; so a file of answers leads to the same findings as the server did. Probes read skeletons only: no name, title or
//! prompt is in a file.

pub mod about;
pub mod answers;
pub mod exchange;
pub mod file;
pub mod finding;
pub mod probe;
pub mod probes;
pub mod request;
pub mod session;
mod skeleton;
#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::probes::all;

    #[test]
    fn every_probe_says_which_code_relies_on_it_and_what_to_do() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut ids = BTreeSet::new();
        for probe in all() {
            let id = probe.id;
            assert!(ids.insert(id), "{id}: two probes have this name");
            assert!(!probe.relied_on.is_empty(), "{id} names no code that relies on it");
            for file in probe.relied_on {
                assert!(src.join(file).is_file(), "{id}: there is no file `src/{file}`");
            }
            assert!(probe.remedy.ends_with('.') && !probe.fact.ends_with('.') && !probe.fact.is_empty(), "{id}");
        }
    }
}
