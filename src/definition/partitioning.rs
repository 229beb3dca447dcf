//! `split` and `for_each`: the division of a walk, checked against its endpoint.

use arrow::datatypes::DataType;
use toml::de::DeValue;

use super::choice::{ChoiceKeys, kind, known_column};
use super::crawl::{Each, Partitioning, Source};
use super::later::{ENTERED, can_be_entered, date};
use super::mistake::Findings;
use super::suggestion;
use super::value::{Section, Value, text, whole};
use crate::api::endpoint::{Endpoint, Paging, Param, ParamKind};
use crate::api::lookup::ID_MAX;
use crate::table::{self, Table};

/// Most windows of a walk.
const WINDOWS_MAX: u32 = 256;
/// Most values in one request.
const BATCH_MAX: u32 = 1000;

/// The forms of `split`.
const SPLIT: &str = "`split` takes `{ by = \"types\" }`, or `{ windows = 4, from = \"2022-11-01\" }`.";

/// The two keys of a walk, types checked.
pub(super) struct PartitioningKeys {
    at: usize,
    split: Option<Split>,
    each: Option<Each>,
    /// True if a key could not be read; a mistake is noted.
    broken: bool,
}

enum Split {
    Windows { count: u32, from: Option<i64> },
    Types,
}

impl PartitioningKeys {
    /// Reads both keys, so that neither counts as unknown.
    pub(super) fn take(section: &mut Section<'_>, found: &mut Findings<'_>) -> PartitioningKeys {
        let (has_split, has_each) = (section.has("split"), section.has("for_each"));
        let at = section.at_key(if has_each { "for_each" } else { "split" });
        let split = has_split.then(|| read_whole(section.section("split", found), read_split, found));
        let each = has_each.then(|| read_whole(section.section("for_each", found), read_each, found));
        if !has_split {
            section.table("split", found);
        }
        if !has_each {
            section.table("for_each", found);
        }
        if has_split && has_each {
            found.mistake(at, "a walk has either `split` or `for_each`, not both; write two walks.");
        }
        let broken = matches!(split, Some(None)) || matches!(each, Some(None)) || (has_split && has_each);
        PartitioningKeys { at, split: split.flatten(), each: each.flatten(), broken }
    }

    /// Returns the division; `None`, with a mistake noted, if the endpoint does not support it. `has_from` says that the walk has
    /// a `from` of its own.
    pub(super) fn check(
        self,
        endpoint: &Endpoint,
        params: &[(String, String)],
        has_from: bool,
        walk_at: usize,
        found: &mut Findings<'_>,
    ) -> Option<Partitioning> {
        if self.broken {
            return None;
        }
        let at = self.at;
        match (self.split, self.each) {
            (Some(Split::Windows { from: None, .. }), _) if !has_from => {
                found.mistake(at, SPLIT);
                None
            }
            (Some(Split::Windows { count, from }), _) => {
                check_windows(endpoint, params, at, found).then_some(Partitioning::Windows { count, from })
            }
            (Some(Split::Types), _) => {
                let param = Some("types");
                let each = Each { source: Source::Types, param: param.map(str::to_owned), batch: 1 };
                check_param(endpoint, params, param, at, found).then_some(Partitioning::Each(each))
            }
            (None, Some(each)) => {
                let newest = matches!(each.source, Source::Newest { .. });
                if newest && (endpoint.name, each.param.as_deref()) != ("models", Some("ids")) {
                    found.mistake(at, "`newest` is known of models asked for by `ids` only; write a number.");
                    return None;
                }
                let fits = check_param(endpoint, params, each.param.as_deref(), at, found)
                    && check_batch(endpoint, each.batch, at, found);
                fits.then_some(Partitioning::Each(each))
            }
            (None, None) if matches!(endpoint.paging, Paging::Single) => {
                check_single(endpoint, params, walk_at, found).then_some(Partitioning::One)
            }
            (None, None) if matches!(endpoint.paging, Paging::Lookup) => {
                let text = format!("`{}` looks up one thing at a time; say which with `for_each`.", endpoint.name);
                found.mistake(walk_at, text);
                None
            }
            (None, None) => Some(Partitioning::One),
        }
    }
}

/// Reads a table with `read`, and notes its unknown keys.
fn read_whole<'a, T>(
    mut section: Section<'a>,
    read: fn(&mut Section<'a>, &mut Findings<'_>) -> Option<T>,
    found: &mut Findings<'_>,
) -> Option<T> {
    let value = read(&mut section, found);
    section.finish(found);
    value
}

