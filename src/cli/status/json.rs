//! The state of a dataset as one JSON object with stable names, which the README lists.

use serde_json::{Map, Value, json};

use super::standing::{Lock, Standing, sums};
use super::text::walk_state;
use crate::dataset::layout::Layout;

/// Returns the object on one line.
pub(super) fn object(layout: &Layout, standing: &Standing) -> String {
    let Standing { manifest, last, report, .. } = standing;
    let walks: Map<String, Value> = last
        .walks
        .iter()
        .map(|(name, walk)| {
            let (pages, items, repeats, rejects) = (walk.pages, walk.items, walk.repeats, walk.rejects);
            let state = walk_state(walk);
            let walk =
                json!({ "pages": pages, "items": items, "repeats": repeats, "rejects": rejects, "state": state });
            (name.clone(), walk)
        })
        .collect();
    let tables: Map<String, Value> = sums(manifest)
        .into_iter()
        .map(|(table, sum)| (table.to_owned(), json!({ "rows": sum.rows, "parts": sum.parts, "bytes": sum.bytes })))
        .collect();
    let (locked, holder) = match &standing.lock {
        Lock::Free => (Some(false), None),
        Lock::Held(holder) => (Some(true), holder.as_ref()),
        Lock::Unknown(_) => (None, None),
    };
    let snapshot = match &standing.snapshot {
        Ok(taken) => taken.as_ref().map(|taken| {
            let newer = standing.newer_commits(taken);
            json!({ "number": taken.snapshot, "at": taken.at, "commit": taken.commit, "newer_commits": newer })
        }),
        Err(error) => Some(json!({ "error": error.to_string() })),
    };
    json!({
        "dataset": layout.root().to_string_lossy(),
        "crawl": last.crawl,
        "server": last.server,
        "state": standing.pass_state().as_str(),
        "pass": last.pass,
        "commit": last.commit,
        "committed_at": last.at,
        "last_complete_at": manifest.history.last_complete(),
        "locked": locked,
        "holder": holder.map(|holder| json!({ "pid": holder.pid, "since": holder.since })),
        "run": {
            "id": standing.run,
            "state": standing.run_state(),
            "reason": report["reason"],
            "began_at": report["began_at"],
            "took_s": report["took_s"],
            "requests": report["requests"],
            "retries": report["retries"],
        },
        "doubts": standing.doubts(),
        "walks": walks,
        "tables": tables,
        "snapshot": snapshot,
        "dataset_bytes": standing.dataset_bytes(),
        "free_bytes": standing.free_bytes,
    })
    .to_string()
}
