//! Images, posts and users: E.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;

use super::super::about::Needs;
use super::super::answers::Answers;
use super::super::exchange::{Exchange, Page};
use super::super::finding::{Finding, Judged, Pause, Verdict};
use super::super::probe::Probe;
use super::super::request::Request;
use super::asked::{LEVELS, first_models, images, popular};
use super::confirmed::{confirmed, second, settled};
use crate::api::endpoint::{Paging, Windows};
use crate::api::images::IMAGES;
use crate::fetch::is_lapsed;

const BY_VERSION: &str = "Crawl images by version, as `crawls/images-by-version.toml` does.";

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "E1",
        fact: "images by age have the cursors of the feed service",
        relied_on: &["api/images.rs", "api/place.rs"],
        remedy: BY_VERSION,
        needs: Needs::Nothing,
        judge: form_of_cursors,
    },
    Probe {
        id: "E2",
        fact: "images are listed by the version that they were posted for, also if they do not name it",
        relied_on: &["api/image.rs", "engine/walk/ignored_filter.rs"],
        remedy: "Leave out walks of images by `modelVersionId` until the server filters by it again; `crawls/images.toml` has all images.",
        needs: Needs::Nothing,
        judge: of_version,
    },
    Probe {
        id: "E3",
        fact: "images are neither lost nor repeated between two pages",
        relied_on: &["api/images.rs", "engine/walk/by_cursor.rs"],
        remedy: "Attach the file to a report: walks of images lose rows until their cursors are repaired.",
        needs: Needs::Nothing,
        judge: across_pages,
    },
    Probe {
        id: "E4",
        fact: "images above PG13 are shown when they are asked for",
        relied_on: &["engine/writer/clamp.rs", "api/images_params.rs"],
        remedy: "Crawl from another country or network: this one is shown images of PG and PG13 only.",
        needs: Needs::Nothing,
        judge: mature,
    },
    Probe {
        id: "E5",
        fact: "an image is found by its id",
        relied_on: &["lookup/mod.rs", "api/image.rs", "engine/walk/missing.rs"],
        remedy: "Do not look up images by id; ask by `postId` or `username`.",
        needs: Needs::Nothing,
        judge: by_id,
    },
    Probe {
        id: "E6",
        fact: "images of an unknown user are an empty list",
        relied_on: &["api/image.rs", "engine/walk/failed_page.rs"],
        remedy: "Leave out walks of images by `username`: their rows would be rejected.",
        needs: Needs::Nothing,
        judge: of_nobody,
    },
    Probe {
        id: "E7",
        fact: "a walk over images can begin at any instant",
        relied_on: &["api/images.rs", "engine/walk/by_window.rs"],
        remedy: BY_VERSION,
        needs: Needs::Nothing,
        judge: by_time,
    },
    Probe {
        id: "E8",
        fact: "images are found by a list of ids",
        relied_on: &["api/images.rs"],
        remedy: "Attach the file to a report.",
        needs: Needs::Nothing,
        judge: by_ids,
    },
    Probe {
        id: "E9",
        fact: "a cursor of the feed service is refused, in words that are known, where that service cannot filter",
        relied_on: &["fetch/verdict.rs", "api/images.rs"],
        remedy: "Attach the file to a report: a walk whose cursor lapses would end instead of beginning again.",
        needs: Needs::Nothing,
        judge: with_other_filters,
    },
    Probe {
        id: "E10",
        fact: "the post of an image is shown with its user, version, tags and images",
        relied_on: &["api/post.rs", "api/post_by_id.rs"],
        remedy: "Leave out walks of posts: the server shows another post than was asked for.",
        needs: Needs::Nothing,
        judge: post,
    },
    Probe {
        id: "E11",
        fact: "users are found by a list of ids, and unknown ones left out",
        relied_on: &["api/users.rs"],
        remedy: "Leave out walks of users: their rows would be rejected.",
        needs: Needs::Nothing,
        judge: users,
    },
    Probe {
        id: "E12",
        fact: "a walk that begins at an instant has all images of it",
        relied_on: &["api/images.rs"],
        remedy: BY_VERSION,
        needs: Needs::Nothing,
        judge: of_one_instant,
    },
];

/// The bits of PG and PG13.
const MILD: i64 = 3;
/// Fewest images that show a clamp.
const CLAMPED_MIN: usize = 5;
/// 2024-01-01, in milliseconds since 1970.
const AN_INSTANT: i64 = 1_704_067_200_000;
/// Most versions that are counted.
const NAMED_MAX: usize = 1000;
/// An id that no user has.
const NO_USER: i64 = 2_147_483_000;

/// Images that the server shows, of which other probes ask for one.
struct Known<'a> {
    levels: &'static str,
    items: &'a [Value],
}

