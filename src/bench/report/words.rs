//! Numbers and verdicts in readable form.

use std::fmt::{self, Write as _};

use super::super::results::{Pace, Point, Schedule, Workload};
use super::super::stats::{Difference, Spread};
use super::super::summary::{Axis, Comparison, Figure, Group};
use super::grid::Mark;
use crate::text::count;

/// The unit of a figure, which decides its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A rate.
    PerSecond,
    /// Bytes per second, in steps of 1000.
    BytesPerSecond,
    /// Times: seconds, milliseconds and so on.
    Seconds,
    /// Bytes, in steps of 1024.
    Bytes,
    /// A count.
    Count,
    /// A percentage.
    Share,
}

impl Unit {
    /// Formats a value with three digits and its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Count if value == value.trunc() && value.abs() < 1e6 => Grouped(value as u64).to_string(),
            Unit::PerSecond | Unit::Count => scaled(value, 1000.0, &["", "k", "M", "G"], ""),
            Unit::BytesPerSecond => scaled(value, 1000.0, &["B/s", "kB/s", "MB/s", "GB/s"], " "),
            Unit::Seconds if value < 1.0 => scaled(value * 1e9, 1000.0, &["ns", "µs", "ms", "s"], " "),
            Unit::Seconds => format!("{} s", digits(value)),
            Unit::Bytes => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB"], " "),
            Unit::Share => format!("{} %", digits(value * 100.0)),
        }
    }

    /// The same without trailing zeros, for ticks.
    pub fn show_short(self, value: f64) -> String {
        if value == 0.0 {
            return "0".into();
        }
        let shown = self.show(value);
        let end = shown.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(shown.len());
        match shown[..end].contains('.') {
            true => format!("{}{}", shown[..end].trim_end_matches('0').trim_end_matches('.'), &shown[end..]),
            false => shown,
        }
    }
}

/// Formats a number with the prefix for its size.
fn scaled(value: f64, step: f64, units: &[&str], between: &str) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().unwrap_or(&"");
    let mut is_scaled = false;
    // A value that would be rounded up to a thousand belongs to the next unit.
    while value.abs() >= step.min(999.5) {
        let Some(next) = units.next() else { break };
        value /= step;
        unit = next;
        is_scaled = true;
    }
    let number = match is_scaled {
        // There is no unit below the smallest one.
        false if value == value.trunc() => format!("{value}"),
        _ => digits(value),
    };
    if unit.is_empty() { number } else { format!("{number}{between}{unit}") }
}

/// Formats a number with three digits, or more if its integer part has more.
fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.abs().to_string();
    }
    // Round first, since rounding may reach the next power of ten.
    let rounded = format!("{value:.2e}").parse().unwrap_or(value);
    let before = f64::abs(rounded).log10().floor() as i32 + 1;
    let places = (3 - before).clamp(0, 5) as usize;
    format!("{value:.places$}")
}

impl Figure {
    /// The unit of the figure.
    pub fn unit(self) -> Unit {
        match self {
            Figure::RequestsPerSecond => Unit::PerSecond,
            Figure::BytesPerSecond => Unit::BytesPerSecond,
            Figure::LatencyP50
            | Figure::LatencyP90
            | Figure::LatencyP99
            | Figure::LatencyP999
            | Figure::LatencyMax
            | Figure::ServiceP50
            | Figure::ServiceP99
            | Figure::ConnectP50
            | Figure::ConnectP99
            | Figure::CpuPerRequest
            | Figure::UserPerRequest
            | Figure::SystemPerRequest
            | Figure::CpuPerGigabyte
            | Figure::LagP99 => Unit::Seconds,
            Figure::MemoryAtRest | Figure::MemoryPerConnection | Figure::MemoryPeak => Unit::Bytes,
            Figure::Errors
            | Figure::Unsent
            | Figure::Threads
            | Figure::Processes
            | Figure::SwitchesPerRequest
            | Figure::SystemCallsPerRequest => Unit::Count,
            Figure::GeneratorBusy => Unit::Share,
        }
    }

