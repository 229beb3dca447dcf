//! A catalog of recorded items: served byte for byte, with sort keys read from each item.

use serde_json::Value;

use super::dates::{self, Fraction};
use super::entry::{Entry, Mode};
use super::words::KINDS;
use crate::sandbox::error::Error;

/// Recorded items in the order of their ids.
pub(crate) struct Recording {
    pub(crate) items: Vec<RecordedItem>,
    /// User names by number.
    pub(crate) users: Vec<String>,
    /// Tag names by number.
    pub(crate) tags: Vec<String>,
}

/// One recorded item.
pub(crate) struct RecordedItem {
    /// The line as given, without blanks around it.
    pub(crate) json: String,
    pub(crate) name: String,
    pub(crate) tags: Vec<u32>,
}

/// Reads JSON lines, blank lines skipped.
///
/// # Errors
/// If a line is no JSON object with an integer `id`, or two lines have the same id.
pub(super) fn read(text: &str) -> Result<(Vec<Entry>, Recording), Error> {
    let mut recording = Recording { items: Vec::new(), users: Vec::new(), tags: Vec::new() };
    let mut rows: Vec<(Entry, RecordedItem)> = Vec::new();
    for (line, json) in (1usize..).zip(text.lines()).filter(|(_, json)| !json.trim().is_empty()) {
        let bad = |reason: String| Error::Catalog { line, reason };
        let value: Value = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        let entry = entry(&value, &mut recording.users).ok_or_else(|| bad("it has no integer `id`".to_owned()))?;
        let tags = strings(&value["tags"]).iter().map(|tag| number(&mut recording.tags, tag)).collect();
        let name = value["name"].as_str().unwrap_or_default().to_owned();
        rows.push((entry, RecordedItem { json: json.trim().to_owned(), name, tags }));
    }
    rows.sort_by_key(|(entry, _)| entry.id);
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].0.id == pair[1].0.id) {
        return Err(Error::Repeated { id: pair[0].0.id });
    }
    let (entries, items) = rows.into_iter().unzip();
    recording.items = items;
    Ok((entries, recording))
}

fn entry(value: &Value, users: &mut Vec<String>) -> Option<Entry> {
    let stats = &value["stats"];
    let count = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| stats[key].as_u64());
        found.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
    };
    let username = match &value["creator"]["username"] {
        Value::String(name) => name.clone(),
        Value::Number(name) => name.to_string(),
        _ => "civitai".to_owned(),
    };
    let kind = KINDS.iter().position(|kind| value["type"] == **kind).unwrap_or(usize::MAX);
    Some(Entry {
        id: u32::try_from(value["id"].as_u64()?).ok()?,
        last_version_at: newest_version(value),
        thumbs_up: count(&["thumbsUpCount", "favoriteCount"]),
        thumbs_down: count(&["thumbsDownCount"]),
        downloads: count(&["downloadCount"]),
        comments: count(&["commentCount"]),
        collected: count(&["collectedCount", "favoriteCount"]),
        images: count(&["imageCount"]),
        tips: count(&["tippedAmountCount"]),
        kind: u8::try_from(kind).unwrap_or(u8::MAX),
        level: value["nsfwLevel"].as_u64().and_then(|level| u8::try_from(level).ok()).unwrap_or(1),
        mode: match value["mode"].as_str() {
            Some("Archived") => Mode::Archived,
            Some("TakenDown") => Mode::TakenDown,
            _ => Mode::Normal,
        },
        minor: value["minor"].as_bool().unwrap_or(false),
        supports_generation: value["supportsGeneration"].as_bool().unwrap_or(false),
        user: number(users, &username),
        ..Entry::default()
    })
}

fn newest_version(value: &Value) -> Option<i64> {
    let versions = value["modelVersions"].as_array()?;
    let dates = versions.iter().flat_map(|version| [&version["createdAt"], &version["publishedAt"]]);
    dates.filter_map(|date| dates::parse(date.as_str()?, Fraction::Decimal)).max()
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().or(item["name"].as_str())).map(str::to_owned).collect()
}

/// Returns the number of a name; numbers are given in the order of first use.
fn number(names: &mut Vec<String>, name: &str) -> u32 {
    let position = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_kept_verbatim_in_the_order_of_ids() {
        let text = concat!(
            "{\"id\": 9, \"name\":\"b\", \"modelVersions\":[{\"createdAt\":\"2023-01-02T00:00:00.000Z\"}]}\n\n",
            "{\"id\":3,\"nsfwLevel\":4,\"stats\":{\"favoriteCount\":5},\"tags\":[\"x\"],\"type\":\"LORA\"}\n",
        );
        let (entries, recording) = read(text).unwrap();
        assert_eq!(entries.iter().map(|e| (e.id, e.level, e.thumbs_up)).collect::<Vec<_>>(), [(3, 4, 5), (9, 1, 0)]);
        assert_eq!(entries[1].last_version_at, Some(1_672_617_600_000));
        assert_eq!((entries[0].last_version_at, entries[0].kind_name()), (None, "LORA"));
        assert!(recording.items[1].json.starts_with("{\"id\": 9, "));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("{\"id\":1}\n{\"id\":\"x\"}").err().unwrap().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(read("{\"id\":1}\n{\"id\":1}").is_err());
    }
}