impl Known<'_> {
    /// Returns a request for the images of these levels, with further parameters.
    fn request(&self, query: &[(&str, &str)]) -> Request {
        query.iter().fold(images(self.levels), |request, (name, value)| request.with(name, value))
    }

    fn ids(&self) -> impl Iterator<Item = i64> {
        numbers(self.items, "id")
    }

    /// Returns the id of one of the images.
    fn id(&self) -> Result<i64, Pause> {
        self.ids().next().ok_or_else(|| Pause::Lost(String::from("no image has an id")))
    }

    /// Returns the version that most of the images name, which has a large gallery.
    fn version(&self) -> Result<i64, Pause> {
        let named: Vec<i64> = self.items.iter().flat_map(versions_of).take(NAMED_MAX).collect();
        let most = named.iter().rev().max_by_key(|id| named.iter().filter(|other| other == id).count());
        most.copied().ok_or_else(|| Pause::Lost(String::from("none of the images names a version")))
    }
}

fn known(answers: &Answers) -> Result<Known<'_>, Pause> {
    for levels in LEVELS {
        let items = answers.page(popular(levels))?.items;
        if !items.is_empty() {
            return Ok(Known { levels, items });
        }
    }
    Err(Pause::Lost(String::from("the server shows no image")))
}

fn numbers<'a>(items: &'a [Value], key: &'static str) -> impl Iterator<Item = i64> + 'a {
    items.iter().filter_map(move |item| item[key].as_i64())
}

fn versions_of(item: &Value) -> impl Iterator<Item = i64> {
    item["modelVersionIds"].as_array().into_iter().flatten().filter_map(Value::as_i64)
}

/// Returns the instants of images, in milliseconds since 1970.
fn instants(items: &[Value]) -> impl Iterator<Item = i64> {
    let instant = |item: &Value| item["createdAt"].as_str()?.parse::<Timestamp>().ok();
    items.iter().filter_map(instant).map(Timestamp::as_millisecond)
}

/// Returns the windows of the crawler's walks over images.
fn windows() -> Result<Windows, Pause> {
    match IMAGES.paging {
        Paging::Cursor { windows: Some(windows), .. } => Ok(windows),
        _ => Err(Pause::Lost(String::from("no walk over images begins in the middle"))),
    }
}

/// Returns the cursor with which a walk begins at an instant.
fn forged(at: i64) -> Result<String, Pause> {
    Ok((windows()?.forge)(at))
}

/// Returns the cursor of the next page as a walk sends it; `None` after the last one.
fn next_cursor(page: Page<'_>) -> Option<String> {
    let token = &page.metadata["nextCursor"];
    token.as_str().map(str::to_owned).or_else(|| Some(token.as_i64()?.to_string()))
}

/// Returns the form of a cursor: its punctuation and letters, `n` for each number.
fn form(cursor: &str) -> String {
    let mut form = String::new();
    for c in cursor.chars().take(60) {
        match c {
            '0'..='9' if form.ends_with('n') => {}
            '0'..='9' => form.push('n'),
            c if c.is_ascii_graphic() => form.push(c),
            _ => form.push('?'),
        }
    }
    form
}

/// The name of the pages that are compared: those of all images by age, whose beginning hardly ever changes.
const OLDEST: &str = "oldest";

/// Returns the request for the oldest images.
fn oldest(known: &Known<'_>, limit: &str, key: &str) -> Request {
    known.request(&[("sort", "Oldest"), ("limit", limit), ("_", key)])
}

/// Returns the request for a page of them that others follow.
fn first_oldest(known: &Known<'_>, key: &str) -> Request {
    oldest(known, "3", key)
}

fn only_page(page: Page<'_>) -> Finding {
    Finding::untold(format!("the only page has no cursor, and {} images", page.items.len()))
}

fn form_of_cursors(answers: &Answers) -> Judged {
    // With the key of the first try, so that the answer is shared.
    let page = answers.page(first_oldest(&known(answers)?, &answers.fresh(&format!("{OLDEST}0"))))?;
    let Some(cursor) = next_cursor(page) else { return Ok(only_page(page)) };
    let form = form(&cursor);
    let is_known = match IMAGES.paging {
        Paging::Cursor { place, .. } => place(&[], Some(&cursor)).is_some(),
        _ => false,
    };
    Ok(if (windows()?.at)(&cursor).is_some() {
        Finding::holds(format!("`{form}`"))
    } else if is_known {
        Finding::handled(format!("`{form}`, of the older search index; walks by time begin behind a forged cursor"))
    } else {
        Finding::handled(format!("`{form}`, a form that is not known; walks send it back as it is"))
    })
}

