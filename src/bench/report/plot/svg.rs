//! Drawing functions shared by all plots.

use std::fmt::Write;

use crate::bench::report::escape::escaped;

/// A drawn plot: SVG elements on a canvas of width [`WIDTH`].
#[derive(Debug)]
pub struct Drawing {
    /// The elements.
    pub elements: String,
    /// The height of the canvas.
    pub height: f64,
}

/// Draws text at a position; `anchor` is its `start`, `middle` or `end`.
pub fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let _ =
        writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#, escaped(text));
}

/// Draws the title of a vertical axis.
pub fn upright(svg: &mut String, (x, y): (f64, f64), title: &str) {
    let _ = writeln!(
        svg,
        r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="middle" class="axis">{}</text>"#,
        escaped(title)
    );
}

/// Draws a line across the plot.
pub fn grid_line(svg: &mut String, (x, x_end): (f64, f64), (y, y_end): (f64, f64)) {
    let _ = writeln!(svg, r#"<path class="grid" d="M{x:.1} {y:.1}L{x_end:.1} {y_end:.1}"/>"#);
}

/// The dash pattern of a style, as an attribute.
pub fn dashes(style: usize) -> String {
    match DASHES[style % DASHES.len()] {
        "" => String::new(),
        pattern => format!(" stroke-dasharray=\"{pattern}\""),
    }
}

/// A marker centred on a position.
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

/// The approximate width of a text in a plot.
pub fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 7.0
}

/// Cuts off a text that is too long.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.chars().count() > chars_max {
        true => text.chars().take(chars_max - 1).chain(['…']).collect(),
        false => text.into(),
    }
}

/// The number of colours; shapes and dashes repeat with other periods.
pub const COLOURS: usize = 8;
const SHAPES: usize = 7;
const DASHES: [&str; 5] = ["", "9 4", "2 3.5", "10 4 2 4", "5 3"];

/// The width of all plots: small enough for legible labels on a phone. Lengths are in a plot's own units, which scale
/// with the page.
pub const WIDTH: f64 = 520.0;
/// The left edge of a plot, to the right of its axis labels.
pub const LEFT: f64 = 82.0;
/// Half the size of a marker.
pub const MARK: f64 = 4.2;
/// The most characters of a name beside a line or a bar.
pub const NAME_MAX: usize = 14;
