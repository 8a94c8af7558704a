//! Statistics of few and noisy measurements: median and spread, and ratios with intervals.
//!
//! Servers are measured in turns, A B C A B C, and each is compared with the first **in the same round**: a disturbance
//! that slows down the whole machine for a while slows down both, and cancels out of their ratio. The analysis uses the
//! ratios' logarithms, since twice as fast and half as fast are equally far from equal. For two equal servers, the
//! difference of the logarithms is as often positive as negative, however skewed the noise of each; so a t interval
//! around their mean is valid even for few rounds. It is wide for three, and narrows faster than one over the root of
//! the rounds.
//!
//! A difference is claimed if the whole interval lies beyond [`NEGLIGIBLE`] on either side. The margin exists because
//! nobody chooses a server for less. Differences of that size also come from the memory layout of a program, from the
//! order of the turns, and from figures that hardly vary, such as memory, whose intervals shrink to nothing.
//!
//! The points of a plot are judged together ([`differences`]): the more there are, the likelier it is that one of them
//! differs by chance, and the clearer it has to be (Holm's procedure). So at most one in twenty plots of a server
//! against itself shows any difference.

/// The share by which two servers may differ without a claim: 2 %.
pub const NEGLIGIBLE: f64 = 0.02;

/// The highest probability of claiming a difference between equal servers.
pub const CHANCE_MAX: f64 = 0.05;

/// The least number of rounds for a claim: with two, the interval would range from a fraction to a multiple.
pub const ROUNDS_MIN: usize = 3;

/// A summary of several measurements of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median, or the mean of the two values in the middle.
    pub median: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
    /// The number of values.
    pub count: usize,
}

impl Spread {
    /// Summarizes `values`, if there are any. Values that are not finite are left out.
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

/// The ratio of one server's figure to another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub value: f64,
    /// The 95 % confidence interval; `None` for fewer than [`ROUNDS_MIN`] rounds.
    pub interval: Option<(f64, f64)>,
    /// The probability of a value this far from 1 by chance, for servers that differ by at most [`NEGLIGIBLE`].
    pub chance: Option<f64>,
}

/// The conclusion from a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// There are too few rounds for a conclusion.
    Unknown,
    /// The difference is negligible: the interval lies within [`NEGLIGIBLE`] of 1.
    Negligible,
    /// No difference is shown: the interval reaches both into and beyond the negligible range, or one of the points
    /// could differ by chance, given their number.
    NotShown,
    /// The figure is higher.
    Higher,
    /// The figure is lower.
    Lower,
}

impl Ratio {
    /// The ratio of two servers measured in turns: `(its own, the first's)` for each round.
    ///
    /// Rounds with a value that is not positive are left out: they have no ratio.
    pub fn paired(rounds: impl IntoIterator<Item = (f64, f64)>) -> Option<Ratio> {
        let logs = logs(rounds.into_iter().map(|(own, first)| own.max(0.0) / first.max(0.0)));
        let (mean, variance) = moments(&logs)?;
        let error = (variance / logs.len() as f64).sqrt();
        Some(Ratio::around(mean, error, logs.len(), logs.len() as f64 - 1.0))
    }

    /// The ratio of two servers that were not measured in turns (Welch's interval). Changes between the two
    /// measurements affect the ratio, but not its interval.
    pub fn unpaired(own: impl IntoIterator<Item = f64>, first: impl IntoIterator<Item = f64>) -> Option<Ratio> {
        let (own, first) = (logs(own), logs(first));
        let ((mean, variance), (first_mean, first_variance)) = (moments(&own)?, moments(&first)?);
        let (n, first_n) = (own.len() as f64, first.len() as f64);
        let (part, first_part) = (variance / n, first_variance / first_n);
        let squares = part.powi(2) / (n - 1.0) + first_part.powi(2) / (first_n - 1.0);
        // Without any variance there is nothing to weigh.
        let freedom = if squares > 0.0 { (part + first_part).powi(2) / squares } else { n + first_n - 2.0 };
        Some(Ratio::around(mean - first_mean, (part + first_part).sqrt(), own.len().min(first.len()), freedom))
    }

    fn around(mean: f64, error: f64, rounds: usize, freedom: f64) -> Ratio {
        let beyond = mean.abs() - (1.0 + NEGLIGIBLE).ln();
        let known = (rounds >= ROUNDS_MIN).then(|| {
            // Whole degrees of freedom, rounded down except for rounding errors.
            let freedom = (freedom + 1e-6).floor().clamp(1.0, FREEDOM_MAX) as u32;
            let reach = t_quantile(freedom) * error;
            let chance = match beyond {
                beyond if beyond <= 0.0 => 1.0,
                beyond => 1.0 - t_within(beyond / error, freedom),
            };
            (((mean - reach).exp(), (mean + reach).exp()), chance)
        });
        let (interval, chance) = known.unzip();
        Ratio { value: mean.exp(), interval, chance }
    }

    /// The conclusion, if this ratio is considered alone.
    pub fn difference(&self) -> Difference {
        self.difference_if(self.chance.is_some_and(|chance| chance < CHANCE_MAX))
    }

    fn difference_if(&self, is_clear: bool) -> Difference {
        let Some((low, high)) = self.interval else { return Difference::Unknown };
        match is_clear {
            true if self.value > 1.0 => Difference::Higher,
            true => Difference::Lower,
            false if low >= 1.0 / (1.0 + NEGLIGIBLE) && high <= 1.0 + NEGLIGIBLE => Difference::Negligible,
            false => Difference::NotShown,
        }
    }
}

