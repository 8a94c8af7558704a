//! Commands: the client names a program, and gets what it puts out.
//!
//! The text's server hands the name to a shell, whoever sends it. Here only the programs of a list run, each as the list
//! says it's to be run, and a name is nothing but the key to that list. The sessions don't start programs themselves: a
//! [`Runner`] does, in threads of its own, and wakes the session when there is something to [read](Running::read).

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

/// Bytes of the longest name.
pub const NAME_LEN_MAX: usize = 100;

/// A program that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What clients call it: at most [`NAME_LEN_MAX`] printable ASCII characters, without spaces.
    pub name: String,
    /// The file that is run.
    pub path: PathBuf,
    /// What it's given as arguments.
    pub args: Vec<String>,
}

/// What runs programs.
pub trait Runner: fmt::Debug + Send + Sync {
    /// Runs `program`, in a clean environment and without input, and wakes `waker` whenever there is something to
    /// [read](Running::read) where there was nothing before. It returns at once.
    ///
    /// # Errors
    /// If as many programs are running as may at once, or the system refuses what it takes to run one more. That the
    /// program itself can't be started may be told by the first read only.
    fn start(&self, program: &Program, waker: Waker) -> Result<Box<dyn Running>, StartError>;
}

/// A program that is running. When this is dropped, it's killed, and all that it has started with it.
pub trait Running: fmt::Debug + Send {
    /// Appends what the program has put out, up to `len_max` bytes, to `output`, or tells how it has ended once all that
    /// is taken; pending while there is neither. What is not taken is kept, up to a limit, at which the program has to
    /// wait.
    ///
    /// # Errors
    /// If it can't be run, or not be read from.
    fn read(&mut self, output: &mut Tail<'_>, len_max: usize) -> Poll<io::Result<News>>;
}

/// What there is to be read of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// So many bytes, one at least.
    Output(usize),
    /// It has ended, and nothing is left of it.
    Ended(ExitStatus),
}

/// Why a program was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// As many are running as may at once.
    TooMany,
    /// The system refuses.
    Refused(io::Error),
}

/// What ends a session other than the end of its program.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such name on the list.
    NotAllowed {
        /// The name, or the beginning of it.
        name: Vec<u8>,
        /// Whether there is more of the name.
        is_cut: bool,
        /// The names on the list, with commas.
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
        /// The limit, as people write it.
        after: String,
    },
    /// The client does not wait for the end.
    PeerClosed {
        /// The program's name.
        name: String,
    },
}

/// As the client is told, after `Error: `.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { name, is_cut, names } => {
                let more = if *is_cut { " and more" } else { "" };
                write!(f, "{}{more} is not one of: {names}", Escaped(name))
            }
            Self::TooMany => write!(f, "too many programs are running, try again later"),
            Self::CannotRun { name, error } => {
                write!(f, "cannot run {}: {}", Escaped(name.as_bytes()), reason(error))
            }
            Self::Ended { name, after } => write!(f, "{} was ended after {after}", Escaped(name.as_bytes())),
            Self::PeerClosed { name } => write!(f, "peer closed while {} was running", Escaped(name.as_bytes())),
        }
    }
}

impl Error for CommandError {}
