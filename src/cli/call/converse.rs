//! Conversations with a server, and their failures.

use std::io;
use std::time::Duration;

use crate::address::Addr;
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::{send_proxy, trace};
use crate::client::{self, Conversation};
use crate::message::ProtocolError;
use crate::protocols::app::AppError;
use crate::session::proxied::Introducing;
use crate::session::{End, Session, SessionError};
use crate::text::reason;
use crate::trace::Log;

/// Runs one `session`, on a connection to the first of `addresses` that accepts it.
pub fn converse<T: Session>(addresses: &[Addr], session: T, timeout: Duration) -> Result<Conversation<T>, Failure> {
    let mut conversations = converse_all(addresses, [session], timeout)?;
    Ok(conversations.pop().expect("each session has its conversation"))
}

/// Runs `sessions`, each on a connection of its own.
pub fn converse_all<T: Session>(
    addresses: &[Addr],
    sessions: impl IntoIterator<Item = T>,
    timeout: Duration,
) -> Result<Vec<Conversation<T>>, Failure> {
    let sessions = sessions.into_iter().map(|session| Introducing::new(session, send_proxy::version()));
    let conversations = client::converse_with(addresses, sessions, timeout, (Log, trace::subscriber()))
        .map_err(|error| Failure::of_loop(&error))?;
    let without_header = |Conversation { peer, session, end }: Conversation<Introducing<T>>| Conversation {
        peer,
        session: session.into_inner(),
        end,
    };
    Ok(conversations.into_iter().map(without_header).collect())
}

/// Checks that all conversations with the server at `address` ended properly.
///
/// # Errors
/// The first failure, and the number of others.
pub fn check_all<T>(address: &Address, conversations: &[Conversation<T>]) -> Result<(), Failure> {
    let mut failed = conversations.iter().filter(|conversation| !matches!(conversation.end, End::Finished));
    let Some(first) = failed.next() else { return Ok(()) };
    let failure = failure_of(address, first);
    if conversations.len() == 1 || failure_on_our_side(first).is_some() {
        return Err(failure);
    }
    let (failed, all, number) = (1 + failed.count(), conversations.len(), first.peer);
    Err(Failure::new(format!("{failed} of {all} connections failed, the first being {number}: {failure}")))
}

/// Why a conversation with the server at `address` did not end properly.
pub fn failure_of<T>(address: &Address, conversation: &Conversation<T>) -> Failure {
    if let Some(ours) = failure_on_our_side(conversation) {
        return ours.clone();
    }
    let addr = conversation.peer.addr;
    match &conversation.end {
        End::ConnectFailed(error) => address.cannot_connect(addr, &reason(error), error.kind()),
        end @ End::ConnectTimedOut(_) => address.cannot_connect(addr, &end.to_string(), io::ErrorKind::TimedOut),
        End::Failed(error) if is_malformed(error) => {
            Failure::new(format!("the conversation with {addr} failed: malformed reply: {error}"))
        }
        end => Failure::new(format!("the conversation with {addr} failed: {end}")),
    }
}

/// The failure of the session itself that ended the conversation, such as a failure to write to standard output.
fn failure_on_our_side<T>(conversation: &Conversation<T>) -> Option<&Failure> {
    match &conversation.end {
        End::Failed(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Whether a reply is malformed, rather than too long for us.
fn is_malformed(error: &SessionError) -> bool {
    match error.downcast_ref() {
        Some(AppError::Protocol(error)) => !matches!(error, ProtocolError::ContentTooLong { .. }),
        Some(_) | None => false,
    }
}
