//! The other host: I.

use std::collections::HashSet;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::{Request, To};
use super::asked::{LEVELS, first_models, popular};

pub(super) const PROBES: &[Probe] = &[Probe {
    id: "I1",
    fact: "the other host shows the same models and images",
    relied_on: &["definition/server.rs", "definition/fingerprint.rs"],
    remedy: "Keep a dataset to one host.",
    needs: Needs::OtherHost,
    judge: both,
}];

fn both(answers: &Answers) -> Judged {
    let compared = |request: Request| {
        let (here, there) = (answers.page(request.clone())?.ids(), answers.page(request.to(To::OtherHost))?.ids());
        let known: HashSet<&i64> = here.iter().collect();
        let others = there.iter().filter(|id| !known.contains(id)).count();
        Ok((here.len().max(there.len()), if here == there { 0 } else { others.max(1) }))
    };
    let (models, other_models) = compared(first_models())?;
    let (images, other_images) = compared(popular(LEVELS[0]))?;
    Ok(match other_models + other_images {
        _ if models + images == 0 => Finding::untold("neither host shows anything"),
        0 => Finding::holds(format!("the first {models} models and {images} images")),
        _ => Finding::handled(format!(
            "of the first {models} models and {images} images {other_models} and {other_images} are others; keep a dataset to one host"
        )),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::finding::Verdict::{Handled, Holds, Untold};
    use super::super::super::testing::{answer, examine, page};
    use super::*;

    #[test]
    fn hosts_are_compared_by_what_they_show() {
        let cases = [
            ([1, 2].as_slice(), [1, 2].as_slice(), Holds),
            (&[1, 2], &[1, 3], Handled),
            (&[1, 2], &[2, 1], Handled),
            (&[1, 2], &[1], Handled),
            (&[], &[1], Handled),
            (&[], &[], Untold),
        ];
        for (here, there, verdict) in cases {
            for differing in ["models", "images"] {
                let finding = examine("I1", |request| {
                    let is_other = request.to == To::OtherHost && request.path == differing;
                    let ids = if is_other { there } else { here };
                    answer(request, 200, page(ids.iter().map(|id| json!({ "id": id })), None))
                });
                assert_eq!(finding.verdict, verdict, "{here:?} {there:?} {differing}: {}", finding.evidence);
            }
        }
    }
}