/// An ignored filter shows the images that are listed without it.
fn of_version(answers: &Answers) -> Judged {
    let version = known(answers)?.version()?;
    let request = |key: &str| images("31").with("sort", "Newest").with("limit", 20).with("_", key);
    let key = answers.fresh("version");
    confirmed(
        answers,
        &key,
        |key| request(key).with("modelVersionId", version),
        |answer| {
            let page = answer.page()?;
            let names = |item: &&Value| versions_of(item).any(|id| id == version);
            let (all, naming) = (page.items.len(), page.items.iter().filter(names).count());
            Ok(if all == 0 {
                Finding::untold(format!("version {version} has no image"))
            } else if naming == all {
                Finding::untold(format!("all of {all} images name version {version}"))
            } else if 2 * naming < all && are_mostly(&page.ids(), &answers.page(request(&key))?.ids()) {
                Finding::differs(format!("of {all} images most are the same without `modelVersionId={version}`"))
            } else {
                Finding::holds(format!("{} of {all} images do not name version {version}", all - naming))
            })
        },
    )
}

/// True if at least half of these ids are among the others. Few are new between two answers, and galleries share fewer.
fn are_mostly(ids: &[i64], others: &[i64]) -> bool {
    let others: HashSet<&i64> = others.iter().collect();
    2 * ids.iter().filter(|id| others.contains(id)).count() >= ids.len().max(1)
}

fn across_pages(answers: &Answers) -> Judged {
    let known = known(answers)?;
    let head = |key: &str| oldest(&known, "6", key);
    answers.steady(OLDEST, head, |key, whole| {
        let first = answers.page(first_oldest(&known, key))?;
        let Some(cursor) = next_cursor(first) else { return Ok(only_page(first)) };
        // As many again as the head has, because some may repeat the first page.
        let next = |key: &str| oldest(&known, "6", key).with("cursor", &cursor);
        confirmed(answers, key, next, |answer| match answer.status {
            400 => Ok(refused(&cursor, answer)),
            _ => Ok(compared(&whole.ids(), &first.ids(), &answer.page()?.ids())),
        })
    })
}

/// Compares the ids on two pages with those that both should have.
fn compared(whole: &[i64], first: &[i64], next: &[i64]) -> Finding {
    let shown: HashSet<&i64> = first.iter().collect();
    let repeated = next.iter().filter(|id| shown.contains(id)).count();
    if next == whole && first.len() > 1 {
        return Finding::differs("the cursor is ignored: the first page is shown again");
    }
    let shown: HashSet<&i64> = first.iter().chain(next).collect();
    let lost = whole.iter().filter(|id| !shown.contains(id)).count();
    let (first, next, whole) = (first.len(), next.len(), whole.len());
    match (lost, repeated) {
        (0, 0) => Finding::holds(format!("pages of {first} and {next} images have the first {whole}")),
        (0, _) => {
            Finding::handled(format!("{repeated} of {next} images repeat the page before; a crawl keeps each once"))
        }
        (lost, _) => Finding::differs(format!("{lost} of the first {whole} images are on neither of two pages")),
    }
}

fn refused(cursor: &str, answer: &Exchange) -> Finding {
    let (form, status, message) = (form(cursor), answer.status, answer.message());
    Finding::differs(format!("the cursor `{form}` is answered with status {status}: `{message}`"))
}

fn mature(answers: &Answers) -> Judged {
    let page = answers.page(popular(LEVELS[0]))?;
    let levels: Vec<i64> = numbers(page.items, "browsingLevel").collect();
    let (all, mild) = (levels.len(), levels.iter().filter(|level| **level & MILD != 0).count());
    Ok(match mild {
        _ if all == 0 => Finding::untold("no image of these levels is shown"),
        0 => Finding::holds(format!("all of {all} images are above PG13")),
        _ if mild < all => Finding::handled(format!(
            "{mild} of {all} images are of PG or PG13: this host asks for the level of their models too; keep to one host"
        )),
        _ if all < CLAMPED_MIN => {
            Finding::untold(format!("all of {all} images are of PG or PG13, which may be chance"))
        }
        _ => Finding::differs(format!("all of {all} images are of PG or PG13, although only others were asked for")),
    })
}

fn by_id(answers: &Answers) -> Judged {
    let known = known(answers)?;
    let id = known.id()?;
    let request = |key: &str| known.request(&[("imageId", &id.to_string()), ("limit", "3"), ("_", key)]);
    confirmed(answers, &answers.fresh("image"), request, |answer| {
        let ids = answer.page()?.ids();
        Ok(match &ids[..] {
            [] => Finding::untold(format!("image {id} is not shown by its id")),
            [only] if *only == id => Finding::holds(format!("image {id}")),
            ids => Finding::differs(format!("{} images instead of image {id}", ids.len())),
        })
    })
}

