//! Serving: when the session is called, and what for, while the connection is open.

use std::io;
use std::mem;

use super::interest::Needs;
use super::transfer::Received;
use super::{Config, Connection, InputEnd, Outcome, OutputEnd, Turn};
use crate::exchange::Event;
use crate::selector::Stream;
use crate::session::{End, Progress, Session, SessionError};
use crate::trace;

/// Reasons to call the session.
enum News {
    /// None: it waits.
    None,
    /// Perhaps some, but other connections have their turn first.
    Later,
    /// Some, with this many bytes just received.
    Now { received: usize },
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Lets the session process its input, and sends its output to the stream.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>) -> Outcome {
        self.serve_unless_broken(turn).unwrap_or_else(|error| {
            let stage = self.state.stage();
            self.close(stage, Event::PeerGone, End::Broken(error), turn.trace)
        })
    }

    fn serve_unless_broken(&mut self, turn: &mut Turn<'_>) -> io::Result<Outcome> {
        loop {
            // Leftover output goes first, since the session may be waiting for room.
            if self.left_over.has_output()
                && let Some(outcome) = self.send_what_is_left(turn)?
            {
                return Ok(outcome);
            }
            self.end_output_if_due(turn)?;
            if self.left_over.input_len() > turn.config.input_len_max && self.needs(turn.config).reads() {
                let end = End::InputOverLimit(turn.config.input_len_max);
                return Ok(self.finish(Event::Violation, end, self.lingers(), turn));
            }
            let was_full = self.is_full(turn.config);
            let received = match self.look_for_news(turn)? {
                News::None => return Ok(self.wait(turn)),
                News::Later => return Ok(Outcome::Yield),
                News::Now { received } => received,
            };
            let called = self.call_session(received, turn)?;
            if called.has_begun_reply() {
                self.pass(Event::RequestRead, turn.trace);
            }
            self.progress = match called.result {
                Ok(Progress::Finished) => return Ok(self.finish_in_order(turn)),
                Err(error) => return Ok(self.fail(error, turn)),
                // Reading on would let the output grow without bound.
                Ok(Progress::NeedEither) if was_full && called.made_output => Progress::NeedRoom,
                Ok(progress) => progress,
            };
            // The usual end of a run: all input is used, and all output is sent.
            if self.progress == Progress::NeedInput && self.is_settled() {
                return Ok(self.wait(turn));
            }
            if self.progress == Progress::Yield {
                return Ok(Outcome::Yield);
            }
            if self.is_full(turn.config) {
                self.pass(Event::OutputFull, turn.trace);
            }
            self.has_sent(called.sent, turn);
        }
    }

    /// Sends leftover output as far as the stream takes it. Returns an outcome if nothing else is to be done now.
    fn send_what_is_left(&mut self, turn: &mut Turn<'_>) -> io::Result<Option<Outcome>> {
        let sent = self.flush(turn)?;
        self.has_sent(sent, turn);
        Ok(if self.can_send() {
            Some(Outcome::Yield)
        } else if self.write_is_overdue(turn) {
            let (stage, timeout) = (self.state.stage(), turn.config.write_timeout);
            Some(self.close(stage, Event::OutputStalled, End::WriteTimedOut(timeout), turn.trace))
        } else {
            None
        })
    }

    /// Finds out whether there is a reason to call the session, and reads if it needs input.
    fn look_for_news(&mut self, turn: &mut Turn<'_>) -> io::Result<News> {
        if mem::take(&mut self.may_be_broken) {
            self.check_connected()?;
        }
        let needs = self.needs(turn.config);
        let reads = needs.reads();
        let goes_on = match self.progress {
            Progress::Yield => !needs.is_full,
            Progress::Working => self.has_just_hung_up(turn)?,
            Progress::NeedInput | Progress::NeedRoom | Progress::NeedEither | Progress::Finished => false,
        };
        if reads && turn.budget.readable == 0 || goes_on && turn.budget.sendable == 0 {
            return Ok(News::Later);
        }
        let received = if reads { self.receive(turn)? } else { Received::Nothing };
        let stops = turn.stopping && !self.knows_stop && self.progress != Progress::Working;
        let is_due = mem::take(&mut self.is_due);
        let received = match received {
            Received::Nothing if !(goes_on || is_due || stops) => return Ok(News::None),
            Received::Nothing | Received::End => 0,
            Received::Bytes(len) => len,
        };
        self.knows_stop = turn.stopping;
        Ok(News::Now { received })
    }

    /// Whether a session that needs input has nothing to do until some arrives.
    fn is_settled(&self) -> bool {
        !self.readable && self.left_over.is_empty() && self.output_end != OutputEnd::Wanted
    }

    /// Records that `sent` bytes have gone. A session that waits for room may go on if there is any now.
    fn has_sent(&mut self, sent: usize, turn: &Turn<'_>) {
        if sent == 0 {
            return;
        }
        self.idle_until = None;
        if matches!(self.progress, Progress::NeedRoom | Progress::NeedEither) && !self.is_full(turn.config) {
            self.progress = Progress::Yield;
        }
    }

    fn finish_in_order(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let event = if self.input_end == InputEnd::Read { Event::InputEnded } else { Event::LastReply };
        self.finish(event, End::Finished, self.lingers(), turn)
    }

    fn fail(&mut self, error: SessionError, turn: &mut Turn<'_>) -> Outcome {
        self.finish(error.kind().event(), End::Failed(error), self.lingers(), turn)
    }

    fn wait(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let needs = self.needs(turn.config);
        let is_working = self.progress == Progress::Working;
        let is_idle = self.session.is_idle();
        if turn.stopping {
            // Input that was not read because the output was full has arrived all the same.
            let is_held_back = self.readable && self.input_end != InputEnd::Read;
            let has_work = (is_working || is_held_back) && !self.ignores_input;
            if is_idle && !has_work && !self.left_over.has_input() {
                return self.finish(Event::Stopped, End::Stopped, self.lingers(), turn);
            }
        }
        let reads = needs.reads();
        if reads && !needs.is_full {
            self.pass(Event::OutputSent, turn.trace);
        }
        let timeout = turn.config.idle_timeout;
        if !(is_idle && reads) || needs.has_output {
            self.idle_until = None;
        } else if turn.now >= *self.idle_until.get_or_insert_with(|| turn.now + timeout) {
            return self.finish(Event::DeadlinePassed, End::Idle(timeout), self.lingers(), turn);
        }
        let (interest, deadline) = (needs.interest(), self.served_deadline());
        if !reads && !needs.has_output && deadline.is_none() && !is_working {
            // Nothing will ever happen to it: its session waits for input after the end, or for room in an empty
            // output.
            return self.finish(Event::InputEnded, End::Finished, self.lingers(), turn);
        }
        Outcome::Wait { interest, deadline }
    }

    /// The current needs of the session and its peer.
    pub(super) fn needs(&self, config: &Config) -> Needs {
        Needs {
            progress: self.progress,
            role: self.peer.role,
            is_full: self.is_full(config),
            has_output: self.left_over.has_output(),
            input_end: self.input_end,
            output_ended: self.output_end == OutputEnd::Sent,
        }
    }

    /// Whether a peer that isn't being read from has hung up, and the session must learn of it.
    ///
    /// # Errors
    /// The error that has broken the connection, if that is the cause.
    fn has_just_hung_up(&mut self, turn: &Turn<'_>) -> io::Result<bool> {
        if self.input_end != InputEnd::Reported {
            return Ok(false);
        }
        self.check_connected()?;
        turn.trace.step(&self.peer, || trace::Event::InputEnded);
        self.input_end = InputEnd::Told;
        Ok(true)
    }

    /// Checks that the connection is not broken.
    ///
    /// # Errors
    /// The error that has broken it.
    fn check_connected(&mut self) -> io::Result<()> {
        if self.stream.connected()? { Ok(()) } else { Err(io::ErrorKind::ConnectionReset.into()) }
    }

    /// Whether no more output may be produced before some is sent.
    fn is_full(&self, config: &Config) -> bool {
        self.left_over.output_len() >= config.output_high_water.max(1)
    }
}
