//! The plots as separate files.

use std::collections::BTreeSet;

use multiconn::bench::report;
use multiconn::bench::results::{Pace, Results, Schedule, Workload};
use multiconn::bench::summary::{Figure, Summary};
use roxmltree::{Document, Node};

use crate::fixtures;
use crate::pages::{all_kinds, with_class};

const SVG: &str = "http://www.w3.org/2000/svg";

fn names(results: &[Results]) -> Vec<String> {
    report::plots(results).into_iter().map(|(name, _)| name).collect()
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[test]
fn every_plot_of_the_page_is_a_file_and_they_are_drawn_alike() {
    for (kind, results) in all_kinds() {
        let page = report::html(&results);
        let plots: Vec<&str> = page.split("<svg ").skip(1).collect();
        let files = report::plots(&results);
        assert_eq!(files.len(), plots.len(), "{kind}");
        for (name, file) in &files {
            let drawing = file.split_once("<g transform=\"translate(0 ").and_then(|(_, rest)| rest.split_once(">\n"));
            let drawing = drawing.and_then(|(_, rest)| rest.rsplit_once("</g>\n<text")).expect("it is drawn").0;
            assert!(plots.iter().any(|plot| plot.contains(drawing)), "{kind}: {name}");
        }
        assert_eq!(files, report::plots(&results), "{kind}: the same again");
    }
}

#[test]
fn a_file_needs_nothing_but_itself() {
    for (kind, results) in all_kinds() {
        for (name, file) in report::plots(&results) {
            let tree = Document::parse(&file).unwrap_or_else(|error| panic!("{kind}: {name}: {error}"));
            let svg = tree.root_element();
            assert_eq!((svg.tag_name().name(), svg.tag_name().namespace()), ("svg", Some(SVG)));
            assert_eq!(svg.attribute("role"), Some("img"));
            let ground = format!("0 0 {} {}", number(svg, "width"), number(svg, "height"));
            assert_eq!(svg.attribute("viewBox"), Some(ground.as_str()));
            let mut ids = BTreeSet::new();
            for node in svg.descendants().filter(Node::is_element) {
                let tag = node.tag_name().name();
                let is_known = ["svg", "title", "desc", "style", "rect", "g", "path", "polyline", "polygon", "text"];
                assert!(is_known.contains(&tag), "{kind}: {name}: {tag}");
                ids.extend(node.attribute("id"));
                for attribute in node.attributes() {
                    let (what, value) = (attribute.name(), attribute.value());
                    assert!(!["href", "src", "style"].contains(&what) && !what.starts_with("on"), "{name}: {what}");
                    if ["d", "points", "viewBox", "x", "y", "transform"].contains(&what) {
                        assert!(!value.contains("NaN") && !value.contains("inf"), "{kind}: {name}: {value}");
                    }
                }
            }
            let labels: BTreeSet<&str> = svg.attribute("aria-labelledby").unwrap().split(' ').collect();
            assert_eq!(labels, ids, "{kind}: {name}");
            let style =
                svg.children().find(|node| node.has_tag_name((SVG, "style"))).and_then(|node| node.text()).unwrap();
            assert!(style.contains("prefers-color-scheme: dark") && style.contains("@media print"));
            assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("var("));
            // Only what it's called, unless a server is called so.
            assert!(kind == "hostile" || file.replace(SVG, "").find("://").is_none(), "{kind}: {name}");
        }
    }
}

#[test]
fn who_does_not_see_it_is_told_all_figures() {
    let results = [fixtures::measured(2, &[1, 50], 3, false)];
    let (name, file) = &report::plots(&results)[0];
    assert_eq!(name, "throughput-by-connections-echo-64-bytes-closed-loop.svg");
    let tree = Document::parse(file).unwrap();
    let text_of = |tag| tree.descendants().find(|node| node.has_tag_name((SVG, tag))).and_then(|node| node.text());
    assert_eq!(text_of("title"), Some("Throughput by connections: echo, 64 bytes, closed loop"));
    let summary = Summary::of(&results);
    let figures = summary.rows().map(|row| {
        let figure = Figure::RequestsPerSecond;
        figure.show(row.spread(figure).unwrap().median)
    });
    let [reactor_1, threads_1, reactor_50, threads_50] = &figures.collect::<Vec<_>>()[..] else {
        panic!("there are 4")
    };
    let told = format!(
        "A line for each of 2 servers. Throughput, median of the rounds: \
         reactor (1: {reactor_1}; 50: {reactor_50}), threads (1: {threads_1}; 50: {threads_50})."
    );
    assert_eq!(text_of("desc"), Some(told.as_str()));
    // The visible heading states the subject.
    let shown = |class| with_class(tree.root_element(), class).iter().filter_map(Node::text).collect::<Vec<_>>();
    assert_eq!(shown("heading"), ["Throughput by connections"]);
    assert_eq!(shown("caption")[0], "echo, 64 bytes, closed loop");
}

