//! The stage of a connection, as the trace tells it: it must agree with what else the trace tells.

use crate::exchange::{self, Stage};
use crate::machine::Step;
use crate::message::{self, Phase};
use crate::selector::Interest;
use crate::session::Progress;
use crate::trace::{Event, RunEnd};

/// What a connection has told of its stage.
#[derive(Clone, Debug)]
pub struct Stages {
    stage: Stage,
    /// In the current run, the session has made output while the connection was receiving, and has not read a request yet.
    replies_unasked: bool,
    /// In the current run, the session has read a request, and has not made output.
    is_silent: bool,
    /// The peer has ended its side.
    input_ended: bool,
    /// Our side has ended, while the session goes on.
    pub output_ended: bool,
    /// It has begun to linger in the last run.
    lingers_since_run: bool,
    /// It waits for something from its peer, with nothing to send.
    awaits_peer: bool,
    /// It was cut off in the middle of a reply.
    pub is_cut_short: bool,
    /// The most bytes of output with which it has waited for input.
    pub most_with_input: usize,
    /// The most bytes of unused input with which it has waited for more.
    pub most_unused: usize,
    /// What it has told wrongly.
    pub wrong: Option<&'static str>,
}

impl Default for Stages {
    fn default() -> Self {
        Stages {
            stage: Stage::Receiving,
            replies_unasked: false,
            is_silent: false,
            input_ended: false,
            output_ended: false,
            lingers_since_run: false,
            awaits_peer: false,
            is_cut_short: false,
            most_with_input: 0,
            most_unused: 0,
            wrong: None,
        }
    }
}

impl Stages {
    /// Records what happens to the connection.
    #[inline]
    pub fn record(&mut self, event: &Event<'_>) {
        match event {
            Event::RunBegun => {
                (self.replies_unasked, self.is_silent) = (false, false);
                (self.lingers_since_run, self.awaits_peer) = (false, false);
            }
            Event::InputEnded => self.input_ended = true,
            Event::OutputEnded => self.output_ended = true,
            Event::InterestChanged { from, to } => self.registers(*from, *to),
            Event::Stepped(step) => self.steps(step),
            Event::Replied { .. } => {
                self.replies_unasked |= self.stage == Stage::Receiving;
                self.is_silent = false;
            }
            Event::Moved { event, to, .. } => {
                if *event == exchange::Event::RequestRead {
                    self.is_silent = !self.replies_unasked;
                    self.replies_unasked = false;
                }
                if *event == exchange::Event::InputEnded && !self.input_ended {
                    self.wrong = Some("it ends with its peer's side, which has not ended");
                }
                self.is_cut_short |= *event == exchange::Event::Cut && self.stage == Stage::Responding;
                self.lingers_since_run |= *to == Stage::Lingering;
                self.stage = *to;
            }
            Event::Dropped { len: 0 } => self.wrong = Some("it drops no output"),
            Event::RunEnded { how, input, output, .. }
                if matches!(self.stage, Stage::Receiving | Stage::Responding) =>
            {
                if *how == RunEnd::Waits(Progress::NeedInput) && !self.input_ended {
                    self.most_unused = self.most_unused.max(*input);
                }
                self.waits(*how, *output);
            }
            _ => {}
        }
    }

    fn waits(&mut self, how: RunEnd, output: usize) {
        let RunEnd::Waits(progress) = how else { return };
        if self.replies_unasked {
            self.wrong = Some("it has replied, and has read no request");
        }
        if self.is_silent && progress == Progress::NeedInput {
            self.wrong = Some("it has read a request, and neither replies nor works on it");
        }
        if progress == Progress::Working && self.stage != Stage::Responding {
            self.wrong = Some("it works on a request, and receives another");
        }
        if progress == Progress::NeedInput && output == 0 && !self.input_ended && self.stage != Stage::Receiving {
            self.wrong = Some("it waits for a request, and has not replied to the last");
        }
        self.awaits_peer =
            output == 0 && matches!(progress, Progress::NeedInput | Progress::NeedEither | Progress::Working);
        match progress {
            Progress::NeedRoom if output == 0 => self.wrong = Some("it waits for room, and has no output"),
            Progress::NeedInput => self.most_with_input = self.most_with_input.max(output),
            _ => {}
        }
    }

