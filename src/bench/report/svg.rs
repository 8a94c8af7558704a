//! Every plot of the page as a separate file for use in documents: self-contained SVG.

use std::collections::BTreeSet;

use super::super::results::Results;
use super::super::summary::{Group, Summary};
use super::escape::escaped;
use super::grid::Grid;
use super::plot::{Drawing, STYLE, WIDTH, text};
use super::plotted::{self, Plotted};
use super::words;

/// All plots, each with its file name. Names depend on the request only, not on the results.
pub fn plots(all: &[Results]) -> Vec<(String, String)> {
    let summary = Summary::of(all);
    let mut taken = BTreeSet::new();
    let mut plots = Vec::new();
    for group in &summary.groups {
        for plotted in plotted::over_points(group).into_iter().chain(plotted::at_points(group)) {
            let mut name = plotted.name.clone();
            // Points of different rates may have been requested in the same words.
            let mut number = 1;
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{}-{number}", plotted.name);
            }
            let svg = file(&plotted, &name, group);
            plots.push((format!("{name}.svg"), svg));
        }
    }
    plots
}

/// Formats a plot with the texts that the page has above and beside it.
fn file(plotted: &Plotted, name: &str, group: &Group<'_>) -> String {
    let Plotted { title, description, caption, drawing: Drawing { elements, height: drawing_height }, grid, .. } =
        plotted;
    let asked = words::group(group);
    let mut head = String::new();
    let mut y = 28.0 - HEADING_HEIGHT;
    for line in lines(title, HEADING_CHARS_MAX) {
        y += HEADING_HEIGHT;
        text(&mut head, (MARGIN, y), "start", "heading", &line);
    }
    for line in lines(&asked, LINE_CHARS_MAX) {
        y += LINE_HEIGHT;
        text(&mut head, (MARGIN, y), "start", "caption", &line);
    }
    let top = y + 16.0;
    let mut foot = String::new();
    y = top + drawing_height;
    for line in lines(caption, LINE_CHARS_MAX) {
        y += LINE_HEIGHT;
        text(&mut foot, (MARGIN, y), "start", "caption", &line);
    }
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"system-ui, sans-serif\" role=\"img\" \
         aria-labelledby=\"{name}-title {name}-desc\">\n\
         <title id=\"{name}-title\">{}</title>\n<desc id=\"{name}-desc\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         {head}<g transform=\"translate(0 {top:.0})\">\n{elements}</g>\n{foot}</svg>\n",
        escaped(&format!("{title}: {asked}")),
        escaped(&format!("{description} {}", in_words(grid))),
    )
}

/// The contents of the table beside a plot, in words: each row's name and its figures.
fn in_words(grid: &Grid) -> String {
    let keys = grid.keys();
    let rows = grid.rows.iter().map(|row| {
        let names: Vec<&str> = row[..keys].iter().map(|cell| cell.text.as_str()).collect();
        let figures = grid.columns[keys..].iter().zip(&row[keys..]).filter(|(_, cell)| !cell.text.is_empty());
        let figures: Vec<String> = figures.map(|(column, cell)| format!("{}: {}", column.title, cell.text)).collect();
        format!("{} ({})", names.join(" "), figures.join("; "))
    });
    format!("{}: {}.", grid.title, rows.collect::<Vec<_>>().join(", "))
}

/// Splits a text into lines that fit.
fn lines(text: &str, chars_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < chars_max => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.into()),
        }
    }
    lines
}

const MARGIN: f64 = 16.0;
const LINE_HEIGHT: f64 = 18.0;
const HEADING_HEIGHT: f64 = 22.0;
/// The most characters that fit in a line in a wide font, and in a heading.
const LINE_CHARS_MAX: usize = 68;
const HEADING_CHARS_MAX: usize = 48;
