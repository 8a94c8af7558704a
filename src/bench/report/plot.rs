//! Plots as SVG, for a page: lines over a number, bars if there is only one, and strips over time.
//!
//! Each server has its own colour, dash pattern and marker shape, and its name beside its line, so that none of these
//! alone is needed to tell them apart. Colours are classes (`s0`, `s1`…), which have light and dark values in
//! `plot.css`. `data-` attributes have the plotted values with full precision.

mod axis;
mod bars;
mod lines;
mod strips;
mod svg;

pub use axis::Axis;
pub use bars::Bars;
pub use lines::{Dot, Lines, Series};
pub use strips::{Slice, Stretch, Strips};
pub use svg::{Drawing, WIDTH, text};

/// The style of these classes: light, dark and for print.
pub const STYLE: &str = include_str!("plot.css");
