//! The answer: a sentence for each server and a small table, last on a terminal and first in files; and its use as a
//! comment.

use multiconn::bench::report::table::{Look, brief, render};
use multiconn::bench::report::{self, document::Document};
use multiconn::bench::results::{Cause, Pace, Results, Workload};
use multiconn::bench::summary::Summary;

use crate::fixtures::{self, measured};
use crate::pages::all_kinds;

const LOOK: Look = Look { width: 80, has_colours: false };

/// The sentences of all tasks.
pub fn sentences(all: &[Results]) -> Vec<String> {
    let document = Document::of(all, &Summary::of(all));
    let sentences = document.answers.into_iter().flat_map(|answer| answer.sentences);
    sentences.map(|sentence| format!("{}: {}", sentence.server, sentence.said)).collect()
}

#[test]
fn brief_tables() {
    insta::assert_snapshot!("brief_of_two", brief(&[measured(2, &[50], 3, true)], LOOK));
    insta::assert_snapshot!("brief_of_three", brief(&[measured(3, &[1, 50], 3, true)], LOOK));
    insta::assert_snapshot!("brief_of_one", brief(&[measured(1, &[50], 1, true)], LOOK));
    insta::assert_snapshot!("brief_of_an_objective", brief(&[fixtures::searched()], LOOK));
    let colours = Look { has_colours: true, ..LOOK };
    insta::assert_snapshot!("brief_with_colours", brief(&[measured(2, &[50], 3, true)], colours).replace('\x1b', "␛"));
}

#[test]
fn the_answer_is_last_on_a_terminal_and_first_in_files() {
    for (name, results) in all_kinds() {
        let sentences = sentences(&results);
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = flat(&sentences.join("\n"));
        if name != "hostile" {
            for shown in [brief(&results, LOOK), render(&results, LOOK)] {
                assert!(flat(&shown).ends_with(&wanted), "{name}: {shown}");
            }
        }
        let page = report::html(&results);
        let answer = page.find("<ul class=\"answer\">");
        assert_eq!(answer.is_some(), !sentences.is_empty(), "{name}");
        assert!(answer.is_none_or(|begin| !page[..begin].contains("<section")), "{name}");
        if let ([_, ..], [_, _, first, ..]) =
            (&sentences[..], &report::markdown(&results).lines().collect::<Vec<_>>()[..])
        {
            assert!(first.starts_with("- **"), "{name}: {first}");
        }
    }
}

#[test]
fn a_sentence_says_what_differs_and_what_does_not() {
    let two = measured(2, &[50], 3, true);
    let [_, threads] = &sentences(std::slice::from_ref(&two))[..] else { panic!("there are two") };
    assert_eq!(
        threads,
        "threads: 24 % more CPU per request than reactor (1.18–1.30 ×), 2.14 times the p99 (1.98–2.32 ×)"
    );
    // Without an open loop, throughput is the other figure.
    let [reactor, threads] = &sentences(&[measured(2, &[50], 3, false)])[..] else { panic!("there are two") };
    assert!(reactor.contains("CPU per request, ") && reactor.ends_with(" requests/s"), "{reactor}");
    assert!(threads.contains("fewer requests/s (") && !threads.contains("p99"), "{threads}");
    // Equal servers.
    let mut equal = two.clone();
    let reactors: Vec<_> = equal.runs.iter().filter(|run| run.subject == "reactor").cloned().collect();
    equal.runs.retain(|run| run.subject == "reactor");
    equal.runs.extend(reactors.into_iter().map(|mut run| {
        run.subject = "threads".into();
        run
    }));
    assert_eq!(
        sentences(&[equal])[1],
        "threads: CPU per request no difference, p99 no difference, compared with reactor"
    );
    // In doubt.
    let mut doubted = two.clone();
    for run in doubted.runs.iter_mut().filter(|run| run.point.pace.is_open()) {
        (run.doubt, run.doubt_cause) = (Some("late".into()), Some(Cause::Generator));
    }
    let said = &sentences(&[doubted])[1];
    assert!(said.contains("more CPU per request than reactor") && said.ends_with("p99 in doubt *"), "{said}");
    // Too few rounds.
    let said = &sentences(&[measured(2, &[50], 2, true)])[1];
    assert!(said.starts_with("threads: 1.2") && said.contains("times the CPU per request of reactor"), "{said}");
    assert_eq!(said.matches("(too few rounds for a verdict)").count(), 2, "{said}");
}

