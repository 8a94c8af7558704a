//! Conditions under which a comparison fails, such as `cpu>1.05`.

use std::fmt;
use std::str::FromStr;

use super::super::stats::Difference;
use super::super::summary::{Figure, Summary};
use super::super::task::tasks;
use super::words;

/// A limit for the ratio of a figure to the baseline's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    figure: Figure,
    is_above: bool,
    limit: f64,
}

/// The outcome of a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The comparisons that meet it: their whole intervals lie beyond the limit.
    pub met: Vec<String>,
    /// The comparisons without a verdict.
    pub undecided: Vec<String>,
    /// The number of all comparisons.
    pub compared: usize,
}

/// The figures and their names in conditions.
const FIGURES: [(&str, Figure); 7] = [
    ("cpu", Figure::CpuPerRequest),
    ("requests", Figure::RequestsPerSecond),
    ("memory", Figure::MemoryPerConnection),
    ("p50", Figure::LatencyP50),
    ("p90", Figure::LatencyP90),
    ("p99", Figure::LatencyP99),
    ("p99.9", Figure::LatencyP999),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let operator =
            text.find(['>', '<']).ok_or("a condition has a figure, then '>' or '<', then a ratio, such as cpu>1.05")?;
        let (name, is_above, limit) =
            (text[..operator].trim(), text[operator..].starts_with('>'), text[operator + 1..].trim());
        let names = || FIGURES.map(|(name, _)| name).join(", ");
        let found = FIGURES.iter().find(|(known, _)| *known == name);
        let (_, figure) = found.ok_or_else(|| format!("'{name}' is not a figure; the figures are {}", names()))?;
        let limit: f64 = limit.parse().map_err(|_| format!("'{limit}' is not a ratio, such as 1.05"))?;
        // Otherwise a server that equals its baseline would fail.
        match is_above {
            _ if !limit.is_finite() || limit <= 0.0 => Err(format!("{limit} is not a ratio, such as 1.05")),
            true if limit < 1.0 => Err(format!("'>' requires a ratio of at least 1, not {limit}")),
            false if limit > 1.0 => Err(format!("'<' requires a ratio of at most 1, not {limit}")),
            is_above => Ok(Condition { figure: *figure, is_above, limit }),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIGURES.iter().find(|(_, figure)| *figure == self.figure).map_or("", |(name, _)| name);
        write!(f, "{name}{}{}", if self.is_above { '>' } else { '<' }, self.limit)
    }
}

impl Condition {
    /// Judges all comparisons of its figure. One meets the condition if its verdict is a difference, and its whole
    /// interval lies beyond the limit.
    pub fn judge(&self, summary: &Summary<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for task in tasks(summary) {
            for (subject, server) in summary.servers.iter().enumerate() {
                for (axis, point, comparison) in task.comparisons(self.figure, subject) {
                    judgement.compared += 1;
                    let at = format!("{}, {}", server.name, words::point(axis, point));
                    let wanted = if self.is_above { Difference::Higher } else { Difference::Lower };
                    match (comparison.verdict, comparison.ratio.interval) {
                        (None, _) => judgement.undecided.push(format!("{at} (in doubt)")),
                        (Some(Difference::Unknown), _) | (_, None) => {
                            judgement.undecided.push(format!("{at} (too few rounds)"));
                        }
                        (Some(verdict), Some(interval)) if verdict == wanted && self.is_beyond(interval) => {
                            judgement.met.push(format!("{at} ({} ×)", words::factors(interval)));
                        }
                        (Some(_), Some(_)) => {}
                    }
                }
            }
        }
        judgement
    }

    fn is_beyond(&self, (low, high): (f64, f64)) -> bool {
        if self.is_above { low > self.limit } else { high < self.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_figure_and_a_ratio_that_an_equal_server_does_not_meet() {
        for text in ["cpu>1.05", "p99>1", "requests<0.9", "p99.9>2", "memory>1.5"] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
        assert_eq!(" cpu > 1.05 ".parse::<Condition>(), "cpu>1.05".parse());
        for (text, why) in [
            ("cpu", "a condition has a figure, then '>' or '<', then a ratio, such as cpu>1.05"),
            ("time>2", "'time' is not a figure; the figures are cpu, requests, memory, p50, p90, p99, p99.9"),
            ("cpu>5%", "'5%' is not a ratio, such as 1.05"),
            ("cpu>nan", "NaN is not a ratio, such as 1.05"),
            ("cpu>=1.05", "'=1.05' is not a ratio, such as 1.05"),
            ("cpu>0.9", "'>' requires a ratio of at least 1, not 0.9"),
            ("requests<1.1", "'<' requires a ratio of at most 1, not 1.1"),
        ] {
            assert_eq!(text.parse::<Condition>(), Err(why.to_owned()), "{text}");
        }
    }
}