fn of_nobody(answers: &Answers) -> Judged {
    let name = format!("nobody_{}", answers.about().began);
    let request = |key: &str| images(LEVELS[1]).with("username", &name).with("limit", 3).with("_", key);
    confirmed(answers, &answers.fresh("nobody"), request, |answer| {
        if answer.status == 404 {
            return Ok(Finding::handled(format!("status 404: `{}`; a walk ends there as not found", answer.message())));
        }
        Ok(match answer.page()?.items.len() {
            0 => Finding::holds("0 images"),
            images => Finding::differs(format!("{images} images of a user who does not exist")),
        })
    })
}

/// The name of the page that begins at an instant.
const INSTANT: &str = "instant";

/// Returns the request for the first images behind a cursor, by age.
fn behind(known: &Known<'_>, cursor: &str, key: &str) -> Request {
    oldest(known, "5", key).with("cursor", cursor)
}

/// A server without the feed service is an older one, which walks are ready for.
fn by_time(answers: &Answers) -> Judged {
    let is_older = form_of_cursors(answers)?.verdict != Verdict::Holds;
    let found = from_an_instant(answers)?;
    Ok(match found.verdict {
        Verdict::Differs if is_older => Finding::handled(format!(
            "{}; walks by time go on with the older list and say that it ends early; `crawls/images-by-version.toml` has all",
            found.evidence
        )),
        _ => found,
    })
}

fn from_an_instant(answers: &Answers) -> Judged {
    let known = known(answers)?;
    let cursor = forged(AN_INSTANT)?;
    confirmed(
        answers,
        &answers.fresh(INSTANT),
        |key| behind(&known, &cursor, key),
        |answer| {
            if matches!(answer.status, 400 | 500) {
                return Ok(refused(&cursor, answer));
            }
            let page = answer.page()?;
            let next = next_cursor(page).filter(|next| windows().is_ok_and(|windows| (windows.at)(next).is_none()));
            let Some(first) = instants(page.items).min() else {
                return Ok(Finding::untold("no image is shown behind 2024-01-01"));
            };
            Ok(match next {
                _ if first < AN_INSTANT => {
                    Finding::differs(format!("the cursor is ignored: an image of {} is behind 2024-01-01", day(first)))
                }
                Some(next) => Finding::differs(format!("the cursor is ignored: the next page has `{}`", form(&next))),
                None => Finding::holds(format!("behind 2024-01-01 the first image is of {}", day(first))),
            })
        },
    )
}

fn day(instant: i64) -> String {
    Timestamp::from_millisecond(instant).unwrap_or_default().strftime("%F").to_string()
}

/// Returns the page that begins at an instant.
fn page_by_time<'a>(answers: &'a Answers, known: &Known<'_>) -> Result<Page<'a>, Pause> {
    let (key, cursor) = (answers.fresh(INSTANT), forged(AN_INSTANT)?);
    let request = |key: &str| behind(known, &cursor, key);
    match from_an_instant(answers)?.verdict {
        Verdict::Holds => settled(answers, &key, request)?.page(),
        Verdict::Handled => answers.page(request(&second(&key))),
        Verdict::Differs | Verdict::Untold => {
            Err(Pause::Lost(String::from("the server shows no images from an instant on")))
        }
    }
}

fn of_one_instant(answers: &Answers) -> Judged {
    let known = known(answers)?;
    let page = page_by_time(answers, &known)?;
    let first = &page.items[..page.items.len().min(1)];
    let Some((id, at)) = numbers(first, "id").next().zip(instants(first).next()) else {
        return Ok(Finding::untold("the first image behind 2024-01-01 has no id or no date"));
    };
    let shows = |cursor: &str| {
        let answer = settled(answers, &answers.fresh("tie"), |key| behind(&known, cursor, key))?;
        Ok(answer.page()?.ids().contains(&id))
    };
    Ok(if shows(&format!("feed:{at}:0"))? {
        Finding::holds(format!("image {id} is behind the id 0 of its own"))
    } else if shows(&forged(at)?)? {
        Finding::handled(format!("image {id} is before the id 0 of its own; windows begin a millisecond earlier"))
    } else if shows(&forged(AN_INSTANT)?)? {
        Finding::differs(format!("image {id} is not behind the millisecond before its own"))
    } else {
        Finding::untold(format!("image {id} is shown no more"))
    })
}

fn by_ids(answers: &Answers) -> Judged {
    let known = known(answers)?;
    known.id()?;
    // The first ones are those that a server without the filter lists.
    let mut asked: Vec<i64> = known.ids().collect();
    asked.drain(..asked.len().saturating_sub(3));
    let ids = asked.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let shown = answers.page(known.request(&[("ids", &ids), ("limit", "3"), ("_", &answers.fresh("ids"))]))?.ids();
    Ok(match shown.iter().filter(|id| !asked.contains(id)).count() {
        _ if shown.is_empty() => Finding::untold(format!("none of {} images is shown by its id", asked.len())),
        0 => Finding::holds(format!("{} of {} images and no other", shown.len(), asked.len())),
        others => Finding::handled(format!(
            "{others} other images, as from older servers, which ignore `ids`; no walk asks so"
        )),
    })
}

