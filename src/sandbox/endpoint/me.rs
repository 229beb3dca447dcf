//! `GET /api/v1/me`: the account of a key.

use serde_json::json;

use super::answer::Answer;

/// The one key that the server does not know; every other key belongs to an account.
pub const DEAD_KEY: &str = "dead-key";

/// Answers a request that sends this key, or none.
pub(crate) fn answer(key: Option<&str>) -> Answer {
    match key.filter(|key| !key.is_empty() && *key != DEAD_KEY) {
        Some(_) => {
            Answer::json(200, json!({ "id": 1, "username": "tester", "tier": "free", "status": "active" }).to_string())
        }
        None => Answer::error(401, "Unauthorized"),
    }
}
