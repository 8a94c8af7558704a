//! The work of one run of a connection, as the trace tells it: neither more than its share, nor less if it yields.

use crate::exchange::Stage;
use crate::trace::{Event, RunEnd};

/// A share: the bytes read after which no other read begins, the most bytes of leftover output sent, and the most
/// messages begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    bytes: usize,
    messages: usize,
}

impl Share {
    /// The share of a connection that has just become ready.
    pub const FIRST: Share = Share { bytes: 32 << 10, messages: 32 };
    /// The share of a busy connection, and of one that has a thread to itself.
    pub const FULL: Share = Share { bytes: 384 << 10, messages: 256 };

    /// The work for which a run counts that yields, however short it was.
    pub const fn work(self) -> usize {
        3 * self.bytes
    }
}

/// The fixed work of a run, and that of a message.
const PER_RUN: usize = 4 << 10;
const PER_MESSAGE: usize = 1 << 10;

/// A run of a connection.
#[derive(Clone, Copy, Debug)]
pub struct RunOf {
    share: Share,
    /// The bytes of unused input before it, and those received and sent in it.
    input: usize,
    received: usize,
    sent: usize,
    /// The number of messages that were read in it.
    messages: usize,
    /// The session has just replied, so what is sent next is its reply.
    has_replied: bool,
    /// The session's part is over, so input is dropped.
    is_done: bool,
    wrong: Option<Wrong>,
}

/// A run that has done more than its share.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// It was read from after this many bytes.
    Read(usize),
    /// It has sent this many bytes of leftover output.
    Sent(usize),
}

impl RunOf {
    /// A run with this share, of a connection with unused `input`.
    pub fn new(share: Share, input: usize, is_done: bool) -> Self {
        RunOf { share, input, received: 0, sent: 0, messages: 0, has_replied: false, is_done, wrong: None }
    }

    /// The share.
    pub fn share(&self) -> Share {
        self.share
    }

    /// Records what happens in it.
    pub fn record(&mut self, event: &Event<'_>) {
        let follows_reply = std::mem::take(&mut self.has_replied);
        match event {
            Event::Received { bytes } => {
                if self.received >= self.share.bytes {
                    self.wrong.get_or_insert(Wrong::Read(self.received));
                }
                self.received += bytes.len();
            }
            Event::Replied { .. } => self.has_replied = true,
            Event::Sent { bytes, .. } => {
                self.sent += bytes.len();
                if !follows_reply && self.sent > self.share.bytes {
                    self.wrong.get_or_insert(Wrong::Sent(self.sent));
                }
            }
            Event::Dropped { len } => self.sent = self.sent.saturating_add(*len).min(self.share.bytes.max(self.sent)),
            Event::Stepped(step) => self.messages += usize::from(step.event == "content read"),
            Event::Moved { to: Stage::Draining | Stage::Lingering | Stage::Closed, .. } => self.is_done = true,
            _ => {}
        }
    }

