//! The stage of a connection, as the trace tells it: it must agree with what else the trace tells.

use crate::exchange::{self, Stage};
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
    /// The most bytes of output with which it has waited for input.
    pub most_with_input: usize,
    /// What it has told wrongly.
    pub wrong: Option<&'static str>,
}

impl Default for Stages {
    fn default() -> Self {
        let (stage, replies_unasked, is_silent, most_with_input, wrong) = (Stage::Receiving, false, false, 0, None);
        Stages { stage, replies_unasked, is_silent, most_with_input, wrong }
    }
}

impl Stages {
    /// Records what happens to the connection.
    #[inline]
    pub fn record(&mut self, event: &Event<'_>) {
        match event {
            Event::RunBegun => (self.replies_unasked, self.is_silent) = (false, false),
            Event::Replied { .. } => {
                self.replies_unasked |= self.stage == Stage::Receiving;
                self.is_silent = false;
            }
            Event::Moved { event, to, .. } => {
                if *event == exchange::Event::RequestRead {
                    self.is_silent = !self.replies_unasked;
                    self.replies_unasked = false;
                }
                self.stage = *to;
            }
            Event::RunEnded { how, output, .. } if matches!(self.stage, Stage::Receiving | Stage::Responding) => {
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
        match progress {
            Progress::NeedRoom if output == 0 => self.wrong = Some("it waits for room, and has no output"),
            Progress::NeedInput => self.most_with_input = self.most_with_input.max(output),
            _ => {}
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
            took: None,
        };
        let (begun, replied) = (|| Event::RunBegun, || Event::Replied { len: 5 });
        let rests = || waits(Progress::NeedInput, 0);
        assert_eq!(told(&[begun(), replied(), reads(), rests()]), None);
        assert_eq!(told(&[begun(), reads(), waits(Progress::Working, 0)]), None);
        assert!(told(&[begun(), replied(), rests()]).is_some());
        assert!(told(&[begun(), reads(), rests()]).is_some());
        assert!(told(&[begun(), replied(), reads(), waits(Progress::NeedRoom, 0)]).is_some());
        assert_eq!(told(&[begun(), replied(), reads(), waits(Progress::NeedRoom, 5)]), None);
    }
}
