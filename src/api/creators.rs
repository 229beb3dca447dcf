//! `GET /creators`: everyone who owns a model — how the list is paged, and how a page becomes rows.
//!
//! Pages are asked for by number up to the last page that the metadata tells. The server sorts them by nothing, so pages
//! may overlap or miss someone at any time: only walking twice, or the creators of the models list, complete them.

use super::endpoint::{Endpoint, Kind, LastPage, Paging, Param, param};
use super::envelope::{hash_of, repaired, take_numbered};
use super::item::Item;
use super::object::object;
use super::page::{Page, Query, Taken, Unreadable};
use super::rejection::Reason;
use super::twins::{Key, Keyed, Sieve};
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
    paging: Paging::Number { last: LastPage::Told },
    read,
};

/// Every query parameter.
const PARAMS: &[Param] = &[
    param("limit", Kind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param("page", Kind::Managed("civitrawl sets it while it walks")),
    param("query", Kind::Text),
    param("cursor", Kind::Refused("the server ignores it; civitrawl walks by page number")),
];

object! {
    /// An item; its name may arrive as a number, and a count of 0 is left out.
    Creator {
        username: Text<'a> = "username",
        model_count: i64 = "modelCount",
        link: Text<'a> = "link",
        image: Text<'a> = "image",
    }
}

impl Keyed for Creator<'_> {
    const NOUN: &'static str = "creator";

    fn key(&self) -> Option<Key<'_>> {
        text(&self.username).map(Key::Name)
    }
}

impl Item for Creator<'_> {
    fn push(self, query: &Query<'_>, into: &mut Tables, _: &mut Sieve) -> Result<Taken, Reason> {
        let name = text(&self.username).ok_or_else(|| Reason::nameless("the creator", "username"))?;
        into.creators.push(creators::Row {
            username: name,
            model_count: self.model_count,
            link: text(&self.link),
            image: text(&self.image),
            extra: self.extra.into_column_of(&creators::TABLE, &mut into.unknown).as_deref(),
            at: &query.at,
        });
        Ok(Taken { name: Some(hash_of(name)), ..Taken::default() })
    }
}

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_numbered::<Creator>(text, query, into))
}
