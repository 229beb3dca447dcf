//! `meta` of an image: free-form JSON copied from whatever tool made it, taken apart into columns, resources and the rest.
//!
//! Each column is read from one key and takes only what it can hold exactly; so does each list of resources. What is left
//! is kept as sent in `extra`, where a key counts instead of its column or rows, so the object can be rebuilt. An object
//! `{id, meta}` (an older form of the answer) is taken from inside its `meta`, and `extra` keeps the same two keys; to
//! stay apart from it, `extra` keeps every key of an object of which just an `id` and a `meta` would be left.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::exact::{Fields, fields, fill, float, integer, text};
use super::extra::Extra;
use super::image_resource::{Resource, SOURCES};
use super::value::{Accept, Slot};
use crate::table::{Provenance, Tables, image_meta, image_resources};

/// The generation data of an image.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Meta<'a> {
    prompt: Option<Cow<'a, str>>,
    negative_prompt: Option<Cow<'a, str>>,
    seed: Option<i64>,
    steps: Option<i64>,
    sampler: Option<Cow<'a, str>>,
    cfg_scale: Option<f64>,
    clip_skip: Option<i64>,
    size: Option<Cow<'a, str>>,
    model: Option<Cow<'a, str>>,
    model_hash: Option<Cow<'a, str>>,
    resources: Vec<Resource<'a>>,
    extra: Extra,
}

impl<'de> Accept<'de> for Meta<'de> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn map<A: MapAccess<'de>>(map: A) -> Result<Slot<Self>, A::Error> {
        Ok(match Fields::map(map)? {
            Slot::Value(Fields(fields)) => Slot::Value(Self::read(&fields)),
            Slot::Null => Slot::Null,
            Slot::Odd(text) => Slot::Odd(text),
        })
    }
}

/// A key, and the JSON text of its value.
type Field<'a> = (Cow<'a, str>, &'a str);

impl<'a> Meta<'a> {
    fn read(sent: &[Field<'a>]) -> Self {
        let Some((id, inner)) = wrapped(sent.iter()) else { return Self::flat(sent) };
        let mut meta = fields(inner).map(|fields| Self::flat(&fields)).unwrap_or_default();
        let left = std::mem::take(&mut meta.extra).into_object();
        meta.extra.add("id", id);
        meta.extra.add("meta", if inner == "null" { inner } else { &left });
        meta
    }

    fn flat(sent: &[Field<'a>]) -> Self {
        let mut meta = Self::default();
        let mut left: Vec<&Field<'a>> = sent.iter().filter(|(key, json)| !meta.fill(key, json)).collect();
        for source in &SOURCES {
            let at = left.iter().position(|(key, _)| key == source.key);
            if let Some(at) = at.filter(|at| source.read(left[*at].1, &mut meta.resources)) {
                left.remove(at);
            }
        }
        if wrapped(left.iter().copied()).is_some() {
            left = sent.iter().collect();
        }
        meta.extra.make_room(left.iter().map(|(key, json)| Extra::room(key, json)).sum());
        for (key, json) in left {
            meta.extra.add(key, json);
        }
        meta
    }

    /// Whether a column took the field. Other spellings (`Clip skip`) hold text where the column is a number.
    fn fill(&mut self, key: &str, json: &'a str) -> bool {
        match key {
            "prompt" => fill(&mut self.prompt, text(json)),
            "negativePrompt" => fill(&mut self.negative_prompt, text(json)),
            "seed" => fill(&mut self.seed, integer(json)),
            "steps" => fill(&mut self.steps, integer(json)),
            "sampler" => fill(&mut self.sampler, text(json)),
            "cfgScale" => fill(&mut self.cfg_scale, float(json)),
            "clipSkip" => fill(&mut self.clip_skip, integer(json)),
            "Size" => fill(&mut self.size, text(json)),
            "Model" => fill(&mut self.model, text(json)),
            "Model hash" => fill(&mut self.model_hash, text(json)),
            _ => false,
        }
    }

    /// Appends its row, and those of its resources.
    pub(super) fn push(self, image_id: i64, at: &Provenance<'_>, into: &mut Tables) {
        for (position, resource) in self.resources.iter().enumerate() {
            into.image_resources.push(image_resources::Row {
                image_id,
                position: position as i64,
                source: resource.source,
                r#type: resource.kind.as_deref(),
                name: resource.name.as_deref(),
                hash: resource.hash.as_deref(),
                weight: resource.weight,
                model_version_id: resource.model_version_id,
                at,
            });
        }
        into.image_meta.push(image_meta::Row {
            image_id,
            prompt: self.prompt.as_deref(),
            negative_prompt: self.negative_prompt.as_deref(),
            seed: self.seed,
            steps: self.steps,
            sampler: self.sampler.as_deref(),
            cfg_scale: self.cfg_scale,
            clip_skip: self.clip_skip,
            size: self.size.as_deref(),
            model: self.model.as_deref(),
            model_hash: self.model_hash.as_deref(),
            extra: self.extra.into_column().as_deref(),
            at,
        });
    }
}

/// The `id` and the `meta` of fields that are just these two, `meta` being an object or null.
fn wrapped<'f, 'a: 'f>(mut fields: impl Iterator<Item = &'f Field<'a>>) -> Option<(&'a str, &'a str)> {
    let (Some(first), Some(second), None) = (fields.next(), fields.next(), fields.next()) else { return None };
    let (id, meta) = match (&*first.0, &*second.0) {
        ("id", "meta") => (first.1, second.1),
        ("meta", "id") => (second.1, first.1),
        _ => return None,
    };
    (meta.starts_with('{') || meta == "null").then_some((id, meta))
}
