//! The axes of a plot, with their ticks.

use super::svg::text_width;
use crate::bench::report::words::Unit;

/// An axis of a plot.
#[derive(Debug)]
pub struct Axis {
    /// The quantity and its unit.
    pub title: String,
    scale: Scale,
    /// The values with ticks, and their labels.
    pub ticks: Vec<(f64, String)>,
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
    /// Logarithmic with `least` added to each value, so that zero has a place.
    LogFromZero {
        least: f64,
        to: f64,
    },
}

impl Scale {
    /// The position of a value, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        let (value, from, to) = match self {
            Scale::Linear { from, to } => (value, from, to),
            Scale::Log { from, to } => (value.max(f64::MIN_POSITIVE).ln(), from.ln(), to.ln()),
            Scale::LogFromZero { least, to } => {
                let to = (to / least).ln_1p();
                ((value / least).ln_1p(), -0.05 * to, 1.05 * to)
            }
        };
        if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

impl Axis {
    /// The position of a value on the axis, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        self.scale.place(value)
    }

    /// An axis for values: linear from zero if they are of similar size, otherwise logarithmic.
    pub fn of_values(title: &str, unit: Unit, values: &[f64]) -> Axis {
        let least = values.iter().copied().filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(0.0, f64::max);
        if max <= LINEAR_MAX * least {
            return Axis::linear(title, unit, max);
        }
        let title = format!("{title}, logarithmic");
        match values.iter().all(|&value| value > 0.0) {
            true => Axis::log(&title, unit, values),
            false => Axis::log_from_zero(&title, unit, least, max),
        }
    }

    /// A linear axis from zero to `max`.
    pub fn linear(title: &str, unit: Unit, max: f64) -> Axis {
        let max = if max > 0.0 { max } else { 1.0 };
        let base: f64 = if unit == Unit::Bytes { 1024.0 } else { 1000.0 };
        // Ticks are round in the displayed unit.
        let unit_size = base.powf((max.ln() / base.ln() + 1e-9).floor().max(0.0));
        let unit_size = if unit == Unit::Bytes { unit_size } else { 1.0 };
        let step = nice_step(max * 1.05 / unit_size / 5.0) * unit_size;
        let count = (max * 1.02 / step).ceil().max(1.0) as usize;
        let ticks = (0..=count).map(|index| index as f64 * step).map(|tick| (tick, unit.show_short(tick))).collect();
        Axis { title: title.into(), scale: Scale::Linear { from: 0.0, to: count as f64 * step }, ticks }
    }

    /// A logarithmic axis.
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

    /// A logarithmic axis that includes zero, for values from `least` to `max` besides zeros.
    fn log_from_zero(title: &str, unit: Unit, least: f64, max: f64) -> Axis {
        // Lower ticks would overlap that of zero.
        let marks = log_marks(unit, least * 2.0, max);
        let ticks = [0.0].into_iter().chain(marks).map(|tick| (tick, unit.show_short(tick))).collect();
        Axis { title: title.into(), scale: Scale::LogFromZero { least, to: max }, ticks }
    }

    /// A logarithmic axis for the measured points, with as many ticks as fit.
    pub fn of_points(title: &str, unit: Unit, values: &[f64]) -> Axis {
        let (min, max) = (values[0].max(1.0), values[values.len() - 1].max(2.0));
        let reach = (max / min).powf(0.05);
        let scale = match values[0] > 0.0 {
            true => Scale::Log { from: min / reach, to: max * reach },
            false => Scale::LogFromZero { least: 1.0, to: max },
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

    /// HdrHistogram's percentile axis: `x` is the decimal logarithm of 1 / (1 - q), so that each additional nine takes
    /// the same space.
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
        // If nines are close together, the longer labels would touch.
        if room < 70.0 {
            let stride = (70.0 / room).ceil() as usize;
            ticks.retain(|&(x, _)| x == 0.0 || (x >= 1.0 && (x as usize).is_multiple_of(stride)));
        }
        Axis { title: "percentile".into(), scale: Scale::Linear { from: 0.0, to }, ticks }
    }
}

/// The smallest 1, 2, 2.5 or 5 times a power of ten that is at least `least`.
pub fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= least * (1.0 - 1e-9)).unwrap_or(10.0);
    // A negative power of ten has no exact binary fraction, but its inverse is exact.
    if power < 1.0 { step / (1.0 / power).round() } else { step * power }
}

/// Round values between `from` and `to`, about as many as fit.
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
            // For a negative power, only the inverse is exact.
            let power = move |factor: &f64| match exponent {
                0.. => factor * base.powi(exponent),
                _ => factor / base.powi(-exponent),
            };
            factors.iter().map(power).collect::<Vec<_>>()
        })
        .collect()
}

/// The width of plots with such an axis at the bottom.
pub const PLOT_WIDTH: f64 = 310.0;
/// The largest factor between values on a linear axis.
const LINEAR_MAX: f64 = 40.0;
/// The most ticks on a logarithmic axis.
const MARKS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_very_different_sizes_are_apart_and_so_is_nothing() {
        let values = [0.0, 200.0, 2000.0, 1_300_000.0];
        let axis = Axis::of_values("memory", Unit::Bytes, &values);
        assert_eq!(axis.title, "memory, logarithmic");
        let places = values.map(|value| axis.place(value));
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 0.05), "{places:?}");
        assert!(places[0] > 0.0 && places[3] < 1.0, "{places:?}");
        assert!(axis.ticks.len() > 3 && axis.ticks[0] == (0.0, "0".into()), "{:?}", axis.ticks);
        assert!(axis.ticks.windows(2).all(|pair| axis.place(pair[1].0) - axis.place(pair[0].0) > 0.06));
        // Values of one size, or zeros only, get a linear axis from zero.
        for values in [&[0.0, 100.0, 2000.0][..], &[0.0], &[5.0, 6.0]] {
            assert_eq!(Axis::of_values("memory", Unit::Bytes, values).title, "memory");
        }
    }
}
