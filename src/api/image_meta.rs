//! `meta` of an image: free-form JSON of the tool that made it, split into columns, resources and the rest.
//!
//! Each column, and each list of resources, is read from one key. A value that cannot be rebuilt from its column or rows (a
//! number in another form, a value of another type) is also kept in `extra` as sent, where a key counts instead of its column or
//! rows: so the object can be rebuilt exactly. Two columns are also read from another spelling of their key. An object
//! `{id, meta}`, an older form of the answer, is read from inside its `meta`, and `extra` keeps the same two keys. If exactly an
//! `id` and a `meta` of another object would remain for `extra`, it keeps all keys, so the two forms stay distinct.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::allowance::{charge, charge_text};
use super::exact::{Fields, fields, fill, integer, number, number_as_text, text};
use super::extra::Extra;
use super::image_resource::{RESOURCE_LISTS, Resource};
use super::item::PageRows;
use super::value::{Accept, Slot};
use crate::table::{image_meta, image_resources};

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
    version: Option<Cow<'a, str>>,
    workflow: Option<Cow<'a, str>>,
    denoising_strength: Option<f64>,
    remix_of_id: Option<i64>,
    comfy: Option<&'a str>,
    resources: Vec<Resource<'a>>,
    extra: Extra,
}

impl<'de> Accept<'de> for Meta<'de> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Slot<Self>, A::Error> {
        Ok(match Fields::map(map)? {
            Slot::Value(Fields(fields)) => Slot::Value(Self::read(&fields)),
            Slot::Null => Slot::Null,
            Slot::Odd(text) => Slot::Odd(text),
        })
    }
}

/// Keys of columns, each with another spelling that fills the column too. If the other spelling was sent, `extra` keeps both keys.
const SPELLINGS: [(&str, &str); 2] = [("clipSkip", "Clip skip"), ("Denoising strength", "denoise")];

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
        let spelt = SPELLINGS.map(|(own, other)| sent.iter().any(|(key, _)| key == other).then_some(own));
        // Of many fields nearly all are left.
        let mut left: Vec<&Field<'a>> = Vec::with_capacity(sent.len());
        left.extend(sent.iter().filter(|(key, json)| !meta.fill(key, json) || spelt.contains(&Some(&**key))));
        for source in &RESOURCE_LISTS {
            let at = left.iter().position(|(key, _)| key == source.key);
            if let Some(at) = at.filter(|at| source.read(left[*at].1, &mut meta.resources)) {
                left.remove(at);
            }
        }
        if wrapped(left.iter().copied()).is_some() {
            left = sent.iter().collect();
        }
        let room = left.iter().map(|(key, json)| Extra::room(key, json)).sum();
        if charge(room) {
            meta.extra.make_room(room);
            left.iter().for_each(|(key, json)| meta.extra.copy(key.clone(), json));
        }
        meta
    }

    /// Fills the field's column; returns true if the column holds it exactly.
    fn fill(&mut self, key: &str, json: &'a str) -> bool {
        match key {
            "prompt" => fill(&mut self.prompt, text(json)),
            "negativePrompt" => fill(&mut self.negative_prompt, text(json)),
            // A seed is identified by its digits, so no other form is converted.
            "seed" => fill(&mut self.seed, integer(json)),
            "steps" => number(&mut self.steps, json),
            "sampler" => fill(&mut self.sampler, text(json)),
            "cfgScale" => number(&mut self.cfg_scale, json),
            "clipSkip" => number(&mut self.clip_skip, json),
            "Clip skip" => {
                number(&mut self.clip_skip, json);
                false
            }
            "Size" => fill(&mut self.size, text(json)),
            "Model" => fill(&mut self.model, text(json)),
            "Model hash" => fill(&mut self.model_hash, text(json)),
            "Version" => fill(&mut self.version, text(json)),
            "workflow" => fill(&mut self.workflow, text(json)),
            "Denoising strength" => number_as_text(&mut self.denoising_strength, json),
            "denoise" => {
                number(&mut self.denoising_strength, json);
                false
            }
            "extra" => self.fill_remix(json),
            "comfy" => fill(&mut self.comfy, (json != "null" && charge_text(json)).then_some(json)),
            _ => false,
        }
    }

    /// Fills the column of `extra`, an object that mostly has the one key `remixOfId`; returns true if the column holds it exactly.
    fn fill_remix(&mut self, json: &str) -> bool {
        let fields = fields(json).unwrap_or_default();
        let remix = fields.iter().find(|(key, _)| key == "remixOfId");
        remix.is_some_and(|(_, id)| number(&mut self.remix_of_id, id)) && fields.len() == 1
    }

    /// Appends the row, and the rows of the resources.
    pub(super) fn push(self, image_id: i64, rows: &mut PageRows<'_>) {
        for (position, resource) in self.resources.iter().enumerate() {
            rows.tables.image_resources.push(image_resources::Row {
                image_id,
                position: position as i64,
                source: resource.source,
                r#type: resource.kind.as_deref(),
                name: resource.name.as_deref(),
                hash: resource.hash.as_deref(),
                weight: resource.weight,
                model_version_id: resource.model_version_id,
                at: &rows.at,
            });
        }
        rows.tables.image_meta.push(image_meta::Row {
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
            version: self.version.as_deref(),
            workflow: self.workflow.as_deref(),
            denoising_strength: self.denoising_strength,
            remix_of_id: self.remix_of_id,
            comfy: self.comfy,
            extra: self.extra.into_column().as_deref(),
            at: &rows.at,
        });
    }
}

/// Returns `id` and `meta` if the fields are exactly these two and `meta` is an object or null.
fn wrapped<'f, 'a: 'f>(mut fields: impl Iterator<Item = &'f Field<'a>>) -> Option<(&'a str, &'a str)> {
    let (Some(first), Some(second), None) = (fields.next(), fields.next(), fields.next()) else { return None };
    let (id, meta) = match (&*first.0, &*second.0) {
        ("id", "meta") => (first.1, second.1),
        ("meta", "id") => (second.1, first.1),
        _ => return None,
    };
    (meta.starts_with('{') || meta == "null").then_some((id, meta))
}
