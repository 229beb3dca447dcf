//! Columns over time as inline SVG. A colour is written as its number, and the style sheet turns that into one of the page's: so
//! the drawing follows the reader's scheme, light or dark.

use std::ops::{Range, RangeInclusive};

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::text::count;

/// The numbers that axes and words have, behind those of the parts.
const LINES: RGBColor = RGBColor(0, 0, 8);
const WORDS: RGBColor = RGBColor(0, 0, 9);
/// The library knows whole lengths only; nobody sees where those of a quarter of a pixel end.
const FINE: u32 = 4;
/// At most so many years are named.
const YEARS: usize = 10;

/// How large a drawing is, in pixels, for windows that the style sheet calls broad or slim: words do not shrink well.
pub(super) const SIZES: [(&str, (u32, u32)); 2] = [("broad", (800, 230)), ("slim", (340, 210))];

/// One month: counted from the year 0, with the colour and the count of each part.
pub(super) type Month = (i32, Vec<(usize, u64)>);

/// Months; those are named that a year begins with.
struct Time(RangeInclusive<i32>);

impl Ranged for Time {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, month: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(month, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let years: Vec<i32> = self.0.clone().filter(|month| month % 12 == 0).collect();
        let named = years.iter().step_by(years.len().div_ceil(YEARS).max(1));
        let only = years.is_empty().then_some(self.0.start());
        named.chain(only).map(|month| f64::from(*month)).collect()
    }

    fn range(&self) -> Range<f64> {
        f64::from(*self.0.start())..f64::from(*self.0.end() + 1)
    }
}

fn name(month: f64) -> String {
    let (year, month) = ((month / 12.0).floor(), month % 12.0);
    if month == 0.0 { format!("{year}") } else { format!("{year}-{:02}", month + 1.0) }
}

/// A column a month, as high as its parts together.
pub(super) fn columns((width, height): (u32, u32), months: &[Month]) -> Result<String, Box<dyn std::error::Error>> {
    let total = |parts: &[(usize, u64)]| parts.iter().map(|(_, count)| count).sum::<u64>();
    let highest = months.iter().map(|(_, parts)| total(parts)).max().unwrap_or_default().max(1);
    let first = months.first().map_or(0, |(month, _)| *month);
    let last = months.last().map_or(first, |(month, _)| *month);
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (width * FINE, height * FINE)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin_top(8 * FINE)
        .x_label_area_size(20 * FINE)
        .y_label_area_size(46 * FINE)
        .build_cartesian_2d(Time(first..=last), 0.0..highest as f64)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .set_tick_mark_size(LabelAreaPosition::Bottom, 5 * FINE)
        .y_labels(5)
        .bold_line_style(LINES.stroke_width(FINE))
        .axis_style(LINES.stroke_width(FINE))
        .label_style(("sans-serif", 15 * FINE).into_font().color(&WORDS))
        .x_label_formatter(&|month| name(*month))
        .y_label_formatter(&|number| count(number.round() as u64))
        .draw()?;
    for (month, parts) in months {
        let (left, right) = (f64::from(*month) + 0.08, f64::from(*month) + 0.92);
        let mut below = 0;
        for (colour, count) in parts {
            let corners = [(left, below as f64), (right, (below + count) as f64)];
            let colour = RGBColor(0, 0, u8::try_from(*colour)?);
            chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            below += count;
        }
    }
    area.present()?;
    drop(chart);
    drop(area);
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of a drawing.
    fn words(svg: &str) -> Vec<&str> {
        let texts = svg.split("<text").skip(1);
        texts.map(|text| text.split(['>', '<']).nth(1).unwrap_or_default().trim()).collect()
    }

    #[test]
    fn years_are_named_where_they_begin_and_never_too_many() {
        let drawn =
            |first: i32, last: i32| columns(SIZES[0].1, &[(first, vec![(0, 1)]), (last, vec![(7, 4)])]).unwrap();
        let years =
            |svg: &str| words(svg).into_iter().filter(|word| word.len() > 3).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(years(&drawn(2022 * 12 + 10, 2025 * 12)), ["2023", "2024", "2025"]);
        assert_eq!(years(&drawn(2024 * 12 + 4, 2024 * 12 + 6)), ["2024-05"]);
        assert!(years(&drawn(0, 9999 * 12)).len() <= YEARS);
    }

    #[test]
    fn what_is_drawn_has_no_colour_but_numbers() {
        let months = [(24_290, vec![(0, 3), (3, 0), (7, 9_999)]), (24_301, vec![(1, 2)])];
        for (_, size) in SIZES {
            let svg = columns(size, &months).unwrap();
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
            let colours = svg.split('#').skip(1).map(|rest| &rest[..6]);
            colours.for_each(|colour| assert!(("000000"..="000009").contains(&colour), "{colour}"));
            assert_eq!(svg.matches("<rect").count(), 4);
        }
    }
}
