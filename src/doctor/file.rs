//! The file of an examination, one JSON object a line: who asked whom, each exchange, why it ended early, each finding. Pure.

use serde::{Deserialize, Serialize};

use super::about::About;
use super::answers::Answers;
use super::exchange::Exchange;
use super::finding::Finding;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Who asked whom; the first line.
    About(About),
    /// A request and its answer.
    Exchange(Box<Exchange>),
    /// Why no further request was sent.
    Ended(String),
    /// A probe and its finding.
    Finding {
        /// The probe.
        id: String,
        /// Its finding.
        #[serde(flatten)]
        finding: Finding,
    },
}

/// Returns the text of a file.
pub fn text(answers: &Answers, findings: &[(&str, Finding)]) -> String {
    let about = Line::About(answers.about().clone());
    let exchanges = answers.all().iter().map(|exchange| Line::Exchange(Box::new(exchange.clone())));
    let ended = answers.over().map(|reason| Line::Ended(reason.to_owned()));
    let findings =
        findings.iter().map(|(id, finding)| Line::Finding { id: (*id).to_owned(), finding: finding.clone() });
    let lines = [about].into_iter().chain(exchanges).chain(ended).chain(findings);
    lines.filter_map(|line| serde_json::to_string(&line).ok()).map(|line| line + "\n").collect()
}

/// Reads a file.
///
/// # Errors
/// The first line that cannot be read, and why.
pub fn read(text: &str) -> Result<Answers, String> {
    let mut lines = text.lines().enumerate().map(|(at, line)| {
        serde_json::from_str::<Line>(line).map_err(|error| format!("line {} cannot be read: {error}", at + 1))
    });
    let Some(Ok(Line::About(about))) = lines.next() else {
        return Err(String::from("its first line does not say which server was asked"));
    };
    let mut answers = Answers::new(about);
    for line in lines {
        match line? {
            Line::About(_) => return Err(String::from("it has two beginnings")),
            Line::Exchange(exchange) => answers.add(*exchange),
            Line::Ended(reason) => answers.end(reason),
            Line::Finding { .. } => {}
        }
    }
    answers.end("the file has no answer to a request that this version sends");
    Ok(answers)
}