fn read_split(section: &mut Section<'_>, found: &mut Findings<'_>) -> Option<Split> {
    let at = section.at();
    let by = section.text("by", found);
    let windows = section.int("windows", 1..=WINDOWS_MAX, found);
    let (from_at, from) = (section.at_key("from"), section.text("from", found));
    match (by, windows, from) {
        (Some("types"), None, None) => Some(Split::Types),
        (Some(other), None, None) => {
            found.mistake(at, format!("`split.by` is `{other}`; it takes `types`."));
            None
        }
        (None, Some(count), None) => Some(Split::Windows { count, from: None }),
        (None, Some(count), Some(from)) => match date(from) {
            from @ Some(_) => Some(Split::Windows { count, from }),
            None => {
                found.mistake(from_at, format!("`split.from` is `{from}`; it takes a date such as `2022-11-01`."));
                None
            }
        },
        _ => {
            found.mistake(at, SPLIT);
            None
        }
    }
}

fn read_each(section: &mut Section<'_>, found: &mut Findings<'_>) -> Option<Each> {
    let at = section.at();
    let param = section.text("param", found).map(str::to_owned);
    let batch = section.int("batch", 1..=BATCH_MAX, found).unwrap_or(1);
    let table = section.text("table", found);
    let column = section.text("column", found);
    let (only_at, only) = (section.at_key("only"), section.text("only", found));
    let choice = ChoiceKeys::take(section, found);
    let list = section.read("list", "a list of texts or whole numbers, such as `[\"…\", 7]`", found, |value| {
        value.as_array()?.iter().map(|item| listed(item.get_ref())).collect()
    });
    let range_at = section.at_key("range");
    let range = section.take("range");
    let source = match (table, column, list, range) {
        (Some(table), Some(column), None, None) => {
            let table = known_table(table, at, found)?;
            let column = value_column(table, column, at, found)?;
            match only {
                None => Source::Column { table: table.name, column, choice: choice.check(table, found)? },
                Some("changed") if choice.at().is_none() => Source::Changed { table: table.name, column },
                Some("changed") => {
                    let text = "`for_each.only` takes all rows that changed; leave `where`, `order_by` and `top` out.";
                    found.mistake(only_at, text);
                    return None;
                }
                Some(other) => {
                    found.mistake(only_at, format!("`for_each.only` is `{other}`; it takes `changed`."));
                    return None;
                }
            }
        }
        _ if only.is_some() => {
            found.mistake(only_at, "`for_each.only` goes with `table` and `column`: only rows change.");
            return None;
        }
        _ if choice.at().is_some() => {
            let text = "`where`, `order_by` and `top` go with `table` and `column`: they compare rows.";
            found.mistake(choice.at().unwrap_or(at), text);
            return None;
        }
        (None, None, Some(list), None) => Source::List(list),
        (None, None, None, Some(value)) => {
            let source = read_range(value);
            if source.is_none() {
                let written = found.written(value.span());
                let takes = "it takes `[first, last]`, or `[first, \"newest\"]`";
                let text = format!("`for_each.range` is `{written}`; {takes}, with numbers from 1 to {ID_MAX}.");
                found.mistake(range_at, text);
            }
            source?
        }
        _ => {
            let text = "`for_each` takes its values from `table` and `column`, from a `list`, or from a `range`.";
            found.mistake(at, text);
            return None;
        }
    };
    Some(Each { source, param, batch })
}

/// Returns one value of a `list` as it is sent; `None` if it is neither text nor a whole number.
fn listed(value: &DeValue<'_>) -> Option<String> {
    text(value).map(str::to_owned).or_else(|| whole(value).map(|number| number.to_string()))
}

/// Reads `[first, last]` or `[first, "newest"]`, of numbers that can be ids.
fn read_range(value: &Value<'_>) -> Option<Source> {
    let [first, last] = &value.get_ref().as_array()?[..] else { return None };
    let int = |value: &Value<'_>| i64::try_from(whole(value.get_ref())?).ok().filter(|id| (1..=ID_MAX).contains(id));
    let first = int(first)?;
    match last.get_ref().as_str() {
        Some("newest") => Some(Source::Newest { first }),
        Some(_) => None,
        None => int(last).filter(|last| first <= *last).map(|last| Source::Range { first, last }),
    }
}

