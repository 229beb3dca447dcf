//! Charts: columns over time are inline SVG. Bars and matrices are tables with each number on its bar: they can be searched,
//! copied and read aloud, and fit any width, which drawings do not.

use maud::{Markup, html};

use super::plot;
use super::tally::Tally;
use super::text::{count, foreign, percent};

/// Number of colours for the parts of a column; the last is for all others.
pub(super) const COLOURS: usize = 8;

/// Renders a table with a bar for each of the most frequent names, as parts of a whole.
pub(super) fn bars(caption: &str, what: &str, tally: &Tally, whole: u64) -> Markup {
    let Tally { names, others, .. } = tally;
    let longest = names.first().map_or(1, |(_, count)| *count).max(1);
    html! {
        table.bars {
            caption { (caption) }
            colgroup { col.name; col; col.share; }
            thead.unseen { tr { th { "name" } th { (what) } th { "share" } } }
            tbody {
                @for (name, number) in names {
                    tr {
                        th scope="row" { (foreign(name)) }
                        (bar(*number, longest, whole))
                    }
                }
                // A thing with several names counts several times, so the sum of the others says nothing.
                @if others.1 > 0 && tally.total() <= whole {
                    tr.others { th scope="row" { (count(others.0)) " others" } (bar(others.1, longest, whole)) }
                } @else if others.0 > 0 {
                    tr.others { th scope="row" { (count(others.0)) " others" } td {} td {} }
                }
                @if tally.nameless > 0 {
                    tr.others { th scope="row" { "not reported" } (bar(tally.nameless, longest, whole)) }
                }
                @if names.is_empty() && tally.nameless == 0 { tr.others { th scope="row" { "none" } td {} td {} } }
            }
        }
    }
}

/// Renders the cells of one bar: the number on its bar, and its share.
pub(super) fn bar(number: u64, longest: u64, whole: u64) -> Markup {
    html! {
        td.bar style=(format!("--part:{:.4}", number.min(longest) as f64 / longest.max(1) as f64)) { span { (count(number)) } }
        td.share { (percent(number, whole)) }
    }
}

/// Renders one column a month, made of coloured parts; the same numbers follow as a table to unfold.
pub(super) fn columns(caption: &str, parts: &[String], months: &[(String, Vec<u64>)]) -> Markup {
    let highest = months.iter().map(|(_, parts)| parts.iter().sum::<u64>()).max().unwrap_or_default();
    let label = format!("{caption}; at most {highest} in a month. The table below has the numbers.");
    html! {
        figure {
            figcaption { (caption) }
            ul.legend {
                @for (at, part) in parts.iter().enumerate() {
                    li { i class=(format!("c{}", colour(at, parts.len()))) {} (foreign(part)) }
                }
            }
            @for (width, size) in plot::SIZES {
                div class=(format!("plot {width}")) role="img" aria-label=(label) {
                    (plot::columns(size, &counted(parts.len(), months)))
                }
            }
            details {
                summary { "Numbers" }
                div.wide { table.numbers {
                    thead { tr { th { "month" } @for part in parts { th { (foreign(part)) } } th { "all" } } }
                    tbody {
                        @for (month, numbers) in months.iter().rev() {
                            tr {
                                th scope="row" { (month) }
                                @for number in numbers { td { (count(*number)) } }
                                td { (count(numbers.iter().sum())) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// Converts months for the drawing: counted from the year 0, without empty parts.
fn counted(parts: usize, months: &[(String, Vec<u64>)]) -> Vec<plot::Month> {
    let month = |(name, numbers): &(String, Vec<u64>)| {
        let (year, month) = name.rsplit_once('-')?;
        let at = year.parse::<i32>().ok()? * 12 + month.parse::<i32>().ok()? - 1;
        let held = numbers.iter().enumerate().filter(|(_, number)| **number > 0);
        Some((at, held.map(|(part, number)| (colour(part, parts), *number)).collect()))
    };
    months.iter().filter_map(month).collect()
}

/// Returns the colour of a part; the last one is shared by all others.
fn colour(part: usize, parts: usize) -> usize {
    if part + 1 == parts && parts == COLOURS { COLOURS - 1 } else { part.min(COLOURS - 1) }
}

/// Renders a table whose cells are darker the larger their share of the row.
pub(super) fn matrix(caption: &str, heads: &[&str], rows: &[(String, Vec<u64>)]) -> Markup {
    html! {
        div.wide { table.matrix {
            caption { (caption) }
            thead { tr { th {} @for head in heads { th scope="col" { (head) } } } }
            tbody {
                @for (name, numbers) in rows {
                    @let whole = numbers.iter().sum::<u64>().max(1);
                    tr {
                        th scope="row" { (foreign(name)) }
                        @for number in numbers {
                            td style=(format!("--part:{:.4}", *number as f64 / whole as f64)) {
                                @if *number > 0 { (count(*number)) } @else { span.zero { "·" } }
                            }
                        }
                    }
                }
            }
        } }
    }
}

/// Renders one key figure.
pub(super) fn figure(name: &str, number: u64) -> Markup {
    html! { div { dt { (name) } dd { data value=(number) { (count(number)) } } } }
}

/// Renders a plain table, numbers to the right.
pub(super) fn grid(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.wide { table.numbers {
            caption { (caption) }
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (at, cell) in row.iter().enumerate() {
                            @if at == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        }
                    }
                }
            }
        } }
    }
}
