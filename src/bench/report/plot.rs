//! Plots as SVG, for a page: lines over a number, bars where there is only one, and strips over time.
//!
//! Each server has a colour, a pattern of dashes and a shape of its own, and its name beside its line, so that none of these
//! is needed to tell them apart. Colours are classes (`s0`, `s1`…), which the page gives light and dark values. What is
//! plotted stands in `data-` attributes too, as exact as it was measured.

use std::fmt::Write;

use super::html::escaped;
use super::words::Unit;

/// Lines, one for each server.
#[derive(Debug)]
pub struct Lines {
    /// What tells it from the page's other plots.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The same, for those who don't see it.
    pub description: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The servers.
    pub series: Vec<Series>,
}

/// A direction of a plot.
#[derive(Debug)]
pub struct Axis {
    /// What it counts, and in what.
    pub title: String,
    scale: Scale,
    ticks: Vec<(f64, String)>,
}

/// A server's line.
#[derive(Debug)]
pub struct Series {
    /// Which colour, dashes and shape it has.
    pub style: usize,
    /// The server's name.
    pub name: String,
    /// Where the line goes along.
    pub line: Vec<(f64, f64)>,
    /// The points on it that are marked.
    pub dots: Vec<Dot>,
}

/// A point that is marked.
#[derive(Debug)]
pub struct Dot {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// From where to where the rounds went, if there are several.
    pub range: Option<(f64, f64)>,
    /// Whether it's in doubt.
    pub is_doubtful: bool,
    /// What is told of it where the pointer is.
    pub label: String,
}

#[derive(Clone, Copy, Debug)]
enum Scale {
    Linear {
        from: f64,
        to: f64,
    },
    Log {
        from: f64,
        to: f64,
    },
    /// As above, of one more than the value, so that there is a place for nothing.
    LogFromZero {
        to: f64,
    },
}

impl Scale {
    /// Where a value is, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        let (value, from, to) = match self {
            Scale::Linear { from, to } => (value, from, to),
            Scale::Log { from, to } => (value.max(f64::MIN_POSITIVE).ln(), from.ln(), to.ln()),
            Scale::LogFromZero { to } => (value.ln_1p(), -0.05 * to.ln_1p(), 1.05 * to.ln_1p()),
        };
        if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

impl Axis {
    /// From nothing upwards for values that are of one size, or in steps of multiplication where they are not.
    pub fn of_values(title: &str, unit: Unit, values: &[f64]) -> Axis {
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(0.0, f64::max);
        match min > 0.0 && max / min > LINEAR_MAX {
            true => Axis::log(&format!("{title}, logarithmic"), unit, values),
            false => Axis::linear(title, unit, max),
        }
    }

    /// From nothing to `max`.
    pub fn linear(title: &str, unit: Unit, max: f64) -> Axis {
        let max = if max > 0.0 { max } else { 1.0 };
        let base: f64 = if unit == Unit::Bytes { 1024.0 } else { 1000.0 };
        // Marks are round in the unit that they are shown in.
        let unit_size = base.powf((max.ln() / base.ln() + 1e-9).floor().max(0.0));
        let unit_size = if unit == Unit::Bytes { unit_size } else { 1.0 };
        let step = nice_step(max * 1.05 / unit_size / 5.0) * unit_size;
        let count = (max * 1.02 / step).ceil().max(1.0) as usize;
        let ticks = (0..=count).map(|index| index as f64 * step).map(|tick| (tick, unit.show_short(tick))).collect();
        Axis { title: title.into(), scale: Scale::Linear { from: 0.0, to: count as f64 * step }, ticks }
    }

    /// In steps of multiplication.
    pub fn log(title: &str, unit: Unit, values: &[f64]) -> Axis {
        let values = || values.iter().copied().filter(|&value| value > 0.0);
        let (min, max) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let (min, max) = if min <= max { (min, max) } else { (1.0, 10.0) };
        let (mut from, mut to) = (min / 1.25, max * 1.25);
        let mut marks = log_marks(unit, from, to);
        if marks.len() < 2 {
            (from, to) = (from / 2.0, to * 2.0);
            marks = log_marks(unit, from, to);
        }
        let ticks = marks.into_iter().map(|tick| (tick, unit.show_short(tick))).collect();
        Axis { title: title.into(), scale: Scale::Log { from, to }, ticks }
    }