#[test]
fn several_points_are_one_sentence() {
    let [_, threads, _] = &sentences(&[measured(3, &[1, 50, 1000], 3, false)])[..] else { panic!("there are three") };
    let flat = "threads: CPU per request no difference shown at 1 connection, ";
    assert!(threads.starts_with(flat), "{threads}");
    assert!(threads.contains(" % more than reactor at 50 and 1000 connections ("), "{threads}");
    assert!(threads.contains("; ") && threads.contains(" % fewer requests/s ("), "{threads}");
}

#[test]
fn each_task_has_its_own_answer() {
    let mut results = measured(2, &[50], 3, false);
    let mut apps = results.runs.clone();
    apps.iter_mut().for_each(|run| run.point.workload = Workload::App);
    results.runs.extend(apps);
    let all = [results];
    let document = Document::of(&all, &Summary::of(&all));
    let titles: Vec<_> = document.answers.iter().map(|answer| answer.title.as_deref()).collect();
    assert_eq!(titles, [Some("echo, 64 bytes"), Some("app, many on a connection, 64 bytes")]);
    assert_eq!(sentences(&all).len(), 4);
}

#[test]
fn marks_are_explained_where_they_stand() {
    for (name, results) in all_kinds() {
        let document = Document::of(&results, &Summary::of(&results));
        let grids = document.answers.iter().map(|answer| &answer.grid);
        for grid in grids.chain(document.sections.iter().flat_map(|section| &section.grids)) {
            let legend = grid.legend.join("\n");
            for cell in grid.rows.iter().flatten() {
                let sign = cell.mark.sign();
                assert!(legend.contains(sign), "{name}: {}: {sign}", grid.title);
                for sign in ["*", "~"].iter().filter(|sign| cell.text.ends_with(&format!(" {sign}"))) {
                    assert!(legend.contains(&format!("{sign} ")), "{name}: {}: {sign}", grid.title);
                }
            }
        }
        for (plot, svg) in report::plots(&results) {
            let is_hollow = svg.contains(" doubt\" d=");
            assert_eq!(svg.contains("Hollow:"), is_hollow, "{name}: {plot}");
        }
    }
}

#[test]
fn a_comment_has_some_25_lines_at_most() {
    for (name, results) in all_kinds() {
        let outcomes: Vec<String> = (0..5).map(|index| format!("cpu>1.0{index} passes")).collect();
        let comment = report::comment(&results, &outcomes);
        assert!(comment.lines().count() <= 26, "{name}: {comment}");
        let comment = report::comment(&results, &[]);
        assert!(comment.lines().count() <= 25, "{name}: {comment}");
    }
    let mut many = measured(5, &[1, 50, 1000], 3, true);
    for workload in [Workload::App, Workload::AppClose, Workload::Connect] {
        let mut runs = measured(5, &[1, 50, 1000], 3, true).runs;
        runs.iter_mut().for_each(|run| run.point.workload = workload);
        many.runs.extend(runs);
    }
    many.notes = ["a", "b", "c", "d"].map(String::from).into();
    let comment = report::comment(&[many], &[]);
    assert!(comment.lines().count() <= 25, "{comment}");
    assert!(comment.contains("- 1 more task with --full"), "{comment}");
    insta::assert_snapshot!("comment_of_five", report::comment(&[measured(5, &[1, 50, 1000], 3, true)], &[]));
}

#[test]
fn a_rate_is_in_the_table_if_a_server_has_several() {
    let mut results = measured(2, &[50], 3, true);
    let mut faster = results.runs.clone();
    faster.retain(|run| run.point.pace.is_open());
    for run in &mut faster {
        if let Pace::Open { rate_per_second, .. } = &mut run.point.pace {
            *rate_per_second = 50_000.0;
        }
    }
    results.runs.extend(faster);
    let table = brief(&[results], LOOK);
    assert!(table.contains("due/s") && table.contains("40.0k") && table.contains("50.0k"), "{table}");
}
