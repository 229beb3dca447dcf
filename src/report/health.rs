//! The crawl's health in figures: requests and answers of the newest pass, and its doubts.

use arrow::array::RecordBatch;
use std::collections::BTreeMap;

use serde_json::Value;

use super::latency::Latency;
use super::tally::Tally;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::snapshot_reader::SnapshotReader;
use crate::table::snapshot::Role;
use crate::table::{self, pages, rejects};

/// The figures of the newest pass.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// Rejects by reason.
    pub(super) rejects: Tally,
    /// The pass's runs, oldest first.
    pub(super) runs: Vec<Run>,
    /// Answers by status, all runs of the pass.
    pub(super) statuses: BTreeMap<String, u64>,
    /// Sentences about missing rows, from the last run's report.
    pub(super) doubts: Vec<String>,
    /// Sentences about what the next run continues with, from the last run's report.
    pub(super) waiting: Vec<String>,
    /// Sentences about words that the server lists for the first time, or no longer, from the last run's report.
    pub(super) words: Vec<String>,
    /// Sentences about keys that no column has, from the last run's report.
    pub(super) unknown: Vec<String>,
    /// Things of each table that are not gone.
    pub(super) there: BTreeMap<&'static str, u64>,
}

/// The pages of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) pages: u64,
    pub(super) items: u64,
    pub(super) bytes: u64,
    /// Requests beyond one per page.
    pub(super) again: u64,
    pub(super) latency: Latency,
}

/// One run of the pass, from its report.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) began_at: String,
    pub(super) state: String,
    pub(super) requests: u64,
    pub(super) retries: u64,
    pub(super) pauses: u64,
    pub(super) rate: f64,
}

impl Health {
    pub(super) fn gather(snapshot: &SnapshotReader<'_>) -> Result<Self, Error> {
        let mut health = Self::default();
        let pass = i64::try_from(snapshot.inventory.pass).unwrap_or(i64::MAX);
        let columns = ["pass", "endpoint", "attempts", "items", "bytes", "latency_ms"];
        snapshot.scan(&pages::TABLE, &columns, &mut |rows| health.count_pages(rows, pass))?;
        health.rejects = Tally::of(|add| {
            snapshot.scan(&rejects::TABLE, &["pass", "reason"], &mut |rows| {
                let (reasons, of) = (rows.texts("reason"), rows.numbers("pass"));
                let reasons = reasons.iter().zip(of.iter()).filter(|(_, of)| *of == Some(pass));
                reasons.for_each(|(reason, _)| add(reason, 1));
            })
        })?;
        for table in table::ALL.iter().filter(|table| table.role() == Role::Entity) {
            health.there.insert(table.name, snapshot.count(table)?);
        }
        snapshot.run_reports(&mut |report| {
            if report["pass"].as_u64() == Some(snapshot.inventory.pass) {
                health.take(report);
            }
        })?;
        Ok(health)
    }

    fn count_pages(&mut self, rows: &RecordBatch, pass: i64) {
        let (of, endpoints, latency) = (rows.numbers("pass"), rows.texts("endpoint"), rows.numbers("latency_ms"));
        let [attempts, items, bytes] = ["attempts", "items", "bytes"].map(|column| rows.numbers(column));
        let value = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
        for row in (0..rows.num_rows()).filter(|row| of.get(*row) == Some(pass)) {
            let endpoint = self.endpoints.entry(endpoints.get(row).unwrap_or_default().to_owned()).or_default();
            endpoint.pages += 1;
            endpoint.items += value(items.get(row));
            endpoint.bytes += value(bytes.get(row));
            endpoint.again += value(attempts.get(row)).saturating_sub(1);
            latency.get(row).into_iter().for_each(|ms| endpoint.latency.add(ms));
        }
    }

    fn take(&mut self, report: &Value) {
        let number = |key: &str| report[key].as_u64().unwrap_or_default();
        let text = |key: &str| report[key].as_str().unwrap_or_default().to_owned();
        for (status, count) in report["statuses"].as_object().into_iter().flatten() {
            *self.statuses.entry(status.clone()).or_default() += count.as_u64().unwrap_or_default();
        }
        let sentences = |key: &str| {
            let list = report[key].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        (self.doubts, self.waiting, self.words, self.unknown) =
            (sentences("doubts"), sentences("waiting"), sentences("words"), sentences("unknown_keys"));
        self.runs.push(Run {
            began_at: text("began_at"),
            state: text("state").replace('_', " "),
            requests: number("requests"),
            retries: number("retries"),
            pauses: number("pauses"),
            rate: report["rate"]["achieved"].as_f64().unwrap_or_default(),
        });
    }

    /// Returns the sum of a figure over the pass's runs.
    pub(super) fn sum(&self, of: impl Fn(&Run) -> u64) -> u64 {
        self.runs.iter().map(of).sum()
    }
}
