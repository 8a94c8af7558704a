//! Verdicts on noisy figures: equal servers are called equal, and a real difference is found.

use multiconn::bench::results::{Pace, Results, Run};
use multiconn::bench::stats::{Difference, Ratio};
use multiconn::bench::summary::{Figure, Summary};

use crate::fixtures::{self, Noise};

/// The kind of noise in measurements.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Normally distributed, with this deviation.
    Normal(f64),
    /// Skewed, with a tail on one side.
    Skewed,
    /// With outliers: one in eight is a quarter lower.
    Disturbed,
    /// Either of two levels, as with a program's layout in memory.
    TwoLevels,
    /// So coarse that several values are equal.
    Coarse,
    /// Correlated: each is similar to the one before.
    Lingering,
    /// The speed of the whole machine differs from round to round.
    Drifting,
    /// The machine gets slower all the time, by half a percent with each measurement.
    Tiring,
}

const SHAPES: [Shape; 10] = [
    Shape::Normal(0.002),
    Shape::Normal(0.02),
    Shape::Normal(0.15),
    Shape::Skewed,
    Shape::Disturbed,
    Shape::TwoLevels,
    Shape::Coarse,
    Shape::Lingering,
    Shape::Drifting,
    Shape::Tiring,
];

/// Measurements of one server after another, round after round; all of them are equally good.
struct Measurements {
    shape: Shape,
    noise: Noise,
    nth: u32,
    last: f64,
    machine: f64,
}

impl Measurements {
    fn new(shape: Shape, seed: u64) -> Measurements {
        Measurements { shape, noise: Noise(seed), nth: 0, last: 0.0, machine: 1.0 }
    }

    fn next_round(&mut self) {
        self.machine = 1.0 + 0.6 * self.noise.uniform();
    }

    fn next(&mut self) -> f64 {
        self.nth += 1;
        let normal = self.noise.normal();
        let value = match self.shape {
            Shape::Normal(deviation) => (deviation * normal).exp(),
            Shape::Skewed => 1.0 / (1.0 - 0.06 * self.noise.uniform().ln()),
            Shape::Disturbed if self.noise.uniform() < 0.125 => 0.75 * (0.01 * normal).exp(),
            Shape::Disturbed => (0.01 * normal).exp(),
            Shape::TwoLevels if self.noise.uniform() < 0.5 => 0.95 * (0.004 * normal).exp(),
            Shape::TwoLevels => (0.004 * normal).exp(),
            Shape::Coarse => (20.0 * (0.03 * normal).exp()).round() / 20.0,
            Shape::Lingering => {
                self.last = 0.6 * self.last + 0.03 * normal;
                self.last.exp()
            }
            Shape::Drifting => self.machine * (0.01 * normal).exp(),
            Shape::Tiring => 0.995f64.powi(self.nth as i32) * (0.01 * normal).exp(),
        };
        100_000.0 * value
    }
}

/// The number of [`TRIES`] in which a difference is claimed between a server and one that is `factor` times as good.
fn claims(shape: Shape, rounds: usize, factor: f64) -> usize {
    let mut measurements = Measurements::new(shape, 42);
    let mut claims = 0;
    for _ in 0..TRIES {
        let pairs: Vec<(f64, f64)> = (0..rounds)
            .map(|_| {
                measurements.next_round();
                let first = measurements.next();
                (factor * measurements.next(), first)
            })
            .collect();
        measurements.nth = 0;
        let difference = Ratio::paired(pairs).expect("all are above zero").difference();
        claims += usize::from(matches!(difference, Difference::Higher | Difference::Lower));
    }
    claims
}

const TRIES: usize = 4000;

#[test]
fn equals_are_called_equal_in_more_than_nineteen_of_twenty_tries_whatever_the_noise() {
    for shape in SHAPES {
        for rounds in [3, 4, 5, 10, 20] {
            let claims = claims(shape, rounds, 1.0);
            println!("{shape:?}, {rounds} rounds: {:.2} %", 100.0 * claims as f64 / TRIES as f64);
            assert!(claims * 20 < TRIES, "{shape:?}, {rounds} rounds: {claims} of {TRIES}");
        }
    }
}

#[test]
fn a_difference_of_a_tenth_is_found_though_the_machine_drifts_by_half() {
    // Held against the round's own first, the drift is gone; what is left is the noise of 1 %.
    let found = claims(Shape::Drifting, 3, 1.1);
    assert!(found * 10 > TRIES * 9, "{found} of {TRIES}");
    assert!(claims(Shape::Normal(0.02), 5, 1.1) * 10 > TRIES * 9);
    assert!(claims(Shape::Disturbed, 10, 1.5) * 10 > TRIES * 9);
}

#[test]
fn without_pairing_the_same_drift_would_hide_it() {
    let mut measurements = Measurements::new(Shape::Drifting, 42);
    let found = (0..TRIES).filter(|_| {
        let mut values = |factor: f64| {
            let next = |_| {
                measurements.next_round();
                factor * measurements.next()
            };
            (0..3).map(next).collect::<Vec<f64>>()
        };
        let ratio = Ratio::unpaired(values(1.1), values(1.0)).expect("all are above zero");
        matches!(ratio.difference(), Difference::Higher | Difference::Lower)
    });
    assert!(found.count() * 4 < TRIES);
}

#[test]
fn the_interval_has_the_truth_in_it_in_nineteen_of_twenty_cases() {
    for (shape, rounds) in
        [(Shape::Normal(0.05), 3), (Shape::Normal(0.05), 8), (Shape::Drifting, 3), (Shape::Skewed, 5)]
    {
        let mut measurements = Measurements::new(shape, 7);
        let hits = (0..TRIES).filter(|_| {
            let pairs = (0..rounds).map(|_| {
                measurements.next_round();
                let first = measurements.next();
                (1.3 * measurements.next(), first)
            });
            let (low, high) = Ratio::paired(pairs).and_then(|ratio| ratio.interval).expect("there are rounds enough");
            low <= 1.3 && 1.3 <= high
        });
        let share = hits.count() as f64 / TRIES as f64;
        assert!(share > 0.94 && share < 0.975, "{shape:?}, {rounds} rounds: {share}");
    }
}

/// Two of one kind, at three numbers of connections, from the results on.
fn against_itself(shape: Shape, seed: u64) -> Results {
    let mut measurements = Measurements::new(shape, seed);
    let mut results = fixtures::measured(2, &[], 0, false);
    let template = fixtures::empty_run();
    for round in 1..=3 {
        measurements.next_round();
        for connections in [1, 50, 1000] {
            for subject in ["reactor", "threads"] {
                let point = fixtures::point(connections, Pace::Closed);
                let replies = measurements.next() as u64;
                results.runs.push(Run { subject: subject.into(), point, round, replies, ..template.clone() });
            }
        }
    }
    results
}

#[test]
fn a_whole_run_of_a_model_against_itself_shows_no_difference_in_nine_of_ten_tries() {
    for shape in SHAPES {
        let good = (0..200).filter(|&seed| {
            let results = [against_itself(shape, seed)];
            let summary = Summary::of(&results);
            let group = &summary.groups[0];
            let said = group.rows.iter().filter_map(|row| group.compare(row, Figure::RequestsPerSecond));
            let said: Vec<Option<Difference>> = said.map(|comparison| comparison.verdict).collect();
            assert_eq!(said.len(), 3);
            said.iter().all(|said| matches!(said, Some(Difference::Negligible | Difference::NotShown)))
        });
        let good = good.count();
        println!("{shape:?}: {good} of 200");
        assert!(good >= 180, "{shape:?}: {good} of 200");
    }
}
