//! Descriptions of measurements, printed while others run.

use clap::ValueEnum;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::bench::report::words::{Grouped, Unit, counted, plain};
use crate::bench::results::{Histogram, Kept, Pace, Point, Run, Workload};
use crate::bench::summary::Figure;

/// The name of a workload on the command line.
pub fn name(workload: &Workload) -> String {
    workload.to_possible_value().expect("every workload has a name").get_name().to_owned()
}

/// Describes a point in a few words.
pub fn shown(point: &Point) -> String {
    let pace = match point.pace {
        Pace::Closed => "closed loop".into(),
        Pace::Open { rate_per_second, .. } => format!("open loop, {}/s due", Unit::PerSecond.show(rate_per_second)),
    };
    format!("{}, {pace}", work(point))
}

/// Describes the point of trials, whose rates differ.
pub fn shown_for_trials(point: &Point) -> String {
    format!("{}, open loop, searching", work(point))
}

/// Describes the work at a point, without the times of requests.
fn work(point: &Point) -> String {
    let mut words = format!("{} {}", name(&point.workload), counted(point.connections.into(), "connection"));
    if point.idle > 0 {
        words += &format!(" beside {} idle", point.idle);
    }
    if point.size > 0 {
        words += &format!(", {}", counted(point.size, "byte"));
    }
    if point.depth > 1 {
        words += &format!(", {} deep", point.depth);
    }
    words
}

/// How lines about runs are laid out, so that those below each other are aligned.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The terminal's width; without one, lines are as long as they get.
    pub width: Option<usize>,
    /// The width of the longest name.
    name: usize,
    /// The digits of a round's number.
    round: usize,
}

/// The maximum width of a name on a terminal.
const NAME_MAX: usize = 24;
/// The indent of remarks about the line above.
const INDENT: &str = "    ";

