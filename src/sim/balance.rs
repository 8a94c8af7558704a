//! The bytes of one connection, in and out, as the trace reports them: what comes in is used or left over, and what is
//! replied is sent or left over.

use crate::exchange::Stage;
use crate::text::count;
use crate::trace::Event;

/// The bytes of one connection.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    /// The number of bytes received.
    pub received: usize,
    /// The number of bytes sent.
    pub sent: usize,
    /// The number of bytes that the session has put into its output.
    replied: usize,
    /// The most bytes that may be left unused: those of the last run, and those received since.
    unused_max: usize,
    /// The session's part is over. Words that turn a peer away come after that, and are no reply of the session's.
    is_done: bool,
    /// Our side has ended, and what is received is dropped.
    lingers: bool,
    /// The number of bytes that were dropped then.
    dropped: usize,
    /// The number of them before the last read.
    pub dropped_before_read: usize,
    /// What doesn't add up.
    pub wrong: Option<String>,
}

impl Balance {
    /// The balance of a connection that is served, or one that `is_refused`.
    pub fn new(is_refused: bool) -> Self {
        Balance { is_done: is_refused, ..Balance::default() }
    }

    /// Records what happens to the connection.
    #[inline]
    pub fn record(&mut self, event: &Event<'_>) {
        match event {
            Event::Received { bytes } => {
                self.received += bytes.len();
                self.unused_max += bytes.len();
                if self.lingers {
                    self.dropped_before_read = self.dropped;
                    self.dropped += bytes.len();
                }
            }
            Event::Replied { len } => self.replied += len,
            Event::Sent { bytes, .. } => self.sent += bytes.len(),
            Event::Moved { to, .. } => {
                self.is_done = matches!(to, Stage::Draining | Stage::Lingering | Stage::Closed);
                self.lingers = *to == Stage::Lingering;
            }
            Event::RunEnded { input, output, .. } => self.run_ended(*input, *output),
            _ => {}
        }
    }

    /// Checks what a run has left over.
    fn run_ended(&mut self, unused: usize, unsent: usize) {
        if unused > self.unused_max {
            let (unused, max) = (count(unused, "byte"), self.unused_max);
            self.wrong.get_or_insert_with(|| format!("{unused} of input are left, and there were {max}"));
        }
        self.unused_max = unused;
        if !self.is_done && self.replied != self.sent.saturating_add(unsent) {
            let (replied, sent) = (count(self.replied, "byte"), self.sent);
            self.wrong.get_or_insert_with(|| format!("of {replied} of output, {sent} are sent and {unsent} left"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Progress, State};
    use crate::trace::{Bytes, RunEnd};

    /// A balance after some input of `received` bytes, output of `replied` bytes of which some were sent, and a run that
    /// has left over the others.
    fn after([received, replied, sent]: [usize; 3], [input, output]: [usize; 2]) -> Balance {
        let mut balance = Balance::default();
        balance.record(&Event::Received { bytes: Bytes::new(received, &[]) });
        balance.record(&Event::Replied { len: replied });
        balance.record(&Event::Sent { bytes: Bytes::new(sent, &[]), left: output });
        let how = RunEnd::Waits(Progress::NeedInput);
        let state = State::named("idle");
        balance.record(&Event::RunEnded { how, state, input, output, work: 0, memory: 0, took: None });
        balance
    }

    #[test]
    fn bytes_from_nowhere_and_lost_ones_are_wrong() {
        assert_eq!(after([3, 5, 2], [3, 3]).wrong, None);
        assert_eq!(after([3, 5, 2], [4, 3]).wrong.unwrap(), "4 bytes of input are left, and there were 3");
        assert_eq!(after([3, 5, 2], [0, 2]).wrong.unwrap(), "of 5 bytes of output, 2 are sent and 2 left");
    }

    #[test]
    fn what_is_dropped_before_a_read_is_known() {
        let mut balance = after([3, 5, 5], [0, 0]);
        balance.record(&Event::Moved {
            from: Stage::Draining,
            event: crate::exchange::Event::OurEndSent,
            to: Stage::Lingering,
        });
        for len in [10, 20] {
            balance.record(&Event::Received { bytes: Bytes::new(len, &[]) });
        }
        assert_eq!((balance.received, balance.dropped_before_read), (33, 10));
    }
}
