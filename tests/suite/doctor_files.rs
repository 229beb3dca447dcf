//! The files of `civitrawl doctor` in `tests/doctor`: replayed, each leads to the findings that it holds. See the README there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{printed, program};

/// The evidence of a fact that a file of an older program cannot show.
const UNANSWERED: &str = "the file has no answer to a request that this version sends";

#[test]
fn every_file_leads_to_its_own_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "gz")).collect();
    assert!(files.len() >= 3, "{files:?}");
    let here = TempDir::new().unwrap();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut text = String::new();
        GzDecoder::new(File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["exchange"].get("body").is_none()), "{name} has bodies");
        let file = here.path().join(name);
        fs::write(&file, &text).unwrap();

        let output = program().args(["doctor", "--replay"]).arg(&file).output().unwrap();
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let said: BTreeMap<&str, &str> = stdout.lines().filter_map(|line| line.split_once(' ')).collect();
        let findings: Vec<&Value> = lines.iter().filter_map(|line| line.get("finding")).collect();
        let mut lost = Vec::new();
        for finding in &findings {
            let [id, verdict, evidence] = ["id", "verdict", "evidence"].map(|key| finding[key].as_str().unwrap());
            let Some(line) = said.get(id) else { panic!("{name}: there is no probe {id}; make the file anew") };
            if line.ends_with(UNANSWERED) && !evidence.ends_with(UNANSWERED) {
                lost.push(id);
                continue;
            }
            // Evidence may be put in other words.
            assert!(line.trim_start().starts_with(verdict), "{name}: {id} {line}\n  was {verdict}: {evidence}");
        }
        // Older programs asked some other questions, but this one must still ask most of the same.
        let allowed = if name.starts_with("sandbox-") { 0 } else { findings.len() / 4 };
        assert!(lost.len() <= allowed, "{name}: no answers for {lost:?}; make the file anew with scripts/doctor");
        let differs = findings.iter().any(|finding| finding["verdict"] == "DIFFERS");
        let code = if differs { 4 } else { 3 * i32::from(lines.iter().any(|line| line.get("ended").is_some())) };
        assert!(
            matches!(output.status.code(), Some(77)) || output.status.code() == Some(code),
            "{name}: {}",
            printed(&output)
        );
    }
}
