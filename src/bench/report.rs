//! Reports of results for people and programs: on a terminal, as Markdown, CSV, a page, or its plots.

pub mod answer;
pub mod condition;
pub mod csv;
pub mod document;
pub mod escape;
pub mod grid;
mod html;
pub mod markdown;
pub mod objectives;
pub mod plot;
pub mod plotted;
pub mod section;
pub mod svg;
pub mod table;
pub mod words;

use super::results::Results;
use super::summary::BETWEEN;

pub use csv::csv;
pub use html::html;
pub use markdown::{comment, markdown};
pub use svg::plots;
pub use table::table;

/// Prepares several files' results for one report: servers with equal names get their file's name as a prefix.
pub fn side_by_side(files: Vec<(String, Results)>) -> Vec<Results> {
    let (labels, mut all): (Vec<String>, Vec<Results>) = files.into_iter().unzip();
    let names: Vec<Vec<String>> =
        all.iter().map(|results| results.subjects.iter().map(|subject| subject.name.clone()).collect()).collect();
    for (index, results) in all.iter_mut().enumerate() {
        results.label = Some(labels[index].clone());
        let others = || names.iter().enumerate().filter(|&(other, _)| other != index).flat_map(|(_, names)| names);
        let rename = |name: &mut String| {
            if others().any(|other| other == name) {
                *name = format!("{}{BETWEEN}{name}", labels[index]);
            }
        };
        results.subjects.iter_mut().for_each(|subject| rename(&mut subject.name));
        results.runs.iter_mut().for_each(|run| rename(&mut run.subject));
        results.kept.iter_mut().for_each(|kept| rename(&mut kept.subject));
    }
    all
}
