//! Resources named by generation data: four lists of different shape, read into rows of one form.

use std::borrow::Cow;

use super::allowance::charge_part;
use super::exact::{each_field, elements, fields, fill, number, text};
use super::twins::{take_out, twins};

/// A list of resources, and the keys of its columns. One key per column, so that the list can be rebuilt.
#[derive(Debug)]
pub(super) struct ResourceList {
    /// Its key in the generation data, and the value of the column `source`.
    pub(super) key: &'static str,
    name: &'static str,
    weight: &'static str,
}

/// Every list, in the order of the rows.
pub(super) static RESOURCE_LISTS: [ResourceList; 4] = [
    ResourceList { key: "resources", name: "name", weight: "weight" },
    ResourceList { key: "civitaiResources", name: "modelVersionName", weight: "weight" },
    ResourceList { key: "additionalResources", name: "name", weight: "strength" },
    ResourceList { key: "hashes", name: "name", weight: "weight" },
];

/// One resource: the fields that have columns.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Resource<'a> {
    pub(super) source: &'static str,
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) hash: Option<Cow<'a, str>>,
    pub(super) weight: Option<f64>,
    pub(super) model_version_id: Option<i64>,
}

impl Resource<'_> {
    /// Returns everything but the list it is from.
    fn identity(&self) -> impl Ord {
        let texts = [&self.kind, &self.name, &self.hash].map(|text| text.as_deref());
        (texts, self.weight.map(f64::to_bits), self.model_version_id)
    }
}

impl ResourceList {
    /// Appends the list's resources. Returns true if the list can be rebuilt from them: it is not empty, and a list of objects
    /// (`hashes`: one object, label to hash) whose every field has a column.
    pub(super) fn read<'a>(&self, json: &'a str, into: &mut Vec<Resource<'a>>) -> bool {
        let before = into.len();
        let exact = match (self.key, fields(json)) {
            ("hashes", Some(labels)) => read_labels(labels, into),
            _ => self.read_list(json, into) && self.key != "hashes",
        };
        // A repeated resource becomes one row; the list as sent keeps the repetition.
        let listed = into.len() - before;
        remove_repeated(into, before);
        exact && listed > 0 && into.len() == before + listed
    }

    fn read_list<'a>(&self, json: &'a str, into: &mut Vec<Resource<'a>>) -> bool {
        let Some(elements) = elements(json) else { return false };
        let mut exact = true;
        for element in elements {
            let mut resource = Resource { source: self.key, ..Resource::default() };
            if !each_field(element, |key, value| exact &= self.fill(&mut resource, key, value)) {
                exact = false;
                // A bare hash becomes a row; other bare values say too little for one.
                if self.key != "hashes" || !fill(&mut resource.hash, text(element)) {
                    continue;
                }
            }
            if charge_part(size_of::<Resource<'_>>()) {
                into.push(resource);
            }
        }
        exact
    }

    /// Fills the field's column; returns true if one took it exactly.
    fn fill<'a>(&self, resource: &mut Resource<'a>, key: &str, value: &'a str) -> bool {
        match key {
            "type" => fill(&mut resource.kind, text(value)),
            "hash" => fill(&mut resource.hash, text(value)),
            "modelVersionId" => number(&mut resource.model_version_id, value),
            _ if key == self.name => fill(&mut resource.name, text(value)),
            _ if key == self.weight => number(&mut resource.weight, value),
            _ => false,
        }
    }
}

/// Removes repeated resources from position `from` on.
fn remove_repeated(resources: &mut Vec<Resource<'_>>, from: usize) {
    if resources.len() > from + 1 {
        let twins = twins(resources[from..].iter().map(|resource| Some(resource.identity())));
        take_out(resources, from, &twins);
    }
}

/// Appends hashes by label; returns true if all of them are text.
fn read_labels<'a>(labels: Vec<(Cow<'a, str>, &'a str)>, into: &mut Vec<Resource<'a>>) -> bool {
    let mut exact = true;
    for (label, hash) in labels {
        match text(hash) {
            hash @ Some(_) if charge_part(size_of::<Resource<'_>>()) => {
                into.push(Resource { source: "hashes", name: Some(label), hash, ..Resource::default() });
            }
            _ => exact = false,
        }
    }
    exact
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, name, hash, weight and version of each row, and whether the rows are exact.
    fn read(key: &str, json: &'static str) -> (Vec<String>, bool) {
        let mut resources = Vec::new();
        let source = RESOURCE_LISTS.iter().find(|source| source.key == key).unwrap();
        let exact = source.read(json, &mut resources);
        let row = |r: &Resource<'_>| {
            let texts = [&r.kind, &r.name, &r.hash].map(|text| text.as_deref().unwrap_or("-").to_owned());
            let numbers = [r.weight.map(|w| w.to_string()), r.model_version_id.map(|id| id.to_string())];
            let numbers = numbers.map(|number| number.unwrap_or_else(|| String::from("-")));
            [&texts[..], &numbers[..]].concat().join(" ")
        };
        (resources.iter().map(row).collect(), exact)
    }

    #[test]
    fn each_list_is_read_by_its_own_keys() {
        let cases: [(&str, &str, &[&str], bool); 15] = [
            (
                "resources",
                r#"[{"hash":"31e3","name":"xl","type":"model"},{"name":"a","type":"lora","weight":1}]"#,
                &["model xl 31e3 - -", "lora a - 1 -"],
                true,
            ),
            ("resources", r#"[{"name":"a","weight":"0.5","note":1}]"#, &["- a - 0.5 -"], false),
            ("resources", r#"[{"name":"a","hash":null}]"#, &["- a - - -"], false),
            ("resources", r#"[{"name":"a"},"b",7,null]"#, &["- a - - -"], false),
            ("resources", "[{}]", &["- - - - -"], true),
            ("resources", "[]", &[], false),
            ("resources", r#""none""#, &[], false),
            ("resources", r#"{"a":"b"}"#, &[], false),
            (
                "civitaiResources",
                r#"[{"type":"checkpoint","modelVersionId":345685},{"type":"lora","weight":0.65,"modelVersionId":249861,"modelVersionName":"v1"}]"#,
                &["checkpoint - - - 345685", "lora v1 - 0.65 249861"],
                true,
            ),
            ("civitaiResources", r#"[{"name":"a","modelVersionId":"7"}]"#, &["- - - - 7"], false),
            (
                "additionalResources",
                r#"[{"name":"urn:air:sdxl","type":"lora","strength":0.8}]"#,
                &["lora urn:air:sdxl - 0.8 -"],
                true,
            ),
            ("hashes", r#"{"model":"2509","lora:x":"0x95"}"#, &["- model 2509 - -", "- lora:x 0x95 - -"], true),
            ("hashes", r#"{"model":"2509","vae":null}"#, &["- model 2509 - -"], false),
            ("hashes", "{}", &[], false),
            ("hashes", r#"["2509",{"name":"vae","hash":"735e"},7]"#, &["- - 2509 - -", "- vae 735e - -"], false),
        ];
        for (key, json, rows, exact) in cases {
            assert_eq!(read(key, json), (rows.iter().map(|row| (*row).to_owned()).collect(), exact), "{key} {json}");
        }
    }
}
