//! Disturbances by other programs: the rounds that are measured again, and the figures that are judged.

use multiconn::bench::plan::{another_round, latency_rate, throughput};
use multiconn::bench::report;
use multiconn::bench::results::{Cause, Pace, Results, Run};
use multiconn::bench::stats::Difference;
use multiconn::bench::summary::{Figure, Summary};

use crate::fixtures::{empty_run, measured, point};

const OTHERS: &str = "other programs used 34 % of the server's processors";

fn disturb(run: &mut Run) {
    doubt(run, Cause::Disturbance);
    // It is slower, and its times are longer.
    run.replies /= 2;
    run.latency.buckets.iter_mut().for_each(|(value, _)| *value *= 20);
    if let Some(server) = &mut run.server {
        server.user_seconds /= 2.0;
        server.system_seconds /= 2.0;
    }
}

fn doubt(run: &mut Run, cause: Cause) {
    run.doubt = Some(OTHERS.into());
    run.doubt_cause = Some(cause);
}

/// The rounds that are made if `planned` are, and those for which `is_disturbed` returns true are disturbed.
fn rounds(planned: u32, is_disturbed: impl Fn(u32) -> bool) -> u32 {
    let mut runs = Vec::new();
    let mut measure = |round: u32| {
        for subject in ["a", "b"] {
            let mut run = Run { subject: subject.into(), round, ..empty_run() };
            if subject == "b" && is_disturbed(round) {
                disturb(&mut run);
            }
            runs.push(run);
        }
        another_round(&runs, &point(1, Pace::Closed), planned)
    };
    let mut next = None;
    for round in 1..=planned {
        next = measure(round);
    }
    let mut made = planned;
    while let Some(round) = next {
        assert_eq!(round, made + 1);
        made = round;
        next = measure(round);
    }
    made
}

#[test]
fn a_disturbed_round_is_measured_again() {
    assert_eq!(rounds(8, |_| false), 8);
    assert_eq!(rounds(8, |round| round == 3), 9);
    assert_eq!(rounds(8, |round| round <= 2), 10);
    assert_eq!(rounds(8, |round| round == 3 || round == 9), 10, "so is the one that replaces it");
    assert_eq!(rounds(3, |round| round == 2), 4);
}

#[test]
fn rounds_are_not_measured_again_for_ever() {
    assert_eq!(rounds(8, |round| round <= 8), 12, "half as many at most");
    assert_eq!(rounds(100, |round| round % 2 == 1), 150);
    assert_eq!(rounds(8, |_| true), 10, "nor where it is in vain");
    assert_eq!(rounds(200, |_| true), 202);
    assert_eq!(rounds(1, |_| true), 1, "nor where one is asked for");
}

#[test]
fn other_doubts_and_other_points_are_no_reason() {
    for cause in [Cause::Server, Cause::Generator] {
        let mut run = empty_run();
        doubt(&mut run, cause);
        assert_eq!(another_round(&[run], &point(1, Pace::Closed), 1), None);
    }
    let mut results = measured(2, &[1, 50], 8, false);
    results.runs.iter_mut().filter(|run| run.point.connections == 1 && run.round == 1).for_each(disturb);
    assert_eq!(another_round(&results.runs, &point(1, Pace::Closed), 8), Some(9));
    assert_eq!(another_round(&results.runs, &point(50, Pace::Closed), 8), None);
    assert_eq!(another_round(&results.runs, &point(7, Pace::Closed), 8), None);
}

#[test]
fn the_open_loop_has_its_rate_from_undisturbed_rounds() {
    let good = measured(2, &[50], 8, false);
    let at = point(50, Pace::Closed);
    let mut bad = good.clone();
    bad.runs.iter_mut().filter(|run| run.round <= 5).for_each(disturb);
    let mut rest = good.clone();
    rest.runs.retain(|run| run.round > 5);
    assert_eq!(latency_rate(&bad.runs, &at), latency_rate(&rest.runs, &at));
    // If all rounds are disturbed, they count all the same.
    bad.runs.iter_mut().filter(|run| run.round > 5).for_each(disturb);
    let (low, usual) =
        (throughput(&bad.runs, "threads", &at).unwrap(), throughput(&good.runs, "threads", &at).unwrap());
    assert!((low * 2.0 / usual - 1.0).abs() < 0.1, "{low} {usual}");
}

