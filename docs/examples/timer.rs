//! A server that sends on its own: each second, the number of seconds that a connection has been open.
//!
//! Run it with `cargo run --example timer`, and watch it with `nc 127.0.0.1 PORT`. Ctrl-D there ends a connection.

use std::env;
use std::io;
use std::time::{Duration, Instant};

use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

/// The time between ticks.
pub const PERIOD: Duration = Duration::from_secs(1);

/// One connection.
#[derive(Default)]
pub struct Ticker {
    ticks: u64,
    /// When the next tick is due.
    next: Option<Instant>,
}

impl Session for Ticker {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        // Input is dropped, but has to be read: the end comes after it.
        io.input().take_all();
        if io.input_ended() {
            return Ok(Progress::Finished);
        }
        let mut next = *self.next.get_or_insert(now + PERIOD);
        let before = self.ticks;
        while now >= next {
            // Each tick is due a period after the one before was due, so delays don't add up.
            next += PERIOD;
            self.ticks += 1;
        }
        self.next = Some(next);
        // A peer that does not read misses ticks, until the connection's write timeout ends it.
        if self.ticks > before && io.output().has_room() {
            io.output().push(format!("{}\n", self.ticks).as_bytes());
        }
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

/// Serves until the process is ended.
pub fn main() -> io::Result<()> {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let mut reactor = Reactor::new(MioSelector::new()?, |_: &Peer| Ticker::default(), Config::default());
    for addr in reactor.listen(addr)? {
        println!("Listening on {addr}");
    }
    reactor.run()
}
