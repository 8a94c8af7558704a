//! The appearance of reports, and that their figures are the measured ones.

use std::collections::BTreeSet;

use multiconn::bench::report::table::{Look, render};
use multiconn::bench::report::{self, words::Unit};
use multiconn::bench::results::{Histogram, Pace, Results, Schedule, Slice, Workload};
use multiconn::bench::summary::{Axis, Figure, Summary};
use roxmltree::{Document, Node, ParsingOptions};

use crate::fixtures;

const PLAIN: Look = Look { width: 100, has_colours: false };

/// Results with every kind of flaw.
fn odd() -> Results {
    let mut results = fixtures::measured(3, &[1, 50], 3, false);
    results.ended_early = true;
    results.notes.push("System calls are left out: this kernel does not tell.".into());
    results.runs.retain(|run| (run.subject.as_str(), run.round) != ("fork", 3));
    for run in &mut results.runs {
        if run.subject == "threads" && run.point.connections == 50 {
            run.doubt = Some("the generator was 97 % busy".into());
            run.errors.insert("connection reset by peer".into(), 4);
        }
        if run.subject == "reactor" && run.round == 2 {
            for slice in &mut run.over_time[5..9] {
                *slice = Slice { replies: 0, p50_ns: 0, p99_ns: 0, max_ns: 0, ..*slice };
            }
        }
    }
    results
}

/// Results of each kind.
pub fn all_kinds() -> Vec<(&'static str, Vec<Results>)> {
    let mut idle = fixtures::measured(2, &[50], 3, false);
    let mut beside = idle.runs.clone();
    for run in idle.runs.iter_mut().chain(&mut beside) {
        run.point.workload = Workload::Idle;
    }
    for silent in [10, 1000, 19_000] {
        beside.iter_mut().for_each(|run| run.point.idle = silent);
        idle.runs.extend(beside.clone());
    }
    let mut silent = fixtures::measured(2, &[50], 3, false);
    for run in &mut silent.runs {
        *run =
            multiconn::bench::results::Run { subject: run.subject.clone(), round: run.round, ..fixtures::empty_run() };
    }
    let mut rates = fixtures::measured(2, &[50], 3, true);
    let mut faster = rates.runs.clone();
    for run in &mut faster {
        run.point.pace = Pace::Open { rate_per_second: 50_000.0, schedule: Schedule::Poisson };
    }
    rates.runs.extend(faster.into_iter().filter(|run| run.service.is_some()));
    let named = |name: &str| (name.to_owned(), fixtures::measured(2, &[1, 50], 3, false));
    vec![
        ("empty", vec![fixtures::empty()]),
        ("none", vec![]),
        ("one", vec![fixtures::measured(1, &[50], 1, false)]),
        ("one in both loops", vec![fixtures::measured(1, &[50], 3, true)]),
        ("two", vec![fixtures::measured(2, &[1, 50, 1000], 3, true)]),
        ("five", vec![fixtures::measured(5, &[1, 50, 1000], 3, true)]),
        ("odd", vec![odd()]),
        ("idle", vec![idle]),
        ("silent", vec![silent]),
        ("rates", vec![rates]),
        ("several", report::side_by_side(vec![named("before"), named("after")])),
        ("hostile", vec![fixtures::hostile()]),
        ("objective", vec![fixtures::searched()]),
    ]
}

/// Parses the page as XML.
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}"))
}

pub fn with_class<'a>(node: Node<'a, 'a>, class: &str) -> Vec<Node<'a, 'a>> {
    let has =
        |node: &Node<'_, '_>| node.attribute("class").is_some_and(|classes| classes.split(' ').any(|c| c == class));
    node.descendants().filter(has).collect()
}

fn plot<'a>(page: &'a Document<'a>, id: &str) -> Node<'a, 'a> {
    page.descendants().find(|node| node.attribute("id") == Some(id)).unwrap_or_else(|| panic!("there is no {id}"))
}

/// The exact numbers of the marks in a server's part of a plot.
fn numbers(plot: Node<'_, '_>, subject: &str) -> Vec<(f64, f64)> {
    let part = plot.descendants().find(|node| node.attribute("data-subject") == Some(subject)).expect("it is plotted");
    let number = |node: Node<'_, '_>, name| node.attribute(name)?.parse::<f64>().ok();
    part.descendants().filter_map(|node| Some((number(node, "data-x")?, number(node, "data-y")?))).collect()
}

#[test]
fn tables() {
    insta::assert_snapshot!("table_of_three", render(&[fixtures::measured(3, &[1, 50], 3, true)], PLAIN));
    insta::assert_snapshot!("table_of_odd_results", render(&[odd()], PLAIN));
    let look = Look { width: 72, has_colours: true };
    insta::assert_snapshot!("table_narrow_with_colours", render(&[odd()], look).replace('\x1b', "␛"));
}