    /// The values that were measured at, in steps of multiplication, and as many marks as there is room for.
    pub fn of_points(title: &str, unit: Unit, values: &[f64]) -> Axis {
        let (min, max) = (values[0].max(1.0), values[values.len() - 1].max(2.0));
        let reach = (max / min).powf(0.05);
        let scale = match values[0] > 0.0 {
            true => Scale::Log { from: min / reach, to: max * reach },
            false => Scale::LogFromZero { to: max },
        };
        let mut ticks = Vec::<(f64, String)>::new();
        let mut free_from = f64::NEG_INFINITY;
        for &value in values {
            let label = unit.show_short(value);
            let (place, half) = (scale.place(value) * PLOT_WIDTH, text_width(&label) / 2.0 + 4.0);
            if place - half >= free_from {
                free_from = place + half;
                ticks.push((value, label));
            }
        }
        Axis { title: title.into(), scale, ticks }
    }

    /// HdrHistogram's: `x` is the decadic logarithm of 1 / (1 - q), so that each further nine takes as much room.
    pub fn of_percentiles(x_max: f64) -> Axis {
        let to = x_max.clamp(1.0, 9.0) * 1.02;
        let mut ticks = vec![(0.0, "0 %".to_owned()), (0.5f64.log10().abs(), "50 %".to_owned())];
        let room = PLOT_WIDTH / to;
        // There must be room for both.
        if room * ticks[1].0 < 42.0 {
            ticks.pop();
        }
        for nines in 1..=(to as usize) {
            let label = match nines {
                1 => "90 %".into(),
                2 => "99 %".into(),
                nines => format!("99.{} %", "9".repeat(nines - 2)),
            };
            ticks.push((nines as f64, label));
        }
        // Where nines stand closely, the longer ones would touch each other.
        if room < 70.0 {
            let stride = (70.0 / room).ceil() as usize;
            ticks.retain(|&(x, _)| x == 0.0 || (x >= 1.0 && (x as usize).is_multiple_of(stride)));
        }
        Axis { title: "percentile".into(), scale: Scale::Linear { from: 0.0, to }, ticks }
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, and not less than `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= least * (1.0 - 1e-9)).unwrap_or(10.0);
    // Where a negative power of ten is a multiple of no binary fraction, its inverse is exact.
    if power < 1.0 { step / (1.0 / power).round() } else { step * power }
}

/// Round values between two, about as many as there is room for.
fn log_marks(unit: Unit, from: f64, to: f64) -> Vec<f64> {
    let candidates: Vec<Vec<f64>> = match unit {
        Unit::Bytes => [1, 2, 4, 6, 10, 20].map(|step| powers(2.0, step, &[1.0])).into(),
        _ => [
            powers(10.0, 1, &[1.0, 2.0, 5.0]),
            powers(10.0, 1, &[1.0, 3.0]),
            powers(10.0, 1, &[1.0]),
            powers(10.0, 2, &[1.0]),
            powers(10.0, 3, &[1.0]),
        ]
        .into(),
    };
    let inside = |marks: Vec<f64>| marks.into_iter().filter(|&mark| mark >= from && mark <= to).collect::<Vec<_>>();
    let mut choices = candidates.into_iter().map(inside);
    let last = choices.clone().next_back().unwrap_or_default();
    choices.find(|marks| marks.len() <= MARKS_MAX).unwrap_or(last)
}

fn powers(base: f64, step: i32, factors: &[f64]) -> Vec<f64> {
    let exponents = (-60 / step..=60 / step).map(|index| index * step);
    exponents
        .flat_map(|exponent| {
            // Of a negative power the inverse is exact.
            let power = move |factor: &f64| match exponent {
                0.. => factor * base.powi(exponent),
                _ => factor / base.powi(-exponent),
            };
            factors.iter().map(power).collect::<Vec<_>>()
        })
        .collect()
}

impl Lines {
    /// The plot as SVG.
    pub fn svg(&self) -> String {
        let (legend, legend_height) = legend(&self.series);
        let top = legend_height + 10.0;
        let height = PLOT_HEIGHT.max(LABEL_HEIGHT * self.series.len() as f64);
        let bottom = top + height;
        let x = |value| LEFT + self.x.scale.place(value) * PLOT_WIDTH;
        let y = |value| bottom - self.y.scale.place(value) * height;
        let mut svg = open(&self.id, &self.title, &self.description, bottom + 52.0);
        svg.push_str(&legend);
        for (value, label) in &self.y.ticks {
            grid_line(&mut svg, (LEFT, LEFT + PLOT_WIDTH), (y(*value), y(*value)));
            text(&mut svg, (LEFT - 8.0, y(*value) + 4.0), "end", "tick", label);
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
        // Their names, where they end, without touching each other.
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
        svg.push_str("</svg>\n");
        svg
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

/// Bars, one for each server, of a single value each.
#[derive(Debug)]
pub struct Bars {
    /// What tells it from the page's other plots.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The same, for those who don't see it.
    pub description: String,
    /// What is counted.
    pub x: Axis,
    /// The servers: which style, which name, and its value.
    pub bars: Vec<(usize, String, Dot)>,
}

impl Bars {
    /// The plot as SVG.
    pub fn svg(&self) -> String {
        let (left, width, top) = (130.0, 400.0, 8.0);
        let bottom = top + BAR_HEIGHT * self.bars.len() as f64;
        let x = |value| left + self.x.scale.place(value) * width;
        let mut svg = open(&self.id, &self.title, &self.description, bottom + 52.0);
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
        svg.push_str("</svg>\n");
        svg
    }
}

/// Latency in the course of time: a strip for each server, with the rounds one after the other.
#[derive(Debug)]
pub struct Strips {
    /// What tells it from the page's other plots.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The same, for those who don't see it.
    pub description: String,
    /// The servers: which style, which name, and its rounds.
    pub strips: Vec<(usize, String, Vec<Stretch>)>,
}

/// A round of a strip.
#[derive(Debug)]
pub struct Stretch {
    /// Which one, from 1.
    pub round: u32,
    /// Its slices of time.
    pub slices: Vec<Slice>,
}

/// When it ended, and the median, the 99th percentile and the longest in seconds, if there were replies.
pub type Slice = (f64, Option<[f64; 3]>);

impl Strips {
    /// The plot as SVG.
    pub fn svg(&self) -> String {
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
        let mut svg = open(&self.id, &self.title, &self.description, bottom + 52.0);
        self.key(&mut svg);
        let mut begin = 0.0;
        for &(round, seconds) in &rounds {
            let (from, to) = (x(begin), x(begin + seconds));
            grid_line(&mut svg, (to, to), (top, bottom));
            grid_line(&mut svg, (from, from), (top, bottom));
            text(&mut svg, ((from + to) / 2.0, top - 8.0), "middle", "tick", &format!("round {round}"));
            let step = nice_step(seconds / ((to - from) / TICK_WIDTH).max(1.0));
            let mut tick = 0.0;
            // The end of a round and the beginning of the next are one place.
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
            // The name stands above its curves.
            let y = |value| strip_bottom - 6.0 - axis.scale.place(value) * (STRIP_HEIGHT - 28.0);
            for (value, label) in decades(&axis) {
                grid_line(&mut svg, (LEFT, LEFT + width), (y(value), y(value)));
                text(&mut svg, (LEFT - 8.0, y(value) + 4.0), "end", "tick", &label);
            }
            let _ = writeln!(svg, r#"<path class="zero" d="M{LEFT:.1} {strip_bottom:.1}H{:.1}"/>"#, LEFT + width);
            let _ = writeln!(svg, r#"<g class="s{}" data-subject="{}">"#, style % COLOURS, escaped(name));
            text(&mut svg, (LEFT + 6.0, strip_top + 15.0), "start", "name halo", &cut(name, 40));
            for stretch in stretches {
                let before = rounds.iter().take_while(|(round, _)| *round != stretch.round);
                let begin: f64 = before.map(|(_, seconds)| seconds).sum();
                stretch.draw(&mut svg, &|seconds| x(begin + seconds), &y, strip_top + 14.0);
            }
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Each round, and how long the longest of it was.
    fn rounds(&self) -> Vec<(u32, f64)> {
        let mut rounds = std::collections::BTreeMap::<u32, f64>::new();
        for stretch in self.strips.iter().flat_map(|(_, _, stretches)| stretches) {
            let end = stretch.slices.last().map_or(0.0, |slice| slice.0);
            let seconds = rounds.entry(stretch.round).or_default();
            *seconds = seconds.max(end);
        }
        rounds.into_iter().collect()
    }

    /// What the curves are.
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
    fn draw(&self, svg: &mut String, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64, above: f64) {
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
        // Each slice from its beginning to its end; without replies, the curves are interrupted.
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
                    text(svg, (x(f64::midpoint(begin, until)), above), "middle", "gap", "×");
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

/// At most three of an axis's marks, for a strip has little room.
fn decades(axis: &Axis) -> Vec<(f64, String)> {
    let stride = axis.ticks.len().div_ceil(STRIP_MARKS_MAX).max(1);
    axis.ticks.iter().step_by(stride).cloned().collect()
}

fn open(id: &str, title: &str, description: &str, height: f64) -> String {
    let id = escaped(id);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" id=\"{id}\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n",
        escaped(title),
        escaped(description)
    )
}

/// The servers' lines and names above a plot, and how high they are.
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

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let _ =
        writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#, escaped(text));
}

/// A title along an axis that goes upwards.
fn upright(svg: &mut String, (x, y): (f64, f64), title: &str) {
    let _ = writeln!(
        svg,
        r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="middle" class="axis">{}</text>"#,
        escaped(title)
    );
}

fn grid_line(svg: &mut String, (x, x_end): (f64, f64), (y, y_end): (f64, f64)) {
    let _ = writeln!(svg, r#"<path class="grid" d="M{x:.1} {y:.1}L{x_end:.1} {y_end:.1}"/>"#);
}

/// Moves places apart as far as labels need, and no further, keeping their order.
fn spread_out(wanted: &[f64], from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // Labels that touch are moved as one, so that their middle stays.
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

fn dashes(style: usize) -> String {
    match DASHES[style % DASHES.len()] {
        "" => String::new(),
        pattern => format!(" stroke-dasharray=\"{pattern}\""),
    }
}

/// A mark around a place.
fn shape(style: usize, x: f64, y: f64, r: f64) -> String {
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
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 7.0
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.chars().count() > chars_max {
        true => text.chars().take(chars_max - 1).chain(['…']).collect(),
        false => text.into(),
    }
}

/// How many colours there are; shapes and dashes come round sooner or later than they do.
pub const COLOURS: usize = 8;
const SHAPES: usize = 7;
const DASHES: [&str; 5] = ["", "9 4", "2 3.5", "10 4 2 4", "5 3"];

/// The units of all of these are a plot's own: it grows and shrinks with the page.
const WIDTH: f64 = 640.0;
const LEFT: f64 = 82.0;
const PLOT_WIDTH: f64 = 430.0;
const PLOT_HEIGHT: f64 = 270.0;
const BAR_HEIGHT: f64 = 34.0;
const STRIP_HEIGHT: f64 = 92.0;
const STRIP_MARKS_MAX: usize = 3;
/// Between marks of time.
const TICK_WIDTH: f64 = 48.0;
const LABEL_HEIGHT: f64 = 16.0;
/// Half of a mark.
const MARK: f64 = 4.2;
/// Characters of a name beside a line, and in a legend.
const NAME_MAX: usize = 14;
const LEGEND_MAX: usize = 30;
/// Values that differ by a larger factor are not plotted from nothing upwards.
const LINEAR_MAX: f64 = 40.0;
const MARKS_MAX: usize = 8;
