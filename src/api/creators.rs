//! `GET /creators`: everyone who owns a model.
//!
//! Pages are requested by number, up to the last one that the metadata reports. The server does not sort the list, so pages may
//! overlap or miss someone: only a second walk, or the creators of the models list, completes it.

use super::endpoint::{Endpoint, LastPage, Paging, Param, ParamKind, param};
use super::envelope::{hash_of, repaired, take_numbered};
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Page, Query, Taken, Unreadable};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Text, text};
use crate::table::{Tables, creators};

const LIMIT_MAX: u32 = 200;

/// The endpoint.
pub static CREATORS: Endpoint = Endpoint {
    name: "creators",
    path: "creators",
    tables: &[&creators::TABLE],
    params: PARAMS,
    limit_max: LIMIT_MAX,
    catalog_rows: 86_500,
    whole_with: &[],
    a_minute: None,
    paging: Paging::Number { last: LastPage::Reported },
    read,
};

/// Every query parameter.
const PARAMS: &[Param] = &[
    param("limit", ParamKind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param("page", ParamKind::Managed("civitrawl sets it while it walks")),
    param("query", ParamKind::Text),
    param("cursor", ParamKind::Refused("the server ignores it; civitrawl walks by page number")),
];

object! {
    /// An item. The name may be sent as a number; a count of 0 is left out.
    Creator {
        username: Text<'a> = "username",
        model_count: i64 = "modelCount",
        link: Text<'a> = "link",
        image: Text<'a> = "image",
    }
}

keyed!(Creator<'_>, "creator", |creator| text(&creator.username).map(Key::Name));

impl Item for Creator<'_> {
    fn is_another(&self) -> bool {
        // Images name their creators; tags and models have no `username`, like a nameless creator.
        let by_name = self.link.is_none() && self.model_count.is_none() && self.extra.has("postId");
        by_name || (self.username.is_none() && self.extra.has("name"))
    }

    fn push(self, _: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let name = text(&self.username).ok_or_else(|| Reason::nameless("the creator", "username"))?;
        rows.tables.creators.push(creators::Row {
            username: name,
            model_count: self.model_count,
            link: text(&self.link),
            image: text(&self.image),
            extra: self.extra.into_column_of(&creators::TABLE, &mut rows.tables.unknown).as_deref(),
            at: &rows.at,
        });
        Ok(Taken { name: Some(hash_of(name)), ..Taken::default() })
    }
}

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_numbered::<Creator>(text, query, into))
}
