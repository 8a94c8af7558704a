//! `multiconn call echo ADDRESS LINE…`: the other texts' client, which sends one line after the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;
use std::vec;

use crate::cli::address::Address;
use crate::cli::call::converse::{check_all, converse_all};
use crate::cli::failure::Failure;
use crate::cli::stdin::Stdin;
use crate::cli::stdout::print_line;
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
        let conversations = converse_all(&addresses, sessions, self.timeout)?;
        check_all(address, &conversations)
    }

    /// The lines for each connection.
    fn sources(&self) -> Vec<Lines> {
        let connections = 0..self.connections;
        if self.lines == ["-"] {
            let typed = Rc::new(RefCell::new(Typed::new(self.connections)));
            let lines = |connection| Lines::Typed { typed: Rc::clone(&typed), connection, said: 0 };
            return connections.map(|number| lines(number as usize)).collect();
        }
        let lines: Vec<Vec<u8>> = self.lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        connections.map(|_| Lines::Given(lines.clone().into_iter())).collect()
    }
}

/// The lines for one connection.
enum Lines {
    /// The lines of the command line.
    Given(vec::IntoIter<Vec<u8>>),
    /// The lines of standard input, `said` of which have been sent on this connection.
    Typed { typed: Rc<RefCell<Typed>>, connection: usize, said: usize },
}

impl Source for Lines {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        match self {
            Lines::Given(lines) => Ok(Poll::Ready(lines.next())),
            Lines::Typed { typed, connection, said } => {
                let line = typed.borrow_mut().line(*connection, *said, make_waker)?;
                *said += usize::from(line.is_ready());
                Ok(line)
            }
        }
    }
}

/// Standard input for all connections: each line typed is sent on each. A line is kept until the slowest connection has
/// sent it.
struct Typed {
    input: Stdin,
    /// Lines, each with the number of connections that have not sent it.
    lines: VecDeque<(Vec<u8>, u32)>,
    /// The number of lines before those.
    forgotten: usize,
    connections: u32,
    bell: Arc<Bell>,
}

impl Typed {
    fn new(connections: u32) -> Typed {
        let bell = Arc::new(Bell(Mutex::new(vec![None; connections as usize])));
        Typed { input: Stdin::lines(), lines: VecDeque::new(), forgotten: 0, connections, bell }
    }

    /// The line with this number, from 0, without its newline, for a connection that has sent those before it. Empty
    /// lines don't count.
    fn line(
        &mut self,
        connection: usize,
        number: usize,
        make_waker: &dyn Fn() -> Waker,
    ) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        let index = number - self.forgotten;
        if index < self.lines.len() {
            return Ok(Poll::Ready(Some(self.say(index))));
        }
        self.bell.set(connection, make_waker());
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
                        self.lines.push_back((line, self.connections));
                        bell.wake();
                        return Ok(Poll::Ready(Some(self.say(index))));
                    }
                }
            }
        }
    }

    /// Returns a line for one connection, and forgets it if that is the last one.
    fn say(&mut self, index: usize) -> Vec<u8> {
        let (line, unsaid) = &mut self.lines[index];
        *unsaid -= 1;
        if *unsaid > 0 {
            return line.clone();
        }
        // Each connection sends the lines in order, so the lines before it have been sent too.
        self.forgotten += 1;
        self.lines.pop_front().map(|(line, _)| line).unwrap_or_default()
    }
}

/// Wakes all sessions that wait for a line. Each connection has a place for one waker, since its session may ask
/// repeatedly.
struct Bell(Mutex<Vec<Option<Waker>>>);

impl Bell {
    fn set(&self, connection: usize, waker: Waker) {
        self.places()[connection] = Some(waker);
    }

    fn places(&self) -> MutexGuard<'_, Vec<Option<Waker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let waiting: Vec<Waker> = self.places().iter_mut().filter_map(Option::take).collect();
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(typed: &mut Typed, connection: usize, number: usize) -> Vec<u8> {
        match typed.line(connection, number, &|| Waker::noop().clone()) {
            Ok(Poll::Ready(Some(line))) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_kept_until_all_connections_have_sent_it() {
        let mut typed = Typed::new(2);
        typed.lines.extend([(b"a".to_vec(), 2), (b"b".to_vec(), 2)]);
        assert_eq!((ready(&mut typed, 0, 0), ready(&mut typed, 0, 1)), (b"a".to_vec(), b"b".to_vec()));
        assert_eq!(typed.lines.len(), 2);
        assert_eq!(ready(&mut typed, 1, 0), b"a");
        assert_eq!(typed.lines.len(), 1);
        assert_eq!(ready(&mut typed, 1, 1), b"b");
        assert!(typed.lines.is_empty());
    }

    #[test]
    fn a_session_that_asks_again_takes_no_more_memory() {
        let bell = Bell(Mutex::new(vec![None; 2]));
        let waker = Waker::from(Arc::new(Bell(Mutex::default())));
        for connection in [0, 1, 1, 1] {
            bell.set(connection, waker.clone());
        }
        assert_eq!(bell.places().capacity(), 2);
    }
}