#[test]
fn markdown_and_csv() {
    insta::assert_snapshot!("markdown_of_odd_results", report::markdown(&[odd()]));
    insta::assert_snapshot!("markdown_of_hostile_names", report::markdown(&[fixtures::hostile()]));
    insta::assert_snapshot!("csv_of_odd_results", report::csv(&[odd()]));
}

#[test]
fn no_line_is_wider_than_the_terminal_but_for_names() {
    for (name, results) in all_kinds() {
        if name == "hostile" {
            continue;
        }
        for width in [70, 80, 100, 200] {
            for line in render(&results, Look { width, has_colours: false }).lines() {
                assert!(line.chars().count() <= width, "{name}, {width}: {line}");
            }
        }
    }
}

#[test]
fn without_colours_nothing_but_text_goes_to_the_terminal() {
    for (name, results) in all_kinds() {
        for has_colours in [false, true] {
            let table = render(&results, Look { width: 80, has_colours });
            // Names have no control characters left; all colours are our own.
            let bare = table.replace("\x1b[0m", "");
            let foreign = bare.split('\x1b').skip(1).filter(|code| {
                !(has_colours && ["[1m", "[2m", "[31m", "[32m", "[33m"].iter().any(|known| code.starts_with(known)))
            });
            assert_eq!(foreign.count(), 0, "{name}");
            assert!(table.chars().all(|c| c == '\n' || c == '\x1b' || !c.is_control()), "{name}");
        }
    }
}

#[test]
fn pages_are_well_formed_and_load_nothing() {
    for (name, results) in all_kinds() {
        let page = report::html(&results);
        let tree = parsed(&page);
        let mut ids = BTreeSet::new();
        for node in tree.descendants().filter(Node::is_element) {
            let tag = node.tag_name().name();
            assert!(
                !["script", "img", "iframe", "object", "embed", "base", "form", "image", "use"].contains(&tag),
                "{name}"
            );
            for attribute in node.attributes() {
                let value = attribute.value();
                match attribute.name() {
                    "href" => assert!(value.starts_with('#') || value == "data:,", "{name}: {value}"),
                    "src" | "srcset" | "style" | "background" | "action" => panic!("{name}: {value}"),
                    "id" => assert!(ids.insert(value.to_owned()), "{name}: twice: {value}"),
                    event if event.starts_with("on") => panic!("{name}: {event}"),
                    "d" | "points" | "viewBox" | "x" | "y" | "transform" => {
                        assert!(!value.contains("NaN") && !value.contains("inf"), "{name}: {value}");
                    }
                    _ => {}
                }
            }
        }
        let references = tree.descendants().filter_map(|node| node.attribute("aria-labelledby"));
        assert!(references.flat_map(|ids| ids.split(' ')).all(|id| ids.contains(id)), "{name}");
        let style = tree.descendants().find(|node| node.has_tag_name("style")).and_then(|style| style.text()).unwrap();
        assert!(!style.contains("url(") && !style.contains("@import"), "{name}");
        if name != "hostile" {
            assert!(!page.contains("http://") && !page.contains("https://"), "{name}");
        }
    }
}

#[test]
fn every_plot_is_there_with_every_server_and_has_a_name_and_a_table() {
    let results = [fixtures::measured(5, &[1, 50, 1000], 3, true)];
    let page = report::html(&results);
    assert!(page.contains("Latency, 99th percentile, median of the rounds"));
    let tree = parsed(&page);
    let mut wanted = Vec::new();
    for part in 1..=2 {
        wanted.extend(["throughput", "cpu", "p99", "memory"].map(|name| format!("part-{part}-{name}")));
        for point in 1..=3 {
            wanted.extend(["percentiles", "time"].map(|name| format!("part-{part}-{name}-{point}")));
        }
    }
    assert_eq!(tree.descendants().filter(|node| node.has_tag_name("svg")).count(), wanted.len());
    for id in wanted {
        let plot = plot(&tree, &id);
        let shown: Vec<&str> = plot.descendants().filter_map(|node| node.attribute("data-subject")).collect();
        assert_eq!(shown, ["reactor", "threads", "fork", "select", "poll"], "{id}");
        assert_eq!(plot.attribute("role"), Some("img"));
        for name in ["title", "desc"] {
            let text = plot.children().find(|node| node.has_tag_name(name)).and_then(|node| node.text());
            assert!(text.is_some_and(|text| !text.is_empty()), "{id}: {name}");
        }
        let titles: Vec<&str> = with_class(plot, "axis").iter().filter_map(Node::text).collect();
        assert_eq!(titles.len(), 2, "{id}: {titles:?}");
        let figure = plot.ancestors().find(|node| node.has_tag_name("figure")).expect("it is a figure");
        assert!(figure.descendants().any(|node| node.has_tag_name("table")), "{id}");
    }
}

