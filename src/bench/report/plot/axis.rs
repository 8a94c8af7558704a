//! Where in a plot a value is, and the marks that tell.

use super::svg::text_width;
use crate::bench::report::words::Unit;

/// A direction of a plot.
#[derive(Debug)]
pub struct Axis {
    /// What it counts, and in what.
    pub title: String,
    scale: Scale,
    /// The values that are marked, and what stands there.
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
    /// As above, of `least` more than the value, so that there is a place for nothing.
    LogFromZero {
        least: f64,
        to: f64,
    },
}

impl Scale {
    /// Where a value is, from 0 to 1.
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
    /// Where on it a value is, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        self.scale.place(value)
    }

    /// From nothing upwards for values that are of one size, or in steps of multiplication where they are not.
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

    /// The same from nothing on, where some values are nothing and the others go from `least` to `max`.
    fn log_from_zero(title: &str, unit: Unit, least: f64, max: f64) -> Axis {
        // Below, they would stand where nothing does.
        let marks = log_marks(unit, least * 2.0, max);
        let ticks = [0.0].into_iter().chain(marks).map(|tick| (tick, unit.show_short(tick))).collect();
        Axis { title: title.into(), scale: Scale::LogFromZero { least, to: max }, ticks }
    }

    /// The values that were measured at, in steps of multiplication, and as many marks as there is room for.
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
pub fn nice_step(least: f64) -> f64 {
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

/// How wide the plots are that have such an axis along the bottom.
pub const PLOT_WIDTH: f64 = 430.0;
/// Values that differ by a larger factor are not plotted from nothing upwards.
const LINEAR_MAX: f64 = 40.0;
/// Marks of an axis that goes in steps of multiplication, at most.
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
        // Those of one size, or of none, go from nothing evenly.
        for values in [&[0.0, 100.0, 2000.0][..], &[0.0], &[5.0, 6.0]] {
            assert_eq!(Axis::of_values("memory", Unit::Bytes, values).title, "memory");
        }
    }
}
