//! Requests in pieces, with pauses between them, to see what a server does with each.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::buffer::{Input, Outgoing};
use crate::message::{Limits, MessageReader};
use crate::session::{Progress, Session, SessionError, SessionIo, State};

/// A client's session whose requests, framed messages, are each sent in several pieces.
///
/// The session's output is held back, and handed on piece by piece. The session still sees its output shrink, as it would
/// while the system takes it.
#[derive(Debug)]
pub struct Pieces<T> {
    session: T,
    /// The number of pieces of a request.
    count: usize,
    pause: Duration,
    held: Outgoing,
    /// The lengths of the pieces of what is held.
    lens: VecDeque<usize>,
    /// When the next piece is due, after another.
    next_at: Option<Instant>,
}

impl<T> Pieces<T> {
    /// Sends each request in `count` pieces, with `pause` between them.
    pub fn new(session: T, (count, pause): (usize, Duration)) -> Self {
        Pieces { session, count, pause, held: Outgoing::default(), lens: VecDeque::new(), next_at: None }
    }

    /// Cuts what was added to the output since the last time.
    fn cut(&mut self) {
        let known: usize = self.lens.iter().sum();
        let added = &self.held.head()[known..];
        let (mut input, mut reader) = (Input::new(added), MessageReader::default());
        let limits = Limits { content_len_max: usize::MAX, header_len_max: usize::MAX, depth_max: Limits::DEPTH_CAP };
        let mut before = 0;
        while let Ok(Some(_)) = reader.read(&mut input, &limits) {
            self.lens.extend(lens(input.used() - before, self.count));
            before = input.used();
        }
        self.lens.extend(lens(added.len() - before, self.count));
    }

    /// Hands on the next piece, if it is due. Returns whether it was.
    fn hand_on(&mut self, io: &mut SessionIo<'_>, now: Instant) -> bool {
        if self.next_at.is_some_and(|at| now < at) {
            return false;
        }
        let Some(len) = self.lens.pop_front() else {
            // Output that isn't in memory is not cut.
            io.output().append(mem::take(&mut self.held));
            return false;
        };
        io.output().push(&self.held.head()[..len]);
        self.held.consume(len);
        self.next_at = Some(now + self.pause);
        true
    }
}

/// The lengths of `count` pieces, as equal as they can be, or of fewer if there are too few bytes.
fn lens(len: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(len);
    (0..count).map(move |nth| (nth + 1) * len / count - nth * len / count)
}

impl<T: Session> Session for Pieces<T> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if self.count <= 1 {
            return self.session.advance(io, now);
        }
        let is_begun = self.next_at.is_some();
        let has_moved = is_begun && self.hand_on(io, now);
        if is_begun && !has_moved && !self.lens.is_empty() && io.input().is_empty() && !io.input_ended() {
            return Ok(Progress::NeedInput);
        }
        let (held, session) = (&mut self.held, &mut self.session);
        let progress = io.divert(held, u32::MAX, |io| session.advance(io, now))?;
        self.cut();
        self.hand_on(io, now);
        Ok(progress)
    }

    fn deadline(&self) -> Option<Instant> {
        // The session's own time begins when the request is on its way.
        if self.lens.is_empty() { self.session.deadline() } else { self.next_at }
    }

    fn is_idle(&self) -> bool {
        self.lens.is_empty() && self.session.is_idle()
    }

    fn state(&self, unused: usize) -> State {
        self.session.state(unused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::app::{AppClient, Request};
    use crate::session::testing::Harness;

    #[test]
    fn each_request_goes_in_pieces_with_pauses() {
        let requests = ["ring", "🐶"].map(|value| Request::Search(value.into()));
        let mut messages = [Vec::new(), Vec::new()];
        requests[0].write(&mut messages[0], true);
        requests[1].write(&mut messages[1], false);
        let (start, pause) = (Instant::now(), Duration::from_secs(20));
        // The pauses are longer than the session's timeout, which is for the reply.
        let client = AppClient::new(requests.to_vec(), Limits::default(), Duration::from_secs(10));
        let mut pieces = Harness::new(Pieces::new(client, (3, pause)));
        let mut now = start;
        for message in &messages {
            let mut got = Vec::new();
            for _ in 0..3 {
                if now > start {
                    let _ = pieces.call(now - Duration::from_millis(1)).unwrap();
                    assert_eq!(pieces.take_output(), b"", "the next is not due");
                }
                let _ = pieces.call(now).unwrap();
                let piece = pieces.take_output();
                assert!(piece.len().abs_diff(message.len() / 3) <= 1, "{}", piece.len());
                got.extend(piece);
                now += pause;
            }
            assert!(&got == message);
        }
        // Now the session's own timeout counts, from the last piece on.
        assert!(pieces.call(now).is_err());
    }

    #[test]
    fn pieces_are_as_equal_as_they_can_be() {
        assert_eq!(lens(10, 3).collect::<Vec<_>>(), [3, 3, 4]);
        assert_eq!(lens(2, 3).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(lens(0, 3).count(), 0);
    }
}
