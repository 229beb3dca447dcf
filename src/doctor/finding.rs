//! A verdict on a fact, or what it waits for. Pure.

use serde::{Deserialize, Serialize};

use super::request::Request;

/// The judgement of a probe.
pub type Judged = Result<Finding, Pause>;

/// Why a probe cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pause {
    /// It needs the answer to this request.
    Wanted(Request),
    /// An answer that it needs cannot be had, or does not show the fact: the reason.
    Lost(String),
}

/// The verdict on a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is as expected.
    #[serde(rename = "holds")]
    Holds,
    /// It differs, and the crawler is ready for that.
    #[serde(rename = "differs, handled")]
    Handled,
    /// It differs, and the crawler is not ready.
    #[serde(rename = "DIFFERS")]
    Differs,
    /// The answers do not show it.
    #[serde(rename = "cannot tell")]
    Untold,
}

impl Verdict {
    /// Returns its words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Handled => "differs, handled",
            Self::Differs => "DIFFERS",
            Self::Untold => "cannot tell",
        }
    }
}

/// A verdict with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// The evidence in one line.
    pub evidence: String,
}

impl Finding {
    /// Returns that the fact is as expected.
    pub fn holds(evidence: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Holds, evidence: evidence.into() }
    }

    /// Returns that the fact differs, and how the crawler handles it.
    pub fn handled(evidence: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Handled, evidence: evidence.into() }
    }

    /// Returns that the fact differs, and the crawler is not ready.
    pub fn differs(evidence: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Differs, evidence: evidence.into() }
    }

    /// Returns that the answers do not show the fact, and why.
    pub fn untold(evidence: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Untold, evidence: evidence.into() }
    }
}
