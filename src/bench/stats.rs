//! What may be said of few and noisy measurements: median and spread, and a ratio with its interval.
//!
//! Servers are measured in turns, A B C A B C, and each is held against the first **of the same round**: whatever made the
//! whole machine slower for a while made both slower, and is not in their ratio. Of these ratios the logarithms are taken,
//! since twice as fast and half as fast are equally far from equal. Where both servers are the same, the difference of the
//! logarithms is as often positive as negative, however skewed the noise of each; so a t interval around their mean is
//! honest for few rounds already. It is wide for three, and gets narrower faster than one over the root of the rounds.
//!
//! A difference is claimed where the whole interval lies beyond [`NEGLIGIBLE`] either way. The margin is there because
//! nobody chooses a server by less, and because differences of that size come with the layout of a program in memory, with
//! the order of the turns, and with figures that hardly vary, such as memory: their intervals shrink to nothing.

/// A share by which two servers may differ without anything being said about it: 2 %.
pub const NEGLIGIBLE: f64 = 0.02;

/// Rounds below which nothing is said about differences: of two, the interval would reach from a fraction to a multiple.
pub const ROUNDS_MIN: usize = 3;

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// How many there were.
    pub count: usize,
}

impl Spread {
    /// That of `values`, if there are any. Those that are no finite numbers are left out.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Spread { median, min, max, count: values.len() })
    }
}

/// How many times as much one server has as another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub value: f64,
    /// Where it is in truth, in 95 of 100 cases. There is none of fewer than [`ROUNDS_MIN`] rounds.
    pub interval: Option<(f64, f64)>,
}

/// What a ratio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// There are too few rounds to say anything.
    Unknown,
    /// None that is worth mentioning: the interval lies within [`NEGLIGIBLE`] of 1.
    Negligible,
    /// None that could be shown: the interval reaches into what is negligible, and beyond it.
    NotShown,
    /// It is higher.
    Higher,
    /// It is lower.
    Lower,
}

impl Ratio {
    /// The ratio of two servers that were measured in turns: `(its own, the first's)` of each round.
    ///
    /// Rounds in which either is not above zero are left out: they have no ratio.
    pub fn paired(rounds: impl IntoIterator<Item = (f64, f64)>) -> Option<Ratio> {
        let logs = logs(rounds.into_iter().map(|(own, first)| own.max(0.0) / first.max(0.0)));
        let (mean, variance) = moments(&logs)?;
        let error = (variance / logs.len() as f64).sqrt();
        Some(Ratio::around(mean, error, logs.len(), logs.len() as f64 - 1.0))
    }

    /// The ratio of two servers that were not measured in turns (Welch's interval). What has changed between the two
    /// measurements is in the ratio, and not in its interval.
    pub fn unpaired(own: impl IntoIterator<Item = f64>, first: impl IntoIterator<Item = f64>) -> Option<Ratio> {
        let (own, first) = (logs(own), logs(first));
        let ((mean, variance), (first_mean, first_variance)) = (moments(&own)?, moments(&first)?);
        let (n, first_n) = (own.len() as f64, first.len() as f64);
        let (part, first_part) = (variance / n, first_variance / first_n);
        let squares = part.powi(2) / (n - 1.0) + first_part.powi(2) / (first_n - 1.0);
        // Without any variance there is nothing to weigh, nor any use for it.
        let freedom = if squares > 0.0 { (part + first_part).powi(2) / squares } else { n + first_n - 2.0 };
        Some(Ratio::around(mean - first_mean, (part + first_part).sqrt(), own.len().min(first.len()), freedom))
    }

    fn around(mean: f64, error: f64, rounds: usize, freedom: f64) -> Ratio {
        let interval = (rounds >= ROUNDS_MIN).then(|| {
            let reach = t_quantile(freedom) * error;
            ((mean - reach).exp(), (mean + reach).exp())
        });
        Ratio { value: mean.exp(), interval }
    }

    /// What may be said of it.
    pub fn difference(&self) -> Difference {
        let Some((low, high)) = self.interval else { return Difference::Unknown };
        let (less, more) = (1.0 / (1.0 + NEGLIGIBLE), 1.0 + NEGLIGIBLE);
        match () {
            () if low > more => Difference::Higher,
            () if high < less => Difference::Lower,
            () if low >= less && high <= more => Difference::Negligible,
            () => Difference::NotShown,
        }
    }
}

