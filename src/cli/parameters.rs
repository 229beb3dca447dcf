//! The parameters of endpoints as `explain` and `schema --params` show them: values and traps, from their declaration.

use crate::api::endpoint::{Endpoint, Param, ParamKind};

/// Returns the values that a parameter takes, as they are written in a crawl file.
pub(super) fn values(param: &Param) -> String {
    let quoted = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match param.kind {
        ParamKind::Int { min, max } => format!("a whole number from {min} to {max}"),
        ParamKind::Bool => String::from("`true` or `false`"),
        ParamKind::OnlyTrue => String::from("`true`, or left out, since the server reads `false` as true"),
        ParamKind::Word(words) => format!("one of {}", quoted(words)),
        ParamKind::Words(words) => format!("one of, or a list of, {}", quoted(words)),
        ParamKind::Text => String::from("text"),
        ParamKind::Texts { min: 0 | 1 } => String::from("text, or a list of texts"),
        ParamKind::Texts { min } => format!("a list of at least {min} texts"),
        ParamKind::Ids => String::from("a whole number, or a list of them"),
        ParamKind::Managed(why) | ParamKind::Refused(why) => format!("cannot be asked for: {why}"),
    }
}

/// Returns the trap in a parameter; empty if there is none.
pub(super) fn trap(param: &Param) -> &'static str {
    param.warning.map_or("", |warning| warning.text)
}

/// Returns the parameters of an endpoint as a Markdown table.
pub(super) fn markdown(endpoint: &Endpoint) -> String {
    let mut text = format!("## {}\n\n| parameter | values | trap |\n|---|---|---|\n", endpoint.name);
    for param in endpoint.params {
        text.push_str(&format!("| {} | {} | {} |\n", param.name, values(param), trap(param)));
    }
    if endpoint.params.is_empty() {
        text = format!("## {}\n\nIt takes no parameters.\n", endpoint.name);
    }
    text
}
