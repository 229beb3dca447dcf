//! `GET /api/v1/users`: the names of users by their ids, or by a part of the name.

use super::answer::Answer;
use super::check::Check;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::render::json::Writer;
use crate::sandbox::traps::Trap;

/// The id of user number 0.
pub(crate) const FIRST_USER: u32 = 1000;
/// The most ids of one request.
const IDS_MAX: usize = 100;
/// The most users that a text finds.
const FOUND: usize = 5;

/// Answers a list request; unknown ids are silently absent.
pub(crate) fn answer(catalog: &Catalog, pairs: &[(String, String)]) -> Answer {
    let mut check = Check::new(pairs);
    check.single(&["ids", "query"]);
    let ids = check.ids("ids", IDS_MAX).filter(|_| !catalog.traps.has(Trap::UsersIdsIgnored));
    let text = check.filled("query").map(|text| text.to_lowercase());
    if !check.issues.is_empty() {
        return Answer::json(400, serde_json::json!({ "name": "ZodError", "issues": check.issues }).to_string());
    }
    let named = |user: u32| catalog.users().get(user as usize).map(|name| (user, name));
    let users: Vec<(u32, &String)> = match (ids, text) {
        (Some(ids), _) => ids.into_iter().filter_map(|id| named(id.checked_sub(FIRST_USER)?)).collect(),
        (None, text) => {
            let text = text.unwrap_or_default();
            let found = (0u32..).zip(catalog.users()).filter(|(_, name)| name.to_lowercase().contains(&text));
            found.take(FOUND).collect()
        }
    };
    let mut json = Writer::default();
    json.open('{');
    json.open_at("items", '[');
    for (user, name) in &users {
        json.open('{');
        json.int("id", user + FIRST_USER);
        json.text("username", name);
        json.close('}');
    }
    json.close(']');
    json.close('}');
    Answer { items: users.iter().map(|(user, _)| *user).collect(), ..Answer::json(200, json.out) }
}
