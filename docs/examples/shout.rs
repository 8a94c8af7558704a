//! A protocol of your own: what a peer says, line by line, comes back in capitals; `BYE` ends the conversation.
//!
//! Run it with `cargo run --example shout`, and talk to it with `nc 127.0.0.1 PORT`.

use std::io;
use std::time::Instant;

use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

/// One connection. It knows no socket: it is handed bytes, and hands bytes back.
pub struct Shout;

impl Session for Shout {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        loop {
            // A peer that does not read its replies gets no more of them made.
            if !io.output().has_room() {
                return Ok(Progress::NeedRoom);
            }
            let Some(line) = io.input().take_until(b'\n') else {
                // Half a line stays where it is until the rest has come.
                return match io.input().len() {
                    _ if io.input_ended() => Ok(Progress::Finished),
                    0..1000 => Ok(Progress::NeedInput),
                    _ => Err(SessionError::other("a line is too long")),
                };
            };
            io.output().push(&line.to_ascii_uppercase());
            io.output().push(b"\n");
            if line.eq_ignore_ascii_case(b"bye") {
                return Ok(Progress::Finished);
            }
        }
    }
}

/// Listens on a free port and serves until the process is ended.
pub fn main() -> io::Result<()> {
    // A function that makes a session for each connection is a service.
    let mut reactor = Reactor::new(MioSelector::new()?, |_: &Peer| Shout, Config::default());
    println!("Listening on {}", reactor.listen("127.0.0.1:0")?[0]);
    reactor.run()
}
