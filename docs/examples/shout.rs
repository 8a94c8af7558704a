//! A protocol of your own: each line of a peer comes back in capitals, and `BYE` ends the conversation.
//!
//! Run it with `cargo run --example shout`, and talk to it with `nc 127.0.0.1 PORT`. The optional argument is the
//! address to listen on; the default is a free port of 127.0.0.1.

use std::env;
use std::io;
use std::time::{Duration, Instant};

use multiconn::codec::Lines;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

/// Maximum bytes of a line.
pub const LINE_LEN_MAX: usize = 1000;
/// How long a line may take, from its first byte on. The connection's idle timeout limits the silence between lines.
pub const LINE_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection. It knows no socket: it is handed bytes, and hands bytes back.
pub struct Shout {
    lines: Lines,
    /// When the line that has begun must have ended.
    deadline: Option<Instant>,
}

impl Default for Shout {
    fn default() -> Self {
        Shout { lines: Lines::new(LINE_LEN_MAX), deadline: None }
    }
}

impl Session for Shout {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        loop {
            // A peer that does not read its replies gets no more of them.
            if !io.output().has_room() {
                return Ok(Progress::NeedRoom);
            }
            let Some(line) = self.lines.read(io.input())? else { break };
            self.deadline = None;
            self.lines.write(io.output().tail(), &line.to_ascii_uppercase())?;
            if line.eq_ignore_ascii_case(b"bye") {
                return Ok(Progress::Finished);
            }
        }
        if io.input_ended() {
            return Ok(Progress::Finished);
        }
        // An incomplete line stays in the input until the rest arrives or the line has taken too long.
        if !io.input().is_empty() && now >= *self.deadline.get_or_insert(now + LINE_TIMEOUT) {
            return Err(SessionError::timed_out("a line took too long"));
        }
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Serves until the process is ended.
pub fn main() -> io::Result<()> {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    // A function that makes a session for each connection is a service.
    let mut reactor = Reactor::new(MioSelector::new()?, |_: &Peer| Shout::default(), Config::default());
    for addr in reactor.listen(addr)? {
        println!("Listening on {addr}");
    }
    reactor.run()
}
