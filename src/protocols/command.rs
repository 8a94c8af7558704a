//! Commands: the client names a program and gets its output.
//!
//! The text's server passes any client's name to a shell. Here, only programs on a list run, each as the list says, and
//! a name is only a key to that list. Sessions don't start programs themselves: a [`Runner`] does, in its own threads,
//! and wakes the session when there is something to [read](Running::read).

mod client;
mod server;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::task::{Poll, Waker};

use crate::buffer::Tail;
use crate::text::{Escaped, reason};
pub use client::CommandClient;
pub use server::{CommandServer, CommandService, Limits};

/// The text's port.
pub const PORT: u16 = 8888;

/// Maximum length of a name in bytes.
pub const NAME_LEN_MAX: usize = 100;

/// A program that clients may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name for clients: at most [`NAME_LEN_MAX`] printable ASCII characters, without spaces.
    pub name: String,
    /// The file to run.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A runner of programs.
pub trait Runner: fmt::Debug + Send + Sync {
    /// Runs `program`, in a clean environment and without input, and wakes `waker` whenever there is something to
    /// [read](Running::read) after there was nothing. Returns at once.
    ///
    /// # Errors
    /// If the maximum number of programs is running, or the system refuses the resources for one more. If the program
    /// itself can't be started, the error may only appear in the first read.
    fn start(&self, program: &Program, waker: Waker) -> Result<Box<dyn Running>, StartError>;
}

/// A running program. When this is dropped, the program is killed, with all its children in its process group.
pub trait Running: fmt::Debug + Send {
    /// Appends the program's output, at most `len_max` bytes, to `output`. Once all output is taken, returns the
    /// program's exit status; pending while there is neither. Output that is not taken is kept, up to a limit; then the
    /// program has to wait.
    ///
    /// # Errors
    /// If it can't be run, or its output can't be read.
    fn read(&mut self, output: &mut Tail<'_>, len_max: usize) -> Poll<io::Result<News>>;
}

/// The result of reading from a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// This number of bytes, at least one.
    Output(usize),
    /// It has ended, and all its output has been read.
    Ended(ExitStatus),
}

/// Why a program was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The maximum number of programs is running.
    TooMany,
    /// The system refuses.
    Refused(io::Error),
}

/// An error that ends a session, other than its program's own.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandError {
    /// The name is not on the list.
    NotAllowed {
        /// The name, or its beginning.
        name: Vec<u8>,
        /// Whether the name is cut short.
        is_cut: bool,
        /// The names on the list, separated by commas.
        names: String,
    },
    /// Too many programs are running.
    TooMany,
    /// The program can't be run.
    CannotRun {
        /// Its name.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// A limit was reached.
    Ended {
        /// The program's name.
        name: String,
        /// The limit in a readable form.
        after: String,
    },
    /// The client closed before the program ended.
    PeerClosed {
        /// The program's name.
        name: String,
    },
}

/// The text that the client gets after `Error: `.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { name, is_cut, names } => {
                let more = if *is_cut { " and more" } else { "" };
                write!(f, "{:#}{more} is not one of: {names}", Escaped(name))
            }
            Self::TooMany => write!(f, "too many programs are running, try again later"),
            Self::CannotRun { name, error } => {
                write!(f, "cannot run {:#}: {}", Escaped(name.as_bytes()), reason(error))
            }
            Self::Ended { name, after } => write!(f, "{:#} was ended after {after}", Escaped(name.as_bytes())),
            Self::PeerClosed { name } => write!(f, "peer closed while {:#} was running", Escaped(name.as_bytes())),
        }
    }
}

impl Error for CommandError {}
