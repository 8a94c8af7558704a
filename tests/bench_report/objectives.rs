//! The highest rates that keep an objective: their table, their doubts, and that trials appear nowhere else.

use multiconn::bench::report::table::{Look, render};
use multiconn::bench::report::{self, document::Document, grid::Grid};
use multiconn::bench::results::{Pace, Results, Run};
use multiconn::bench::summary::Summary;

use crate::fixtures::{self, searched};

const PLAIN: Look = Look { width: 100, has_colours: false };
const TITLE: &str = "highest rate that keeps p99<5ms: echo, 64 bytes, open loop, even";

/// The rows of the table of objectives, and the doubts.
fn told(results: Results) -> (Vec<Vec<String>>, Vec<String>) {
    let all = [results];
    let document = Document::of(&all, &Summary::of(&all));
    let section = document.sections.into_iter().find(|section| section.title == TITLE).expect("it has a section");
    let [Grid { rows, .. }] = &section.grids[..] else { panic!("it has one table") };
    let rows = rows.iter().map(|row| row.iter().map(|cell| cell.text.clone()).collect()).collect();
    (rows, section.doubts)
}

/// The same with a doubt in some runs of the reactor's first round at 50 connections. They are chosen by the ratio of their
/// rate to the one that kept the objective; it's 0 for the closed loop.
fn doubted(mut results: Results, doubt: &str, is_chosen: fn(f64) -> bool) -> Results {
    let kept = results.kept.iter().find(|kept| (kept.subject.as_str(), kept.point.connections) == ("reactor", 50));
    let rate = kept.and_then(|kept| kept.rate_per_second).expect("it was kept");
    let is_of_it = |run: &Run| (run.subject.as_str(), run.point.connections, run.round) == ("reactor", 50, 1);
    for run in results.runs.iter_mut().filter(|run| is_of_it(run)) {
        let share = match run.point.pace {
            Pace::Closed => 0.0,
            Pace::Open { rate_per_second, .. } => rate_per_second / rate,
        };
        run.doubt = is_chosen(share).then(|| doubt.into());
    }
    results
}

const LATE: &str = "the generator was 900 µs late at the 99th percentile";
const MARKED: &str = "reactor, 50 connections: the generator was 900 µs late at the 99th percentile";

#[test]
fn each_server_and_point_has_a_row_of_all_rounds_in_each_rendering() {
    let (rows, doubts) = told(searched());
    assert_eq!(
        rows,
        [
            ["1", "reactor", "22.0k", "21.0–23.0k"],
            ["1", "threads", "12.0k", "11.0–13.0k"],
            ["50", "reactor", "22.1k", "21.1–23.1k"],
            ["50", "threads", "12.1k", "11.1–13.1k"],
        ]
    );
    assert!(doubts.is_empty());
    let marked = doubted(searched(), LATE, |share| share > 1.0);
    let table = render(std::slice::from_ref(&marked), PLAIN);
    insta::assert_snapshot!("table_of_an_objective", &table[table.find(TITLE).unwrap()..]);
    let markdown = report::markdown(std::slice::from_ref(&marked));
    let begin = markdown.find("## highest rate").unwrap();
    insta::assert_snapshot!("markdown_of_an_objective", &markdown[begin..markdown.find("## Measured").unwrap()]);
    let page = report::html(&[marked]);
    let begin = page.find("<section id=\"part-2\">").unwrap();
    let section = &page[begin..begin + page[begin..].find("</section>").unwrap()];
    insta::assert_snapshot!("page_of_an_objective", section);
    assert!(page.contains("<a href=\"#part-2\">highest rate that keeps p99&lt;5ms: echo"));
}

#[test]
fn trials_are_in_no_other_table_or_plot_but_in_the_csv() {
    let without = |mut results: Results| {
        results.runs.retain(|run| !run.is_trial);
        results.kept.clear();
        results
    };
    let (with, without) = ([searched()], [without(searched())]);
    assert_eq!(report::plots(&with), report::plots(&without));
    let (table, rest) = (render(&with, PLAIN), render(&without, PLAIN));
    let before = |text: &'static str, table: &str| table.find(text).map(|end| table[..end].to_owned());
    assert_eq!(before(TITLE, &table), before("\nMedian of", &rest));
    assert_eq!(report::csv(&with).lines().count(), 1 + with[0].runs.len());
    // Where the search was ended before it found anything, too.
    let mut ended = searched();
    ended.kept.clear();
    assert_eq!(render(&[ended], PLAIN), rest);
}

