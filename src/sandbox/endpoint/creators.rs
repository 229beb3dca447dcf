//! `GET /api/v1/creators`: the users, paged by number in an order that may change.

use super::answer::Answer;
use super::links::Links;
use super::number_query::{self, NumberQuery};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::{Catalog, words};
use crate::sandbox::render::json::Writer;
use crate::sandbox::traps::Trap;

/// Requests between two changes of the order.
const STEADY: u64 = 8;

/// The users in the order of their names, and the number of models of each.
pub(crate) struct Directory {
    alphabet: Vec<u32>,
    models: Vec<u32>,
}

impl Directory {
    pub(crate) fn build(catalog: &Catalog) -> Directory {
        let names = catalog.users();
        let mut models = vec![0; names.len()];
        catalog.entries.iter().for_each(|entry| models[entry.user as usize] += 1);
        let mut alphabet: Vec<u32> = (0u32..).take(names.len()).collect();
        alphabet.sort_by_cached_key(|user| names[*user as usize].to_lowercase());
        Directory { alphabet, models }
    }

    /// Returns the order after this many requests: under the trap a few creators have other places each time.
    fn order(&self, seed: u64, requests: u64) -> Vec<u32> {
        let epoch = requests / STEADY;
        let total = u32::try_from(self.alphabet.len()).unwrap_or(u32::MAX);
        let place = |(place, user): (u32, u32)| {
            let mut random = Random::new(seed, Stream::Listed, u64::from(user) << 32 | epoch);
            (if random.chance(30) { random.below(total) } else { place }, user)
        };
        let mut order: Vec<(u32, u32)> = (0u32..).zip(self.alphabet.iter().copied()).map(place).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, user)| user).collect()
    }
}

/// The list of creators.
pub(crate) struct Creators<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) directory: &'a Directory,
}

impl Creators<'_> {
    /// Answers a list request; this many requests came before it.
    pub(crate) fn answer(&self, links: &Links<'_>, requests: u64) -> Answer {
        let query = match number_query::parse(links.pairs) {
            Ok(query) => query,
            Err(refusal) => return refusal,
        };
        let users = self.users(&query, requests);
        let mut json = Writer::default();
        json.open('{');
        json.open_at("items", '[');
        let page = query.of(&users);
        page.iter().for_each(|user| self.render(*user, links, &mut json));
        json.close(']');
        metadata(&query, users.len(), links, &mut json);
        json.close('}');
        Answer { items: page.to_vec(), ..Answer::json(200, json.out) }
    }

    /// Returns the users that a query lists, in the order after this many requests.
    pub(crate) fn users(&self, query: &NumberQuery, requests: u64) -> Vec<u32> {
        let mut users = match self.catalog.traps.has(Trap::UnorderedCreators) {
            true => self.directory.order(self.catalog.seed, requests),
            false => self.directory.alphabet.clone(),
        };
        if let Some(text) = &query.text {
            let text = text.to_lowercase();
            users.retain(|user| self.catalog.users()[*user as usize].to_lowercase().contains(&text));
        }
        users
    }

    /// Appends a creator's item.
    pub(crate) fn render(&self, user: u32, links: &Links<'_>, json: &mut Writer) {
        let name = &self.catalog.users()[user as usize];
        let nameless = self.catalog.traps.has(Trap::AbsentCreators) && user % 53 == 7;
        json.open('{');
        match nameless {
            true => json.raw("username", "null"),
            false if self.catalog.traps.has(Trap::NumericUsernames) && words::is_number(name) => {
                json.raw("username", name);
            }
            false => json.text("username", name),
        }
        match self.directory.models[user as usize] {
            0 => {}
            models => json.int("modelCount", models),
        }
        json.text("link", &links.models("username", if nameless { "null" } else { name }));
        if user % 9 != 4 {
            let url = format!("https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA/{user:08x}/width=96/{name}.jpeg");
            json.text("image", &url);
        }
        json.close('}');
    }
}

/// Appends the totals; with a text they count only up to this page's end.
fn metadata(query: &NumberQuery, found: usize, links: &Links<'_>, json: &mut Writer) {
    let sure = query.page.saturating_mul(query.limit).saturating_add(1);
    let total = if query.text.is_some() { found.min(sure) } else { found };
    json.open_at("metadata", '{');
    let count = |key, count: usize, json: &mut Writer| match links.traps.has(Trap::TextTotals) {
        true => json.text(key, &count.to_string()),
        false => json.int(key, count as i64),
    };
    count("totalItems", total, json);
    json.int("currentPage", query.page as i64);
    json.int("pageSize", query.limit as i64);
    count("totalPages", query.pages(total), json);
    let more = query.page < query.pages(found);
    if query.text.is_some() {
        json.flag("hasMore", more);
    }
    if more {
        json.text("nextPage", &links.to("page", &(query.page + 1).to_string()));
    }
    if query.page > 1 {
        json.text("prevPage", &links.to("page", &(query.page - 1).to_string()));
    }
    json.close('}');
}
