//! The thread at the control socket. It tells the server before this one that this one is ready, and then waits for the
//! server after it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Takeover;
use super::wire::{Conversation, Line, Trouble};
use crate::address::{Addr, UnixAddr};
use crate::cli::failure::Failure;
use crate::cli::systemd;
use crate::models::{self, Copies, Inherited, ServeError, Server, Sockets};
use crate::reactor::Handle;
use crate::selector::{SocketListener, WakeFd};
use crate::sys::{self, PollFd};
use crate::text::reason;

/// The mode of the file: only the same user can connect.
const MODE: u32 = 0o600;
const BACKLOG: i32 = 8;
/// How long a caller may take to say its first line, and to receive the sockets.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the server after this one may take to start. It may have a dictionary to read.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How long the server before this one may take to answer once this one is ready.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// The time from the end of accepting to the stop. A client that has just connected can still send its request in that
/// time.
const GRACE: Duration = Duration::from_secs(1);
/// The interval between checks whether all loops turn.
const START_CHECK: Duration = Duration::from_millis(1);

/// Listens on the control socket of a first server.
pub(super) fn listen(addr: UnixAddr) -> Result<SocketListener, ServeError> {
    let sockets = Sockets { backlog: BACKLOG, workers: 1, congestion_control: None, mode: Some(MODE) };
    let mut listening = models::listen(&[Addr::Unix(addr)], &sockets, &mut Inherited::default())?;
    Ok(listening.remove(0).sockets.remove(0))
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Control {
    copies: Copies,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Takeover {
    /// Starts the thread for `server`, which is about to run, with the handle of the loop `beside` it if there is one.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(self, server: &Server<'_>, beside: Option<Handle>) -> io::Result<Control> {
        let copies = self.copies.clone();
        let keeper = Keeper {
            copies: self.copies,
            closed: self.closed,
            control: self.control,
            protocol: self.protocol,
            handle: server.handle().clone(),
            loops: server.loops().to_vec(),
            beside,
        };
        let conversation = self.conversation;
        let work = move || keeper.work(conversation);
        let thread = thread::Builder::new().name("takeover".to_owned()).spawn(work)?;
        Ok(Control { copies, thread: Some(thread) })
    }
}

impl Control {
    /// Ends the thread, once the server has ended.
    ///
    /// # Errors
    /// If it has stopped the server, since the server before it goes on.
    pub fn end(mut self) -> Result<(), Failure> {
        self.join()
    }

    fn join(&mut self) -> Result<(), Failure> {
        self.copies.close();
        // It can't panic.
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The server has failed, and says so.
        let _ = self.join();
    }
}

/// The thread's state.
struct Keeper {
    copies: Copies,
    /// Readable once the copies are closed.
    closed: WakeFd,
    control: Arc<SocketListener>,
    protocol: String,
    handle: Handle,
    loops: Vec<Handle>,
    beside: Option<Handle>,
}

impl Keeper {
    fn work(self, before: Option<Conversation>) -> Result<(), Failure> {
        if let Some(before) = before {
            match self.succeed(before) {
                Ok(()) => {}
                Err(Trouble::Stopped) => return Ok(()),
                Err(Trouble::Late) => {
                    self.copies.keep_files(true);
                    self.handle.stop();
                    return Err(Failure::new(format!("cannot take over: {}", Trouble::Late)));
                }
                Err(trouble) => {
                    self.copies.without_fork(|| {
                        log::warn!("The server before this one has not said that it ends: {trouble}");
                    });
                }
            }
        }
        // Even if the other server has ended without a word, the files are this one's now.
        self.copies.keep_files(false);
        self.copies.close_unwanted();
        while let Ok(stream) = self.next_caller() {
            match self.pass_on(stream) {
                Ok(after) => {
                    self.leave(after);
                    break;
                }
                Err(Trouble::Stopped) => break,
                Err(trouble) => {
                    self.copies.keep_files(false);
                    self.copies.without_fork(|| log::warn!("No server takes over: {trouble}; this one goes on"));
                }
            }
        }
        Ok(())
    }

    /// Tells the server before this one that all loops run, and waits until it has accepted its last connection.
    fn succeed(&self, mut before: Conversation) -> Result<(), Trouble> {
        self.loops.iter().for_each(Handle::ask);
        while !self.loops.iter().all(Handle::has_answered) {
            self.wait(&mut [PollFd::new(&self.closed, true, false)], Some(START_CHECK))?;
        }
        before.allow(ANSWERS_WITHIN);
        let said = self.copies.own_files_after(|| before.say(&Line::Ready, None, &self.closed));
        match said {
            Err(Trouble::Stopped) => said,
            // If the other server has given up, it has said so.
            Ok(()) | Err(_) => match before.hear(&self.closed)?.0 {
                Line::Late => Err(Trouble::Late),
                Line::Done => Ok(()),
                other => Err(Trouble::Garbage(other.to_string().into_bytes())),
            },
        }
    }

    /// Waits for a process that connects to the control socket.
    fn next_caller(&self) -> Result<UnixStream, Trouble> {
        loop {
            self.wait(&mut [PollFd::new(&self.closed, true, false), PollFd::new(&*self.control, true, false)], None)?;
            match self.control.accept() {
                Ok((stream, _)) => return Ok(OwnedFd::from(stream).into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.copies.without_fork(|| log::warn!("Cannot be taken over from: {}", reason(&error)));
                    self.wait(&mut [PollFd::new(&self.closed, true, false)], Some(PATIENCE))?;
                }
            }
        }
    }

    /// Passes the sockets on, and waits until the other server is ready.
    fn pass_on(&self, stream: UnixStream) -> Result<Conversation, Trouble> {
        let mut after = Conversation::new(stream, PATIENCE)?;
        after.check_user()?;
        let heard = after.hear(&self.closed)?;
        // Another version learns the reason from this line.
        after.say(&Line::hello(&self.protocol), None, &self.closed)?;
        heard.0.check(&self.protocol)?;
        // From now on, the other server may have the sockets as well, even if this one is stopped.
        self.copies.keep_files(true);
        for (kind, socket) in self.copies.all() {
            after.say(&Line::Socket(kind), Some(socket.as_fd()), &self.closed)?;
        }
        after.say(&Line::End, None, &self.closed)?;
        after.allow(STARTS_WITHIN);
        let heard = after.hear_only(&Line::Ready, &self.closed);
        if let Err(Trouble::Silent) = heard {
            after.allow(PATIENCE);
            after.say(&Line::Late, None, &self.closed)?;
        }
        heard.map(|()| after)
    }

    /// Leaves all new connections to the other server, and stops this one.
    fn leave(self, mut after: Conversation) {
        let peer = after.peer();
        let by = peer.map_or("Another process".to_owned(), |id| format!("Process {id}"));
        self.copies.without_fork(|| log::info!("{by} takes over; this one finishes its connections"));
        self.copies.close();
        // The next wake-up says that the server has ended.
        self.closed.take();
        self.handle.stop_accepting();
        self.beside.iter().for_each(Handle::stop_accepting);
        drop(self.control);
        systemd::hand_over(peer);
        // If the other server has ended meanwhile, it's too late to go on here.
        let _ = after.say(&Line::Done, None, &self.closed);
        let mut ended = [PollFd::new(&self.closed, true, false)];
        // The server ends earlier if its last connection does.
        let _ = sys::poll(&mut ended, Some(GRACE));
        self.handle.stop();
    }

    /// Waits until one of `fds` is ready. The first is `closed`.
    fn wait(&self, fds: &mut [PollFd], timeout: Option<Duration>) -> Result<(), Trouble> {
        match sys::poll(fds, timeout) {
            Ok(_) if fds[0].is_ready() => Err(Trouble::Stopped),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
