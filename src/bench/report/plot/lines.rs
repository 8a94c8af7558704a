//! Lines over a number, one for each server.

use std::fmt::Write;

use super::axis::{Axis, PLOT_WIDTH};
use super::svg::{
    COLOURS, Drawing, LEFT, MARK, NAME_MAX, WIDTH, cut, dashes, grid_line, shape, text, text_width, upright,
};
use crate::bench::report::escape::escaped;

/// A plot of lines, one for each server.
#[derive(Debug)]
pub struct Lines {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The servers.
    pub series: Vec<Series>,
}

/// A server's line.
#[derive(Debug)]
pub struct Series {
    /// The number of its colour, dashes and shape.
    pub style: usize,
    /// The server's name.
    pub name: String,
    /// The points of the line.
    pub line: Vec<(f64, f64)>,
    /// The marked points.
    pub dots: Vec<Dot>,
}

/// A marked point.
#[derive(Debug)]
pub struct Dot {
    /// The horizontal value.
    pub x: f64,
    /// The vertical value.
    pub y: f64,
    /// The range of the rounds, if there are several.
    pub range: Option<(f64, f64)>,
    /// Whether it's in doubt.
    pub is_doubtful: bool,
    /// The tooltip.
    pub label: String,
}

impl Lines {
    /// Draws the plot.
    pub fn draw(&self) -> Drawing {
        let (legend, legend_height) = legend(&self.series);
        let top = legend_height + 10.0;
        let height = PLOT_HEIGHT.max(LABEL_HEIGHT * self.series.len() as f64);
        let bottom = top + height;
        let x = |value| LEFT + self.x.place(value) * PLOT_WIDTH;
        let y = |value| bottom - self.y.place(value) * height;
        let mut svg = String::new();
        svg.push_str(&legend);
        for (value, label) in &self.y.ticks {
            grid_line(&mut svg, (LEFT, LEFT + PLOT_WIDTH), (y(*value), y(*value)));
            text(&mut svg, (LEFT - 10.0, y(*value) + 4.0), "end", "tick", label);
        }
        for (value, label) in &self.x.ticks {
            grid_line(&mut svg, (x(*value), x(*value)), (top, bottom));
            text(&mut svg, (x(*value), bottom + 18.0), "middle", "tick", label);
        }
        text(&mut svg, (LEFT + PLOT_WIDTH / 2.0, bottom + 42.0), "middle", "axis", &self.x.title);
        upright(&mut svg, (14.0, top + height / 2.0), &self.y.title);
        for series in &self.series {
            series.draw(&mut svg, &x, &y);
        }
        // The names at the lines' ends, without overlaps.
        let ends: Vec<(f64, f64)> =
            self.series.iter().map(|series| series.end().map_or((LEFT, bottom), |(a, b)| (x(a), y(b)))).collect();
        let places = spread_out(&ends.iter().map(|end| end.1).collect::<Vec<_>>(), top + 4.0, bottom);
        for ((series, end), place) in self.series.iter().zip(&ends).zip(places) {
            if series.end().is_none() {
                continue;
            }
            let from = LEFT + PLOT_WIDTH + 8.0;
            let _ = writeln!(
                svg,
                r#"<path class="s{} leader" d="M{:.1} {:.1}L{from:.1} {:.1}"/>"#,
                series.style % COLOURS,
                end.0 + 6.0,
                end.1,
                place
            );
            let class = format!("s{} name", series.style % COLOURS);
            text(&mut svg, (from + 4.0, place + 4.0), "start", &class, &cut(&series.name, NAME_MAX));
        }
        Drawing { elements: svg, height: bottom + 52.0 }
    }
}

impl Series {
    fn end(&self) -> Option<(f64, f64)> {
        self.line.last().copied()
    }

    fn draw(&self, svg: &mut String, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
        let _ = writeln!(svg, r#"<g class="s{}" data-subject="{}">"#, self.style % COLOURS, escaped(&self.name));
        let points: Vec<String> = self.line.iter().map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
        if points.len() > 1 {
            let _ = writeln!(svg, r#"<polyline class="line"{} points="{}"/>"#, dashes(self.style), points.join(" "));
        }
        for dot in &self.dots {
            let (cx, cy) = (x(dot.x), y(dot.y));
            if let Some((low, high)) = dot.range.filter(|&(low, high)| y(low) - y(high) > 2.0 * MARK) {
                let (low, high) = (y(low), y(high));
                let (left, right) = (cx - 4.0, cx + 4.0);
                let _ = writeln!(
                    svg,
                    r#"<path class="range" d="M{cx:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}H{right:.1}M{left:.1} {high:.1}H{right:.1}"/>"#
                );
            }
            let _ = writeln!(
                svg,
                r#"<path class="dot{}" d="{}" data-x="{}" data-y="{}"><title>{}</title></path>"#,
                if dot.is_doubtful { " doubt" } else { "" },
                shape(self.style, cx, cy, MARK),
                dot.x,
                dot.y,
                escaped(&dot.label)
            );
        }
        svg.push_str("</g>\n");
    }
}

/// The legend above a plot, and its height.
fn legend(series: &[Series]) -> (String, f64) {
    let (mut svg, mut at, mut row) = (String::new(), LEFT, 12.0);
    for series in series {
        let name = cut(&series.name, LEGEND_MAX);
        let width = 40.0 + text_width(&name) + 16.0;
        if at + width > WIDTH && at > LEFT {
            (at, row) = (LEFT, row + 20.0);
        }
        let _ = writeln!(
            svg,
            r#"<g class="s{}"><path class="line"{} d="M{at:.1} {row:.1}H{:.1}"/><path class="dot" d="{}"/></g>"#,
            series.style % COLOURS,
            dashes(series.style),
            at + 34.0,
            shape(series.style, at + 17.0, row, MARK)
        );
        text(&mut svg, (at + 40.0, row + 4.0), "start", "legend", &name);
        at += width;
    }
    (svg, row + 8.0)
}

/// Moves positions apart as far as labels need, and no further, keeping their order.
fn spread_out(wanted: &[f64], from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // Labels that touch are moved as one block, so that their centre stays.
    let mut blocks: Vec<(f64, Vec<usize>)> = Vec::new();
    let reach = |count: usize| LABEL_HEIGHT * (count as f64 - 1.0) / 2.0;
    let fit = |middle: f64, count: usize| middle.min(to - reach(count)).max(from + reach(count));
    for index in order {
        let mut block = (fit(wanted[index], 1), vec![index]);
        while let Some((middle, members)) = blocks.last() {
            if block.0 - reach(block.1.len()) - (middle + reach(members.len())) >= LABEL_HEIGHT {
                break;
            }
            let members: Vec<usize> = members.iter().chain(&block.1).copied().collect();
            let mean = members.iter().map(|&member| wanted[member]).sum::<f64>() / members.len() as f64;
            blocks.pop();
            block = (fit(mean, members.len()), members);
        }
        blocks.push(block);
    }
    let mut places = vec![0.0; wanted.len()];
    for (middle, members) in blocks {
        let first = middle - reach(members.len());
        for (nth, member) in members.into_iter().enumerate() {
            places[member] = first + LABEL_HEIGHT * nth as f64;
        }
    }
    places
}

const PLOT_HEIGHT: f64 = 230.0;
const LABEL_HEIGHT: f64 = 16.0;
/// The most characters of a name in a legend.
const LEGEND_MAX: usize = 30;