fn logs(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    values.into_iter().map(f64::ln).filter(|log| log.is_finite()).collect()
}

/// Mean and variance; of a single value the variance is none.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (!values.is_empty()).then(|| (mean, squares / (n - 1.0).max(1.0)))
}

/// The 97.5th percentile of Student's distribution, rounded up to the next degree of freedom that the table has.
fn t_quantile(freedom: f64) -> f64 {
    match T_QUANTILES.iter().rev().find(|&&(known, _)| freedom + ROUNDING >= known) {
        Some(&(_, quantile)) => quantile,
        // Below one degree of freedom (which Welch's formula does not give) there would be no end to it.
        None => f64::INFINITY,
    }
}

/// What arithmetic may have taken from a whole number of degrees.
const ROUNDING: f64 = 1e-6;

const T_QUANTILES: [(f64, f64); 20] = [
    (1.0, 12.706),
    (2.0, 4.303),
    (3.0, 3.182),
    (4.0, 2.776),
    (5.0, 2.571),
    (6.0, 2.447),
    (7.0, 2.365),
    (8.0, 2.306),
    (9.0, 2.262),
    (10.0, 2.228),
    (12.0, 2.179),
    (14.0, 2.145),
    (16.0, 2.120),
    (18.0, 2.101),
    (20.0, 2.086),
    (25.0, 2.060),
    (30.0, 2.042),
    (40.0, 2.021),
    (60.0, 2.000),
    (120.0, 1.980),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([3.0, 1.0, f64::NAN, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0, count: 3 });
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([f64::INFINITY]), None);
    }

    #[test]
    fn a_paired_interval_is_students() {
        // Logarithms 0.1, 0.2 and 0.3: mean 0.2, deviation 0.1, so 0.2 and 4.303 · 0.1 / √3 either way.
        let ratio = Ratio::paired([0.1f64, 0.2, 0.3].map(|log| (log.exp() * 7.0, 7.0))).unwrap();
        let (low, high) = ratio.interval.unwrap();
        assert!((ratio.value.ln() - 0.2).abs() < 1e-12);
        assert!((low.ln() - (0.2 - 0.248_434)).abs() < 1e-5 && (high.ln() - 0.448_434).abs() < 1e-5);
        assert_eq!(ratio.difference(), Difference::NotShown);
    }

    #[test]
    fn an_unpaired_interval_is_welchs() {
        // Equal deviations of 0.1 in three rounds each: four degrees of freedom, and 2.776 · √(2 · 0.01 / 3) either way.
        let values = |mean: f64| [mean - 0.1, mean, mean + 0.1].map(f64::exp);
        let (low, high) = Ratio::unpaired(values(1.0), values(0.0)).unwrap().interval.unwrap();
        let reach = (high.ln() - low.ln()) / 2.0;
        assert!((reach - 2.776 * 0.081_650).abs() < 1e-4, "{reach}");
    }

    #[test]
    fn what_is_said_depends_on_the_whole_interval() {
        let said = |interval| Ratio { value: 1.0, interval }.difference();
        assert_eq!(said(None), Difference::Unknown);
        assert_eq!(said(Some((0.99, 1.01))), Difference::Negligible);
        assert_eq!(said(Some((1.01, 1.05))), Difference::NotShown);
        assert_eq!(said(Some((0.5, 2.0))), Difference::NotShown);
        assert_eq!(said(Some((1.021, 1.05))), Difference::Higher);
        assert_eq!(said(Some((0.5, 0.97))), Difference::Lower);
    }

    #[test]
    fn few_rounds_and_rounds_without_a_ratio_have_no_interval() {
        assert_eq!(Ratio::paired([]), None);
        assert_eq!(Ratio::paired([(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (f64::NAN, 1.0), (-1.0, -1.0)]), None);
        assert_eq!(Ratio::paired([(2.0, 1.0)]), Some(Ratio { value: 2.0, interval: None }));
        assert_eq!(Ratio::paired([(2.0, 1.0), (2.0, 1.0)]).unwrap().interval, None);
        assert_eq!(Ratio::unpaired([2.0, 2.0, 2.0], [1.0, 1.0]).unwrap().interval, None);
        // Figures that don't vary.
        assert_eq!(Ratio::paired([(1.0, 1.0); 3]).unwrap().difference(), Difference::Negligible);
        assert_eq!(Ratio::unpaired([2.0; 3], [1.0; 3]).unwrap().difference(), Difference::Higher);
    }
}