#[test]
fn a_rate_that_may_be_the_limit_of_the_generator_is_marked() {
    let is_marked = |results: Results| {
        let (rows, doubts) = told(results);
        let marked: Vec<&str> = rows.iter().map(|row| row[1].as_str()).filter(|name| name.ends_with('*')).collect();
        assert_eq!(marked.len(), doubts.len());
        assert!(doubts.is_empty() || (marked, &doubts[..]) == (vec!["reactor *"], &[MARKED.to_owned()][..]));
        !doubts.is_empty()
    };
    assert!(is_marked(doubted(searched(), LATE, |share| share == 1.0)), "the best");
    assert!(is_marked(doubted(searched(), LATE, |share| share > 1.0)), "those that failed next to it");
    assert!(!is_marked(doubted(searched(), LATE, |share| share == 0.0)), "the closed loop was not the limit");
    let mut wrong = doubted(searched(), "requests failed", |share| share > 1.0);
    wrong.runs.iter_mut().filter(|run| run.doubt.is_some()).for_each(|run| {
        run.errors.insert("connection reset by peer".into(), 700);
    });
    assert!(!is_marked(wrong), "the server is to blame");
    let far = |mut results: Results| {
        let twice = results.runs.iter().filter(|run| run.is_trial).cloned().map(|mut run| {
            if let Pace::Open { rate_per_second, .. } = &mut run.point.pace {
                *rate_per_second *= 2.0;
            }
            run
        });
        let twice: Vec<Run> = twice.collect();
        results.runs.extend(twice);
        doubted(results, LATE, |share| share > 1.5)
    };
    assert!(!is_marked(far(searched())), "there is a lower rate that failed without a doubt");
    // If no trial failed, the closed loop is the limit.
    let mut all_kept = searched();
    let best: Vec<f64> = all_kept.kept.iter().filter_map(|kept| kept.rate_per_second).collect();
    all_kept.runs.retain(|run| match run.point.pace {
        Pace::Closed => true,
        Pace::Open { rate_per_second, .. } => best.contains(&rate_per_second),
    });
    assert!(is_marked(doubted(all_kept.clone(), LATE, |share| share == 0.0)));
    assert!(!is_marked(all_kept));
}

#[test]
fn a_round_in_which_it_was_kept_at_no_rate_counts_as_none() {
    let mut results = searched();
    results.kept[0].rate_per_second = None;
    assert_eq!(told(results).0[0], ["1", "reactor", "22.0k", "0–23.0k"]);
}

#[test]
fn searches_of_several_files_are_told_apart() {
    let all = report::side_by_side(vec![("before".into(), searched()), ("after".into(), searched())]);
    let names: Vec<&str> = all.iter().flat_map(|results| &results.kept).map(|kept| kept.subject.as_str()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"before: reactor"), Some(&"after: threads")));
    let table = render(&all, PLAIN);
    assert_eq!(table.matches(TITLE).count(), 1);
    assert!(table[table.find(TITLE).unwrap()..].contains("after: threads"), "{table}");
}

#[test]
fn a_poisson_search_and_idle_connections_say_so() {
    let mut results = fixtures::searched();
    let points = results.runs.iter_mut().map(|run| &mut run.point);
    for point in points.chain(results.kept.iter_mut().map(|kept| &mut kept.point)) {
        point.workload = multiconn::bench::results::Workload::Idle;
        (point.idle, point.connections) = (point.connections, 50);
        if let Pace::Open { schedule, .. } = &mut point.pace {
            *schedule = multiconn::bench::results::Schedule::Poisson;
        }
    }
    let table = render(&[results], PLAIN);
    let title =
        "highest rate that keeps p99<5ms: echo beside idle connections, 64 bytes, 50 busy connections, open loop,";
    let flat = table.replace('\n', " ");
    assert!(flat.contains(&format!("{title} Poisson")), "{table}");
    assert!(table[table.find("highest rate").unwrap()..].contains("idle connections  server"), "{table}");
}
