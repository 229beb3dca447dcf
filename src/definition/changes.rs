//! `--set` and `--each`: values of the command line that stand in for those of a crawl file.

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::mistake::Findings;
use super::suggestion;

/// The keys of a `for_each` that `--each` leaves as they are: those that do not say where the values come from.
const KEPT: [&str; 2] = ["param", "batch"];

/// The changes that a command line makes in a crawl file.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// `--set`, as written: `WALK.KEY=VALUE`, the value in TOML, or as plain text.
    pub set: Vec<String>,
    /// `--each`: the walk, `None` for the only one with a `for_each`.
    pub each: Vec<Option<String>>,
    /// The values of all `--each`.
    pub values: Vec<String>,
}

/// One change, as the crawl file would write it.
#[derive(Debug)]
pub(super) struct Change {
    /// The option, for mistakes in it.
    pub(super) option: String,
    /// The walk, `None` for the only one with a `for_each`.
    walk: Option<String>,
    /// True to replace the values of a `for_each`, false to set a parameter.
    is_each: bool,
    /// The line `KEY = VALUE`.
    pub(super) line: String,
    /// The fault in the option itself.
    fault: Option<String>,
}

impl Changes {
    /// Returns each change as the crawl file would write it.
    pub(super) fn written(&self) -> Vec<Change> {
        let each = self.each.iter().map(|walk| {
            let option = walk.as_ref().map_or_else(|| String::from("--each -"), |walk| format!("--each {walk}=-"));
            let line =
                format!("list = [{}]", self.values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "));
            Change { option, walk: walk.clone(), is_each: true, line, fault: None }
        });
        self.set.iter().map(|text| set(text)).chain(each).collect()
    }
}

/// Reads `WALK.KEY=VALUE`.
fn set(text: &str) -> Change {
    let option = format!("--set {text}");
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.trim().split_once('.')?, value.trim())));
    let Some(((walk, key), value)) = parts else {
        let fault = "it takes a walk, a parameter and its value: `WALK.KEY=VALUE`, such as `models.nsfw=true`.";
        return Change { option, walk: None, is_each: false, line: String::new(), fault: Some(fault.to_owned()) };
    };
    // A value that is no TOML is text.
    let lines = [value.to_owned(), quoted(value)].map(|value| format!("{} = {value}", quoted(key)));
    let is_one = |line: &&String| DeTable::parse(line).is_ok_and(|table| table.get_ref().len() == 1);
    let line = lines.iter().find(is_one).unwrap_or(&lines[1]).clone();
    Change { option, walk: Some(walk.to_owned()), is_each: false, line, fault: None }
}

/// Returns a text as TOML writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Makes a change in the document of a crawl file. `read` is its line, parsed, and begins at `at`.
pub(super) fn apply<'a>(
    change: &Change,
    read: &DeTable<'a>,
    at: usize,
    document: &mut DeTable<'a>,
    found: &mut Findings<'_>,
) {
    if let Some(fault) = &change.fault {
        return found.mistake(at, fault.clone());
    }
    let Some(walk) = walk(change, at, document, found) else { return };
    let key = if change.is_each { "for_each" } else { "params" };
    if !walk.contains_key(key) {
        let table = DeValue::Table(DeTable::new());
        walk.insert(Spanned::new(at..at, DeString::Borrowed(key)), Spanned::new(at..at, table));
    }
    // Another value is a mistake that its reader notes.
    let Some(DeValue::Table(table)) = walk.get_mut(key).map(Spanned::get_mut) else { return };
    if change.is_each {
        let kept = std::mem::take(table).into_iter().filter(|(key, _)| KEPT.contains(&key.get_ref().as_ref()));
        *table = kept.collect();
    }
    for (key, value) in read {
        table.remove(key.get_ref().as_ref());
        table.insert(key.clone(), value.clone());
    }
}

