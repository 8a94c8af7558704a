//! A connection as it is, for a subscriber that asks.

use std::time::Instant;

use super::{Connection, ConnectionState, earlier};
use crate::selector::{Interest, Stream};
use crate::session::{End, Session};
use crate::trace::{ConnectionIs, DeadlineFor};

impl<S: Stream, T: Session> Connection<S, T> {
    /// How it is at `now`, with this interest. The loop adds what only it knows.
    pub fn snapshot(&self, interest: Interest, now: Instant) -> ConnectionIs<'_> {
        let (input, output) = (self.left_over.input_len(), self.left_over.output_len());
        let deadline = self.next_deadline();
        ConnectionIs {
            age: None,
            stage: self.state.stage(),
            interest,
            state: self.session.state(input),
            begun: !self.session.is_idle(),
            input,
            output,
            // The system counts those of TCP.
            queues: self.peer.addr.inet().and_then(|_| self.stream.queues()),
            deadline: deadline.map(|(when, what)| (when.saturating_duration_since(now), what)),
            tally: None,
            has_messages: false,
            last_error: self.ends_with(),
        }
    }

    /// Its next deadline as a person sees it, and what that is for. The loop's own deadline may be earlier, to try again.
    fn next_deadline(&self) -> Option<(Instant, DeadlineFor)> {
        let write = self.left_over.write_deadline();
        let (session, idle) = match &self.state {
            ConnectionState::Connecting(connecting) => return Some((connecting.until, DeadlineFor::Opening)),
            ConnectionState::Lingering(lingering) => return Some((lingering.until(), DeadlineFor::Close)),
            ConnectionState::Served(_) => (self.session_deadline(), self.idle_until),
            ConnectionState::Draining(_) | ConnectionState::Closed => (None, None),
        };
        let next = earlier(earlier(session, write), idle)?;
        let what = match next {
            next if session == Some(next) => DeadlineFor::Session,
            next if write == Some(next) => DeadlineFor::Write,
            _ => DeadlineFor::Idle,
        };
        Some((next, what))
    }

    /// The error with which it ends, if it does.
    fn ends_with(&self) -> Option<&End> {
        let end = match &self.state {
            ConnectionState::Draining(draining) => draining.end(),
            ConnectionState::Lingering(lingering) => lingering.end(),
            ConnectionState::Connecting(_) | ConnectionState::Served(_) | ConnectionState::Closed => return None,
        };
        Some(end).filter(|end| !matches!(end, End::Finished | End::Stopped))
    }
}
