//! Benchmarks of scripted servers: statistics against theory, errors by kind, and the program as a whole.

#[path = "../common/mod.rs"]
mod common;
mod ending;
mod figures;
mod raw;
mod refused;
mod scripted;
mod statistics;

use common::*;
use multiconn::bench::results::Results;

/// Runs a short benchmark, and returns the results from its JSON file.
fn bench(args: &[&str]) -> Results {
    bench_warmed_up("50ms", args)
}

fn bench_warmed_up(warmup: &str, args: &[&str]) -> Results {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let short = ["--duration", "200ms", "--warmup", warmup, "--rounds", "1", "--json", path];
    let output = run(multiconn(&[&["bench"], args, &short].concat()));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let results = Results::read(file.path()).unwrap();
    assert_eq!(told.lines().filter(|line| line.contains("  generator ")).count(), results.runs.len(), "{told}");
    let table = text(&output.stdout);
    assert!(results.subjects.iter().all(|subject| table.contains(&subject.name)), "{table}");
    results
}

/// The error message of a failed call, without the notes about the machine before it.
fn complaint(args: &[&str], status: i32) -> String {
    let output = run(multiconn(&[&["bench"], args].concat()));
    assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    let lines =
        said.split_inclusive('\n').skip_while(|line| !line.starts_with("multiconn: ") && !line.starts_with("error: "));
    lines.collect()
}
