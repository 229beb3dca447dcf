//! Renders a generated model as today's server sends it: the model's own fields, in the server's key order.

use super::json::Writer;
use super::version;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::seed::Generator;
use crate::sandbox::catalog::words::{self, LICENCES};
use crate::sandbox::catalog::{Entry, Mode};
use crate::sandbox::fault::traps::{Trap, Traps};

/// How a request looks at a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// All levels were asked for; otherwise only PG images are shown.
    pub(crate) nsfw: bool,
    /// Versions that are not Public are shown too.
    pub(crate) all_versions: bool,
    /// The versions the request does not narrow away: bit k is set for version k.
    pub(crate) among: u16,
    /// The item of `models/:id` rather than that of the list.
    pub(crate) detail: bool,
}

/// Which item-level traps strike this model.
pub(crate) struct Oddity {
    pub(crate) text_licence: bool,
    pub(crate) null_counters: bool,
    pub(crate) empty_versions: bool,
    pub(crate) lone_surrogate: bool,
    pub(crate) control_byte: bool,
    pub(crate) odd: bool,
    pub(crate) missing: bool,
}

impl Oddity {
    /// The traps of one model, drawn from its id.
    pub(crate) fn of(seed: u64, id: u32, traps: Traps) -> Oddity {
        let mut random = Random::new(seed, Stream::Oddity, u64::from(id));
        let mut draw = |trap, per_mille| random.chance(per_mille) && traps.has(trap);
        Oddity {
            text_licence: draw(Trap::TextLicences, 500),
            null_counters: draw(Trap::NullCounters, 60),
            empty_versions: draw(Trap::EmptyVersions, 20),
            lone_surrogate: draw(Trap::LoneSurrogates, 20),
            control_byte: draw(Trap::ControlBytes, 20),
            odd: draw(Trap::OddFields, 100),
            missing: draw(Trap::OddFields, 50),
        }
    }
}

/// Appends the item.
pub(crate) fn render(generator: &Generator, entry: &Entry, view: View, json: &mut Writer) {
    let oddity = Oddity::of(generator.seed, entry.id, generator.traps);
    let mut random = Random::new(generator.seed, Stream::Text, u64::from(entry.id));
    json.open('{');
    json.int("id", entry.id);
    name(generator, entry, &oddity, json);
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
    base_models(generator, entry, json);
    if !oddity.missing {
        json.raw("cosmetic", if random.chance(20) { "{\"id\":12,\"name\":\"frame\",\"data\":{}}" } else { "null" });
    }
    json.flag("supportsGeneration", entry.supports_generation);
    stats(entry, &oddity, json);
    creator(generator, entry, json);
    tags(generator, entry, &oddity, json);
    if oddity.odd {
        json.raw("futureField", "{\"nested\":[1,null,\"x\"],\"big\":12345678901234567890}");
    }
    version::render_all(generator, entry, view, &oddity, json);
    json.close('}');
}

/// The name, with half of a surrogate pair under its trap.
pub(crate) fn name(generator: &Generator, entry: &Entry, oddity: &Oddity, json: &mut Writer) {
    json.text("name", &generator.name(entry));
    if oddity.lone_surrogate {
        json.out.pop();
        json.out.push_str(" \\ud83d\"");
    }
}

/// The description: null now and then, mostly one or two KB of HTML.
pub(crate) fn description(random: &mut Random, oddity: &Oddity, json: &mut Writer) {
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

/// The mode, absent when there is none.
pub(crate) fn mode(entry: &Entry, json: &mut Writer) {
    match entry.mode {
        Mode::Normal => {}
        Mode::Archived => json.text("mode", "Archived"),
        Mode::TakenDown => json.text("mode", "TakenDown"),
    }
}

fn base_models(generator: &Generator, entry: &Entry, json: &mut Writer) {
    let mut names: Vec<&str> = Vec::new();
    for version in entry.listed_versions() {
        let name = version::base_model(generator.seed, entry, version);
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

/// The creator; absent for the house account and a number for names of digits, each under its trap.
pub(crate) fn creator(generator: &Generator, entry: &Entry, json: &mut Writer) {
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

/// The tags: names, or objects holding them under a trap.
pub(crate) fn tags(generator: &Generator, entry: &Entry, oddity: &Oddity, json: &mut Writer) {
    json.open_at("tags", '[');
    for tag in generator.tags_of(entry) {
        let name = &generator.tags[tag as usize];
        if oddity.odd {
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
