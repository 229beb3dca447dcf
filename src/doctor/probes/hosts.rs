//! The other host: I.

use std::collections::HashSet;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::finding::{Finding, Judged};
use super::super::probe::Probe;
use super::super::request::{Request, To};
use super::asked::{first_models, popular};

pub(super) const PROBES: &[Probe] = &[Probe {
    id: "I1",
    fact: "the other host shows the same models and images",
    relied_on: &["definition/server.rs", "definition/fingerprint.rs"],
    remedy: "Keep a dataset to one host.",
    needs: Needs::OtherHost,
    judge: both,
}];

fn both(answers: &Answers) -> Judged {
    let differing = |request: Request| {
        let (here, there) = (answers.page(request.clone())?.ids(), answers.page(request.to(To::OtherHost))?.ids());
        let known: HashSet<&i64> = here.iter().collect();
        let other = there.iter().filter(|id| !known.contains(id)).count();
        Ok((here.len(), if here == there { 0 } else { other.max(1) }))
    };
    let (models, other_models) = differing(first_models())?;
    let (images, other_images) = differing(popular("28"))?;
    Ok(match other_models + other_images {
        _ if models + images == 0 => Finding::untold("neither host shows anything"),
        0 => Finding::holds(format!("the first {models} models and {images} images")),
        _ => Finding::handled(format!(
            "{other_models} of {models} models and {other_images} of {images} images differ; keep a dataset to one host"
        )),
    })
}
