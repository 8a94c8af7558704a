//! Clients: the same reactor, with outgoing connections.

use std::io;
use std::time::Duration;

use crate::address::Addr;
use crate::connection;
use crate::reactor::Reactor;
use crate::selector::MioSelector;
use crate::session::{End, Peer, Service, Session};
use crate::trace::{Log, Subscriber};

/// The outcome of one connection.
#[derive(Debug)]
pub struct Conversation<T> {
    /// The server, and the number of the connection.
    pub peer: Peer,
    /// The session, with its results.
    pub session: T,
    /// How it ended.
    pub end: End,
}

/// Runs `sessions`, each on a connection of its own, until all have ended. The connections are opened at once, each to
/// the first of `addresses` that accepts it. The conversations are in the order of the sessions.
///
/// `timeout` limits how long each connection may take to open, and how long a server may accept no data. The sessions
/// have their own timeouts for replies.
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
/// use std::time::Duration;
///
/// use multiconn::client::converse;
/// use multiconn::protocols::echo::{EchoClient, EchoService};
/// use multiconn::reactor::{Config, Reactor};
/// use multiconn::selector::MioSelector;
/// use multiconn::session::End;
///
/// # fn main() -> std::io::Result<()> {
/// let mut server = Reactor::new(MioSelector::new()?, EchoService::default(), Config::default());
/// let addresses = server.listen("127.0.0.1:0")?;
/// let handle = server.handle();
/// let running = thread::spawn(move || server.run());
///
/// let timeout = Duration::from_secs(5);
/// let messages: Arc<[Vec<u8>]> = Arc::new([b"one".to_vec(), b"two".to_vec()]);
/// let clients = [1, 2, 3].map(|_| EchoClient::new(Arc::clone(&messages), timeout));
/// for conversation in converse(&addresses, clients, timeout)? {
///     assert!(matches!(conversation.end, End::Finished), "{}: {}", conversation.peer, conversation.end);
///     assert_eq!(conversation.session.received(), 6);
/// }
/// # handle.stop();
/// # running.join().expect("no panic")
/// # }
/// ```
///
/// # Errors
/// If the event loop can't be set up or fails. The errors of a connection are in its conversation.
pub fn converse<T: Session>(
    addresses: &[impl Copy + Into<Addr>],
    sessions: impl IntoIterator<Item = T>,
    timeout: Duration,
) -> io::Result<Vec<Conversation<T>>> {
    converse_with(addresses, sessions, timeout, Log)
}

/// Like [`converse`], with a subscriber to everything that happens.
///
/// # Errors
/// The same as those of [`converse`].
pub fn converse_with<T: Session>(
    addresses: &[impl Copy + Into<Addr>],
    sessions: impl IntoIterator<Item = T>,
    timeout: Duration,
    subscriber: impl Subscriber,
) -> io::Result<Vec<Conversation<T>>> {
    let config = connection::Config {
        connect_timeout: timeout,
        write_timeout: timeout,
        // A client's session knows best how much it has asked for.
        input_len_max: usize::MAX,
        idle_timeout: NEVER,
        ..connection::Config::default()
    };
    let mut reactor = Reactor::with_subscriber(MioSelector::new()?, Ended(Vec::new()), config, subscriber);
    for session in sessions {
        reactor.connect(addresses, session);
    }
    reactor.run()?;
    let Ended(mut conversations) = reactor.into_service();
    conversations.sort_by_key(|conversation| conversation.peer.number());
    Ok(conversations)
}

/// Connects to `addr`, for reads and writes that wait. What is sent over TCP goes out at once.
///
/// # Errors
/// If it fails, or has no answer for `timeout`; see connect(2).
#[cfg(feature = "cli")]
pub(crate) fn connect(addr: Addr, timeout: Duration) -> io::Result<socket2::Socket> {
    match addr {
        Addr::Inet(addr) => {
            let stream = std::net::TcpStream::connect_timeout(&addr, timeout)?;
            crate::selector::not_to_itself(stream.local_addr(), stream.peer_addr())?;
            stream.set_nodelay(true)?;
            Ok(stream.into())
        }
        Addr::Unix(addr) => {
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
            // It waits only while the backlog is full; unix(7).
            socket.set_write_timeout(Some(timeout))?;
            socket.connect(&socket2::SockAddr::unix(&*addr.raw_name())?).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => error,
            })?;
            socket.set_write_timeout(None)?;
            Ok(socket)
        }
    }
}

/// A timeout that never passes: a year.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The conversations that have ended.
struct Ended<T>(Vec<Conversation<T>>);

impl<T: Session> Service for Ended<T> {
    type Session = T;

    fn accept(&mut self, _peer: &Peer) -> T {
        unreachable!("a client listens on nothing")
    }

    fn ended(&mut self, session: T, peer: &Peer, end: End) {
        self.0.push(Conversation { peer: *peer, session, end });
    }
}
