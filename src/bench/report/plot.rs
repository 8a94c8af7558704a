//! Plots as SVG, for a page: lines over a number, bars where there is only one, and strips over time.
//!
//! Each server has a colour, a pattern of dashes and a shape of its own, and its name beside its line, so that none of these
//! is needed to tell them apart. Colours are classes (`s0`, `s1`…), which have light and dark values in `plot.css`. What is
//! plotted stands in `data-` attributes too, as exact as it was measured.

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

/// What their classes look like: in light, in dark and in print.
pub const STYLE: &str = include_str!("plot.css");
