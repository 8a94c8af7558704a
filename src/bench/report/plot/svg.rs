//! What all plots are drawn with.

use std::fmt::Write;

use crate::bench::report::escape::escaped;

/// A plot as it's drawn: elements of SVG on a ground that is [`WIDTH`] wide.
#[derive(Debug)]
pub struct Drawing {
    /// The elements.
    pub elements: String,
    /// How high the ground is.
    pub height: f64,
}

/// Text at a place, of which `anchor` is the `start`, the `middle` or the `end`.
pub fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let _ =
        writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#, escaped(text));
}

/// A title along an axis that goes upwards.
pub fn upright(svg: &mut String, (x, y): (f64, f64), title: &str) {
    let _ = writeln!(
        svg,
        r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="middle" class="axis">{}</text>"#,
        escaped(title)
    );
}

/// A line across the plot.
pub fn grid_line(svg: &mut String, (x, x_end): (f64, f64), (y, y_end): (f64, f64)) {
    let _ = writeln!(svg, r#"<path class="grid" d="M{x:.1} {y:.1}L{x_end:.1} {y_end:.1}"/>"#);
}

/// How a style's lines are interrupted, as an attribute.
pub fn dashes(style: usize) -> String {
    match DASHES[style % DASHES.len()] {
        "" => String::new(),
        pattern => format!(" stroke-dasharray=\"{pattern}\""),
    }
}

/// A mark around a place.
pub fn shape(style: usize, x: f64, y: f64, r: f64) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let corners: Vec<String> =
            corners.iter().map(|(dx, dy)| format!("{:.1} {:.1}", x + dx * r, y + dy * r)).collect();
        format!("M{}Z", corners.join("L"))
    };
    match style % SHAPES {
        0 => format!("M{:.1} {y:.1}a{r} {r} 0 1 0 {} 0a{r} {r} 0 1 0 -{} 0Z", x - r, 2.0 * r, 2.0 * r),
        1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => polygon(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        3 => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        4 => polygon(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        5 => polygon(&[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ]),
        _ => polygon(&[(-1.3, -0.7), (1.3, -0.7), (1.3, 0.7), (-1.3, 0.7)]),
    }
}

/// About how wide a text is in a plot.
pub fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 7.0
}

/// The beginning of a text that is too long.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.chars().count() > chars_max {
        true => text.chars().take(chars_max - 1).chain(['…']).collect(),
        false => text.into(),
    }
}

/// How many colours there are; shapes and dashes come round sooner or later than they do.
pub const COLOURS: usize = 8;
const SHAPES: usize = 7;
const DASHES: [&str; 5] = ["", "9 4", "2 3.5", "10 4 2 4", "5 3"];

/// How wide all plots are. The units of all of these are a plot's own: it grows and shrinks with the page.
pub const WIDTH: f64 = 640.0;
/// Where a plot begins, to the right of what its axis says.
pub const LEFT: f64 = 82.0;
/// Half of a mark.
pub const MARK: f64 = 4.2;
/// Characters of a name beside a line, and in a legend.
pub const NAME_MAX: usize = 14;
