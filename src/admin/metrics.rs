//! Numbers for Prometheus, in its text format or in OpenMetrics, which differ in the names of counters.
//!
//! No label has anything that a peer can make up.

use std::fmt::Write;
use std::iter::Sum;
use std::time::Duration;

use crate::session::admission::Denied;
use crate::session::{End, EndKind};
use crate::trace::{Event, LoopIs, Totals};

/// The numbers so far.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    accepted: u64,
    refused: u64,
    pauses: u64,
    /// Connections over the limits of an address, and over the rate of all.
    denied: [u64; 2],
    /// Closed connections, refused ones included, in the order of [`EndKind::ALL`].
    closed: [u64; EndKind::ALL.len()],
    is_stopping: bool,
    /// The time in each part of a turn, in the order of [`PARTS`], and in all after `select`.
    parts: [Histogram; 5],
    lag: Histogram,
}

/// What the loops have told of themselves when they were last asked, in sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    runnable: usize,
    timers: usize,
    turns: u64,
    /// Not counted by protocols without messages.
    messages: Option<u64>,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<&LoopIs<'_>> for Figures {
    fn from(is: &LoopIs<'_>) -> Self {
        let LoopIs { runnable, timers, totals, has_messages, .. } = *is;
        let Totals { turns, bytes_in, bytes_out, .. } = *totals;
        Figures { runnable, timers, turns, messages: has_messages.then_some(totals.messages), bytes_in, bytes_out }
    }
}

impl Sum for Figures {
    fn sum<I: Iterator<Item = Figures>>(figures: I) -> Figures {
        figures.fold(Figures::default(), |sum, one| Figures {
            runnable: sum.runnable + one.runnable,
            timers: sum.timers + one.timers,
            turns: sum.turns + one.turns,
            messages: one.messages.map(|messages| messages + sum.messages.unwrap_or(0)).or(sum.messages),
            bytes_in: sum.bytes_in + one.bytes_in,
            bytes_out: sum.bytes_out + one.bytes_out,
        })
    }
}

const PARTS: [&str; 5] = ["select", "dispatch", "run", "accept", "timers"];
/// The upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 7] = [0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0];

#[derive(Debug, Default)]
struct Histogram {
    /// The times up to each bound, and above all, not cumulative.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|&bound| seconds <= bound).unwrap_or(BOUNDS.len());
        self.counts[bucket] += 1;
        self.sum += seconds;
    }

    /// Writes it, with `labels` that end with a comma.
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut count = 0;
        for (times, bound) in self.counts.iter().zip(BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()])) {
            count += times;
            let _ = writeln!(out, "{name}_bucket{{{labels}le=\"{bound}\"}} {count}");
        }
        let braces = |labels: &str| if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let labels = braces(labels.trim_end_matches(','));
        let _ = writeln!(out, "{name}_sum{labels} {}\n{name}_count{labels} {count}", self.sum);
    }
}