/// The conclusions from several ratios considered together: the clearest must be as clear as if all of them were due to
/// chance, the next as if all others were, and so on.
pub fn differences(ratios: &[Ratio]) -> Vec<Difference> {
    let mut order: Vec<(usize, f64)> =
        ratios.iter().enumerate().filter_map(|(index, ratio)| Some((index, ratio.chance?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let count = order.len();
    let clear: Vec<usize> = order
        .into_iter()
        .enumerate()
        .take_while(|&(nth, (_, chance))| chance < CHANCE_MAX / (count - nth) as f64)
        .map(|(_, (index, _))| index)
        .collect();
    ratios.iter().enumerate().map(|(index, ratio)| ratio.difference_if(clear.contains(&index))).collect()
}

fn logs(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    values.into_iter().map(f64::ln).filter(|log| log.is_finite()).collect()
}

/// Mean and variance; a single value has no variance.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (!values.is_empty()).then(|| (mean, squares / (n - 1.0).max(1.0)))
}

/// The probability that a value of Student's distribution with `freedom` degrees is within `t` of zero.
fn t_within(t: f64, freedom: u32) -> f64 {
    // For whole degrees, the integral has a closed form: a sum of powers of a cosine.
    let angle = (t / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    for power in (if is_odd { 3 } else { 2 }..freedom - u32::from(freedom > 1)).step_by(2) {
        term *= cosine * cosine * f64::from(power - 1) / f64::from(power);
        sum += term;
    }
    if is_odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

/// The bound within which 95 % of Student's distribution lie.
fn t_quantile(freedom: u32) -> f64 {
    let (mut low, mut high) = (0.0, 13.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        match t_within(middle, freedom) < 1.0 - CHANCE_MAX {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

/// Above this number, the result no longer changes.
const FREEDOM_MAX: f64 = 1000.0;

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
        // Logarithms 0.1, 0.2 and 0.3: mean 0.2, deviation 0.1, so 4.3027 · 0.1 / √3 either way.
        let ratio = Ratio::paired([0.1f64, 0.2, 0.3].map(|log| (log.exp() * 7.0, 7.0))).unwrap();
        let (low, high) = ratio.interval.unwrap();
        assert!((ratio.value.ln() - 0.2).abs() < 1e-12);
        assert!((low.ln() - (0.2 - 0.248_414)).abs() < 1e-5 && (high.ln() - 0.448_414).abs() < 1e-5);
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
    fn students_quantiles_are_those_of_the_tables() {
        let tables = [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (9, 2.2622), (10, 2.2281)];
        for (freedom, quantile) in tables.into_iter().chain([(30, 2.0423), (120, 1.9799), (1000, 1.9623)]) {
            assert!((t_quantile(freedom) - quantile).abs() < 1e-4, "{freedom}: {}", t_quantile(freedom));
        }
    }

    #[test]
    fn a_difference_is_claimed_where_the_whole_interval_lies_beyond_what_is_negligible() {
        let mut seen = [0; 3];
        for step in 0..400 {
            let mean = 1.0 + f64::from(step) / 1000.0;
            let ratio = Ratio::paired([0.98, 1.0, 1.02].map(|noise| (mean * noise, 1.0))).unwrap();
            let (low, high) = ratio.interval.unwrap();
            let said = ratio.difference();
            assert_eq!(said == Difference::Higher, low > 1.0 + NEGLIGIBLE, "{ratio:?}");
            assert!(said != Difference::Negligible || high <= 1.0 + NEGLIGIBLE);
            let inverse = Ratio::paired([0.98, 1.0, 1.02].map(|noise| (1.0, mean * noise))).unwrap();
            assert_eq!(inverse.difference() == Difference::Lower, said == Difference::Higher);
            seen[usize::from(said == Difference::Higher)] += 1;
        }
        assert!(seen[0] > 0 && seen[1] > 0);
        assert_eq!(
            Ratio::paired([(1.0, 1.001), (1.001, 1.0), (1.0, 1.0)]).unwrap().difference(),
            Difference::Negligible
        );
    }

    #[test]
    fn of_many_ratios_one_must_be_clearer_than_alone() {
        let ratio = |chance| Ratio { value: 1.2, interval: Some((1.05, 1.4)), chance: Some(chance) };
        use Difference::{Higher, NotShown};
        assert_eq!(differences(&[ratio(0.04)]), [Higher]);
        assert_eq!(differences(&[ratio(0.04), ratio(0.9)]), [NotShown, NotShown]);
        assert_eq!(differences(&[ratio(0.04), ratio(0.02)]), [Higher, Higher]);
        assert_eq!(differences(&[ratio(0.9), ratio(0.001), ratio(0.03)]), [NotShown, Higher, NotShown]);
    }

    #[test]
    fn few_rounds_and_rounds_without_a_ratio_have_no_interval() {
        assert_eq!(Ratio::paired([]), None);
        assert_eq!(Ratio::paired([(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (f64::NAN, 1.0), (-1.0, -1.0)]), None);
        assert_eq!(Ratio::paired([(2.0, 1.0)]), Some(Ratio { value: 2.0, interval: None, chance: None }));
        assert_eq!(Ratio::paired([(2.0, 1.0), (2.0, 1.0)]).unwrap().interval, None);
        assert_eq!(Ratio::unpaired([2.0, 2.0, 2.0], [1.0, 1.0]).unwrap().interval, None);
        // Figures that don't vary.
        assert_eq!(Ratio::paired([(1.0, 1.0); 3]).unwrap().difference(), Difference::Negligible);
        assert_eq!(Ratio::unpaired([2.0; 3], [1.0; 3]).unwrap().difference(), Difference::Higher);
    }
}