impl Layout {
    /// The layout for standard error, for servers of these names and about this number of rounds.
    pub fn new<'n>(width: Option<usize>, names: impl Iterator<Item = &'n str>, rounds: u32) -> Layout {
        let name = names.map(|name| plain(name).width()).max().unwrap_or_default();
        let name = if width.is_some() { name.min(NAME_MAX) } else { name };
        Layout { width, name, round: rounds.max(10).ilog10() as usize + 1 }
    }

    /// Describes a run: its figures in one line, without cutting any, and each flaw in a line of its own.
    pub fn run(&self, run: &Run) -> String {
        let seconds = |histogram: &Histogram, quantile| {
            let ns = histogram.quantile(quantile).unwrap_or_default();
            format!("{:>7}", Unit::Seconds.show(ns as f64 / 1e9))
        };
        let rate = |rate: f64| format!("{:>5}/s", Unit::PerSecond.show(rate));
        let name = self.fitted(&plain(&run.subject), self.name);
        let room = " ".repeat(self.name.saturating_sub(name.width()));
        let mut fields = vec![format!("  {:>1$}", run.round, self.round), format!("{name}{room}")];
        if let (true, Pace::Open { rate_per_second, .. }) = (run.is_trial, run.point.pace) {
            fields.push(format!("due {}", rate(rate_per_second)));
        }
        match run.replies {
            0 => fields.push("no replies".into()),
            replies => {
                fields.push(rate(replies as f64 / run.seconds.max(f64::MIN_POSITIVE)));
                fields.extend([0.5, 0.99].map(|q| format!("p{:.0} {}", q * 100.0, seconds(&run.latency, q))));
                if let Some(cpu) = Figure::CpuPerRequest.of(run) {
                    fields.push(format!("CPU {:>7}", Unit::Seconds.show(cpu)));
                }
                fields.push(format!("p99.9 {}", seconds(&run.latency, 0.999)));
                fields.push(format!("max {}", seconds(&run.latency, 1.0)));
                if let Some(calls) = Figure::SystemCallsPerRequest.of(run) {
                    fields.push(format!("{} calls", Unit::Count.show(calls)));
                }
                if let Some(service) = &run.service {
                    fields.push(format!("since sent p99 {}", seconds(service, 0.99)));
                }
            }
        }
        if let Some(lag) = &run.generator.lag {
            fields.push(format!("lag p99 {}", seconds(lag, 0.99)));
        }
        fields.push(format!("generator {:.0} % busy", run.generator.busy * 100.0));
        let mut text = String::new();
        for field in fields {
            if self.width.is_some_and(|width| text.width() + 2 + field.width() > width) {
                break;
            }
            if !text.is_empty() {
                text.push_str("  ");
            }
            text.push_str(&field);
        }
        let mut flaws: Vec<String> =
            run.errors.iter().map(|(kind, count)| format!("{} × {}", Grouped(*count), plain(kind))).collect();
        if run.unsent > 0 {
            flaws.push(format!("{} not sent", Grouped(run.unsent)));
        }
        flaws.extend(run.doubt.as_ref().map(|doubt| format!("in doubt: {}", plain(doubt))));
        for flaw in flaws {
            text.push('\n');
            text.push_str(&self.paragraph(INDENT, &flaw));
        }
        text
    }

    /// A paragraph as wide as the terminal, with each line indented.
    pub fn paragraph(&self, indent: &str, text: &str) -> String {
        let mut lines = vec![indent.to_owned()];
        for word in text.split_whitespace() {
            let line = lines.last_mut().expect("there is one");
            let is_empty = line.len() == indent.len();
            if !is_empty && self.width.is_some_and(|width| line.width() + 1 + word.width() > width) {
                lines.push(format!("{indent}{word}"));
                continue;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.join("\n")
    }

    /// A text cut to a width, on a terminal.
    fn fitted(&self, text: &str, width: usize) -> String {
        if self.width.is_none() || text.width() <= width {
            return text.to_owned();
        }
        let mut cut = String::new();
        for char in text.chars() {
            if cut.width() + char.width().unwrap_or_default() + 1 > width {
                break;
            }
            cut.push(char);
        }
        cut + "…"
    }
}

/// Describes a search's result in one line, with the reason for any doubt.
pub fn found(Kept { subject, point, round, objective, rate_per_second }: &Kept, doubt: Option<&str>) -> String {
    let where_to = match rate_per_second {
        Some(rate) => format!("up to {} requests/s", Unit::PerSecond.show(*rate)),
        None => "at no rate that was tried".into(),
    };
    let doubt = doubt.map(|doubt| format!("; in doubt: {doubt}")).unwrap_or_default();
    format!("{}, {}, open loop, round {round}: keeps {objective} {where_to}{doubt}", plain(subject), work(point))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::results::{GeneratorUse, ServerUse};

    #[test]
    fn what_a_search_has_found_is_of_the_open_loop_and_says_its_doubt() {
        let point = Point {
            workload: Workload::Echo,
            connections: 50,
            idle: 0,
            size: 64,
            request: None,
            depth: 1,
            pace: Pace::Closed,
        };
        let kept = Kept {
            subject: "reactor".into(),
            point,
            round: 2,
            objective: "p99<5ms".into(),
            rate_per_second: Some(5723.3),
        };
        let line = "reactor, echo 50 connections, 64 bytes, open loop, round 2: keeps p99<5ms up to 5.72k requests/s";
        assert_eq!(found(&kept, None), line);
        assert_eq!(found(&kept, Some("only 12 replies came")), format!("{line}; in doubt: only 12 replies came"));
    }

    fn run(subject: &str, replies: u64) -> Run {
        let point = Point {
            workload: Workload::Echo,
            connections: 1,
            idle: 0,
            size: 64,
            request: None,
            depth: 1,
            pace: Pace::Closed,
        };
        Run {
            subject: subject.into(),
            point,
            round: 1,
            seconds: 1.0,
            replies,
            reply_bytes: 0,
            errors: BTreeMap::new(),
            unsent: 0,
            latency: Histogram { buckets: vec![(9_870, 98), (2_000_000, 2)] },
            service: None,
            connect: None,
            over_time: Vec::new(),
            server: Some(ServerUse { user_seconds: 0.5, ..ServerUse::default() }),
            generator: GeneratorUse { busy: 0.62, ..GeneratorUse::default() },
            is_trial: false,
            doubt: None,
            doubt_cause: None,
        }
    }

    const NAMES: [&str; 2] = ["reactor", "a server with a long name"];

    #[test]
    fn lines_are_aligned_and_have_whole_figures_that_fit_the_width() {
        let all = Layout::new(None, NAMES.into_iter(), 8);
        assert_eq!(
            all.run(&run("reactor", 81_234)),
            "   1  reactor                    81.2k/s  p50 9.87 µs  p99 2.00 ms  CPU 6.16 µs  p99.9 2.00 ms  max 2.00 ms  \
             generator 62 % busy"
        );
        let of_terminal = |width| {
            let layout = Layout::new(Some(width), NAMES.into_iter(), 8);
            NAMES.map(|name| layout.run(&run(name, 81_234)))
        };
        assert_eq!(
            of_terminal(80),
            [
                "   1  reactor                   81.2k/s  p50 9.87 µs  p99 2.00 ms  CPU 6.16 µs",
                "   1  a server with a long na…  81.2k/s  p50 9.87 µs  p99 2.00 ms  CPU 6.16 µs"
            ]
        );
        for width in 40..200 {
            assert!(of_terminal(width).iter().all(|line| line.width() <= width), "{width}");
        }
    }

    #[test]
    fn flaws_have_lines_of_their_own() {
        let doubted = Run {
            errors: [("unanswered".to_owned(), 1)].into(),
            unsent: 12_345,
            doubt: Some("other programs used 34 % of the server's processors".into()),
            ..run("reactor", 0)
        };
        assert_eq!(
            Layout::new(Some(40), ["reactor"].into_iter(), 100).run(&doubted),
            "    1  reactor  no replies\n    1 × unanswered\n    12 345 not sent\n    in doubt: other programs used 34 %\n    \
             of the server's processors"
        );
    }
}
