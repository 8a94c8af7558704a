//! Every run in a row, for spreadsheets and programs. `docs/benchmarks-results.md` describes the columns.

use super::super::results::{Pace, Results, Run, Schedule};
use super::super::summary::Figure;

/// Formats all runs as CSV (RFC 4180), with a row of names first. Times are in seconds, and unknown values are empty.
pub fn csv(all: &[Results]) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let names =
        COLUMNS.iter().map(|(name, _)| name.to_string()).chain(FIGURES.iter().map(|(name, _)| name.to_string()));
    // Writing to memory can't fail, and all rows have the same number of fields.
    let _ = writer.write_record(names.chain([ERRORS.to_string(), DOUBT.to_string()]));
    for results in all {
        for run in &results.runs {
            let own = COLUMNS.iter().map(|(_, of)| of(results, run));
            let figures = FIGURES.iter().map(|(_, figure)| figure.of(run).map(number).unwrap_or_default());
            let last = [text(&errors(run)), text(run.doubt.as_deref().unwrap_or(""))];
            let _ = writer.write_record(own.chain(figures).chain(last));
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

type Column = (&'static str, fn(&Results, &Run) -> String);

const COLUMNS: [Column; 17] = [
    ("started", |results, _| text(&results.started)),
    ("subject", |_, run| text(&run.subject)),
    ("workload", |_, run| {
        serde_json::to_value(run.point.workload).ok().and_then(|name| Some(name.as_str()?.into())).unwrap_or_default()
    }),
    ("connections", |_, run| run.point.connections.to_string()),
    ("idle", |_, run| run.point.idle.to_string()),
    ("size_bytes", |_, run| run.point.size.to_string()),
    ("request", |_, run| run.point.request.as_deref().map(text).unwrap_or_default()),
    ("depth", |_, run| run.point.depth.to_string()),
    ("loop", |_, run| match run.point.pace {
        Pace::Closed => "closed".into(),
        Pace::Open { .. } => "open".into(),
    }),
    ("schedule", |_, run| match run.point.pace {
        Pace::Closed => String::new(),
        Pace::Open { schedule: Schedule::Even, .. } => "even".into(),
        Pace::Open { schedule: Schedule::Poisson, .. } => "poisson".into(),
    }),
    ("rate_per_second", |_, run| match run.point.pace {
        Pace::Closed => String::new(),
        Pace::Open { rate_per_second, .. } => number(rate_per_second),
    }),
    ("round", |_, run| run.round.to_string()),
    ("seconds", |_, run| number(run.seconds)),
    ("replies", |_, run| run.replies.to_string()),
    ("reply_bytes", |_, run| run.reply_bytes.to_string()),
    ("server_user_seconds", |_, run| run.server.map(|server| number(server.user_seconds)).unwrap_or_default()),
    ("server_system_seconds", |_, run| run.server.map(|server| number(server.system_seconds)).unwrap_or_default()),
];

const FIGURES: [(&str, Figure); Figure::ALL.len()] = [
    ("requests_per_second", Figure::RequestsPerSecond),
    ("bytes_per_second", Figure::BytesPerSecond),
    ("latency_p50_seconds", Figure::LatencyP50),
    ("latency_p90_seconds", Figure::LatencyP90),
    ("latency_p99_seconds", Figure::LatencyP99),
    ("latency_p999_seconds", Figure::LatencyP999),
    ("latency_max_seconds", Figure::LatencyMax),
    ("service_p50_seconds", Figure::ServiceP50),
    ("service_p99_seconds", Figure::ServiceP99),
    ("connect_p50_seconds", Figure::ConnectP50),
    ("connect_p99_seconds", Figure::ConnectP99),
    ("error_count", Figure::Errors),
    ("unsent", Figure::Unsent),
    ("cpu_seconds_per_request", Figure::CpuPerRequest),
    ("user_seconds_per_request", Figure::UserPerRequest),
    ("system_seconds_per_request", Figure::SystemPerRequest),
    ("cpu_seconds_per_gigabyte", Figure::CpuPerGigabyte),
    ("memory_at_rest_bytes", Figure::MemoryAtRest),
    ("memory_per_connection_bytes", Figure::MemoryPerConnection),
    ("memory_peak_bytes", Figure::MemoryPeak),
    ("threads", Figure::Threads),
    ("processes", Figure::Processes),
    ("switches_per_request", Figure::SwitchesPerRequest),
    ("system_calls_per_request", Figure::SystemCallsPerRequest),
    ("generator_busy", Figure::GeneratorBusy),
    ("lag_p99_seconds", Figure::LagP99),
];

const ERRORS: &str = "errors";
const DOUBT: &str = "doubt";

/// Formats a number with as few digits as identify it.
fn number(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-4..1e15).contains(&size) => format!("{value:e}"),
        _ => value.to_string(),
    }
}

fn errors(run: &Run) -> String {
    run.errors.iter().map(|(kind, count)| format!("{kind}={count}")).collect::<Vec<_>>().join(";")
}

/// Formats text so that a spreadsheet doesn't take it for a formula.
fn text(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.into(),
    }
}