/// The verdicts on throughput, p99, processor time and memory of the second server.
fn verdicts(results: &Results) -> Vec<Option<Difference>> {
    let all = [results.clone()];
    let summary = Summary::of(&all);
    let group = &summary.groups[0];
    let row = group.rows.iter().find(|row| row.subject == 1).unwrap();
    Figure::COMPARED.iter().map(|&figure| group.compare(row, figure).unwrap().verdict).collect()
}

use Difference::{Higher, Lower};

#[test]
fn the_good_rounds_are_judged() {
    let good = measured(2, &[50], 8, false);
    let all = vec![Some(Lower), Some(Higher), Some(Higher), Some(Higher)];
    assert_eq!(verdicts(&good), all);
    // Both servers have three undisturbed rounds in common.
    let mut some = good.clone();
    let first_bad = |run: &Run| if run.subject == "threads" { 5 } else { 2 };
    some.runs.iter_mut().filter(|run| run.round <= first_bad(run)).for_each(disturb);
    assert_eq!(verdicts(&some), all);
    let summary = [some];
    let summary = Summary::of(&summary);
    let rows = &summary.groups[0].rows;
    assert_eq!(rows.iter().map(|row| row.judged(Figure::LatencyP99).count()).collect::<Vec<_>>(), [6, 3]);
    for row in rows {
        let spread = row.spread(Figure::RequestsPerSecond).unwrap();
        assert!(spread.max / spread.min < 1.2, "no disturbed round is in it: {spread:?}");
    }
}

#[test]
fn what_the_server_uses_is_judged_even_if_its_load_is_in_doubt() {
    for cause in [Cause::Generator, Cause::Disturbance] {
        let mut results = measured(2, &[50], 8, false);
        results.runs.iter_mut().for_each(|run| doubt(run, cause));
        assert_eq!(verdicts(&results), [None, None, Some(Higher), Some(Higher)]);
        // Two undisturbed rounds are not enough.
        let two = |run: &&mut Run| run.round <= 2;
        results.runs.iter_mut().filter(two).for_each(|run| (run.doubt, run.doubt_cause) = (None, None));
        assert_eq!(verdicts(&results), [None, None, Some(Higher), Some(Higher)]);
        let text = report::markdown(&[results]);
        assert!(text.contains("requests/s: no verdict, since it is in doubt"), "{text}");
        assert!(text.contains("more CPU per request"), "{text}");
    }
}

#[test]
fn what_a_request_takes_is_not_judged_where_requests_come_in_heaps() {
    let mut results = measured(2, &[50], 8, false);
    results.runs.iter_mut().for_each(|run| doubt(run, Cause::HeavyDisturbance));
    assert_eq!(verdicts(&results), [None, None, None, Some(Higher)]);
    // Some are less disturbed, though none is free of it.
    let few = results.runs.iter_mut().filter(|run| run.round <= 4);
    few.for_each(|run| run.doubt_cause = Some(Cause::Disturbance));
    assert_eq!(verdicts(&results), [None, None, Some(Higher), Some(Higher)]);
    assert!(results.runs.iter().all(Run::is_disturbed));
}

#[test]
fn a_server_that_failed_once_has_no_verdict() {
    let mut results = measured(2, &[50], 8, false);
    doubt(results.runs.iter_mut().find(|run| run.subject == "threads").unwrap(), Cause::Server);
    assert_eq!(verdicts(&results), [None; 4]);
}

#[test]
fn a_doubt_of_unknown_cause_is_about_everything() {
    let mut results = measured(2, &[50], 8, false);
    results.runs[0].doubt = Some("said by an older version".into());
    assert_eq!(verdicts(&results), [None; 4]);
}

#[test]
fn rounds_that_are_left_out_are_told_of() {
    let mut results = measured(2, &[50], 8, false);
    results.runs.iter_mut().filter(|run| run.subject == "threads" && run.round <= 2).for_each(disturb);
    let text = report::markdown(&[results]);
    assert!(text.contains(&format!("threads, 50 connections: 2 of 8 rounds left out: {OTHERS}")), "{text}");
    assert!(!text.contains("threads \\*"), "its row is as good as others: {text}");
    assert!(!text.contains("no verdict"), "{text}");
}