    /// Judges a change of the interest after a run.
    fn registers(&mut self, from: Interest, to: Interest) {
        let others = Interest { error: false, ..to };
        if to.error && others != Interest::NONE {
            self.wrong = Some("it waits for errors alone, and for something else");
        }
        let is_served = matches!(self.stage, Stage::Receiving | Stage::Responding);
        if is_served && self.awaits_peer && !self.output_ended && to == Interest::NONE {
            self.wrong = Some("it would not learn that its peer has gone");
        }
        if self.lingers_since_run && (from == Interest::NONE || to == Interest::NONE) {
            self.wrong = Some("it is registered for a close that most likely comes at once");
        }
    }

    /// Judges a step of a reader of messages. Those of other machines are free.
    fn steps(&mut self, step: &Step) {
        let mut rows = message::table::TRANSITIONS.iter();
        if let Some(row) = rows.find(|row| row.from.name() == step.from && row.event.name() == step.event) {
            let waits = !matches!(row.to, Phase::Idle | Phase::Failed);
            if step.want.is_some() != waits {
                self.wrong = Some("its reader of messages waits for a part between two, or for none in one");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::State;

    fn told(events: &[Event<'_>]) -> Option<&'static str> {
        let mut stages = Stages::default();
        events.iter().for_each(|event| stages.record(event));
        stages.wrong
    }

    #[test]
    fn a_stage_that_disagrees_with_the_replies_is_found() {
        let reads =
            || Event::Moved { from: Stage::Receiving, event: exchange::Event::RequestRead, to: Stage::Responding };
        let waits = |progress, output| Event::RunEnded {
            how: RunEnd::Waits(progress),
            state: State::named("idle"),
            input: 0,
            output,
            work: 0,
            memory: 0,
            took: None,
        };
        let (begun, replied) = (|| Event::RunBegun, || Event::Replied { len: 5 });
        let rests = || waits(Progress::NeedInput, 0);
        let sent =
            || Event::Moved { from: Stage::Responding, event: exchange::Event::OutputSent, to: Stage::Receiving };
        assert_eq!(told(&[begun(), replied(), reads(), sent(), rests()]), None);
        assert!(told(&[begun(), replied(), reads(), rests()]).is_some());
        assert!(told(&[begun(), waits(Progress::Working, 0)]).is_some());
        assert_eq!(told(&[begun(), reads(), waits(Progress::Working, 0)]), None);
        assert!(told(&[begun(), replied(), rests()]).is_some());
        assert!(told(&[begun(), reads(), rests()]).is_some());
        assert!(told(&[begun(), replied(), reads(), waits(Progress::NeedRoom, 0)]).is_some());
        assert_eq!(told(&[begun(), replied(), reads(), waits(Progress::NeedRoom, 5)]), None);
    }

    #[test]
    fn interest_without_a_reason_and_ends_that_are_none_are_found() {
        let changed = |from, to| Event::InterestChanged { from, to };
        let error = Interest { error: true, ..Interest::NONE };
        let how = RunEnd::Waits(Progress::Working);
        let works = || Event::RunEnded {
            how,
            state: State::named("idle"),
            input: 0,
            output: 0,
            work: 0,
            memory: 0,
            took: None,
        };
        let moved = |from, event, to| Event::Moved { from, event, to };
        let reads = || moved(Stage::Receiving, exchange::Event::RequestRead, Stage::Responding);
        assert_eq!(told(&[reads(), works(), changed(Interest::READ, error)]), None);
        assert!(told(&[reads(), works(), changed(Interest::READ, Interest::NONE)]).is_some());
        assert!(told(&[reads(), works(), changed(Interest::NONE, Interest { readable: true, ..error })]).is_some());
        let lingers = || moved(Stage::Draining, exchange::Event::OurEndSent, Stage::Lingering);
        assert!(told(&[lingers(), changed(Interest::NONE, Interest::READ)]).is_some());
        assert_eq!(told(&[lingers(), Event::RunBegun, changed(Interest::NONE, Interest::READ)]), None);
        let ends = || moved(Stage::Receiving, exchange::Event::InputEnded, Stage::Draining);
        assert!(told(&[ends()]).is_some());
        assert_eq!(told(&[Event::InputEnded, ends()]), None);
    }

    #[test]
    fn a_reader_of_messages_waits_for_a_part_in_one_and_for_none_between() {
        let step = |to, want| Event::Stepped(Step { from: "content", event: "content read", to, got: 0, want });
        assert_eq!(told(&[step("idle", None)]), None);
        assert!(told(&[step("idle", Some(2))]).is_some());
        let other = Step { from: "a", event: "b", to: "c", got: 0, want: None };
        assert_eq!(told(&[Event::Stepped(other)]), None);
    }
}
