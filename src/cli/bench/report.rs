//! `multiconn bench report`: shows earlier results, one file or several side by side.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::bench::report;
use crate::bench::report::condition::{Condition, Judgement};
use crate::bench::results::Results;
use crate::bench::summary::Summary;
use crate::bench::whole::write_whole;
use crate::cli::failure::Failure;
use crate::cli::outputs;
use crate::cli::stderr;
use crate::cli::stdout::print;
use crate::text::printable_line;

/// Show earlier results: one file, or a comparison of several
///
/// With several files, each server is compared with the one of the same name in the first file that has it, so the files
/// may be from before and after a change. If no name is in two files, all servers are compared with the first one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    multiconn bench report before.json after.json --html report.html\n  \
    multiconn bench report before.json after.json --fail-if 'cpu>1.05,p99>1.2'\n\n\
    Exit status: 0 for success, 1 for a failure, 2 for wrong usage, 4 if a condition of --fail-if is met.")]
pub struct BenchReport {
    /// Files written by `multiconn bench --json FILE`
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Exit with status 4 if a server's ratio to the one it is compared with is beyond this limit, such as `cpu>1.05`,
    /// with its whole 95 % interval. The figure is cpu, requests, memory, p50, p90, p99 or p99.9
    #[arg(long, value_name = "CONDITION", value_delimiter = ',')]
    fail_if: Vec<Condition>,
    #[command(flatten)]
    reports: ReportOptions,
}

/// Formats results.
type Render<'a> = &'a dyn Fn(&[Results]) -> String;

/// The exit status if a condition is met.
const IS_MET: u8 = 4;

/// Where to write reports, besides the table on standard output.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// Write every run as a row of CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the answer as Markdown, short enough for a comment; with --full, write everything
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a self-contained page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write each plot on that page as SVG to this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Show all figures, not just the answer
    #[arg(long)]
    full: bool,
}

impl BenchReport {
    pub fn run(self) -> Result<(), Failure> {
        self.reports.check(None, &self.files)?;
        let files = self.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, Failure>>()?;
        let all = report::side_by_side(labels(&self.files).into_iter().zip(files).collect());
        let outcomes: Vec<Outcome> = self.outcomes(&all)?;
        let said: Vec<String> = outcomes.iter().map(|outcome| outcome.said.clone()).collect();
        let mut failures = self.reports.write(&all, &said);
        failures.extend(self.reports.print(&all).err());
        for undecided in outcomes.iter().filter(|outcome| outcome.has_undecided) {
            stderr::print_now(&format!("{}\n", printable_line(&undecided.said)));
        }
        let met = outcomes.into_iter().filter(|outcome| outcome.is_met);
        failures.extend(met.map(|outcome| Failure::with_status(IS_MET, outcome.said)));
        Failure::all_of(failures)
    }

    /// The outcome of each condition.
    ///
    /// # Errors
    /// If nothing can be compared for a condition, which would then never be met.
    fn outcomes(&self, all: &[Results]) -> Result<Vec<Outcome>, Failure> {
        let summary = Summary::of(all);
        let outcome = |condition: &Condition| {
            let judgement = condition.judge(&summary);
            match judgement.compared {
                0 => Err(Failure::new(format!(
                    "--fail-if {condition}: no two servers have this figure at the same point"
                ))),
                _ => Ok(Outcome::of(condition, &judgement)),
            }
        };
        self.fail_if.iter().map(outcome).collect()
    }
}

/// The outcome of a condition.
struct Outcome {
    said: String,
    is_met: bool,
    has_undecided: bool,
}

impl Outcome {
    fn of(condition: &Condition, judgement: &Judgement) -> Outcome {
        let is_met = !judgement.met.is_empty();
        let has_undecided = !is_met && !judgement.undecided.is_empty();
        let said = match (is_met, has_undecided) {
            (true, _) => format!("{condition} fails: {}", judgement.met.join("; ")),
            (false, true) => format!("{condition} passes, but is undecided for {}", judgement.undecided.join("; ")),
            (false, false) => format!("{condition} passes"),
        };
        Outcome { said, is_met, has_undecided }
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

    /// Writes the requested reports, each even if another fails, and returns the failures. `outcomes` are those of
    /// conditions, in words.
    pub fn write(&self, all: &[Results], outcomes: &[String]) -> Vec<Failure> {
        let mut failures = Vec::new();
        let markdown = |all: &[Results]| match self.full {
            true => report::markdown(all),
            false => report::comment(all, outcomes),
        };
        let render: [Render<'_>; 3] = [&report::csv, &markdown, &report::html];
        for (path, render) in [&self.csv, &self.markdown, &self.html].into_iter().zip(render) {
            let Some(path) = path else { continue };
            failures.extend(write(path, &render(all)).err());
        }
        failures.extend(self.plots.as_ref().and_then(|folder| write_plots(folder, all).err()));
        failures
    }

    /// Prints the report for people, with the answer at the end.
    pub fn print(&self, all: &[Results]) -> Result<(), Failure> {
        print(report::table(all, self.full).as_bytes())
    }
}

fn write_plots(folder: &Path, all: &[Results]) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| outputs::cannot_make(folder, &error))?;
    report::plots(all).iter().try_for_each(|(name, svg)| write(&folder.join(name), svg))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_whole(path, text.as_bytes()).map_err(|error| Failure::of_writing_file(path, &error))
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
