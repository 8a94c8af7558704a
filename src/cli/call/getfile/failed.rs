//! Why a file was not received, and which part of the request that concerns.

use crate::address::Addr;
use crate::cli::address::Address;
use crate::cli::call::converse::failure_of;
use crate::cli::failure::Failure;
use crate::client::Conversation;
use crate::protocols::getfile::GetFileError;
use crate::session::End;
use crate::text::printable;

/// A part of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The server's name or address.
    Server,
    /// Its port.
    Port,
    /// The file's path on the server.
    File,
    /// The local folder.
    Folder,
}

impl Field {
    /// Its name in the form.
    pub fn name(self) -> &'static str {
        match self {
            Field::Server => "server",
            Field::Port => "port",
            Field::File => "file",
            Field::Folder => "folder",
        }
    }
}

/// A failure.
#[derive(Debug)]
pub struct Failed {
    /// The failure in words.
    pub failure: Failure,
    /// The part of the request that it concerns.
    pub field: Field,
    /// A hint about the bytes that were kept.
    pub hint: &'static str,
}

/// Returns why a `conversation` with the server at `address` has failed to bring the file `path`, which is stored under
/// `name`. Returns `None` if it has succeeded.
pub fn why<T>(
    conversation: &Conversation<T>,
    address: &Address,
    path: &[u8],
    name: &str,
    is_plain: bool,
) -> Option<Failed> {
    let error = match &conversation.end {
        End::Finished => return None,
        End::Failed(error) => error.downcast_ref::<GetFileError>(),
        _ => None,
    };
    let (failure, field) = match error {
        Some(GetFileError::Store(error)) => (Failure::of_writing(name, error), Field::Folder),
        Some(error) => (of_transfer(path, conversation.peer.addr, error), concerned(error)),
        None => (failure_of(address, conversation), Field::Server),
    };
    let hint = match error {
        // Resuming is impossible: for example, the server's file has become shorter.
        Some(GetFileError::Refused(_) | GetFileError::NotAStatus(_)) => "; without --resume it starts over",
        _ if is_plain => "",
        _ => "; --resume goes on from there",
    };
    Some(Failed { failure, field, hint })
}

fn of_transfer(path: &[u8], addr: Addr, error: &GetFileError) -> Failure {
    Failure::new(format!("getting '{}' from {addr} failed: {error}", printable(path)))
}

fn concerned(error: &GetFileError) -> Field {
    match error {
        GetFileError::Refused(_) | GetFileError::Nothing => Field::File,
        GetFileError::Store(_) => Field::Folder,
        _ => Field::Server,
    }
}
