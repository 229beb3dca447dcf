//! `GET /users?ids=`: the names of users.
//!
//! It shows the users of these ids, at most 100, in one answer without metadata; whoever deleted the account is silently absent.
//! Without `ids` the server shows any five. Names of digits only are texts here.

use super::endpoint::{Endpoint, Paging, Param, ParamKind, param};
use super::envelope::{repaired, take_whole};
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Page, Query, Taken, Unreadable};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Text, text};
use crate::table::{Tables, users};

/// The endpoint.
pub static USERS: Endpoint = Endpoint {
    name: "users",
    path: "users",
    tables: &[&users::TABLE],
    params: PARAMS,
    limit_max: 100,
    // Accounts in mid-2026, roughly; a walk asks for those that it names.
    catalog_rows: 10_000_000,
    whole_with: &["ids"],
    a_minute: None,
    paging: Paging::Single,
    read,
};

/// Every query parameter.
const PARAMS: &[Param] = &[
    param("ids", ParamKind::Ids),
    param("limit", ParamKind::Managed("the server shows as many users as ids were asked for")),
    param("query", ParamKind::Refused("the server shows five users whose names begin so; ask by `ids`")),
];

object! {
    /// An item.
    User {
        id: i64 = "id",
        username: Text<'a> = "username",
    }
}

keyed!(User<'_>, "user", |user| user.id.map(Key::Id));

impl Item for User<'_> {
    fn stray(&self, query: &Query<'_>) -> Option<Reason> {
        let (id, ids) = (self.id?, query.param("ids")?);
        let is_asked = ids.split(',').any(|asked| asked.trim().parse() == Ok(id));
        (!is_asked).then(|| Reason::foreign(&format!("it is user {id}, none of `{ids}`")))
    }

    fn push(self, _: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let id = self.id.ok_or_else(|| Reason::missing_key("the user", "id"))?;
        rows.tables.users.push(users::Row {
            id,
            username: text(&self.username),
            extra: self.extra.into_column_of(&users::TABLE, &mut rows.tables.unknown).as_deref(),
            at: &rows.at,
        });
        Ok(Taken { id: Some(id), ..Taken::default() })
    }
}

fn read(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable> {
    repaired(body, |text| take_whole::<User>(text, query, into))
}
