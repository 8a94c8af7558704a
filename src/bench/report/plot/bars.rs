//! Bars, for plots over a single number.

use std::fmt::Write;

use super::axis::Axis;
use super::lines::Dot;
use super::svg::{COLOURS, Drawing, NAME_MAX, cut, grid_line, text};
use crate::bench::report::escape::escaped;

/// Bars with a single value each, one for each server.
#[derive(Debug)]
pub struct Bars {
    /// The axis of values.
    pub x: Axis,
    /// The servers, each with its style, name and value.
    pub bars: Vec<(usize, String, Dot)>,
}

impl Bars {
    /// Draws the plot.
    pub fn draw(&self) -> Drawing {
        let (left, width, top) = (130.0, 290.0, 8.0);
        let bottom = top + BAR_HEIGHT * self.bars.len() as f64;
        let x = |value| left + self.x.place(value) * width;
        let mut svg = String::new();
        for (value, label) in &self.x.ticks {
            grid_line(&mut svg, (x(*value), x(*value)), (top, bottom));
            text(&mut svg, (x(*value), bottom + 18.0), "middle", "tick", label);
        }
        text(&mut svg, (left + width / 2.0, bottom + 42.0), "middle", "axis", &self.x.title);
        for (index, (style, name, dot)) in self.bars.iter().enumerate() {
            let middle = top + BAR_HEIGHT * (index as f64 + 0.5);
            let class = format!("s{} name", style % COLOURS);
            text(&mut svg, (left - 10.0, middle + 4.0), "end", &class, &cut(name, NAME_MAX));
            let (end, half) = (x(dot.y), BAR_HEIGHT * 0.3);
            let _ = writeln!(svg, r#"<g class="s{}" data-subject="{}">"#, style % COLOURS, escaped(name));
            let _ = writeln!(
                svg,
                r#"<path class="bar{}" d="M{left:.1} {:.1}H{end:.1}V{:.1}H{left:.1}Z" data-x="{}" data-y="{}"><title>{}</title></path>"#,
                if dot.is_doubtful { " doubt" } else { "" },
                middle - half,
                middle + half,
                dot.x,
                dot.y,
                escaped(&dot.label)
            );
            let mut label_at = end;
            if let Some((low, high)) = dot.range.filter(|&(low, high)| x(high) - x(low) > 2.0) {
                let (low, high) = (x(low), x(high));
                label_at = high;
                let (above, below) = (middle - 4.0, middle + 4.0);
                let _ = writeln!(
                    svg,
                    r#"<path class="range onbar" d="M{low:.1} {middle:.1}H{high:.1}M{low:.1} {above:.1}V{below:.1}M{high:.1} {above:.1}V{below:.1}"/>"#
                );
            }
            svg.push_str("</g>\n");
            let value = dot.label.split(':').next_back().unwrap_or("").trim();
            text(&mut svg, (label_at + 8.0, middle + 4.0), "start", "value", value);
        }
        let _ = writeln!(svg, r#"<path class="zero" d="M{left:.1} {top:.1}V{bottom:.1}"/>"#);
        Drawing { elements: svg, height: bottom + 52.0 }
    }
}

const BAR_HEIGHT: f64 = 34.0;