#[test]
fn a_page_shows_what_answers_and_folds_the_rest() {
    let page = |results: Results| {
        let page = report::html(&[results]);
        let tree = parsed(&page);
        let is_shown = |plot: &Node<'_, '_>| !plot.ancestors().any(|node| node.has_tag_name("details"));
        let plots = tree.descendants().filter(|node| node.has_tag_name("svg"));
        plots.filter(is_shown).map(|plot| plot.attribute("id").unwrap().to_owned()).collect::<Vec<_>>()
    };
    // For a single point of a single server, one plot of the latency.
    assert_eq!(page(fixtures::measured(1, &[50], 3, false)), ["part-1-percentiles-1", "part-1-time-1"]);
    assert_eq!(page(fixtures::measured(1, &[50], 3, true)), ["part-2-percentiles-1", "part-2-time-1"]);
    // For several points, plots over all of them.
    let over = |part| ["throughput", "cpu", "p99", "memory"].map(|name| format!("part-{part}-{name}"));
    assert_eq!(page(fixtures::measured(2, &[1, 50], 3, true)), [over(1), over(2)].concat());
}

#[test]
fn what_is_plotted_is_what_was_measured() {
    let results = [fixtures::measured(4, &[1, 50, 1000], 3, false)];
    let page = report::html(&results);
    let tree = parsed(&page);
    let summary = Summary::of(&results);
    let group = &summary.groups[0];
    assert_eq!(group.axis, Axis::Connections);
    let plots = [
        ("part-1-throughput", Figure::RequestsPerSecond),
        ("part-1-cpu", Figure::CpuPerRequest),
        ("part-1-p99", Figure::LatencyP99),
        ("part-1-memory", Figure::MemoryPerConnection),
    ];
    for subject in &results[0].subjects {
        let runs = |connections| {
            let of = move |run: &&multiconn::bench::results::Run| {
                run.subject == subject.name && run.point.connections == connections
            };
            results[0].runs.iter().filter(of)
        };
        for (id, figure) in plots {
            let median = |connections| {
                let mut values: Vec<f64> = runs(connections).map(|run| figure.of(run).unwrap()).collect();
                values.sort_by(f64::total_cmp);
                values[1]
            };
            let wanted = [1, 50, 1000].map(|connections| (f64::from(connections), median(connections)));
            assert_eq!(numbers(plot(&tree, id), &subject.name), wanted, "{id}");
        }
        for (index, connections) in [1, 50, 1000].into_iter().enumerate() {
            let all = Histogram::merged(runs(connections).map(|run| &run.latency));
            let shown = numbers(plot(&tree, &format!("part-1-percentiles-{}", index + 1)), &subject.name);
            let wanted = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999].map(|q| all.quantile(q).unwrap() as f64 / 1e9);
            assert_eq!(shown.iter().map(|point| point.1).collect::<Vec<_>>(), wanted);
            for (&(x, _), nines) in shown[2..].iter().zip(1..) {
                assert!((x - f64::from(nines)).abs() < 1e-9, "on HdrHistogram's axis");
            }
            let plot = plot(&tree, &format!("part-1-time-{}", index + 1));
            let part = plot.descendants().find(|node| node.attribute("data-subject") == Some(&subject.name)).unwrap();
            for run in runs(connections) {
                let round = run.round.to_string();
                let stretch = part.children().find(|node| node.attribute("data-round") == Some(&round)).unwrap();
                let list = |name| -> Vec<f64> {
                    stretch.attribute(name).unwrap().split(' ').map(|value: &str| value.parse().unwrap()).collect()
                };
                let slices = |of: fn(&Slice) -> f64| run.over_time.iter().map(of).collect::<Vec<f64>>();
                assert_eq!(list("data-until"), slices(|slice| slice.until));
                assert_eq!(list("data-p50"), slices(|slice| slice.p50_ns as f64 / 1e9));
                assert_eq!(list("data-p99"), slices(|slice| slice.p99_ns as f64 / 1e9));
                assert_eq!(list("data-max"), slices(|slice| slice.max_ns as f64 / 1e9));
            }
        }
    }
}