    /// The title of its column.
    pub fn title(self) -> &'static str {
        match self {
            Figure::RequestsPerSecond => "requests/s",
            Figure::BytesPerSecond => "bytes/s",
            Figure::LatencyP50 => "p50",
            Figure::LatencyP90 => "p90",
            Figure::LatencyP99 => "p99",
            Figure::LatencyP999 => "p99.9",
            Figure::LatencyMax => "max",
            Figure::ServiceP50 => "service p50",
            Figure::ServiceP99 => "service p99",
            Figure::ConnectP50 => "connect p50",
            Figure::ConnectP99 => "connect p99",
            Figure::Errors => "errors",
            Figure::Unsent => "unsent",
            Figure::CpuPerRequest => "CPU/request",
            Figure::UserPerRequest => "user",
            Figure::SystemPerRequest => "system",
            Figure::CpuPerGigabyte => "CPU/GB",
            Figure::MemoryAtRest => "memory at rest",
            Figure::MemoryPerConnection => "memory/connection",
            Figure::MemoryPeak => "memory peak",
            Figure::Threads => "threads",
            Figure::Processes => "processes",
            Figure::SwitchesPerRequest => "switches/request",
            Figure::SystemCallsPerRequest => "system calls/request",
            Figure::GeneratorBusy => "generator busy",
            Figure::LagP99 => "lag p99",
        }
    }

    /// Its name in a sentence, with the words for less and more of it.
    pub fn in_words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Figure::RequestsPerSecond => ("fewer", "more", "requests/s"),
            Figure::LatencyP99 => ("lower", "higher", "p99 latency"),
            Figure::CpuPerRequest => ("less", "more", "CPU per request"),
            Figure::MemoryPerConnection => ("less", "more", "memory per connection"),
            other => ("less", "more", other.title()),
        }
    }

    /// Formats a value with its unit.
    pub fn show(self, value: f64) -> String {
        self.unit().show(value)
    }
}

/// Formats the lowest and the highest value, with the unit once if they share it.
pub fn range(figure: Figure, spread: Spread) -> String {
    let (min, max) = (figure.show(spread.min), figure.show(spread.max));
    if min == max {
        return min;
    }
    let unit_of = |shown: &str| shown.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
    match (unit_of(&min), unit_of(&max)) {
        (a, b) if a == b => format!("{}–{max}", min.trim_end_matches(a.as_str())),
        _ => format!("{min}–{max}"),
    }
}

/// The request common to all points of a group.
pub fn group(group: &Group<'_>) -> String {
    let point = group.rows[0].point;
    format!("{}, {}", work(group.axis, point), pace(point.pace))
}

/// The same, without how requests are timed.
pub fn work(axis: Axis, point: &Point) -> String {
    let mut parts = vec![workload(point.workload).to_owned()];
    parts.extend(point.request.clone());
    parts.push(counted(point.size, "byte"));
    if point.depth > 1 {
        parts.push(format!("{} deep", point.depth));
    }
    if axis != Axis::Connections {
        parts.push(counted(point.connections.into(), "busy connection"));
    }
    if axis != Axis::Idle && point.idle > 0 {
        parts.push(counted(point.idle.into(), "idle connection"));
    }
    parts.join(", ")
}

/// How requests are timed, without their rate.
pub fn pace(pace: Pace) -> &'static str {
    match pace {
        Pace::Closed => "closed loop",
        Pace::Open { schedule: Schedule::Even, .. } => "open loop, even",
        Pace::Open { schedule: Schedule::Poisson, .. } => "open loop, Poisson",
    }
}

/// The number in which a point differs from the others.
pub fn point(axis: Axis, point: &Point) -> String {
    let mut text = match axis {
        Axis::Connections | Axis::Idle => asked(axis, point),
        Axis::Rate => format!("{} requests/s", Unit::PerSecond.show(axis.of(point))),
    };
    if let (Axis::Connections | Axis::Idle, Pace::Open { rate_per_second, .. }) = (axis, point.pace) {
        text.push_str(&format!(", {} requests/s", Unit::PerSecond.show(rate_per_second)));
    }
    text
}

/// That number alone, with all its digits, as requested.
pub fn asked(axis: Axis, point: &Point) -> String {
    let number = axis.of(point).round() as u64;
    match axis {
        Axis::Connections => counted(number, "connection"),
        Axis::Idle => counted(number, "idle connection"),
        Axis::Rate => format!("{} per second", counted(number, "request")),
    }
}

impl Axis {
    /// The name of the number.
    pub fn title(self) -> &'static str {
        match self {
            Axis::Connections => "connections",
            Axis::Idle => "idle connections",
            Axis::Rate => "requests/s due",
        }
    }
}

fn workload(workload: Workload) -> &'static str {
    match workload {
        Workload::Echo => "echo",
        Workload::App => "app, many on a connection",
        Workload::AppClose => "app, a connection for each",
        Workload::Connect => "connect and close",
        Workload::Idle => "echo beside idle connections",
        Workload::Stream => "stream",
        Workload::Slow => "echo beside slow clients",
        Workload::Raw => "raw",
    }
}

/// Formats a count of a thing, with the number in [groups](Grouped).
pub fn counted(number: u64, thing: &str) -> String {
    count(Grouped(number), thing).to_string()
}

/// A whole number, shown in groups of three digits if it has at least five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped(pub u64);

impl From<u8> for Grouped {
    fn from(number: u8) -> Grouped {
        Grouped(number.into())
    }
}

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if digits.len() >= 5 && index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char(' ')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// That number alone, in short form.
pub fn number(axis: Axis, point: &Point) -> String {
    match axis {
        Axis::Connections | Axis::Idle => Grouped(axis.of(point) as u64).to_string(),
        Axis::Rate => Unit::PerSecond.show(axis.of(point)),
    }
}

