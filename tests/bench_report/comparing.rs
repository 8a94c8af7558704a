//! Results of several files: which servers are compared, and the conditions under which a comparison fails.

use std::path::Path;

use multiconn::bench::report;
use multiconn::bench::report::condition::Condition;
use multiconn::bench::report::table::{Look, brief};
use multiconn::bench::results::{Cause, Results, Workload};
use multiconn::bench::summary::{Figure, Summary};
use multiconn::bench::task::tasks;

use crate::answer::sentences;
use crate::common::{multiconn, run, text};
use crate::fixtures::measured;

/// The same results with this much more processor time for each request of `server`.
fn slower(mut results: Results, server: &str, factor: f64) -> Results {
    for run in results.runs.iter_mut().filter(|run| run.subject == server) {
        let used = run.server.as_mut().unwrap();
        used.user_seconds *= factor;
        used.system_seconds *= factor;
    }
    results
}

fn before_and_after(after: Results) -> Vec<Results> {
    before_and_after_of(measured(2, &[50], 3, true), after)
}

fn before_and_after_of(before: Results, after: Results) -> Vec<Results> {
    report::side_by_side(vec![("before".into(), before), ("after".into(), after)])
}

#[test]
fn servers_of_the_same_name_are_compared() {
    let all = before_and_after(slower(measured(2, &[50], 3, true), "threads", 1.3));
    assert_eq!(
        sentences(&all),
        [
            "reactor: CPU per request no difference, p99 no difference shown, compared with before",
            "threads: 30 % more CPU per request than before (1.27–1.33 ×), p99 no difference shown"
        ]
    );
    let look = Look { width: 80, has_colours: false };
    insta::assert_snapshot!("brief_of_two_files", brief(&all, look));
    insta::assert_snapshot!("comment_of_two_files", report::comment(&all, &["cpu>1.05 passes".into()]));
}

#[test]
fn a_server_in_one_file_alone_is_compared_with_none() {
    let mut after = measured(3, &[50], 3, true);
    after.subjects.remove(0);
    after.runs.retain(|run| run.subject != "reactor");
    let all = before_and_after(after);
    let summary = Summary::of(&all);
    let baselines: Vec<_> = summary
        .servers
        .iter()
        .map(|server| (server.name, summary.baseline_of(server).map(|other| other.name)))
        .collect();
    assert_eq!(
        baselines,
        [("reactor", None), ("before: threads", None), ("after: threads", Some("before: threads")), ("fork", None)]
    );
    assert_eq!(summary.baseline_name(), Some("before"));
}

#[test]
fn without_a_common_name_all_are_compared_with_the_first() {
    let mut other = measured(2, &[50], 3, true);
    other.subjects.iter_mut().for_each(|subject| subject.name.push('2'));
    other.runs.iter_mut().for_each(|run| run.subject.push('2'));
    let all = report::side_by_side(vec![("a".into(), measured(2, &[50], 3, true)), ("b".into(), other)]);
    let summary = Summary::of(&all);
    assert_eq!(
        summary.servers.iter().map(|server| server.baseline).collect::<Vec<_>>(),
        [None, Some(0), Some(0), Some(0)]
    );
    assert_eq!(summary.baseline_name(), Some("reactor"));
}

#[test]
fn latencies_at_different_rates_are_not_compared() {
    let mut after = measured(2, &[50], 3, true);
    for run in &mut after.runs {
        if let multiconn::bench::results::Pace::Open { rate_per_second, .. } = &mut run.point.pace {
            *rate_per_second += 1.0;
        }
    }
    let said = &sentences(&before_and_after(after))[0];
    assert!(said.contains("p99 not compared (measured at different points)"), "{said}");
}

#[test]
fn different_raw_requests_are_different_tasks() {
    let asking = |request: &str| {
        let mut results = measured(2, &[50], 3, true);
        for run in &mut results.runs {
            (run.point.workload, run.point.request) = (Workload::Raw, Some(request.into()));
        }
        results
    };
    assert_eq!(sentences(&before_and_after_of(asking("GET"), asking("GET"))).len(), 2);
    let all = before_and_after_of(asking("GET"), asking("SET"));
    let summary = Summary::of(&all);
    assert_eq!(tasks(&summary).len(), 2);
    for group in &summary.groups {
        assert!(group.rows.iter().all(|row| group.compare(row, Figure::CpuPerRequest).is_none()));
    }
}