/// Marks are at the right places on the axes, whose scale follows from two of them.
#[test]
fn marks_stand_where_their_numbers_belong() {
    let results = [fixtures::measured(2, &[1, 10, 100], 3, false)];
    let page = report::html(&results);
    let tree = parsed(&page);
    let plot = plot(&tree, "part-1-throughput");
    let ticks: Vec<(f64, f64)> = with_class(plot, "tick")
        .iter()
        .filter(|tick| tick.attribute("text-anchor") == Some("end"))
        .map(|tick| {
            let text = tick.text().unwrap();
            let value =
                text.trim_end_matches('k').parse::<f64>().unwrap() * if text.ends_with('k') { 1e3 } else { 1.0 };
            (value, tick.attribute("y").unwrap().parse::<f64>().unwrap() - 4.0)
        })
        .collect();
    let ((low, low_y), (high, high_y)) = (ticks[0], ticks[ticks.len() - 1]);
    for subject in ["reactor", "threads"] {
        let part = plot.descendants().find(|node| node.attribute("data-subject") == Some(subject)).unwrap();
        let line = part.descendants().find(|node| node.has_tag_name("polyline")).unwrap();
        let points = line.attribute("points").unwrap().split(' ').map(|point| {
            let (x, y) = point.split_once(',').unwrap();
            (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
        });
        let points: Vec<(f64, f64)> = points.collect();
        for (&(_, y), (_, value)) in points.iter().zip(numbers(plot, subject)) {
            let wanted = low_y + (value - low) / (high - low) * (high_y - low_y);
            assert!((y - wanted).abs() < 0.2, "{y} and not {wanted}");
        }
        // On a logarithmic axis, equal ratios have equal distances.
        assert!((points[1].0 - points[0].0 - (points[2].0 - points[1].0)).abs() < 0.2);
    }
}

#[test]
fn a_doubtful_row_is_marked_and_has_no_verdict() {
    let results = [odd()];
    let summary = Summary::of(&results);
    let group = &summary.groups[0];
    let row = group.rows.iter().find(|row| row.is_doubtful(Figure::LatencyP99)).unwrap();
    assert!(Figure::COMPARED.iter().all(|&figure| group.compare(row, figure).unwrap().verdict.is_none()));
    let page = report::html(&results);
    let tree = parsed(&page);
    let marked = with_class(plot(&tree, "part-1-throughput"), "doubt");
    assert_eq!(marked.len(), 1);
    assert!(page.contains("no verdict, since a run of either server is in doubt"));
    assert!(page.contains("threads, 50 connections: the generator was 97 % busy"));
    assert!(page.contains("threads, 50 connections: errors: 12 × connection reset by peer"));
    assert!(page.contains("The bench ended early"));
    // If the baseline is in doubt, so is every comparison with it.
    let mut results = [odd()];
    results[0].runs.iter_mut().for_each(|run| run.doubt = (run.subject == "reactor").then(|| "late".into()));
    let summary = Summary::of(&results);
    let group = &summary.groups[0];
    let verdicts = group.rows.iter().filter_map(|row| group.compare(row, Figure::LatencyP99));
    assert!(verdicts.map(|comparison| comparison.verdict).all(|verdict| verdict.is_none()));
}

#[test]
fn a_row_whose_generator_was_hardly_faster_is_marked_and_compared() {
    let mut results = [fixtures::measured(2, &[50], 3, true)];
    let mark = |text: &str| text.matches("\\~ |").count();
    results[0].runs.iter_mut().for_each(|run| run.generator.busy = 0.6);
    assert_eq!(mark(&report::markdown(&results)), 0);
    // In the open loop, the rate is given, and a busy generator is no sign of a limit.
    results[0].runs.iter_mut().for_each(|run| run.generator.busy = 0.7);
    let text = report::markdown(&results);
    assert!(
        mark(&text) > 0 && text.contains("\\~ the generator was busy for more than two thirds of the time"),
        "{text}"
    );
    let (closed, open) = text.split_once("## echo, 64 bytes, open loop").expect("there are both");
    assert!(mark(closed) > 0 && mark(open) == 0, "{text}");
    let summary = Summary::of(&results);
    let group = &summary.groups[0];
    let verdicts = group.rows.iter().filter_map(|row| group.compare(row, Figure::LatencyP99));
    assert!(verdicts.map(|comparison| comparison.verdict).any(|verdict| verdict.is_some()));
}

#[test]
fn at_a_given_rate_the_throughput_is_no_verdict() {
    let results = [fixtures::measured(2, &[50], 3, true)];
    let summary = Summary::of(&results);
    let [closed, open] = &summary.groups[..] else { panic!("there are two") };
    assert!(closed.compare(&closed.rows[1], Figure::RequestsPerSecond).is_some());
    assert!(open.compare(&open.rows[1], Figure::RequestsPerSecond).is_none());
    assert!(open.compare(&open.rows[1], Figure::LatencyP99).is_some());
}

#[test]
fn one_stays_one_and_names_stay_names() {
    let results = [fixtures::hostile()];
    let page = report::html(&results);
    let tree = parsed(&page);
    for subject in &results[0].subjects {
        let name: String =
            subject.name.chars().map(|c| if c == '\x1b' || c == '\u{202e}' { '\u{fffd}' } else { c }).collect();
        let plot = plot(&tree, "part-1-throughput");
        assert!(plot.descendants().any(|node| node.attribute("data-subject") == Some(&name)), "{name}");
    }
    // No field is a formula to a spreadsheet, and each stays a single field.
    let csv = report::csv(&results);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), results[0].runs.len());
    for (record, run) in records.iter().zip(&results[0].runs) {
        assert_eq!(record[1].trim_start_matches('\''), run.subject);
        assert!(record.iter().all(|field| !field.starts_with(['=', '+', '@'])));
        assert_eq!(record[record.len() - 1], *run.doubt.as_ref().unwrap());
    }
    // All rows of a Markdown table have the same number of columns.
    for table in report::markdown(&results).split("\n\n").filter(|text| text.starts_with('|')) {
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        let counts: BTreeSet<usize> = table.lines().map(columns).collect();
        assert_eq!(counts.len(), 1, "{table}");
    }
}

