//! The file of an examination, one JSON object a line: who asked whom, each exchange, why it ended early, each finding. Pure.

use serde::{Deserialize, Serialize};

use super::about::About;
use super::answers::Answers;
use super::exchange::Exchange;
use super::finding::Finding;

/// The form of the file that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// Most bytes of a file.
pub const BYTES_MAX: u64 = 64 << 20;
/// Most values of all lists and objects in a file, so that reading it takes bounded memory.
const VALUES_MAX: usize = 2_000_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The server asked, and the options; the first line.
    About {
        /// The form of the file.
        format: u32,
        /// The server asked, and the options.
        #[serde(flatten)]
        about: About,
    },
    /// A request and its answer.
    Exchange(Box<Exchange>),
    /// Why no further request was sent.
    Ended(String),
    /// A probe and its finding.
    Finding(Recorded),
}

/// A probe and its finding, as a file has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The probe.
    pub id: String,
    /// Its finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Returns the text of a file.
pub fn text(answers: &Answers, findings: &[Recorded]) -> String {
    let about = Line::About { format: FORMAT, about: answers.about().clone() };
    let exchanges = answers.all().iter().map(|exchange| Line::Exchange(Box::new(exchange.clone())));
    let ended = answers.ended().map(|reason| Line::Ended(reason.to_owned()));
    let findings = findings.iter().cloned().map(Line::Finding);
    let lines = [about].into_iter().chain(exchanges).chain(ended).chain(findings);
    lines.filter_map(|line| serde_json::to_string(&line).ok()).map(|line| line + "\n").collect()
}

/// Reads a file: its answers, and the findings that were made of them.
///
/// # Errors
/// Why it cannot be used, as the end of a sentence.
pub fn read(text: &str) -> Result<(Answers, Vec<Recorded>), String> {
    if values(text) > VALUES_MAX {
        return Err(format!("it has more than {VALUES_MAX} values, and no file of `civitrawl doctor` has so many"));
    }
    let mut lines = text.lines();
    let about = about(lines.next().unwrap_or_default())?;
    let (mut answers, mut findings) = (Answers::new(about), Vec::new());
    for (at, line) in (2..).zip(lines) {
        let line = serde_json::from_str(line)
            .map_err(|error| format!("its line {at} cannot be read: {error}; is it cut or changed?"))?;
        match line {
            Line::About { .. } => return Err(format!("it begins again in line {at}")),
            Line::Exchange(exchange) => answers.add(*exchange),
            Line::Ended(reason) => answers.end(reason),
            Line::Finding(finding) => findings.push(finding),
        }
    }
    answers.close("the file has no answer to a request that this version sends");
    Ok((answers, findings))
}

/// Reads the first line.
fn about(line: &str) -> Result<About, String> {
    #[derive(Deserialize)]
    struct Head {
        about: Format,
    }
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    match (serde_json::from_str(line), serde_json::from_str(line)) {
        (Ok(Line::About { format: FORMAT, about }), _) => Ok(about),
        (_, Ok(Head { about: Format { format } })) if format > FORMAT => Err(format!(
            "it has the format {format}, and this version reads up to {FORMAT}; use the version that wrote it, or a newer one"
        )),
        _ => Err(String::from("it is no file of `civitrawl doctor`, whose first line says which server was asked")),
    }
}

/// Returns the number of values in lists and objects, at most one too many for each of these.
fn values(json: &str) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers::new(About {
            civitrawl: String::from("0.1.0"),
            platform: String::from("linux x86_64"),
            server: String::from("https://civitai.com/api/v1"),
            other_host: None,
            began: 1_790_000_000_000,
            key: false,
            download: false,
        })
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let mut written = answers();
        written.end("the server asked for calm");
        let findings = vec![Recorded { id: String::from("A1"), finding: Finding::differs("a\nb") }];
        let text = text(&written, &findings);
        assert_eq!(text.lines().count(), 3);
        let (read, recorded) = read(&text).unwrap();
        assert_eq!((read.about(), read.ended(), recorded), (written.about(), written.ended(), findings));
        assert!(!read.is_open());
    }

    #[test]
    fn other_files_are_refused_with_their_reason() {
        let own = text(&answers(), &[]);
        for (text, reason) in [
            (String::new(), "it is no file of `civitrawl doctor`"),
            (String::from("{\"a\":1}\n"), "it is no file of `civitrawl doctor`"),
            (own.replace("\"format\":1", "\"format\":7,\"new\":[]"), "it has the format 7"),
            (format!("{own}{own}"), "it begins again in line 2"),
            (format!("{own}{{\"exchange\":{{\"request\":"), "its line 2 cannot be read"),
            (format!("{own}[{}0]", "0,".repeat(VALUES_MAX)), "it has more than"),
            (format!("{own}{}", "[".repeat(100_000)), "its line 2 cannot be read"),
        ] {
            let refused = read(&text).unwrap_err();
            assert!(refused.starts_with(reason), "{refused}");
        }
        assert!(read(&format!("{own}\"{}\"", ",".repeat(3_000_000))).unwrap_err().starts_with("its line 2"));
    }
}
