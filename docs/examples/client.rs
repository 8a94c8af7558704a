//! A client of `shout`: sends lines, checks each reply, and reports what was wrong.
//!
//! Run it with `cargo run --example client 127.0.0.1:PORT`, with the port that `cargo run --example shout` has printed.

use std::env;
use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use multiconn::client::converse;
use multiconn::codec::Lines;
use multiconn::session::{End, Progress, Session, SessionError, SessionIo};

const LINES: [&str; 3] = ["hello", "How are you?", "bye"];
/// Maximum bytes of a line or a reply.
const LINE_LEN_MAX: usize = 1000;
/// How long to wait for the connection, and for each reply.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// One connection.
pub struct Client {
    to_send: Vec<String>,
    sent: usize,
    answered: usize,
    lines: Lines,
    deadline: Option<Instant>,
}

impl Client {
    /// A client that sends these lines.
    pub fn new(to_send: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let to_send = to_send.into_iter().map(Into::into).collect();
        Client { to_send, sent: 0, answered: 0, lines: Lines::new(LINE_LEN_MAX), deadline: None }
    }
}

impl Session for Client {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let total = self.to_send.len();
        while self.sent < total && io.output().has_room() {
            self.lines.write(io.output().tail(), self.to_send[self.sent].as_bytes())?;
            self.sent += 1;
        }
        while let Some(reply) = self.lines.read(io.input())? {
            let (n, reply) = (self.answered + 1, String::from_utf8_lossy(reply));
            // A reply that comes before its line was sent is wrong as well.
            let Some(line) = self.to_send[..self.sent].get(self.answered) else {
                return Err(SessionError::violation(format!("reply {n}, {reply:?}, is one too many")));
            };
            let expected = line.to_ascii_uppercase();
            if reply != expected {
                return Err(SessionError::violation(format!("reply {n} is {reply:?} instead of {expected:?}")));
            }
            self.answered = n;
            self.deadline = None;
        }
        if self.answered == total {
            return Ok(Progress::Finished);
        }
        let missing = self.answered + 1;
        if io.input_ended() {
            return Err(SessionError::input_ended(format!("the server ended before reply {missing} of {total}")));
        }
        if now >= *self.deadline.get_or_insert(now + TIMEOUT) {
            return Err(SessionError::timed_out(format!("no reply {missing} of {total} within {TIMEOUT:?}")));
        }
        // Replies are read even while lines wait to be sent: the server may stop reading until they are.
        Ok(if self.sent < total { Progress::NeedEither } else { Progress::NeedInput })
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Sends [`LINES`] to the server at `addr`, and returns what was wrong.
pub fn talk(addr: impl ToSocketAddrs) -> Result<(), String> {
    let addresses: Vec<_> = addr.to_socket_addrs().map_err(|error| error.to_string())?.collect();
    for conversation in converse(&addresses, [Client::new(LINES)], TIMEOUT).map_err(|error| error.to_string())? {
        match conversation.end {
            End::Finished => {}
            end => return Err(format!("{}: {end}", conversation.peer.addr)),
        }
    }
    Ok(())
}

/// Talks to the server at the address in the first argument.
pub fn main() -> ExitCode {
    let result = match env::args().nth(1) {
        Some(addr) => talk(addr),
        None => Err("the address of a server is missing".to_owned()),
    };
    match result {
        Ok(()) => {
            println!("All replies are right");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("client: {why}");
            ExitCode::FAILURE
        }
    }
}
