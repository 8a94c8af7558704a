//! The measurements, one after the other, and their progress messages.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::told::{found, line, shown};
use crate::bench::conditions::Conditions;
use crate::bench::measure::{Outcome, measure};
use crate::bench::plan::turns;
use crate::bench::results::{Kept, Point, Results, Run};
use crate::bench::server::Subject;
use crate::cli::failure::Failure;
use crate::cli::stderr;

/// Why measuring ended early.
pub enum EndedEarly {
    /// A signal arrived.
    Interrupted,
    /// A server is unavailable, or the generator can't work.
    Failed(Failure),
}

impl From<Failure> for EndedEarly {
    fn from(failure: Failure) -> Self {
        EndedEarly::Failed(failure)
    }
}

/// The measurements, as they are made.
pub struct Measurements<'a> {
    /// The servers, in the order of their turns.
    pub subjects: &'a [Subject],
    /// The results so far.
    pub results: Results,
    conditions: Conditions<'a>,
    /// Notes already made, so that none is repeated.
    noted: BTreeSet<String>,
    bar: ProgressBar,
}

impl<'a> Measurements<'a> {
    /// Starts with no results, and expects about `runs` measurements.
    pub fn new(subjects: &'a [Subject], conditions: Conditions<'a>, results: Results, runs: usize) -> Measurements<'a> {
        let bar = ProgressBar::with_draw_target(Some(runs as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{pos}/{len} measured, {prefix}{msg}").expect("it is well-formed");
        bar.set_style(style);
        Measurements { subjects, results, conditions, noted: BTreeSet::new(), bar }
    }

    /// Measures every subject at `point`, round by round.
    pub fn rounds(&mut self, point: &Point, rounds: u32) -> Result<(), EndedEarly> {
        turns(self.subjects.len(), rounds).try_for_each(|turn| self.turn(turn.subject, point, turn.round).map(drop))
    }

    /// Measures one subject at `point`, whose rate is being tried.
    pub fn trial(&mut self, subject: usize, point: &Point, round: u32) -> Result<&Run, EndedEarly> {
        let run = self.turn(subject, point, round)?;
        run.is_trial = true;
        Ok(run)
    }

    /// Measures one subject at `point`, once.
    fn turn(&mut self, subject: usize, point: &Point, round: u32) -> Result<&mut Run, EndedEarly> {
        if self.conditions.interrupted.load(Ordering::Relaxed) {
            return Err(EndedEarly::Interrupted);
        }
        let subject = &self.subjects[subject];
        let each = self.conditions.warmup + self.conditions.duration + AROUND_RUN;
        let left =
            each * u32::try_from(self.bar.length().unwrap_or_default() - self.bar.position()).unwrap_or(u32::MAX);
        let left = humantime::format_duration(Duration::from_secs(left.as_secs()));
        self.bar.set_prefix(format!("{left} left: {} {}", subject.name, shown(point)));
        self.bar.set_message("");
        let bar = self.bar.clone();
        let mut tell =
            move |replies: u64, seconds: f64| bar.set_message(format!(", {:.0}/s", replies as f64 / seconds));
        match measure(subject, point, round, &self.conditions, &mut tell) {
            Ok(Outcome::Measured(run, notes)) => {
                for note in notes {
                    if self.noted.insert(note.clone()) {
                        self.results.notes.push(note);
                    }
                }
                self.say(&line(&run));
                // The number of measurements in a search isn't known in advance.
                if self.bar.length() == Some(self.bar.position()) {
                    self.bar.inc_length(1);
                }
                self.bar.inc(1);
                self.results.runs.push(*run);
                Ok(self.results.runs.last_mut().expect("it was added just now"))
            }
            Ok(Outcome::Interrupted) => Err(EndedEarly::Interrupted),
            Err(_) if self.conditions.interrupted.load(Ordering::Relaxed) => Err(EndedEarly::Interrupted),
            Err(why) => Err(EndedEarly::Failed(Failure::new(why))),
        }
    }

    /// Records a search's result.
    pub fn keep(&mut self, kept: Kept) {
        self.say(&found(&kept, kept.doubt(&self.results.runs)));
        self.results.kept.push(kept);
    }

    /// Returns the results.
    pub fn finish(self) -> Results {
        self.bar.finish_and_clear();
        self.results
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| stderr::print_now(&format!("{line}\n")));
    }
}

/// The approximate time to start and stop a server.
const AROUND_RUN: Duration = Duration::from_millis(150);
