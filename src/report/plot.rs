//! Columns over time as inline SVG. Parts carry classes, and the style sheet colours them: so the drawing follows the reader's
//! scheme, light or dark.

use maud::{Markup, html};

use super::text::count;

/// Margins around the columns, in pixels: room for the numbers to the left and the years below.
const LEFT: f64 = 46.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;
/// The part of a month's width that stays empty on each side of its column.
const GAP: f64 = 0.08;
/// Most horizontal lines above zero.
const LINES: u64 = 5;
/// Most years named.
const YEARS: usize = 10;

/// Sizes of a drawing in pixels, for windows that the style sheet calls broad or slim: words do not shrink well.
pub(super) const SIZES: [(&str, (u32, u32)); 2] = [("broad", (800, 230)), ("slim", (340, 210))];

/// One month, counted from the year 0, with the colour and the count of each part.
pub(super) type Month = (i32, Vec<(usize, u64)>);

/// One column a month, as high as its parts together.
pub(super) fn columns((width, height): (u32, u32), months: &[Month]) -> Markup {
    let (right, bottom) = (f64::from(width), f64::from(height) - BOTTOM);
    let total = |parts: &[(usize, u64)]| parts.iter().map(|(_, count)| count).sum::<u64>();
    let highest = months.iter().map(|(_, parts)| total(parts)).max().unwrap_or_default().max(1);
    let first = months.first().map_or(0, |(month, _)| *month);
    let last = months.last().map_or(first, |(month, _)| *month);
    let month_width = (right - LEFT) / f64::from(last - first + 1);
    let x = |month: i32| LEFT + f64::from(month - first) * month_width;
    let y = |number: u64| bottom - (bottom - TOP) * number as f64 / highest as f64;
    let px = |length: f64| format!("{length:.2}");
    html! {
        svg viewBox=(format!("0 0 {width} {height}")) xmlns="http://www.w3.org/2000/svg" {
            @for number in (0..=highest).step_by(step(highest)) {
                line x1=(px(LEFT)) y1=(px(y(number))) x2=(px(right)) y2=(px(y(number))) {}
                text x=(px(LEFT - 4.0)) y=(px(y(number))) dy="0.35em" text-anchor="end" { (count(number)) }
            }
            line x1=(px(LEFT)) y1=(px(TOP)) x2=(px(LEFT)) y2=(px(bottom)) {}
            @for month in named(first, last) {
                line x1=(px(x(month))) y1=(px(bottom)) x2=(px(x(month))) y2=(px(bottom + 5.0)) {}
                text x=(px(x(month))) y=(px(bottom + 8.0)) dy="0.76em" text-anchor="middle" { (name(month)) }
            }
            @for (month, parts) in months {
                @for (at, (colour, count)) in parts.iter().enumerate() {
                    @let below = total(&parts[..at]);
                    rect class=(format!("c{colour}")) x=(px(x(*month) + GAP * month_width)) y=(px(y(below + count)))
                        width=(px((1.0 - 2.0 * GAP) * month_width)) height=(px(y(below) - y(below + count))) {}
                }
            }
        }
    }
}

/// The distance of the horizontal lines: the smallest of 1, 2, 5, 10, 20, 50 … that needs no more than [`LINES`] of them.
fn step(highest: u64) -> usize {
    let fits = |step: &u64| highest / step <= LINES;
    let steps = (0..19).map(|power| 10_u64.pow(power)).flat_map(|power| [power, 2 * power, 5 * power]);
    usize::try_from(steps.into_iter().find(fits).unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

/// The months named below the columns: the first of each year, or of every few years; the very first if no year begins.
fn named(first: i32, last: i32) -> Vec<i32> {
    let years: Vec<i32> = (first..=last).filter(|month| month % 12 == 0).collect();
    let only = years.is_empty().then_some(first);
    years.iter().copied().step_by(years.len().div_ceil(YEARS).max(1)).chain(only).collect()
}

/// `2024`, or `2024-05` for a month that begins no year.
fn name(month: i32) -> String {
    let (year, month) = (month / 12, month % 12);
    if month == 0 { year.to_string() } else { format!("{year}-{:02}", month + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_named_where_they_begin_and_never_too_many() {
        let years = |first: i32, last: i32| named(first, last).into_iter().map(name).collect::<Vec<_>>();
        assert_eq!(years(2022 * 12 + 10, 2025 * 12), ["2023", "2024", "2025"]);
        assert_eq!(years(2024 * 12 + 4, 2024 * 12 + 6), ["2024-05"]);
        assert!(years(0, 9999 * 12).len() <= YEARS);
    }

    #[test]
    fn lines_stand_at_round_numbers_and_are_few() {
        for (highest, distance) in [(1, 1), (5, 1), (6, 2), (285, 50), (300, 100), (10_003, 2_000)] {
            assert_eq!(step(highest), distance, "{highest}");
        }
        assert!(u64::MAX / step(u64::MAX) as u64 <= LINES);
    }

    #[test]
    fn each_part_is_a_rectangle_on_top_of_those_before() {
        let months = [(24_290, vec![(0, 3), (7, 9)]), (24_301, vec![(1, 2)])];
        for (_, size) in SIZES {
            let svg = columns(size, &months).into_string();
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
            let heights = svg.split("<rect ").skip(1).map(|rect| rect.split("height=\"").nth(1)?.split('"').next());
            let heights: Vec<f64> = heights.map(|height| height.unwrap().parse().unwrap()).collect();
            let full = f64::from(size.1) - TOP - BOTTOM;
            let expected = [3.0, 9.0, 2.0].map(|number| number / 12.0 * full);
            assert_eq!(heights.len(), 3);
            assert!(heights.iter().zip(expected).all(|(is, right)| (is - right).abs() < 0.01), "{heights:?}");
        }
    }
}
