//! `GET /api/v1/posts/:id`, of era 2026-09: the images posted together, and the version they were posted for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::images_query::Rules;
use super::users::FIRST_USER;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::{dates, words};
use crate::sandbox::render::image::{self, Backend, ImageView};
use crate::sandbox::render::json::Writer;

/// The most images in an answer.
const IMAGES_MAX: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
const A_MINUTE: usize = 60;

/// True for a post that is not private.
pub(crate) fn public(seed: u64, post: u32) -> bool {
    post != 0 && !Random::new(seed, Stream::Post, u64::from(post) | 1 << 40).chance(25)
}

/// Answers a request for one post.
pub(crate) fn answer(rules: Rules<'_>, id: &str) -> Answer {
    let Some(post) = id.parse::<u32>().ok().filter(|id| *id > 0) else {
        return Answer::not_a_number("id");
    };
    let mut ranks = rules.gallery.of_post(post);
    ranks.retain(|rank| rules.gallery.picture(*rank).is_there(rules.requests));
    let Some(first) = ranks.first().filter(|_| public(rules.catalog.seed, post)) else {
        return Answer::error(404, "Post not found");
    };
    let first = rules.gallery.picture(*first);
    let pictures = || ranks.iter().map(|rank| rules.gallery.picture(*rank));
    let mut random = Random::new(rules.catalog.seed, Stream::Post, u64::from(post) | 1 << 41);
    let mut json = Writer::default();
    json.open('{');
    json.int("id", post);
    match random.chance(400) {
        true => json.raw("title", "null"),
        false => json.text("title", &words::phrase(&mut random)),
    }
    json.raw("detail", "null");
    json.int("nsfwLevel", pictures().fold(0, |levels, picture| levels | picture.level));
    json.text("publishedAt", &dates::iso(pictures().map(|picture| picture.sorted_at).min().unwrap_or_default()));
    match first.versions[0] {
        0 => json.raw("modelVersionId", "null"),
        version => json.int("modelVersionId", version),
    }
    json.open_at("user", '{');
    json.int("id", first.user + FIRST_USER);
    match rules.catalog.users().get(first.user as usize) {
        Some(name) => json.text("username", name),
        None => json.raw("username", "null"),
    }
    json.close('}');
    image::tag_list(image::named_tags(rules.catalog, first), &mut json);
    json.open_at("images", '[');
    let view = ImageView { with_meta: false, with_tags: false, flat: true, backend: Backend::Feed };
    for picture in pictures().take(IMAGES_MAX) {
        json.separate();
        image::render(rules.catalog, picture, view, &mut json);
    }
    json.close(']');
    json.close('}');
    Answer { items: vec![post], ..Answer::json(200, json.out) }
}

/// The limit of requests in a minute, under the trap `posts-limit`.
#[derive(Default)]
pub(crate) struct Limit(VecDeque<Instant>);

impl Limit {
    /// Returns the refusal of a request at an instant, if there were too many in the minute before it.
    pub(crate) fn refusal(&mut self, now: Instant) -> Option<Answer> {
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.0.pop_front();
        }
        match self.0.front().filter(|_| self.0.len() >= A_MINUTE) {
            Some(first) => {
                let wait = MINUTE.saturating_sub(now.duration_since(*first));
                let refusal = Answer::error(429, "Rate limit exceeded, please retry shortly.");
                Some(Answer { retry_after: Some(wait.as_secs() as u16 + 1), ..refusal })
            }
            None => {
                self.0.push_back(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_sixty_requests() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        assert!((0..60).all(|n| limit.refusal(start + Duration::from_millis(n)).is_none()));
        let refused = limit.refusal(start + Duration::from_secs(20)).unwrap();
        assert_eq!((refused.status, refused.retry_after), (429, Some(41)));
        assert!(limit.refusal(start + Duration::from_secs(61)).is_none());
    }
}
