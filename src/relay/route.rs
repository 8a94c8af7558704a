//! The routes from sources to sinks.

use std::collections::VecDeque;
use std::time::Instant;

use super::sink::{Sink, SinkId};

/// A transformation of bytes on their way.
pub trait Filter {
    /// Appends the transformed `bytes` to `out`.
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>);

    /// Appends any remaining output after the last bytes.
    fn end(&mut self, _out: &mut VecDeque<u8>) {}
}

/// A filter that changes nothing.
pub struct Plain;

impl Filter for Plain {
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        out.extend(bytes);
    }
}

/// A route from a source to a sink.
pub struct Route {
    to: SinkId,
    filter: Box<dyn Filter>,
}

impl Route {
    pub fn new(to: SinkId, filter: impl Filter + 'static) -> Route {
        Route { to, filter: Box::new(filter) }
    }

    pub(super) fn to(&self) -> SinkId {
        self.to
    }

    /// Sends these bytes on, unless the sink has failed.
    pub(super) fn pass(&mut self, bytes: &[u8], sinks: &mut [Sink], now: Instant) {
        sinks[self.to.0].take(now, |out| self.filter.pass(bytes, out));
    }

    /// Sends any remaining output after the last bytes.
    pub(super) fn end(&mut self, sinks: &mut [Sink], now: Instant) {
        sinks[self.to.0].take(now, |out| self.filter.end(out));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::rc::Rc;

    use super::*;
    use crate::relay::tests::{sink, to_end};
    use crate::relay::{Fd, Relay, Unwanted};

    /// Puts a mark before each piece, and one at the end.
    struct Marked;

    impl Filter for Marked {
        fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
            out.push_back(b'<');
            out.extend(bytes);
        }

        fn end(&mut self, out: &mut VecDeque<u8>) {
            out.push_back(b'>');
        }
    }

    #[test]
    fn a_filter_has_the_last_word() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        relay.push(b"ours", vec![Route::new(to, Marked)]);
        let (from_pipe, mut writer) = io::pipe().unwrap();
        relay.add_source(Rc::new(from_pipe), vec![Route::new(to, Marked)], Unwanted::Close);
        writer.write_all(b"theirs").unwrap();
        drop(writer);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(to_end(reader), b"<ours><theirs>");
    }

    #[test]
    fn letting_go_of_a_source_is_its_end() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let (from_pipe, _writer) = io::pipe().unwrap();
        let from_pipe: Fd = Rc::new(from_pipe);
        relay.add_source(Rc::clone(&from_pipe), vec![Route::new(to, Marked)], Unwanted::Close);
        relay.let_go(&from_pipe);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(to_end(reader), b">");
    }
}
