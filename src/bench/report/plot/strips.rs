//! Strips over time, one for each server.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::axis::{Axis, nice_step};
use super::svg::{COLOURS, Drawing, LEFT, WIDTH, cut, grid_line, text, text_width, upright};
use crate::bench::report::escape::escaped;
use crate::bench::report::words::Unit;

/// Latency over time: a strip for each server, with the rounds one after the other.
#[derive(Debug)]
pub struct Strips {
    /// The servers, each with its style, name and rounds.
    pub strips: Vec<(usize, String, Vec<Stretch>)>,
}

/// A round in a strip.
#[derive(Debug)]
pub struct Stretch {
    /// The round's number, from 1.
    pub round: u32,
    /// Its time slices.
    pub slices: Vec<Slice>,
}

/// The end time, with the median, the 99th percentile and the maximum in seconds, if there were replies.
pub type Slice = (f64, Option<[f64; 3]>);

impl Strips {
    /// Draws the plot.
    pub fn draw(&self) -> Drawing {
        let top = 46.0;
        let width = WIDTH - LEFT - 14.0;
        let bottom = top + STRIP_HEIGHT * self.strips.len() as f64;
        let rounds: Vec<(u32, f64)> = self.rounds();
        let total: f64 = rounds.iter().map(|(_, seconds)| seconds).sum();
        let x = |seconds: f64| LEFT + seconds / total.max(1e-9) * width;
        let values: Vec<f64> = self
            .strips
            .iter()
            .flat_map(|(_, _, stretches)| stretches.iter().flat_map(|stretch| &stretch.slices))
            .filter_map(|(_, values)| *values)
            .flatten()
            .collect();
        let axis = Axis::log("latency", Unit::Seconds, &values);
        let mut svg = String::new();
        self.key(&mut svg);
        let mut begin = 0.0;
        for &(round, seconds) in &rounds {
            let (from, to) = (x(begin), x(begin + seconds));
            grid_line(&mut svg, (to, to), (top, bottom));
            grid_line(&mut svg, (from, from), (top, bottom));
            text(&mut svg, ((from + to) / 2.0, top - 8.0), "middle", "tick", &format!("round {round}"));
            let step = nice_step(seconds / ((to - from) / TICK_WIDTH).max(1.0));
            let mut tick = 0.0;
            // The end of a round and the beginning of the next share a position.
            while tick < seconds - step * 0.4 {
                text(&mut svg, (x(begin + tick), bottom + 18.0), "middle", "tick", &Unit::Count.show_short(tick));
                tick += step;
            }
            begin += seconds;
        }
        text(&mut svg, (LEFT + width / 2.0, bottom + 42.0), "middle", "axis", "seconds since the round began");
        upright(&mut svg, (14.0, f64::midpoint(top, bottom)), "latency, logarithmic");
        for (index, (style, name, stretches)) in self.strips.iter().enumerate() {
            let strip_top = top + STRIP_HEIGHT * index as f64;
            let strip_bottom = strip_top + STRIP_HEIGHT;
            // The name is above its curves.
            let y = |value| strip_bottom - 6.0 - axis.place(value) * (STRIP_HEIGHT - 28.0);
            for (value, label) in decades(&axis) {
                grid_line(&mut svg, (LEFT, LEFT + width), (y(value), y(value)));
                text(&mut svg, (LEFT - 8.0, y(value) + 4.0), "end", "tick", &label);
            }
            let _ = writeln!(svg, r#"<path class="zero" d="M{LEFT:.1} {strip_bottom:.1}H{:.1}"/>"#, LEFT + width);
            let _ = writeln!(svg, r#"<g class="s{}" data-subject="{}">"#, style % COLOURS, escaped(name));
            text(&mut svg, (LEFT + 6.0, strip_top + 15.0), "start", "name", &cut(name, 40));
            for stretch in stretches {
                let before = rounds.iter().take_while(|(round, _)| *round != stretch.round);
                let begin: f64 = before.map(|(_, seconds)| seconds).sum();
                stretch.draw(&mut svg, &|seconds| x(begin + seconds), &y, strip_bottom - 8.0);
            }
            svg.push_str("</g>\n");
        }
        Drawing { elements: svg, height: bottom + 52.0 }
    }

    /// The rounds, each with its longest duration.
    fn rounds(&self) -> Vec<(u32, f64)> {
        let mut rounds = BTreeMap::<u32, f64>::new();
        for stretch in self.strips.iter().flat_map(|(_, _, stretches)| stretches) {
            let end = stretch.slices.last().map_or(0.0, |slice| slice.0);
            let seconds = rounds.entry(stretch.round).or_default();
            *seconds = seconds.max(end);
        }
        rounds.into_iter().collect()
    }

    /// Draws the legend of the curves.
    fn key(&self, svg: &mut String) {
        let mut at = LEFT;
        let items = [
            ("median", r#"class="p50""#),
            ("99th percentile", r#"class="p99""#),
            ("longest", r#"class="longest" stroke-dasharray="1.5 3""#),
        ];
        for (name, look) in items {
            let _ = writeln!(svg, r#"<path {look} d="M{at:.1} 12H{:.1}"/>"#, at + 26.0);
            text(svg, (at + 32.0, 16.0), "start", "legend", name);
            at += 32.0 + text_width(name) + 18.0;
        }
        text(svg, (at, 16.0), "start", "legend", "× no reply");
    }
}

impl Stretch {
    fn draw(&self, svg: &mut String, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64, gap_y: f64) {
        let list = |of: &dyn Fn(&Slice) -> String| self.slices.iter().map(of).collect::<Vec<_>>().join(" ");
        let nth = |index: usize| list(&|slice| slice.1.map_or("-".into(), |values| values[index].to_string()));
        let _ = writeln!(
            svg,
            r#"<g data-round="{}" data-until="{}" data-p50="{}" data-p99="{}" data-max="{}">"#,
            self.round,
            list(&|slice| slice.0.to_string()),
            nth(0),
            nth(1),
            nth(2)
        );
        // Each slice spans from its beginning to its end; without replies, the curves are interrupted.
        let mut begin = 0.0;
        let mut pieces: Vec<Vec<(f64, f64, [f64; 3])>> = vec![Vec::new()];
        for &(until, values) in &self.slices {
            match values {
                Some(values) => {
                    if let Some(piece) = pieces.last_mut() {
                        piece.push((begin, until, values));
                    }
                }
                None => {
                    pieces.push(Vec::new());
                    text(svg, (x(f64::midpoint(begin, until)), gap_y), "middle", "gap", "×");
                }
            }
            begin = until;
        }
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            let curve = |index: usize| {
                let corners =
                    piece.iter().flat_map(|&(from, until, values)| [(from, values[index]), (until, values[index])]);
                corners.map(|(at, value)| format!("{:.1},{:.1}", x(at), y(value))).collect::<Vec<_>>()
            };
            let (p50, p99, longest) = (curve(0), curve(1), curve(2));
            let back: Vec<String> = p50.iter().rev().cloned().collect();
            let _ = writeln!(svg, r#"<polygon class="band" points="{} {}"/>"#, p99.join(" "), back.join(" "));
            let _ =
                writeln!(svg, r#"<polyline class="longest" stroke-dasharray="1.5 3" points="{}"/>"#, longest.join(" "));
            let _ = writeln!(svg, r#"<polyline class="p50" points="{}"/>"#, p50.join(" "));
            let _ = writeln!(svg, r#"<polyline class="p99" points="{}"/>"#, p99.join(" "));
        }
        svg.push_str("</g>\n");
    }
}

/// Reduces an axis to at most three ticks, since a strip has little room.
fn decades(axis: &Axis) -> Vec<(f64, String)> {
    let stride = axis.ticks.len().div_ceil(STRIP_MARKS_MAX).max(1);
    axis.ticks.iter().step_by(stride).cloned().collect()
}

const STRIP_HEIGHT: f64 = 92.0;
const STRIP_MARKS_MAX: usize = 3;
/// The distance between time ticks.
const TICK_WIDTH: f64 = 48.0;