impl Metrics {
    /// Adds an event.
    pub fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::Accepted => self.accepted += 1,
            Event::Refused { .. } => self.refused += 1,
            Event::AcceptingPaused { is_news: true, .. } => self.pauses += 1,
            Event::Closed { end, .. } => {
                self.closed[end.kind() as usize] += 1;
                if let End::Failed(error) = end
                    && let Some(denied) = error.downcast_ref::<Denied>()
                {
                    self.denied[usize::from(matches!(denied, Denied::Rate(_)))] += 1;
                }
            }
            Event::StopDelayed { .. } | Event::Stopping { .. } => self.is_stopping = true,
            Event::TurnEnded { select, dispatch, run, accept, timers, .. } => {
                for (histogram, time) in
                    self.parts.iter_mut().zip([*select, Some(*dispatch), Some(*run), Some(*accept), Some(*timers)])
                {
                    time.into_iter().for_each(|time| histogram.add(time));
                }
                self.lag.add(*dispatch + *run + *accept + *timers);
            }
            _ => {}
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// All of them, as text. Without a loop, its `figures` are left out.
    pub fn text(&self, is_openmetrics: bool, figures: Option<Figures>) -> String {
        let mut out = String::new();
        let closed: u64 = self.closed.iter().sum();
        let open = (self.accepted + self.refused).saturating_sub(closed);
        let mut gauge = |name: &str, help: &str, value: u64| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        };
        gauge("multiconn_connections", "Open connections.", open);
        if let Some(figures) = figures {
            gauge("multiconn_runnable_connections", "Connections with something to do.", figures.runnable as u64);
            gauge("multiconn_timers", "Timers, obsolete ones included.", figures.timers as u64);
        }
        let mut counter = |name: &str, help: &str, values: &[(String, u64)]| {
            // In OpenMetrics, the suffix is only the sample's.
            let family = if is_openmetrics { name.to_owned() } else { format!("{name}_total") };
            let _ = writeln!(out, "# HELP {family} {help}\n# TYPE {family} counter");
            for (labels, value) in values {
                let _ = writeln!(out, "{name}_total{labels} {value}");
            }
        };
        let one = |value: u64| [(String::new(), value)];
        let label = |key: &str, value: &str| format!("{{{key}=\"{value}\"}}");
        counter("multiconn_connections_accepted", "Connections accepted and served.", &one(self.accepted));
        counter("multiconn_connections_refused", "Connections accepted only to be refused.", &one(self.refused));
        let kinds = EndKind::ALL.map(|kind| (label("reason", kind.name()), self.closed[kind as usize]));
        counter("multiconn_connections_closed", "Connections closed, by the kind of end.", &kinds);
        let errors = [EndKind::Violation, EndKind::InputEnded, EndKind::TimedOut, EndKind::Failed];
        let errors = errors.map(|kind| (label("kind", kind.name()), self.closed[kind as usize]));
        counter("multiconn_protocol_errors", "Connections closed for an error of the protocol.", &errors);
        let limits = [("per_peer", 0), ("rate", 1)].map(|(limit, index)| (label("limit", limit), self.denied[index]));
        counter("multiconn_connections_denied", "Connections over the limits of an address or the rate.", &limits);
        counter("multiconn_accept_pauses", "Times when no connection could be accepted.", &one(self.pauses));
        if let Some(Figures { turns, messages, bytes_in, bytes_out, .. }) = figures {
            if let Some(messages) = messages {
                counter("multiconn_messages", "Messages that sessions have begun.", &one(messages));
            }
            counter("multiconn_received_bytes", "Bytes received from peers.", &one(bytes_in));
            counter("multiconn_sent_bytes", "Bytes sent to peers.", &one(bytes_out));
            counter("multiconn_turns", "Turns of the loops.", &one(turns));
        }
        let name = "multiconn_turn_seconds";
        let help = "The time in each part of a turn, of one turn in 64, and of those that readers of events are told.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (part, histogram) in PARTS.into_iter().zip(&self.parts) {
            histogram.write(&mut out, name, &format!("part=\"{part}\","));
        }
        let name = "multiconn_loop_lag_seconds";
        let help = "How long an event has to wait that arrives when a turn begins, of the same turns.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        self.lag.write(&mut out, name, "");
        if is_openmetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionError;

    fn closed(end: &End) -> Event<'_> {
        Event::Closed { end, age: None, tally: None }
    }

    #[test]
    fn events_are_counted_and_times_fall_into_buckets() {
        let mut metrics = Metrics::default();
        for event in [
            Event::Accepted,
            Event::Accepted,
            Event::Accepted,
            closed(&End::Finished),
            closed(&End::Failed(SessionError::refused(Denied::PerPeer(2)))),
            Event::TurnEnded {
                select: None,
                dispatch: Duration::from_micros(10),
                run: Duration::from_millis(402),
                accept: Duration::ZERO,
                timers: Duration::from_secs(20),
                apart: 0,
            },
        ] {
            metrics.add(&event);
        }
        let text = metrics.text(false, None);
        for line in [
            "multiconn_connections 1",
            "# TYPE multiconn_connections_accepted_total counter",
            "multiconn_connections_accepted_total 3",
            "multiconn_connections_closed_total{reason=\"finished\"} 1",
            "multiconn_connections_closed_total{reason=\"refused\"} 1",
            "multiconn_connections_denied_total{limit=\"per_peer\"} 1",
            "multiconn_connections_denied_total{limit=\"rate\"} 0",
            "multiconn_turn_seconds_bucket{part=\"select\",le=\"+Inf\"} 0",
            "multiconn_turn_seconds_bucket{part=\"dispatch\",le=\"0.00001\"} 1",
            "multiconn_turn_seconds_bucket{part=\"run\",le=\"0.1\"} 0",
            "multiconn_turn_seconds_bucket{part=\"run\",le=\"1\"} 1",
            "multiconn_turn_seconds_bucket{part=\"timers\",le=\"10\"} 0",
            "multiconn_turn_seconds_count{part=\"timers\"} 1",
            "multiconn_turn_seconds_sum{part=\"timers\"} 20",
            "multiconn_loop_lag_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("# EOF"));
        assert!(!text.contains("multiconn_turns"), "there is no loop");
    }

    #[test]
    fn the_figures_of_several_loops_are_summed_and_messages_counted_only_where_there_are_any() {
        let one = Figures { turns: 1, bytes_in: 10, ..Figures::default() };
        let sum = Metrics::default().text(false, Some([one, one].into_iter().sum()));
        assert!(sum.contains("\nmulticonn_turns_total 2\n") && sum.contains("\nmulticonn_received_bytes_total 20\n"));
        assert!(!sum.contains("multiconn_messages"));
        let one = Figures { messages: Some(3), ..one };
        let sum = Metrics::default().text(false, Some([one, one].into_iter().sum()));
        assert!(sum.contains("\nmulticonn_messages_total 6\n"));
    }

    #[test]
    fn in_openmetrics_the_name_of_a_counter_has_no_suffix() {
        let text = Metrics::default().text(true, Some(Figures::default()));
        assert!(
            text.contains("# TYPE multiconn_turns counter\nmulticonn_turns_total 0\n") && text.ends_with("# EOF\n")
        );
    }
}
