//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::ServeError;

/// An address that is listened on.
#[derive(Debug)]
pub(crate) struct Listening {
    /// With its port, if that was left open.
    pub addr: SocketAddr,
    /// A socket for each worker, among which the system spreads the connections.
    pub sockets: Vec<TcpListener>,
}

/// Listens on all `addresses` of a name, for so many `workers`. Where they leave the port open, all get the same.
pub(crate) fn listen(addresses: &[SocketAddr], backlog: i32, workers: usize) -> Result<Vec<Listening>, ServeError> {
    let mut listening: Vec<Listening> = Vec::new();
    let mut missing = None;
    for mut addr in addresses.iter().copied() {
        if addr.port() == 0
            && let Some(first) = listening.first()
        {
            addr.set_port(first.addr.port());
        }
        match listen_on(addr, backlog, workers) {
            Ok(bound) => listening.push(bound),
            // A name, or every interface, may stand for an IP version that this machine doesn't have.
            Err(error) if is_missing(&error) => missing = Some(ServeError::Listen { addr, error }),
            Err(error) => return Err(ServeError::Listen { addr, error }),
        }
    }
    match missing {
        Some(failure) if listening.is_empty() => Err(failure),
        Some(failure) => {
            log::warn!("{failure}");
            Ok(listening)
        }
        None => Ok(listening),
    }
}

fn listen_on(mut addr: SocketAddr, backlog: i32, workers: usize) -> io::Result<Listening> {
    if workers > 1 && addr.port() != 0 {
        // Sockets that share their port share it with those of any other server of the same user. That one is there is
        // found out by one that does not share.
        drop(bound(addr, false)?);
    }
    let mut sockets = Vec::new();
    for _ in 0..workers {
        let socket = bound(addr, workers > 1)?;
        socket.listen(backlog)?;
        let socket = TcpListener::from(socket);
        addr = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(Listening { addr, sockets })
}

fn bound(addr: SocketAddr, shares_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A server that is started again takes its port again, though old connections are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if shares_port {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        // IPv4 has a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(addr))?;
    Ok(socket)
}

fn is_missing(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}
