//! The connections that we open.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;

use super::Reactor;
use super::id::ConnectionId;
use crate::address::Addr;
use crate::connection::{Connecting, Connection, Share};
use crate::selector::Selector;
use crate::session::{Connect, End, Peer, Service};
use crate::trace::{Event, Subscriber};

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Opens a connection to the first of `addresses` that accepts, and runs `session` on it. Returns its number, from
    /// 1.
    ///
    /// Every failure is reported by [`Service::ended`], even an immediate one, such as an empty list of addresses.
    pub fn connect<A: Copy + Into<Addr>>(&mut self, addresses: &[A], session: V::Session) -> u32 {
        // Much time may have passed since the last turn, or before the first, such as for looking up the addresses.
        self.now = self.selector.now();
        self.opened += 1;
        self.begun += 1;
        let mut others: VecDeque<Addr> = addresses.iter().map(|&addr| addr.into()).collect();
        match others.pop_front() {
            Some(addr) => self.open(Peer::opened(addr, self.opened), others, session),
            None => {
                let peer = Peer::opened(Addr::from((Ipv4Addr::UNSPECIFIED, 0)), self.opened);
                let error = io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to");
                let number = self.slots.next_number();
                self.tell_end(session, number, &peer, End::ConnectFailed(error));
            }
        }
        self.opened
    }

    /// Opens the connections that the service requests.
    pub(super) fn open_what_is_wanted(&mut self) {
        if !self.opens_connections {
            return;
        }
        while let Some(Connect { addresses, session }) = self.service.next_connect() {
            self.connect(&addresses, session);
        }
    }

    /// Begins to open a connection. If that fails at once, tries the next address, until an attempt has begun or no
    /// address is left.
    fn open(&mut self, mut peer: Peer, mut others: VecDeque<Addr>, session: V::Session) {
        let number = self.slots.next_number();
        loop {
            self.trace.of(number).emit(&peer, Event::Opening);
            match self.selector.connect(peer.addr) {
                Ok(stream) => {
                    let until = self.now + self.config.connection.connect_timeout;
                    let connection = Connection::opening(stream, session, peer, Connecting { until, others });
                    let id = self.slots.insert(connection, None, number);
                    self.run_connection(id, Share::FIRST);
                    return;
                }
                Err(error) => {
                    let Some(next) = others.pop_front() else {
                        return self.tell_end(session, number, &peer, End::ConnectFailed(error));
                    };
                    let why = &crate::text::reason(&error);
                    self.trace.of(number).emit(&peer, Event::CannotConnect { addr: peer.addr, why });
                    peer.addr = next;
                }
            }
        }
    }

    pub(super) fn try_next_address(&mut self, id: ConnectionId, mut others: VecDeque<Addr>, end: End) {
        let Some(addr) = others.pop_front() else { return self.close(id, end) };
        let Some(slot) = self.slots.remove(id) else { return };
        let (token, connection) = (id.token(), slot.connection);
        let failed = Event::CannotConnect { addr: connection.peer.addr, why: &end.to_string() };
        self.trace.of(id.generation()).emit(&connection.peer, failed);
        let (session, peer) = (connection.session, Peer { addr, ..connection.peer });
        self.selector.close(connection.stream, token);
        self.open(peer, others, session);
    }
}