/// Returns the table of this name; `None`, with a mistake noted, if there is none.
fn known_table(table: &str, at: usize, found: &mut Findings<'_>) -> Option<&'static Table> {
    let tables = || table::ALL.iter().map(|table| table.name);
    let known = table::named(table);
    if known.is_none() {
        let ending = suggestion::did_you_mean(table, tables(), &format!("Known are {}.", suggestion::list(tables())));
        found.mistake(at, format!("there is no table `{table}`.{ending}"));
    }
    known
}

/// Returns the declared name of a column whose values can be asked for; `None`, with a mistake noted, if there is none.
fn value_column(table: &Table, column: &str, at: usize, found: &mut Findings<'_>) -> Option<&'static str> {
    let column = known_column(table, column, at, found)?;
    if !matches!(column.data_type, DataType::Int64 | DataType::Utf8) {
        let text = format!(
            "`{}.{}` holds {}; `for_each` takes a column of whole numbers or texts.",
            table.name,
            column.name,
            kind(&column)
        );
        found.mistake(at, text);
        return None;
    }
    Some(column.name)
}

fn check_windows(endpoint: &Endpoint, params: &[(String, String)], at: usize, found: &mut Findings<'_>) -> bool {
    let fits = can_be_entered(endpoint, params);
    if !fits {
        found.mistake(at, format!("time windows need {ENTERED}."));
    }
    fits
}

/// True if one answer shows so many ids.
fn check_batch(endpoint: &Endpoint, batch: u32, at: usize, found: &mut Findings<'_>) -> bool {
    let fits = !matches!(endpoint.paging, Paging::Single) || batch <= endpoint.limit_max;
    if !fits {
        let (name, most) = (endpoint.name, endpoint.limit_max);
        found.mistake(at, format!("`{name}` is asked for {batch} at once; the server takes {most} at most."));
    }
    fits
}

/// True if the walk of an endpoint that has one answer says what it asks for, where that is needed.
fn check_single(endpoint: &Endpoint, params: &[(String, String)], at: usize, found: &mut Findings<'_>) -> bool {
    let asked = params.iter().find(|(name, _)| endpoint.whole_with.contains(&name.as_str()));
    match asked {
        Some((_, ids)) => {
            let count = u32::try_from(ids.split(',').count()).unwrap_or(u32::MAX);
            check_batch(endpoint, count, at, found)
        }
        None if endpoint.whole_with.is_empty() => true,
        None => {
            let (name, ways) = (endpoint.name, suggestion::list(endpoint.whole_with.iter().copied()));
            found.mistake(at, format!("`{name}` asks for nobody; set {ways}, or let `for_each` do it."));
            false
        }
    }
}

/// True if the values fit the endpoint: in the path of a look-up, else in a parameter that `params` does not set.
fn check_param(
    endpoint: &Endpoint,
    params: &[(String, String)],
    param: Option<&str>,
    at: usize,
    found: &mut Findings<'_>,
) -> bool {
    let names = || endpoint.params.iter().map(|param| param.name);
    let closed = |param: &Param| match param.kind {
        ParamKind::Managed(why) | ParamKind::Refused(why) => {
            Some(format!("`{}` cannot be asked for: {why}.", param.name))
        }
        _ => None,
    };
    if let Some(text) = endpoint.params.iter().find(|known| Some(known.name) == param).and_then(closed) {
        found.mistake(at, text);
        return false;
    }
    let text = match (endpoint.paging, param) {
        (Paging::Lookup, None) => return true,
        (Paging::Lookup, Some(_)) => format!("`{}` takes its values in the path; leave `param` out.", endpoint.name),
        (_, None) => String::from("`for_each` needs `param`: the parameter that carries its values."),
        (_, Some(param)) if !names().any(|known| known == param) => {
            let otherwise = format!("`civitrawl schema --params {}` lists those it has.", endpoint.name);
            let ending = suggestion::did_you_mean(param, names(), &otherwise);
            format!("`{}` has no parameter `{param}`.{ending}", endpoint.name)
        }
        (_, Some(param)) if params.iter().any(|(name, _)| name == param) => {
            format!("`{param}` is set in `params` too; let `for_each` set it alone.")
        }
        _ => return true,
    };
    found.mistake(at, text);
    false
}