fn with_other_filters(answers: &Answers) -> Judged {
    let known = known(answers)?;
    page_by_time(answers, &known)?;
    let cursor = forged(AN_INSTANT)?;
    let request = |key: &str| behind(&known, &cursor, key).with("requiringMeta", true);
    let answer = settled(answers, &answers.fresh("filters"), request)?;
    let message = answer.message();
    Ok(match answer.status {
        400 if is_lapsed(message) => Finding::holds(format!("`{message}`")),
        400 => Finding::differs(format!("status 400 in unknown words: `{message}`")),
        _ => Finding::handled(format!(
            "{} images, as if there were no filter; no walk asks so",
            answer.page()?.items.len()
        )),
    })
}

/// Returns the answer to the request for the post of a known image, and the post's id.
fn known_post(answers: &Answers) -> Result<(&Exchange, i64), Pause> {
    let known = known(answers)?;
    let id = numbers(known.items, "postId").next();
    let id = id.ok_or_else(|| Pause::Lost(String::from("no image names its post")))?;
    Ok((answers.get(Request::new::<&str>(&format!("posts/{id}"), &[]))?, id))
}

fn post(answers: &Answers) -> Judged {
    let (answer, id) = known_post(answers)?;
    if answer.status == 404 {
        let is_page = answer.header("content-type").is_some_and(|kind| kind.contains("html"));
        return Ok(match is_page {
            true => Finding::handled("the server has no posts, and walks of them say so"),
            false => Finding::untold(format!("post {id} of an image that is shown is not: `{}`", answer.message())),
        });
    }
    let post = answer.json()?;
    let images = post["images"].as_array().map_or(0, Vec::len);
    let lacks = [
        ("user", post["user"]["id"].is_i64()),
        ("modelVersionId", post.get("modelVersionId").is_some()),
        ("tags", post["tags"].is_array()),
        ("images", images > 0),
    ];
    let lacks: Vec<&str> = lacks.into_iter().filter(|(_, has)| !has).map(|(name, _)| name).collect();
    Ok(if post["id"].as_i64() != Some(id) {
        Finding::differs(format!("another post is shown than {id}"))
    } else if lacks.is_empty() {
        Finding::holds(format!("post {id} with {images} images"))
    } else {
        Finding::handled(format!("post {id} lacks `{}`; their columns stay empty", lacks.join("`, `")))
    })
}

