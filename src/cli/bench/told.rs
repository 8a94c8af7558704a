//! One-line descriptions of measurements, printed while others run.

use clap::ValueEnum;

use crate::bench::report::words::counted;
use crate::bench::results::{Histogram, Kept, Pace, Point, Run, Workload};

/// The name of a workload on the command line.
pub fn name(workload: &Workload) -> String {
    workload.to_possible_value().expect("every workload has a name").get_name().to_owned()
}

/// Describes a point in a few words.
pub fn shown(point: &Point) -> String {
    let pace = match point.pace {
        Pace::Closed => "closed loop".into(),
        Pace::Open { rate_per_second, .. } => format!("{rate_per_second:.0}/s due"),
    };
    format!("{}, {pace}", work(point))
}

/// The same, without how requests are timed.
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

/// Describes a run in one line.
pub fn line(run: &Run) -> String {
    let micros = |histogram: &Histogram, quantile| histogram.quantile(quantile).unwrap_or_default() as f64 / 1e3;
    let latency = |quantile| micros(&run.latency, quantile);
    let mut line = format!("{} {}, round {}: ", run.subject, shown(&run.point), run.round);
    line += &match run.replies {
        0 => "no replies".into(),
        replies => format!(
            "{:.0} requests/s, p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs, max {:.0} µs",
            replies as f64 / run.seconds.max(f64::MIN_POSITIVE),
            latency(0.5),
            latency(0.99),
            latency(0.999),
            latency(1.0),
        ),
    };
    if let (Some(server), 1..) = (&run.server, run.replies) {
        let each = server.cpu_seconds() * 1e6 / run.replies as f64;
        line += &format!(", {each:.2} µs of processor time");
        if let Some(calls) = server.system_calls_per_request {
            line += &format!(" and {calls:.2} system calls");
        }
        line += " each";
    }
    if let (Some(service), 1..) = (&run.service, run.replies) {
        let (p50, p99) = (micros(service, 0.5), micros(service, 0.99));
        line += &format!(", since they were sent p50 {p50:.0} µs, p99 {p99:.0} µs");
    }
    for (kind, count) in &run.errors {
        line += &format!(", {count} times {kind}");
    }
    if run.unsent > 0 {
        line += &format!(", {} not sent", run.unsent);
    }
    line += &format!("; generator {:.0} % busy", run.generator.busy * 100.0);
    if let Some(lag) = &run.generator.lag {
        line += &format!(", {:.0} µs late at p99", micros(lag, 0.99));
    }
    if let Some(doubt) = &run.doubt {
        line += &format!("; IN DOUBT: {doubt}");
    }
    line
}

/// Describes a search's result in one line, with the reason for any doubt.
pub fn found(Kept { subject, point, round, objective, rate_per_second }: &Kept, doubt: Option<&str>) -> String {
    let where_to = match rate_per_second {
        Some(rate) => format!("up to {rate:.0} requests/s"),
        None => "at no rate that was tried".into(),
    };
    let doubt = doubt.map(|doubt| format!("; IN DOUBT: {doubt}")).unwrap_or_default();
    format!("{subject} {}, open loop, round {round}: keeps {objective} {where_to}{doubt}", work(point))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::GeneratorUse;

    #[test]
    fn what_a_search_has_found_is_of_the_open_loop_and_says_its_doubt() {
        let point =
            Point { workload: Workload::Echo, connections: 50, idle: 0, size: 64, depth: 1, pace: Pace::Closed };
        let kept = Kept {
            subject: "reactor".into(),
            point,
            round: 2,
            objective: "p99<5ms".into(),
            rate_per_second: Some(5723.3),
        };
        let line = "reactor echo 50 connections, 64 bytes, open loop, round 2: keeps p99<5ms up to 5723 requests/s";
        assert_eq!(found(&kept, None), line);
        assert_eq!(found(&kept, Some("only 12 replies came")), format!("{line}; IN DOUBT: only 12 replies came"));
    }

    #[test]
    fn a_run_without_replies_has_no_figures() {
        let point = Point { workload: Workload::Echo, connections: 1, idle: 0, size: 64, depth: 1, pace: Pace::Closed };
        let run = Run {
            subject: "mute".into(),
            point,
            round: 1,
            seconds: 1.0,
            replies: 0,
            reply_bytes: 0,
            errors: [("unanswered".to_owned(), 1)].into(),
            unsent: 0,
            latency: Histogram { buckets: vec![(2_000_000_000, 1)] },
            service: Some(Histogram::default()),
            connect: None,
            over_time: Vec::new(),
            server: None,
            generator: GeneratorUse::default(),
            is_trial: false,
            doubt: None,
        };
        let said = "mute echo 1 connection, 64 bytes, closed loop, round 1: no replies, 1 times unanswered; generator 0 % busy";
        assert_eq!(line(&run), said);
    }
}