fn judged(condition: &str, all: &[Results]) -> (usize, usize) {
    let judgement = condition.parse::<Condition>().unwrap().judge(&Summary::of(all));
    (judgement.met.len(), judgement.undecided.len())
}

#[test]
fn a_condition_is_judged_by_the_interval() {
    let all = before_and_after(slower(measured(2, &[50], 3, true), "threads", 1.3));
    let summary = Summary::of(&all);
    let group = &summary.groups[0];
    let row = group.rows.iter().find(|row| row.name == "after: threads").unwrap();
    let (low, high) = group.compare(row, Figure::CpuPerRequest).unwrap().ratio.interval.unwrap();
    assert_eq!(judged(&format!("cpu>{}", low - 0.001), &all), (1, 0));
    // The ratio itself is above, but not the whole interval.
    assert_eq!(judged(&format!("cpu>{}", low + 0.001), &all), (0, 0));
    assert_eq!(judged(&format!("cpu>{high}"), &all), (0, 0));
    assert_eq!(judged("cpu<1", &all), (0, 0));
    let faster = before_and_after(slower(measured(2, &[50], 3, true), "threads", 0.5));
    assert_eq!(judged("cpu<0.9", &faster), (1, 0));
    assert_eq!(judged("cpu>1", &faster), (0, 0));
}

#[test]
fn a_condition_without_a_verdict_is_undecided() {
    let mut after = slower(measured(2, &[50], 3, true), "threads", 1.3);
    after.runs.iter_mut().for_each(|run| (run.doubt, run.doubt_cause) = (Some("it ended".into()), Some(Cause::Server)));
    assert_eq!(judged("cpu>1.05", &before_and_after(after)), (0, 2));
    let few = slower(measured(2, &[50], 2, true), "threads", 1.3);
    assert_eq!(judged("cpu>1.05", &before_and_after(few)), (0, 2));
}

#[test]
fn the_exit_status_says_whether_a_condition_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (before, after, comment) = (at("before.json"), at("after.json"), at("comment.md"));
    measured(2, &[50], 3, true).write(Path::new(&before)).unwrap();
    slower(measured(2, &[50], 3, true), "threads", 1.3).write(Path::new(&after)).unwrap();
    let report = |more: &[&str]| {
        let output = run(multiconn(&[&["bench", "report", &before, &after], more].concat()));
        assert!(more.contains(&"time>2") || text(&output.stdout).contains("threads: 30 % more CPU"));
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let met = "cpu>1.05 fails: after: threads, 50 connections (1.27–1.33 ×)";
    let fails = ["--fail-if", "cpu>1.05", "--fail-if", "memory>2", "--markdown", &comment];
    assert_eq!(report(&fails), (4, format!("multiconn: {met}\n")));
    let comment = std::fs::read_to_string(&comment).unwrap();
    assert!(
        comment.contains("- cpu&gt;1.05 fails: after: threads, 50 connections (1.27–1.33 ×)\n- memory&gt;2 passes\n")
    );
    assert_eq!(report(&["--fail-if", "cpu>1.5,p99>2"]), (0, String::new()));
    // Wrong usage has another status.
    let (status, said) = report(&["--fail-if", "time>2"]);
    assert!(status == 2 && said.contains("'time' is not a figure"), "{status}: {said}");
    // A condition that can never be met is an error, not a pass.
    let output = run(multiconn(&["bench", "report", &before, "--fail-if", "p99.9>1.5,cpu>1.05"]));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let mut unknown = measured(2, &[50], 3, true);
    unknown.runs.iter_mut().for_each(|run| run.server = None);
    unknown.write(Path::new(&after)).unwrap();
    let output = run(multiconn(&["bench", "report", &after, "--fail-if", "cpu>1.05"]));
    let wanted = "multiconn: --fail-if cpu>1.05: no two servers have this figure at the same point\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), wanted.to_owned()));
}

#[test]
fn an_undecided_condition_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("few.json");
    slower(measured(2, &[50], 2, false), "threads", 1.3).write(&file).unwrap();
    let output = run(multiconn(&["bench", "report", file.to_str().unwrap(), "--fail-if", "cpu>1.05"]));
    let wanted = "cpu>1.05 passes, but is undecided for threads, 50 connections (too few rounds)\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), wanted.to_owned()));
}
