//! Serving: what the session is asked for, and when, while the connection is open.

use std::io;
use std::mem;

use super::transfer::{Advanced, Received};
use super::{BYTES_PER_TURN, Connection, Outcome, Turn};
use crate::selector::{Interest, Stream};
use crate::session::{End, Progress, Session};

/// Most messages that a session may begin before it's another's turn.
const MESSAGES_PER_TURN: u32 = 256;

impl<S: Stream, T: Session> Connection<S, T> {
    /// Lets the session work on what there is, and the stream take what the session makes of it.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let mut bytes_left = BYTES_PER_TURN;
        let mut messages_left = MESSAGES_PER_TURN;
        let mut sendable_left = BYTES_PER_TURN;
        let mut room_made = false;
        loop {
            // What is left over goes out first, since the session may wait for the room.
            match self.flush(turn) {
                Ok(sent) => {
                    room_made |= sent > 0;
                    sendable_left = sendable_left.saturating_sub(sent);
                }
                Err(error) => return Outcome::Close(End::Broken(error)),
            }
            if self.can_send() {
                return Outcome::Yield;
            }
            if self.write_is_overdue(turn) {
                return Outcome::Close(End::WriteTimedOut(turn.config.write_timeout));
            }
            let is_full = self.is_full(turn);
            let (reads, goes_on) = match self.progress {
                Progress::NeedInput => (!is_full, false),
                Progress::NeedRoom => (false, room_made && !is_full),
                Progress::NeedEither => (true, room_made && !is_full),
                Progress::Working => match self.has_just_hung_up() {
                    Ok(hung_up) => (false, hung_up),
                    Err(error) => return Outcome::Close(End::Broken(error)),
                },
                Progress::Yield | Progress::Finished => (false, true),
            };
            if reads && bytes_left == 0 || goes_on && sendable_left == 0 {
                if goes_on {
                    // It is yet to be told of the room.
                    self.progress = Progress::Yield;
                }
                return Outcome::Yield;
            }
            let mut received = 0;
            let mut has_news = mem::take(&mut self.is_due) || goes_on;
            if reads {
                match self.receive(turn.scratch) {
                    Ok(Received::Nothing) => {}
                    Ok(Received::Bytes(len)) => {
                        received = len;
                        bytes_left = bytes_left.saturating_sub(len);
                        has_news = true;
                    }
                    Ok(Received::End) => has_news = true,
                    Err(error) => return Outcome::Close(End::Broken(error)),
                }
            }
            if !has_news {
                return self.wait(turn);
            }
            let Advanced { result, sent } = match self.advance(received, &mut messages_left, turn) {
                Ok(advanced) => advanced,
                Err(error) => return Outcome::Close(End::Broken(error)),
            };
            sendable_left = sendable_left.saturating_sub(sent);
            room_made = sent > 0;
            match result {
                Ok(Progress::Finished) => {
                    // Once the peer has ended its side, or while nothing more has come, a close resets nothing. What
                    // comes while output waits is not looked at, so then there may be something.
                    let may_have_more =
                        self.readiness.readable || self.left_over.has_input() || self.left_over.has_output();
                    let linger = may_have_more && self.lingers();
                    return self.finish(End::Finished, linger, turn);
                }
                Ok(progress) => {
                    self.progress = progress;
                    if progress == Progress::Yield {
                        return Outcome::Yield;
                    }
                    // How nearly every run ends: all that came is used, and all that was made of it is sent.
                    if progress == Progress::NeedInput && !self.readiness.readable && !self.left_over.has_output() {
                        return self.wait(turn);
                    }
                }
                Err(error) => {
                    let linger = self.lingers();
                    return self.finish(End::Failed(error), linger, turn);
                }
            }
        }
    }

    fn wait(&mut self, turn: &mut Turn<'_>) -> Outcome {
        // What was not read, since the output was full, has come all the same.
        let is_held_back = self.readiness.readable && !self.input_ended;
        let is_working = self.progress == Progress::Working;
        let has_work = (is_working || is_held_back) && self.session.wants_input();
        let has_begun = has_work || !self.session.is_idle() || self.left_over.has_input();
        if turn.stopping && !has_begun {
            return self.finish(End::Stopped, self.lingers(), turn);
        }
        let is_full = self.is_full(turn);
        let readable = match self.progress {
            Progress::NeedInput => !is_full,
            Progress::NeedEither => true,
            Progress::Working | Progress::NeedRoom | Progress::Yield | Progress::Finished => false,
        };
        let interest = Interest {
            readable: readable && !self.input_ended,
            writable: self.left_over.has_output(),
            hangup: is_working && !self.hung_up,
        };
        let deadline = self.deadline();
        if interest == Interest::NONE && deadline.is_none() && !is_working {
            // Nothing will ever happen to it: its session waits for input after the end of it, or for room in an empty output.
            return self.finish(End::Finished, self.lingers(), turn);
        }
        Outcome::Wait { interest, deadline }
    }

    /// Whether a peer that nothing is read from has hung up, and the session is to be told.
    ///
    /// # Errors
    /// What has broken the connection, where it was that.
    fn has_just_hung_up(&mut self) -> io::Result<bool> {
        if self.hung_up || !self.readiness.read_closed {
            return Ok(false);
        }
        if !self.stream.connected()? {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        log::trace!("{} has ended its sending side", self.peer);
        self.hung_up = true;
        Ok(true)
    }

    /// Whether a close waits for what the peer may still send.
    fn lingers(&self) -> bool {
        !self.input_ended && self.session.wants_input()
    }

    /// Whether no more output may be made before some has gone.
    fn is_full(&self, turn: &Turn<'_>) -> bool {
        self.left_over.output_len() >= turn.config.output_high_water
    }
}