/// Returns the walk that a change is about; `None`, with a mistake noted, if there is none.
fn walk<'d, 'a>(
    change: &Change,
    at: usize,
    document: &'d mut DeTable<'a>,
    found: &mut Findings<'_>,
) -> Option<&'d mut DeTable<'a>> {
    let walks =
        document.get("walk").and_then(|walks| walks.get_ref().as_array()).map(Vec::from_iter).unwrap_or_default();
    let tables = walks.iter().enumerate().filter_map(|(index, walk)| Some((index, walk.get_ref().as_table()?)));
    let named = tables.filter_map(|(index, walk)| Some((index, walk.get("name")?.get_ref().as_str()?, walk)));
    let fit: Vec<(usize, String)> = named
        .filter(|(.., walk)| !change.is_each || walk.contains_key("for_each"))
        .map(|(index, name, _)| (index, name.to_owned()))
        .collect();
    let names = || suggestion::list(fit.iter().map(|(_, name)| &**name));
    let (what, example) = match change.is_each {
        true => ("walk with a `for_each`", "--each WALK=-"),
        false => ("walk", "--set WALK.KEY=VALUE"),
    };
    let chosen = match (&change.walk, &fit[..]) {
        (_, []) => Err(format!("the file has no {what}.")),
        (Some(walk), _) => fit.iter().find(|(_, name)| name == walk).ok_or_else(|| {
            let otherwise = format!("Known are {}.", names());
            let ending = suggestion::did_you_mean(walk, fit.iter().map(|(_, name)| &**name), &otherwise);
            format!("the file has no {what} of the name `{walk}`.{ending}")
        }),
        (None, [only]) => Ok(only),
        (None, _) => Err(format!("the file has more than one {what}, {}; name one: `{example}`.", names())),
    };
    let index = match chosen {
        Ok((index, _)) => *index,
        Err(text) => {
            found.mistake(at, text);
            return None;
        }
    };
    let DeValue::Array(walks) = document.get_mut("walk")?.get_mut() else { return None };
    let walks: &mut DeArray<'a> = walks;
    match walks.get_mut(index)?.get_mut() {
        DeValue::Table(walk) => Some(walk),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ENDPOINTS;
    use crate::definition::{Partitioning, Source, fingerprint, parse, parse_changed};

    const FILE: &str = "server = \"sandbox\"\ndataset = \"d\"\n\n[[walk]]\nname = \"a\"\nendpoint = \"models\"\n\
        params = { sort = \"Oldest\", types = [\"VAE\"] }\n\n[[walk]]\nname = \"b\"\nendpoint = \"model\"\n\
        for_each = { table = \"models\", column = \"id\" }\n";

    fn changed(set: &[&str], each: &[Option<&str>], values: &[&str]) -> Result<crate::definition::Crawl, String> {
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let each = each.iter().map(|walk| walk.map(str::to_owned)).collect();
        let changes = Changes { set: strings(set), each, values: strings(values) };
        let read = parse_changed("x", FILE, &changes, ENDPOINTS);
        read.map(|(crawl, _)| crawl).map_err(|mistakes| mistakes.lines("x.toml").join("\n"))
    }

    #[test]
    fn a_parameter_is_set_in_toml_or_as_text() {
        for (set, expected) in [
            ("a.types=LORA", vec!["LORA"]),
            ("a.types=\"LORA\"", vec!["LORA"]),
            ("a.types=[\"LORA\", \"VAE\"]", vec!["LORA", "VAE"]),
            ("a.nsfw=true", vec!["true"]),
            (" a.username = some one", vec!["some one"]),
            ("a.username=a=b", vec!["a=b"]),
            ("a.username=\"123\"", vec!["123"]),
            ("a.username=\"", vec!["\""]),
            ("a.username=true\"\nb = \"1", vec!["true\"\nb = \"1"]),
        ] {
            let crawl = changed(&[set], &[], &[]).unwrap();
            let key = set.trim().split(['.', '=']).nth(1).unwrap().trim();
            let sent = crawl.walks[0].params.iter().filter(|(name, _)| name == key);
            assert_eq!(sent.map(|(_, value)| &**value).collect::<Vec<_>>(), expected, "{set}");
        }
        assert_eq!(changed(&["a.limit=7"], &[], &[]).unwrap().walks[0].limit, 7);
        assert_eq!(changed(&["a.limit=7", "a.limit=8"], &[], &[]).unwrap().walks[0].limit, 8, "the last one counts");
    }

    #[test]
    fn values_replace_those_of_a_fan_out_and_are_of_the_definition() {
        for walk in [None, Some("b")] {
            let crawl = changed(&[], &[walk], &["7", "x"]).unwrap();
            let Partitioning::Each(each) = &crawl.walks[1].partitioning else { unreachable!("it fans out") };
            assert_eq!(each.source, Source::List(vec!["7".to_owned(), "x".to_owned()]));
            let written = FILE.replace("table = \"models\", column = \"id\"", "list = [7, \"x\"]");
            assert_eq!(fingerprint(&crawl), fingerprint(&parse("x", &written, ENDPOINTS).unwrap().0));
        }
    }

    #[test]
    fn a_mistake_is_said_of_its_option() {
        for (set, each, text) in [
            ("a.types=LoRAs", &[][..], "--set a.types=LoRAs: `types` is `LoRAs`; the server knows "),
            ("a.username=123", &[], "--set a.username=123: `username` is `123`; it takes text in quotes"),
            ("a.nfsw=true", &[], "--set a.nfsw=true: `models` has no parameter `nfsw`: "),
            ("c.nsfw=true", &[], "--set c.nsfw=true: the file has no walk of the name `c`. Known are `a`, `b`."),
            ("nsfw=true", &[], "--set nsfw=true: it takes a walk, a parameter and its value: `WALK.KEY=VALUE`"),
            ("a.nsfw", &[], "--set a.nsfw: it takes a walk, a parameter and its value: `WALK.KEY=VALUE`"),
            ("", &[Some("a")], "--each a=-: the file has no walk with a `for_each` of the name `a`. Known are `b`."),
            ("a.key=1", &[], "--set a.key=1: "),
        ] {
            let set: &[&str] = if set.is_empty() { &[] } else { &[set] };
            let said = changed(set, each, &["1"]).unwrap_err();
            assert!(said.starts_with(text), "{said}");
        }
    }
}
