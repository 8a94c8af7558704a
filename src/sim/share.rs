//! The work of one run of a connection, as the trace reports it: a run is limited, so that others get their turns.

use crate::trace::Event;

/// The bytes read after which no other read begins, and the most messages: of a run of a connection that has just become
/// ready, as in its first run, and of any other.
const FIRST: (usize, u32) = (32 << 10, 32);
const ANY: (usize, u32) = (384 << 10, 256);

/// The work of the current run.
#[derive(Clone, Debug, Default)]
pub struct Share {
    /// The number of bytes read in it.
    read: usize,
    /// The number of messages in it.
    messages: u32,
    has_run: bool,
    /// A run that was too long.
    pub wrong: Option<String>,
}

impl Share {
    /// Records what happens to the connection.
    #[inline]
    pub fn record(&mut self, event: &Event<'_>) {
        match event {
            Event::RunBegun => (self.read, self.messages) = (0, 0),
            Event::RunEnded { .. } => self.has_run = true,
            Event::Received { bytes } => {
                if self.read >= self.limits().0 {
                    self.is_over(format!("it was read from in a run that had read {} bytes", self.read));
                }
                self.read += bytes.len();
            }
            Event::Stepped(step) if step.event == "content read" => {
                self.messages += 1;
                let (_, messages_max) = self.limits();
                if self.messages > messages_max {
                    self.is_over(format!("a run had more than {messages_max} messages"));
                }
            }
            _ => {}
        }
    }

    /// The most bytes and messages of the current run.
    fn limits(&self) -> (usize, u32) {
        if self.has_run { ANY } else { FIRST }
    }

    fn is_over(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Step;
    use crate::session::{Progress, State};
    use crate::trace::{Bytes, RunEnd};

    #[test]
    fn the_first_run_has_a_small_share_and_others_a_large_one() {
        let step = Step { from: "content", event: "content read", to: "idle", got: 0, want: None };
        let read = |len| Event::Received { bytes: Bytes::new(len, &[]) };
        let mut share = Share::default();
        share.record(&Event::RunBegun);
        (0..32).for_each(|_| share.record(&Event::Stepped(step)));
        share.record(&read(64 << 10));
        assert_eq!(share.wrong, None);
        let mut longer = share.clone();
        longer.record(&Event::Stepped(step));
        assert_eq!(longer.wrong.unwrap(), "a run had more than 32 messages");
        let mut longer = share.clone();
        longer.record(&read(1));
        assert_eq!(longer.wrong.unwrap(), "it was read from in a run that had read 65536 bytes");
        let how = RunEnd::Waits(Progress::NeedInput);
        share.record(&Event::RunEnded { how, state: State::named("idle"), input: 0, output: 0, took: None });
        share.record(&Event::RunBegun);
        (0..6).for_each(|_| share.record(&read(64 << 10)));
        (0..256).for_each(|_| share.record(&Event::Stepped(step)));
        assert_eq!(share.wrong, None);
        share.record(&read(1));
        assert!(share.wrong.is_some());
    }
}