#[test]
fn names_say_what_was_asked_for_and_stay_when_figures_change() {
    let measured = |rate| {
        let mut results = fixtures::measured(2, &[1, 50], 3, true);
        for (run, extra) in results.runs.iter_mut().zip([0.0, 0.25].into_iter().cycle()) {
            if let Pace::Open { rate_per_second, .. } = &mut run.point.pace {
                *rate_per_second = rate + f64::from(run.point.connections);
            }
            run.seconds += extra;
        }
        names(&[results])
    };
    assert_eq!(measured(40_000.0), measured(12_345.6));
    for (kind, results) in all_kinds() {
        let names = names(&results);
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{kind}");
        for name in &names {
            let stem = name.strip_suffix(".svg").unwrap();
            assert!(stem.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(
                !stem.contains("--") && !stem.starts_with('-') && !stem.ends_with('-') && name.len() < 200,
                "{name}"
            );
        }
    }
    // Rates are asked for, if there are several; and where two points are called the same, both are there.
    let mut results = fixtures::measured(1, &[50], 1, false);
    let mut runs = Vec::new();
    for rate_per_second in [1000.0, 20_000.0] {
        for workload in [Workload::Echo, Workload::Idle] {
            let mut run = results.runs[0].clone();
            run.point.workload = workload;
            run.point.pace = Pace::Open { rate_per_second, schedule: Schedule::Even };
            runs.push(run);
        }
    }
    results.runs = runs;
    let names = names(&[results]);
    for name in [
        "throughput-by-requests-per-second-due-echo-64-bytes-50-busy-connections-open-loop-even.svg",
        "latency-over-time-20000-requests-per-second-echo-64-bytes-50-busy-connections-open-loop-even.svg",
        "latency-over-time-0-idle-connections-echo-beside-idle-connections-64-bytes-50-busy-connections-open-loop-even.svg",
        "latency-over-time-0-idle-connections-echo-beside-idle-connections-64-bytes-50-busy-connections-open-loop-even-2.svg",
    ] {
        assert!(names.iter().any(|other| other == name), "{name} is none of {names:#?}");
    }
}

/// As high and wide as letters are, more or less; those that stand upright are left out.
fn boxes(svg: Node<'_, '_>, top: f64) -> Vec<(String, [f64; 4])> {
    let is_flat = |node: &Node<'_, '_>| node.has_tag_name((SVG, "text")) && node.attribute("x").is_some();
    let texts = svg.children().filter(is_flat).map(|node| (node, 0.0));
    let drawing = svg.children().find(|node| node.has_tag_name((SVG, "g"))).expect("it is drawn");
    let texts = texts.chain(drawing.descendants().filter(is_flat).map(|node| (node, top)));
    texts
        .map(|(node, down)| {
            let text = node.text().unwrap_or_default();
            let letter = match node.attribute("class").unwrap() {
                "heading" => 9.5,
                "gap" => 4.0,
                class if class.contains("name") => 7.6,
                _ => 6.8,
            };
            let (x, y, width) = (number(node, "x"), number(node, "y") + down, letter * text.chars().count() as f64);
            let left = match node.attribute("text-anchor") {
                Some("end") => x - width,
                Some("middle") => x - width / 2.0,
                _ => x,
            };
            (text.to_owned(), [left, y - 10.0, left + width, y + 2.0])
        })
        .collect()
}

#[test]
fn labels_have_room_and_leave_it_to_others() {
    for (kind, results) in all_kinds() {
        for (name, file) in report::plots(&results) {
            let tree = Document::parse(&file).unwrap();
            let svg = tree.root_element();
            let drawing =
                svg.children().find(|node| node.has_tag_name((SVG, "g"))).and_then(|g| g.attribute("transform"));
            let top =
                drawing.and_then(|text| text.strip_prefix("translate(0 ")?.strip_suffix(')')?.parse().ok()).unwrap();
            let boxes = boxes(svg, top);
            for (index, (text, [left, above, right, below])) in boxes.iter().enumerate() {
                let is_inside =
                    *left >= 0.0 && *above >= 0.0 && *right <= number(svg, "width") && *below <= number(svg, "height");
                assert!(is_inside, "{kind}: {name}: {text} goes beyond the edge: {left} {above} {right} {below}");
                for (other, [other_left, other_above, other_right, other_below]) in &boxes[..index] {
                    let is_apart =
                        left >= other_right || right <= other_left || above >= other_below || below <= other_above;
                    assert!(is_apart, "{kind}: {name}: {text} and {other}");
                }
            }
        }
    }
}