#[test]
fn csv_has_the_figures_of_each_run() {
    let mut results = [fixtures::measured(2, &[50], 2, true)];
    results[0].runs[0].server.as_mut().unwrap().system_calls_per_request = Some(2.25);
    let csv = report::csv(&results);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let column = |name: &str| names.iter().position(|other| other == name).unwrap();
    for (record, run) in reader.records().map(Result::unwrap).zip(&results[0].runs) {
        let number = |name: &str| record[column(name)].parse::<f64>().unwrap();
        assert_eq!(number("requests_per_second"), Figure::RequestsPerSecond.of(run).unwrap());
        assert_eq!(number("latency_p999_seconds"), run.latency.quantile(0.999).unwrap() as f64 / 1e9);
        assert_eq!(number("cpu_seconds_per_request"), Figure::CpuPerRequest.of(run).unwrap());
        let is_first = std::ptr::eq(run, &results[0].runs[0]);
        assert_eq!(&record[column("system_calls_per_request")], if is_first { "2.25" } else { "" });
        assert_eq!(&record[column("loop")], if run.service.is_some() { "open" } else { "closed" });
    }
}

#[test]
fn system_calls_have_a_column_where_they_were_counted() {
    const TITLE: &str = "system calls/request";
    let mut results = [fixtures::measured(2, &[50], 3, false)];
    assert!(!render(&results, PLAIN).contains(TITLE));
    for (run, calls) in results[0].runs.iter_mut().zip([2.0, 2.25, 2.125, 2.25, 2.5, 2.25]) {
        run.server.as_mut().unwrap().system_calls_per_request = Some(calls);
    }
    assert_eq!(Figure::SystemCallsPerRequest.of(&results[0].runs[1]), Some(2.25));
    for shown in [render(&results, PLAIN), report::markdown(&results), report::html(&results)] {
        assert!(shown.contains(TITLE) && shown.contains("2.12") && shown.contains("2.25"), "{shown}");
    }
}

#[test]
fn units_are_those_of_the_figures() {
    assert_eq!(Figure::CpuPerRequest.show(7.5e-6), "7.50 µs");
    assert_eq!(Figure::MemoryPerConnection.unit(), Unit::Bytes);
}

/// Writes a sample of each page, and its plots, to a folder, to be looked at: `SAMPLES=/tmp cargo test --test bench_report samples`.
#[test]
fn samples() {
    let Some(folder) = std::env::var_os("SAMPLES").map(std::path::PathBuf::from) else { return };
    for (name, results) in all_kinds() {
        std::fs::write(folder.join(name).with_extension("html"), report::html(&results)).unwrap();
        std::fs::write(folder.join(name).with_extension("md"), report::markdown(&results)).unwrap();
        std::fs::write(folder.join(name).with_extension("csv"), report::csv(&results)).unwrap();
        let plots = folder.join(name);
        std::fs::create_dir_all(&plots).unwrap();
        report::plots(&results).iter().for_each(|(name, svg)| std::fs::write(plots.join(name), svg).unwrap());
        for (index, results) in results.iter().enumerate() {
            results.write(&folder.join(format!("{name}-{index}.json"))).unwrap();
        }
    }
}