/// Formats a comparison for a table: the ratio and its interval.
pub fn verdict(comparison: &Comparison) -> String {
    let ratio = comparison.ratio;
    let between = ratio.interval.map(|interval| format!(" ({})", factors(interval))).unwrap_or_default();
    match comparison.verdict {
        None => format!("in doubt, {}{between}", factor(ratio.value)),
        Some(Difference::Unknown) => format!("{}, too few rounds", factor(ratio.value)),
        Some(Difference::Negligible) => format!("no difference{between}"),
        Some(Difference::NotShown) => format!("no difference shown{between}"),
        Some(Difference::Higher | Difference::Lower) => format!("{}{between}", factor(ratio.value)),
    }
}

/// Formats a comparison as part of a sentence.
pub fn sentence(figure: Figure, comparison: &Comparison) -> String {
    let ratio = comparison.ratio;
    let between = ratio.interval.map(|interval| format!(" ({} ×)", factors(interval))).unwrap_or_default();
    let (less, more, name) = figure.in_words();
    match comparison.verdict {
        None => format!("{name}: no verdict, since it is in doubt"),
        Some(Difference::Unknown) => format!("{name}: too few rounds for a verdict"),
        Some(Difference::Negligible) => format!("{name}: no difference{between}"),
        Some(Difference::NotShown) => format!("{name}: no difference shown{between}"),
        Some(Difference::Lower) => format!("{} % {less} {name}{between}", whole(100.0 * (1.0 - ratio.value))),
        Some(Difference::Higher) if ratio.value < 2.0 => {
            format!("{} % {more} {name}{between}", whole(100.0 * (ratio.value - 1.0)))
        }
        Some(Difference::Higher) => format!("{} times the {name}{between}", digits(ratio.value)),
    }
}

/// The highlighting of a compared figure.
pub fn mark(figure: Figure, comparison: &Comparison) -> Mark {
    match comparison.verdict {
        None => Mark::Doubt,
        Some(Difference::Unknown | Difference::Negligible | Difference::NotShown) => Mark::None,
        Some(Difference::Higher) if figure.more_is_better() => Mark::Better,
        Some(Difference::Lower) if !figure.more_is_better() => Mark::Better,
        Some(Difference::Higher | Difference::Lower) => Mark::Worse,
    }
}

/// Formats the lowest and the highest of several percentages.
pub fn percents(low: f64, high: f64) -> String {
    match (whole(low), whole(high)) {
        (low, high) if low == high => format!("{low} %"),
        (low, high) => format!("{low}–{high} %"),
    }
}

/// Formats a percentage, with fractions only near 0 and 100.
fn whole(percent: f64) -> String {
    match percent {
        percent if (10.0..99.0).contains(&percent) => format!("{percent:.0}"),
        percent => format!("{percent:.1}"),
    }
}

/// Formats the lowest and the highest of several ratios.
pub fn factors((low, high): (f64, f64)) -> String {
    match (factor(low), factor(high)) {
        (low, high) if low == high => low,
        (low, high) => format!("{low}–{high}"),
    }
}

fn factor(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.3}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        ratio if ratio < 100.0 => format!("{ratio:.1}"),
        ratio if ratio < 1e4 => format!("{ratio:.0}"),
        ratio => format!("{ratio:.0e}"),
    }
}

/// Replaces characters that move the cursor, hide others or reverse their order.
pub fn plain(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits_and_a_unit() {
        for (unit, value, text) in [
            (Unit::PerSecond, 48_912.0, "48.9k"),
            (Unit::PerSecond, 999.7, "1.00k"),
            (Unit::PerSecond, 0.0, "0"),
            (Unit::Seconds, 0.000_019_84, "19.8 µs"),
            (Unit::Seconds, 0.999_96, "1.00 s"),
            (Unit::Seconds, 12.0, "12.0 s"),
            (Unit::Seconds, 0.000_000_000_5, "0.500 ns"),
            (Unit::Bytes, 200.0, "200 B"),
            (Unit::Bytes, 1023.0, "0.999 KiB"),
            (Unit::Bytes, 8192.0, "8.00 KiB"),
            (Unit::BytesPerSecond, 3_124_000_000.0, "3.12 GB/s"),
            (Unit::Count, 2.015, "2.02"),
            (Unit::Share, 0.873, "87.3 %"),
        ] {
            assert_eq!(unit.show(value), text);
        }
    }

    #[test]
    fn whole_numbers_are_in_groups() {
        assert_eq!(
            [1000, 10_000, 1_234_567].map(|number| Grouped(number).to_string()),
            ["1000", "10 000", "1 234 567"]
        );
        assert_eq!([1, 20_000].map(|number| counted(number, "busy reply")), ["1 busy reply", "20 000 busy replies"]);
    }
}