fn users(answers: &Answers) -> Judged {
    let owners = answers.page(first_models())?;
    let poster = match known_post(answers) {
        Ok((answer, _)) => answer.skeleton["user"]["id"].as_i64(),
        Err(Pause::Lost(_)) => None,
        Err(wanted) => return Err(wanted),
    };
    let mut asked: Vec<i64> = poster.into_iter().chain(numbers(owners.items, "userId")).take(2).collect();
    if asked.is_empty() {
        return Ok(Finding::untold("no answer names a user by id"));
    }
    asked.dedup();
    let ids = asked.iter().chain(&[NO_USER]).map(i64::to_string).collect::<Vec<_>>().join(",");
    let request = |key: &str| Request::new("users", &[("ids", ids.as_str()), ("_", key)]);
    confirmed(answers, &answers.fresh("users"), request, |answer| {
        let shown = answer.page()?.ids();
        Ok(match shown.iter().filter(|id| !asked.contains(id)).count() {
            _ if shown.is_empty() => Finding::untold(format!("none of {} users is shown", asked.len())),
            0 => Finding::holds(format!("{} of {} users and no other", shown.len(), asked.len())),
            others => Finding::differs(format!("{others} users who were not asked for")),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::finding::Verdict::{self, Differs, Handled, Untold};
    use super::super::super::testing::{answer, assert_moved, page, value};
    use super::*;

    const IMAGES: i64 = 12;

    fn at(id: i64) -> i64 {
        AN_INSTANT + 1000 * id
    }

    fn image(id: i64) -> Value {
        let date = Timestamp::from_millisecond(at(id)).unwrap().to_string();
        let version = if id % 4 == 0 { 6 } else { 5 };
        json!({ "id": id, "createdAt": date, "browsingLevel": 4, "postId": 70, "modelVersionIds": [version] })
    }

    /// Answers as the newest server does.
    fn serve(request: &Request) -> Exchange {
        let (status, skeleton) = match request.path.as_str() {
            "models" => (200, page([json!({ "id": 1, "userId": 901 })], None)),
            "posts/70" => {
                let post = json!({ "id": 70, "user": { "id": 900 }, "modelVersionId": 5, "tags": [], "images": [{}] });
                (200, post)
            }
            "users" => {
                let ids = value(request, "ids").unwrap().split(',').map(|id| id.parse::<i64>().unwrap());
                let users: Vec<Value> = ids.filter(|id| *id != NO_USER).map(|id| json!({ "id": id })).collect();
                (200, json!({ "items": users }))
            }
            _ => list(request),
        };
        answer(request, status, skeleton)
    }

    fn list(request: &Request) -> (u16, Value) {
        let given = |name| value(request, name);
        let cursor = given("cursor");
        if cursor.is_some() && given("requiringMeta").is_some() {
            return (400, json!({ "message": "This cursor cannot be continued with these filters" }));
        }
        let listed = |ids: &str| ids.split(',').map(|id| id.parse().unwrap()).collect::<Vec<i64>>();
        let mut ids: Vec<i64> = match given("ids").or(given("imageId")) {
            Some(ids) => listed(ids),
            None if given("username").is_some() => Vec::new(),
            None => (1..=IMAGES).collect(),
        };
        match cursor.map(|cursor| (cursor.strip_prefix("feed:").and_then(|keys| keys.split_once(':')), cursor)) {
            Some((Some((value, id)), _)) => {
                let place: (i64, i64) = (value.parse().unwrap(), id.parse().unwrap());
                ids.retain(|id| (at(*id), *id) > place);
            }
            Some((None, offset)) => drop(ids.drain(..offset[..1].parse::<usize>().unwrap())),
            None => {}
        }
        let limit = given("limit").unwrap().parse().unwrap();
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().filter(|_| more).map(|id| format!("feed:{}:{id}", at(*id)));
        (200, page(ids.into_iter().map(image), next.as_deref()))
    }

    fn is_first(request: &Request) -> bool {
        !value(request, "_").is_some_and(|key| key.ends_with("again"))
    }

    fn is_by_version(request: &Request) -> bool {
        value(request, "sort") == Some("Newest")
    }

    fn cursor(request: &Request) -> &str {
        value(request, "cursor").unwrap_or_default()
    }

    fn is_forged(request: &Request) -> bool {
        cursor(request).ends_with(":0")
    }

    fn items(answer: &mut Exchange) -> &mut Vec<Value> {
        answer.skeleton["items"].as_array_mut().unwrap()
    }

    fn empty(answer: &mut Exchange) {
        answer.skeleton = page([], None);
    }

    fn fail(answer: &mut Exchange, status: u16, message: &str) {
        (answer.status, answer.skeleton) = (status, json!({ "message": message }));
    }

    /// Gives every page of images without a cursor of the feed service another cursor of the next one.
    fn next(request: &Request, answer: &mut Exchange, cursor: &Value) {
        if request.path == "images" && !self::cursor(request).starts_with("feed:") {
            answer.skeleton["metadata"]["nextCursor"] = cursor.clone();
        }
    }

    fn name_another(answer: &mut Exchange) {
        items(answer).iter_mut().for_each(|item| item["modelVersionIds"] = json!([6]));
    }

    fn level(answer: &mut Exchange, images: usize) {
        items(answer).iter_mut().take(images).for_each(|item| item["browsingLevel"] = json!(1));
    }

    #[test]
    fn each_probe_sees_its_fact_and_no_other() {
        type Moved = &'static [(&'static str, Verdict)];
        type Change = fn(&Request, &mut Exchange);
        let cases: &[(&str, Change, Moved)] = &[
            ("as today", |_, _| (), &[]),
            ("offsets", |asked, answer| next(asked, answer, &json!("3|1704067203000")), &[("E1", Handled)]),
            ("numbers", |asked, answer| next(asked, answer, &json!(3)), &[("E1", Handled)]),
            ("unknown cursors", |asked, answer| next(asked, answer, &json!("3~\u{1b}é")), &[("E1", Handled)]),
            ("no cursors", |asked, answer| next(asked, answer, &Value::Null), &[("E1", Untold), ("E3", Untold)]),
            (
                "all images name the version",
                |asked, answer| {
                    if is_by_version(asked) {
                        items(answer).retain(|item| item["modelVersionIds"] == json!([5]));
                    }
                },
                &[("E2", Untold)],
            ),
            (
                "a version without images",
                |asked, answer| {
                    if is_by_version(asked) {
                        empty(answer);
                    }
                },
                &[("E2", Untold)],
            ),
            (
                "the version is ignored",
                |asked, answer| {
                    if is_by_version(asked) {
                        name_another(answer);
                    }
                },
                &[("E2", Differs)],
            ),
            (
                "the version is ignored, and the list moves",
                |asked, answer| {
                    if is_by_version(asked) {
                        name_another(answer);
                        items(answer)[0]["modelVersionIds"] = json!([5]);
                    }
                    if value(asked, "modelVersionId").is_some() {
                        items(answer).insert(0, image(20));
                    }
                },
                &[("E2", Differs)],
            ),
            (
                "no image of the version names it",
                |asked, answer| {
                    if value(asked, "modelVersionId").is_some() {
                        answer.skeleton = page([image(20), image(24), image(28)], None);
                    }
                },
                &[],
            ),
            (
                "the version is ignored once",
                |asked, answer| {
                    if is_by_version(asked) && is_first(asked) {
                        name_another(answer);
                    }
                },
                &[("E2", Handled)],
            ),
            (
                "the first row behind a cursor is lost",
                |asked, answer| {
                    if !cursor(asked).is_empty() && answer.status == 200 {
                        items(answer).remove(0);
                    }
                },
                &[("E3", Differs), ("E12", Differs)],
            ),
            (
                "a page behind a cursor is empty once",
                |asked, answer| {
                    if !is_forged(asked) && !cursor(asked).is_empty() && is_first(asked) {
                        empty(answer);
                    }
                },
                &[],
            ),
            (
                "a page behind a cursor lacks rows once",
                |asked, answer| {
                    if !is_forged(asked) && !cursor(asked).is_empty() && is_first(asked) {
                        items(answer).remove(0);
                    }
                },
                &[("E3", Handled)],
            ),
            (
                "a page behind a forged cursor is empty once",
                |asked, answer| {
                    if is_forged(asked) && is_first(asked) {
                        (answer.status, answer.skeleton) = (200, page([], None));
                    }
                },
                &[],
            ),
            (
                "a row repeats",
                |asked, answer| {
                    if !is_forged(asked) && !cursor(asked).is_empty() {
                        items(answer).insert(0, image(3));
                    }
                },
                &[("E3", Handled)],
            ),
            (
                "cursors are ignored",
                |asked, answer| {
                    if !is_forged(asked) && !cursor(asked).is_empty() {
                        answer.skeleton = page((1..=6).map(image), Some("feed:1704067206000:6"));
                    }
                },
                &[("E3", Differs)],
            ),
            (
                "cursors lapse",
                |asked, answer| {
                    if !is_forged(asked) && !cursor(asked).is_empty() {
                        fail(answer, 400, "This cursor can no longer be continued; start again without it");
                    }
                },
                &[("E3", Differs)],
            ),
            (
                "the list moves",
                |asked, answer| {
                    if value(asked, "_").is_some_and(|key| key.ends_with("end")) {
                        items(answer).remove(0);
                    }
                },
                &[("E3", Untold)],
            ),
            (
                "a clamped region",
                |_, answer| {
                    if answer.status == 200 && answer.skeleton.get("metadata").is_some() {
                        level(answer, 50);
                    }
                },
                &[("E4", Differs)],
            ),
            (
                "few mild images",
                |asked, answer| {
                    if value(asked, "sort") == Some("Most Reactions") {
                        items(answer).truncate(CLAMPED_MIN - 1);
                        level(answer, 50);
                    }
                },
                &[("E4", Untold)],
            ),
            (
                "levels of models",
                |asked, answer| {
                    if value(asked, "sort") == Some("Most Reactions") {
                        level(answer, 2);
                    }
                },
                &[("E4", Handled)],
            ),
            (
                "nothing above PG13",
                |asked, answer| {
                    if asked.path == "images" && value(asked, "browsingLevel") == Some("28") {
                        empty(answer);
                    }
                },
                &[("E4", Untold)],
            ),
            (
                "no images",
                |asked, answer| {
                    if asked.path == "images" {
                        empty(answer);
                    }
                },
                &[
                    ("E1", Untold),
                    ("E2", Untold),
                    ("E3", Untold),
                    ("E4", Untold),
                    ("E5", Untold),
                    ("E7", Untold),
                    ("E8", Untold),
                    ("E9", Untold),
                    ("E10", Untold),
                    ("E12", Untold),
                ],
            ),
            (
                "bare images",
                |asked, answer| {
                    if asked.path == "images" && answer.status == 200 {
                        items(answer).iter_mut().for_each(|item| *item = json!({}));
                    }
                },
                &[
                    ("E2", Untold),
                    ("E4", Untold),
                    ("E5", Untold),
                    ("E7", Untold),
                    ("E8", Untold),
                    ("E9", Untold),
                    ("E10", Untold),
                    ("E12", Untold),
                ],
            ),
            (
                "an image is hidden",
                |asked, answer| {
                    if value(asked, "imageId").is_some() {
                        empty(answer);
                    }
                },
                &[("E5", Untold)],
            ),
            (
                "image ids are ignored",
                |asked, answer| {
                    if value(asked, "imageId").is_some() {
                        items(answer).push(image(9));
                    }
                },
                &[("E5", Differs)],
            ),
            (
                "unknown users are not found",
                |asked, answer| {
                    if value(asked, "username").is_some() {
                        fail(answer, 404, "User not found");
                    }
                },
                &[("E6", Handled)],
            ),
            (
                "names are ignored",
                |asked, answer| {
                    if value(asked, "username").is_some() {
                        items(answer).push(image(9));
                    }
                },
                &[("E6", Differs)],
            ),
            (
                "forged cursors are refused",
                |asked, answer| {
                    if is_forged(asked) {
                        fail(answer, 400, "Invalid cursor");
                    }
                },
                &[("E7", Differs), ("E9", Untold), ("E12", Untold)],
            ),
            (
                "forged cursors fail",
                |asked, answer| {
                    if is_forged(asked) {
                        fail(answer, 500, "An unexpected error occurred");
                    }
                },
                &[("E7", Differs), ("E9", Untold), ("E12", Untold)],
            ),
            (
                "forged cursors are ignored",
                |asked, answer| {
                    if is_forged(asked) {
                        answer.skeleton = page([image(-9)], Some("5|1704"));
                    }
                },
                &[("E7", Differs), ("E9", Untold), ("E12", Untold)],
            ),
            (
                "a server without the feed service",
                |asked, answer| {
                    next(asked, answer, &json!("3|1704067203000"));
                    if is_forged(asked) {
                        fail(answer, 400, "Invalid cursor");
                    }
                },
                &[("E1", Handled), ("E7", Handled), ("E9", Untold), ("E12", Untold)],
            ),
            (
                "the feed service is away",
                |asked, answer| {
                    if is_forged(asked) {
                        fail(answer, 503, "overloaded");
                    }
                },
                &[("E7", Untold), ("E9", Untold), ("E12", Untold)],
            ),
            (
                "a walk is broken off once",
                |asked, answer| {
                    if value(asked, "_").is_some_and(|key| key.ends_with(INSTANT)) {
                        fail(answer, 400, "This cursor can no longer be continued; start again without it");
                    }
                },
                &[("E7", Handled)],
            ),
            (
                "ids are ignored",
                |asked, answer| {
                    if value(asked, "ids").is_some() && asked.path == "images" {
                        items(answer).push(image(1));
                    }
                },
                &[("E8", Handled)],
            ),
            (
                "other words",
                |asked, answer| {
                    if answer.status == 400 && is_forged(asked) {
                        fail(answer, 400, "No such filter");
                    }
                },
                &[("E9", Differs)],
            ),
            (
                "filters are ignored",
                |_, answer| {
                    if answer.status == 400 {
                        (answer.status, answer.skeleton) = (200, page([image(1)], None));
                    }
                },
                &[("E9", Handled)],
            ),
            (
                "a hidden post",
                |asked, answer| {
                    if asked.path == "posts/70" {
                        fail(answer, 404, "Post not found");
                    }
                },
                &[("E10", Untold)],
            ),
            (
                "no posts",
                |asked, answer| {
                    if asked.path == "posts/70" {
                        (answer.status, answer.skeleton) = (404, Value::Null);
                        answer.headers.insert(String::from("content-type"), String::from("text/html"));
                    }
                },
                &[("E10", Handled)],
            ),
            (
                "another post",
                |asked, answer| {
                    if asked.path == "posts/70" {
                        answer.skeleton["id"] = json!(71);
                    }
                },
                &[("E10", Differs)],
            ),
            (
                "a post without tags",
                |asked, answer| {
                    if asked.path == "posts/70" {
                        answer.skeleton["tags"] = Value::Null;
                    }
                },
                &[("E10", Handled)],
            ),
            (
                "other users",
                |asked, answer| {
                    if asked.path == "users" {
                        items(answer).push(json!({ "id": 7 }));
                    }
                },
                &[("E11", Differs)],
            ),
            (
                "no users",
                |asked, answer| {
                    if asked.path == "users" {
                        empty(answer);
                    }
                },
                &[("E11", Untold)],
            ),
            (
                "ids fall within an instant",
                |asked, answer| {
                    let own = format!("feed:{}:0", at(1));
                    if cursor(asked) == own {
                        items(answer).remove(0);
                    }
                },
                &[("E12", Handled)],
            ),
        ];
        let probes: Vec<&Probe> = PROBES.iter().collect();
        for (name, change, moved) in cases {
            let serve = |(): &(), request: &Request| {
                let mut answer = serve(request);
                change(request, &mut answer);
                answer
            };
            assert_moved(&probes, || (), serve, &[(name, |()| (), moved)]);
        }
    }

    #[test]
    fn the_form_of_a_cursor_has_no_letter_that_a_screen_obeys() {
        assert_eq!(form("feed:1704067200000:12"), "feed:n:n");
        assert_eq!(form("3~\u{1b}é 12|"), "n~???n|");
        assert_eq!(form(&"1|".repeat(500)).len(), 60);
    }
}
