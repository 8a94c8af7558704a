//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Failure;
use super::address::Address;
use crate::text::reason;

/// Listens on all that `address` stands for. Where it leaves the port open, all get the same.
pub fn listen(address: &Address, backlog: i32) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    let addresses = address.to_listen_on()?;
    for mut addr in addresses {
        if addr.port() == 0
            && let Some(first) = listeners.first()
        {
            addr.set_port(first.local_addr().map_err(|error| failure(addr, &error))?.port());
        }
        match listen_on(addr, backlog) {
            Ok(listener) => listeners.push(listener),
            // A name, or every interface, may stand for an IP version that this machine doesn't have.
            Err(error) if is_missing(&error) => missing = Some(failure(addr, &error)),
            Err(error) => return Err(failure(addr, &error)),
        }
    }
    match missing {
        Some(failure) if listeners.is_empty() => Err(failure),
        Some(failure) => {
            log::warn!("{failure}");
            Ok(listeners)
        }
        None => Ok(listeners),
    }
}

fn listen_on(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A server that is started again takes its port again, though old connections are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        // IPv4 has a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

fn is_missing(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn failure(addr: SocketAddr, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied if addr.port() < 1024 => " (ports below 1024 need privileges)",
        io::ErrorKind::AddrInUse => " (is a server running there already? port 0 picks a free one)",
        _ => "",
    };
    let why = match error.kind() {
        io::ErrorKind::AddrNotAvailable => "not an address of this machine".into(),
        _ => reason(error),
    };
    Failure::new(format!("cannot listen on {addr}: {why}{hint}"))
}
