//! `multiconn bench report`: shows earlier results, one file or several side by side.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs;
use crate::bench::report;
use crate::bench::results::Results;
use crate::bench::whole::write_whole;
use crate::cli::failure::Failure;
use crate::cli::stdout::print;

/// Show earlier results, one file or several side by side
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn bench report before.json after.json --html report.html")]
pub struct BenchReport {
    /// Files written by `multiconn bench --json FILE`; with several, all servers are compared with the first server of
    /// the first file
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportOptions,
}

/// Where to write reports, besides the table on standard output.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// Write every run as a row of CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the tables and verdicts as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a self-contained page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write each plot on that page as SVG to this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl BenchReport {
    pub fn run(self) -> Result<(), Failure> {
        self.reports.check(None, &self.files)?;
        let files = self.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, Failure>>()?;
        let all = report::side_by_side(labels(&self.files).into_iter().zip(files).collect());
        let mut failures = self.reports.write(&all);
        failures.extend(print(report::table(&all).as_bytes()).err());
        Failure::all_of(failures)
    }
}

impl ReportOptions {
    /// Checks that the reports can be written, beside the file of `--json`, and without overwriting one of `inputs`.
    pub fn check(&self, json: Option<&Path>, inputs: &[PathBuf]) -> Result<(), Failure> {
        let files = [
            ("--json", json),
            ("--csv", self.csv.as_deref()),
            ("--markdown", self.markdown.as_deref()),
            ("--html", self.html.as_deref()),
        ];
        let outputs = files.into_iter().filter_map(|(option, path)| Some((option, path?)));
        outputs::check(outputs, self.plots.as_deref(), inputs)
    }

    /// Writes the requested reports, each even if another fails, and returns the failures.
    pub fn write(&self, all: &[Results]) -> Vec<Failure> {
        let mut failures = Vec::new();
        let render: [fn(&[Results]) -> String; 3] = [report::csv, report::markdown, report::html];
        for (path, render) in [&self.csv, &self.markdown, &self.html].into_iter().zip(render) {
            let Some(path) = path else { continue };
            failures.extend(write(path, &render(all)).err());
        }
        failures.extend(self.plots.as_ref().and_then(|folder| write_plots(folder, all).err()));
        failures
    }
}

fn write_plots(folder: &Path, all: &[Results]) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| outputs::cannot_make(folder, &error))?;
    report::plots(all).iter().try_for_each(|(name, svg)| write(&folder.join(name), svg))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_whole(path, text.as_bytes()).map_err(|error| Failure::of_writing(&path.display().to_string(), &error))
}

fn read(path: &Path) -> Result<Results, Failure> {
    Results::read(path).map_err(|error| Failure::new(format!("cannot read results from {}: {error}", path.display())))
}

/// Labels that distinguish servers of the same name: the files' names, or their numbers where the names are equal.
fn labels(paths: &[PathBuf]) -> Vec<String> {
    let names: Vec<String> =
        paths.iter().map(|path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()).collect();
    let is_twice = |name| names.iter().filter(|&other| other == name).count() > 1;
    names
        .iter()
        .enumerate()
        .map(|(index, name)| match is_twice(name) {
            true => format!("{name} ({})", index + 1),
            false => name.clone(),
        })
        .collect()
}