    /// Judges it at its end. `may_yield` sessions may yield whenever they like.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ends(self, how: RunEnd, [input, output, work]: [usize; 3], may_yield: bool) -> Result<(), String> {
        match self.wrong {
            Some(Wrong::Read(len)) => return Err(format!("it was read from in a run that had read {len} bytes")),
            Some(Wrong::Sent(len)) => return Err(format!("a run has sent {len} bytes of what was left over")),
            None => {}
        }
        // Where it is over, the last bytes may have gone nowhere.
        if how == RunEnd::Ends {
            return Ok(());
        }
        let unused = if self.is_done { 0 } else { input };
        let used = (self.input + self.received).saturating_sub(unused);
        let moved = PER_RUN + self.received + self.sent;
        let for_messages = match self.is_done {
            true => work.checked_sub(moved),
            false => work.checked_sub(moved + used),
        };
        let Some(for_messages) = for_messages else {
            return Err(format!("a run counts for {work}, and has moved {}", moved + used));
        };
        // What is dropped at the session's end isn't used.
        let begun = for_messages / PER_MESSAGE;
        let is_whole = self.is_done || for_messages.is_multiple_of(PER_MESSAGE);
        let most = self.share.messages + if self.is_done { used / PER_MESSAGE } else { 0 };
        if !is_whole || begun > most || begun < self.messages {
            let (messages, moved) = (self.messages, moved + used);
            return Err(format!("a run counts for {work}, has moved {moved} and read {messages} messages"));
        }
        let has_used_up =
            self.received >= self.share.bytes || self.sent >= self.share.bytes || begun >= self.share.messages;
        match how {
            RunEnd::Yields if !has_used_up && !may_yield => {
                Err(format!("it yields after {} bytes in, {} out and {begun} messages", self.received, self.sent))
            }
            RunEnd::Waits(_) if output > 0 && self.sent == self.share.bytes => {
                Err(format!("it waits with {output} bytes to send, since its run has sent {}", self.sent))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Step;
    use crate::session::Progress;
    use crate::trace::Bytes;

    const WAITS: RunEnd = RunEnd::Waits(Progress::NeedInput);

    fn first(events: &[Event<'_>]) -> RunOf {
        let mut run = RunOf::new(Share::FIRST, 10, false);
        events.iter().for_each(|event| run.record(event));
        run
    }

    fn read(len: usize) -> Event<'static> {
        Event::Received { bytes: Bytes::new(len, &[]) }
    }

    fn sent(len: usize) -> Event<'static> {
        Event::Sent { bytes: Bytes::new(len, &[]), left: 0 }
    }

    fn message() -> Event<'static> {
        Event::Stepped(Step { from: "content", event: "content read", to: "idle", got: 0, want: None })
    }

    #[test]
    fn work_is_what_was_moved_and_used_and_a_part_for_each_message() {
        let run = || first(&[read(100), message(), Event::Replied { len: 50 }, sent(50)]);
        let work = PER_RUN + 100 + 110 + 50 + 1024;
        assert_eq!(run().ends(WAITS, [0, 0, work], false), Ok(()));
        assert_eq!(run().ends(WAITS, [0, 0, work + 1024], false), Ok(()), "one was begun");
        for wrong in [work - 1, work + 1, work - 1024, work + 32 * 1024, 0] {
            assert!(run().ends(WAITS, [0, 0, wrong], false).is_err(), "{wrong}");
        }
        assert!(run().ends(WAITS, [10, 0, work], false).is_err(), "10 are left");
    }

    #[test]
    fn a_run_has_no_more_than_its_share() {
        let work = PER_RUN + 2 * (64 << 10) + 10;
        assert_eq!(first(&[read(64 << 10)]).ends(WAITS, [0, 0, work], false), Ok(()));
        assert!(first(&[read(64 << 10), read(1)]).ends(WAITS, [0, 0, work + 2], false).is_err());
        let reply = Event::Replied { len: 40_000 };
        assert_eq!(first(&[reply, sent(40_000)]).ends(WAITS, [0, 0, PER_RUN + 10 + 40_000], false), Ok(()));
        assert!(first(&[sent(40_000)]).ends(WAITS, [0, 0, PER_RUN + 10 + 40_000], false).is_err());
    }

    #[test]
    fn a_run_yields_if_and_only_if_its_share_is_used_up() {
        let ends = |len, how, may_yield| first(&[sent(len)]).ends(how, [10, 5, PER_RUN + len], may_yield);
        assert_eq!(ends(32 << 10, RunEnd::Yields, false), Ok(()));
        assert!(ends(32 << 10, WAITS, false).is_err());
        assert_eq!(ends(5, WAITS, false), Ok(()));
        assert!(ends(5, RunEnd::Yields, false).is_err());
        assert_eq!(ends(5, RunEnd::Yields, true), Ok(()));
    }
}
