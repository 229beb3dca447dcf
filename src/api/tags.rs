//! `GET /tags`: the tags of models.
//!
//! Pages are requested by number until one is empty: the totals are dummies (`totalPages` is always 1) and no page names the
//! next. Without `query` the server leaves out tags above PG and some others; `query = "%"` lists those too.

use super::endpoint::{Endpoint, LastPage, Paging, Param, ParamKind, param};
use super::envelope::{hash_of, repaired, take_list};
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Page, Query, Taken, Unreadable};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Text, text};
use crate::table::{Tables, tags};

const LIMIT_MAX: u32 = 200;

/// The endpoint.
pub static TAGS: Endpoint = Endpoint {
    name: "tags",
    path: "tags",
    tables: &[&tags::TABLE],
    params: PARAMS,
    limit_max: LIMIT_MAX,
    // The size of the server's image tag index in mid-2026; no count of model tags is published.
    catalog_rows: 31_000,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Number { last: LastPage::Empty },
    read,
};

const INTERNAL: ParamKind =
    ParamKind::Refused("it is for the site's own use, and the server answers 400 to most values in a query");

/// Every query parameter.
const PARAMS: &[Param] = &[
    param("limit", ParamKind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param("page", ParamKind::Managed("civitrawl sets it while it walks")),
    param("query", ParamKind::Text),
    param("cursor", ParamKind::Refused("the server ignores it; civitrawl walks by page number")),
    param("types", INTERNAL),
    param("sort", INTERNAL),
    param("nsfwLevel", INTERNAL),
    param("categories", INTERNAL),
];

object! {
    /// An item.
    Tag {
        name: Text<'a> = "name",
        model_count: i64 = "modelCount",
        link: Text<'a> = "link",
    }
}

keyed!(Tag<'_>, "tag", |tag| text(&tag.name).map(Key::Name));

impl Item for Tag<'_> {
    fn is_another(&self) -> bool {
        self.link.is_none() && self.model_count.is_none() && self.extra.has("modelVersions")
    }

    fn push(self, _: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let name = text(&self.name).ok_or_else(|| Reason::missing_key("the tag", "name"))?;
        rows.tables.tags.push(tags::Row {
            name,
            model_count: self.model_count,
            link: text(&self.link),
            extra: self.extra.into_column_of(&tags::TABLE, &mut rows.tables.unknown).as_deref(),
            at: &rows.at,
        });
        Ok(Taken { name: Some(hash_of(name)), ..Taken::default() })
    }
}

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_list::<Tag>(text, query, into))
}
