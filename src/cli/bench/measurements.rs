//! The measurements, one after the other, and their progress messages.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::terminal_size_of;

use super::told::{Layout, found, shown, shown_for_trials};
use crate::bench::conditions::Conditions;
use crate::bench::measure::{Outcome, measure};
use crate::bench::plan::{another_round, turns};
use crate::bench::report::words::{Unit, counted};
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
    layout: Layout,
    /// The heading of the last line.
    heading: String,
    bar: ProgressBar,
}

impl<'a> Measurements<'a> {
    /// Starts with no results, and expects about `runs` measurements, in `rounds` rounds.
    pub fn new(
        subjects: &'a [Subject],
        conditions: Conditions<'a>,
        results: Results,
        runs: usize,
        rounds: u32,
    ) -> Measurements<'a> {
        let bar = ProgressBar::with_draw_target(Some(runs as u64), ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{wide_msg}").expect("it is well-formed"));
        let width = terminal_size_of(io::stderr()).map(|(width, _)| usize::from(width.0));
        let layout = Layout::new(width, subjects.iter().map(|subject| subject.name.as_str()), rounds);
        let noted = results.notes.iter().cloned().collect();
        let heading = String::new();
        Measurements { subjects, results, conditions, noted, layout, heading, bar }
    }

    /// Announces the number of measurements, the time that they take, and what may disturb them.
    pub fn announce(&self, disturbances: &[String]) {
        let count = counted(self.bar.length().unwrap_or_default(), "measurement");
        self.say(&format!("{count} to make, in about {}", self.time_left()));
        for disturbance in disturbances {
            self.say(&self.layout.paragraph("", disturbance));
        }
    }

    /// Measures every subject at `point`, round by round, and repeats rounds that were disturbed.
    pub fn rounds(&mut self, point: &Point, rounds: u32) -> Result<(), EndedEarly> {
        for turn in turns(self.subjects.len(), rounds) {
            self.turn(turn.subject, point, turn.round, false)?;
        }
        while let Some(round) = another_round(&self.results.runs, point, rounds) {
            self.say(&self.layout.paragraph("  ", &format!("Round {round} replaces one that was disturbed:")));
            self.bar.inc_length(self.subjects.len() as u64);
            for subject in 0..self.subjects.len() {
                self.turn(subject, point, round, false)?;
            }
        }
        Ok(())
    }

    /// Measures one subject at `point`, whose rate is being tried.
    pub fn trial(&mut self, subject: usize, point: &Point, round: u32) -> Result<&Run, EndedEarly> {
        self.turn(subject, point, round, true)
    }

    /// Measures one subject at `point`, once.
    fn turn(&mut self, subject: usize, point: &Point, round: u32, is_trial: bool) -> Result<&Run, EndedEarly> {
        if self.conditions.interrupted.load(Ordering::Relaxed) {
            return Err(EndedEarly::Interrupted);
        }
        let subject = &self.subjects[subject];
        let (position, length) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let progress =
            format!("{position}/{length} measured, {} left: {}, {}", self.time_left(), subject.name, shown(point));
        self.bar.set_message(progress.clone());
        let bar = self.bar.clone();
        let mut tell = move |replies: u64, seconds: f64| {
            bar.set_message(format!("{progress}, {}/s", Unit::PerSecond.show(replies as f64 / seconds)));
        };
        match measure(subject, point, round, &self.conditions, &mut tell) {
            Ok(Outcome::Measured(mut run, notes)) => {
                run.is_trial = is_trial;
                for note in notes {
                    if self.noted.insert(note.clone()) {
                        self.results.notes.push(note);
                    }
                }
                let heading = if is_trial { shown_for_trials(point) } else { shown(point) };
                if heading != self.heading {
                    self.say(&self.layout.paragraph("", &heading));
                    self.heading = heading;
                }
                self.say(&self.layout.run(&run));
                // The number of measurements in a search isn't known in advance.
                if self.bar.length() == Some(self.bar.position()) {
                    self.bar.inc_length(1);
                }
                self.bar.inc(1);
                self.results.runs.push(*run);
                Ok(self.results.runs.last().expect("it was added just now"))
            }
            Ok(Outcome::Interrupted) => Err(EndedEarly::Interrupted),
            Err(_) if self.conditions.interrupted.load(Ordering::Relaxed) => Err(EndedEarly::Interrupted),
            Err(why) => Err(EndedEarly::Failed(Failure::new(why))),
        }
    }

    /// Records a search's result.
    pub fn keep(&mut self, kept: Kept) {
        self.say(&self.layout.paragraph("", &found(&kept, kept.doubt(&self.results.runs))));
        self.results.kept.push(kept);
    }

    /// Returns the results.
    pub fn finish(self) -> Results {
        self.bar.finish_and_clear();
        self.results
    }

    /// The approximate time for the measurements that are left.
    fn time_left(&self) -> String {
        let each = self.conditions.warmup + self.conditions.duration + AROUND_RUN;
        let runs = self.bar.length().unwrap_or_default().saturating_sub(self.bar.position());
        let left = each.saturating_mul(u32::try_from(runs).unwrap_or(u32::MAX));
        humantime::format_duration(Duration::from_secs(left.as_secs().max(1))).to_string()
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| stderr::print_now(&format!("{line}\n")));
    }
}

/// The approximate time to start and stop a server.
const AROUND_RUN: Duration = Duration::from_millis(50);
