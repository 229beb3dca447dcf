//! Renders a generated model as today's server sends it: the model's own fields, in the server's key order.

use super::json::Writer;
use super::version;
use super::view::{Item, Oddity};
use crate::sandbox::catalog::entry::{Entry, Mode};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::words::{self, LICENCES};
use crate::sandbox::traps::Trap;

/// Appends the item.
pub(super) fn render(item: &Item<'_>, json: &mut Writer) {
    let Item { generator, entry, oddity, .. } = *item;
    let mut random = Random::new(generator.seed, Stream::Text, u64::from(entry.id));
    json.open('{');
    json.int("id", entry.id);
    name(item, json);
    description(&mut random, &oddity, json);
    json.flag("allowNoCredit", random.chance(700));
    licences(&mut random, &oddity, json);
    json.flag("allowDerivatives", random.chance(800));
    json.flag("allowDifferentLicense", random.chance(600));
    json.text("type", entry.kind_name());
    json.flag("minor", entry.minor);
    json.flag("sfwOnly", random.chance(10));
    json.flag("poi", entry.person);
    json.flag("nsfw", entry.level & 1 == 0);
    json.int("nsfwLevel", entry.level);
    mode(entry, json);
    if !oddity.missing {
        json.text("availability", "Public");
    }
    json.int("userId", entry.user + 1000);
    base_models(item, json);
    if !oddity.missing {
        json.raw("cosmetic", if random.chance(20) { "{\"id\":12,\"name\":\"frame\",\"data\":{}}" } else { "null" });
    }
    json.flag("supportsGeneration", entry.supports_generation);
    stats(entry, &oddity, json);
    creator(item, json);
    tags(item, json);
    if oddity.odd {
        json.raw("futureField", "{\"nested\":[1,null,\"x\"],\"big\":12345678901234567890}");
    }
    version::render_all(item, json);
    json.close('}');
}

/// Appends the name, with half of a surrogate pair under its trap.
pub(super) fn name(item: &Item<'_>, json: &mut Writer) {
    json.text("name", &item.generator.name(item.entry));
    if item.oddity.lone_surrogate {
        json.out.pop();
        json.out.push_str(" \\ud83d\"");
    }
}

/// Appends the description: null now and then, mostly one or two KB of HTML.
pub(super) fn description(random: &mut Random, oddity: &Oddity, json: &mut Writer) {
    if random.chance(40) && !oddity.control_byte {
        return json.raw("description", "null");
    }
    let bytes = 200 + random.skewed(12) as usize + random.below(2200) as usize;
    json.raw("description", "\"");
    words::prose(random, bytes, &mut json.out);
    if oddity.control_byte {
        json.out.push_str("<p>pasted\r\n\tfrom \u{1}elsewhere</p>");
    }
    json.out.push('"');
}

fn licences(random: &mut Random, oddity: &Oddity, json: &mut Writer) {
    let mask = random.below(1 << LICENCES.len());
    let chosen: Vec<&str> = (0..LICENCES.len()).filter(|bit| mask & (1 << bit) != 0).map(|bit| LICENCES[bit]).collect();
    if oddity.text_licence {
        return json.text("allowCommercialUse", &format!("{{{}}}", chosen.join(",")));
    }
    json.open_at("allowCommercialUse", '[');
    chosen.iter().for_each(|licence| json.item(licence));
    json.close(']');
}

/// Appends the mode, if it is not the normal one.
pub(super) fn mode(entry: &Entry, json: &mut Writer) {
    match entry.mode {
        Mode::Normal => {}
        Mode::Archived => json.text("mode", "Archived"),
        Mode::TakenDown => json.text("mode", "TakenDown"),
    }
}

fn base_models(item: &Item<'_>, json: &mut Writer) {
    let mut names: Vec<&str> = Vec::new();
    for version in item.entry.listed_versions() {
        let name = item.generator.base_model(item.entry, version);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    json.open_at("baseModels", '[');
    names.iter().for_each(|name| json.item(name));
    json.close(']');
}

fn stats(entry: &Entry, oddity: &Oddity, json: &mut Writer) {
    json.open_at("stats", '{');
    if oddity.null_counters {
        json.raw("downloadCount", "null");
    } else {
        json.int("downloadCount", entry.downloads);
    }
    json.int("thumbsUpCount", entry.thumbs_up);
    json.int("thumbsDownCount", entry.thumbs_down);
    json.int("commentCount", entry.comments);
    if oddity.null_counters {
        json.raw("tippedAmountCount", "null");
    } else {
        json.int("tippedAmountCount", entry.tips);
    }
    if oddity.odd {
        json.int("futureCount", 7);
    }
    json.close('}');
}

/// Appends the creator; under traps the house account has none, and a name of digits is a number.
pub(super) fn creator(item: &Item<'_>, json: &mut Writer) {
    let Item { generator, entry, .. } = *item;
    if entry.user == 0 && generator.traps.has(Trap::AbsentCreators) {
        return;
    }
    let name = &generator.users[entry.user as usize];
    json.open_at("creator", '{');
    if generator.traps.has(Trap::NumericUsernames) && words::is_number(name) {
        json.raw("username", name);
    } else {
        json.text("username", name);
    }
    if entry.user % 9 == 4 {
        json.raw("image", "null");
    } else {
        let url = format!("https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA/{:08x}/width=96/{name}.jpeg", entry.user);
        json.text("image", &url);
    }
    json.close('}');
}

/// Appends the tags: names, or under a trap objects that hold the names.
pub(super) fn tags(item: &Item<'_>, json: &mut Writer) {
    json.open_at("tags", '[');
    for tag in item.generator.tags_of(item.entry) {
        let name = &item.generator.tags[tag as usize];
        if item.oddity.odd {
            json.open('{');
            json.int("id", tag);
            json.text("name", name);
            json.close('}');
        } else {
            json.item(name);
        }
    }
    json.close(']');
}
