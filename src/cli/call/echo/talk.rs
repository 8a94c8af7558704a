//! `multiconn call echo ADDRESS LINE…`: the other texts' client, which sends one line after the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;
use std::vec;

use crate::cli::address::Address;
use crate::cli::call::converse::check_all;
use crate::cli::failure::Failure;
use crate::cli::stdin::Stdin;
use crate::cli::stdout::print_line;
use crate::client;
use crate::protocols::echo::EchoTalker;
use crate::session::{Peer, SessionError, Source};

/// The lines to send on each connection, and the timeout for replies.
pub struct Talk {
    pub connections: u32,
    pub lines: Vec<String>,
    /// Maximum reply length.
    pub reply_len_max: usize,
    pub timeout: Duration,
}

impl Talk {
    /// Sends the lines, and prints each reply as soon as it arrives.
    pub fn run(self, address: &Address) -> Result<(), Failure> {
        let addresses = address.to_connect_to()?;
        let many = self.connections > 1;
        let show = |reply: &[u8], peer: &Peer| {
            let printed = match many {
                true => print_line(&[format!("{peer}: ").as_bytes(), reply].concat()),
                false => print_line(reply),
            };
            printed.map_err(SessionError::other)
        };
        let sessions =
            self.sources().into_iter().map(|lines| EchoTalker::new(lines, show, self.reply_len_max, self.timeout));
        let conversations =
            client::converse(&addresses, sessions, self.timeout).map_err(|error| Failure::of_loop(&error))?;
        check_all(address, &conversations)
    }

    /// The lines for each connection.
    fn sources(&self) -> Vec<Lines> {
        let connections = 0..self.connections;
        if self.lines == ["-"] {
            let typed = Rc::new(RefCell::new(Typed::default()));
            return connections.map(|_| Lines::Typed { typed: Rc::clone(&typed), said: 0 }).collect();
        }
        let lines: Vec<Vec<u8>> = self.lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        connections.map(|_| Lines::Given(lines.clone().into_iter())).collect()
    }
}

/// The lines for one connection.
enum Lines {
    /// The lines of the command line.
    Given(vec::IntoIter<Vec<u8>>),
    /// The lines of standard input, `said` of which have been sent.
    Typed { typed: Rc<RefCell<Typed>>, said: usize },
}

impl Source for Lines {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        match self {
            Lines::Given(lines) => Ok(Poll::Ready(lines.next())),
            Lines::Typed { typed, said } => {
                let line = typed.borrow_mut().line(*said, make_waker)?;
                *said += usize::from(line.is_ready());
                Ok(line)
            }
        }
    }
}

/// Standard input for all connections: each line typed is sent on each. Lines are kept until the end, since the slowest
/// connection may be any number of lines behind.
struct Typed {
    input: Stdin,
    lines: Vec<Vec<u8>>,
    bell: Arc<Bell>,
}

impl Default for Typed {
    fn default() -> Self {
        Typed { input: Stdin::lines(), lines: Vec::new(), bell: Arc::default() }
    }
}

impl Typed {
    /// The line with this number, from 0, without its newline. Empty lines don't count.
    fn line(&mut self, number: usize, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        if let Some(line) = self.lines.get(number) {
            return Ok(Poll::Ready(Some(line.clone())));
        }
        self.bell.add(make_waker());
        let bell = Waker::from(Arc::clone(&self.bell));
        loop {
            match self.input.next(&|| bell.clone())? {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(None) => {
                    bell.wake();
                    return Ok(Poll::Ready(None));
                }
                Poll::Ready(Some(mut line)) => {
                    line.pop_if(|last| *last == b'\n');
                    if !line.is_empty() {
                        self.lines.push(line.clone());
                        bell.wake();
                        return Ok(Poll::Ready(Some(line)));
                    }
                }
            }
        }
    }
}

/// Wakes all sessions that wait for a line.
#[derive(Default)]
struct Bell(Mutex<Vec<Waker>>);

impl Bell {
    fn add(&self, waker: Waker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }
}
