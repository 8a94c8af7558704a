//! Listening sockets.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::bound::Bound;
use super::inherited::Inherited;
use super::{ServeError, unix};
use crate::address::{Addr, UnixAddr};
use crate::selector::{self, SocketListener};
use crate::text::reason;

/// An address with its listening sockets.
#[derive(Debug)]
pub(crate) struct Listening {
    /// With the actual port, if port 0 was requested.
    pub addr: Addr,
    /// One socket for each worker, or more from a server before this one; the system spreads the connections among them.
    /// Those of a Unix socket are the same one: a connection goes to the worker that is first to accept it.
    pub sockets: Vec<SocketListener>,
    /// The number of different sockets. They come first, and the others are copies of them.
    pub different: usize,
}

/// Options for the sockets.
pub(crate) struct Sockets<'a> {
    pub backlog: i32,
    /// The number of sockets for each address: one per worker.
    pub workers: usize,
    /// Set on the listener; accepted sockets inherit it.
    pub congestion_control: Option<&'a str>,
    /// The mode of a Unix socket's file, instead of what the process's umask allows.
    pub mode: Option<u32>,
}

/// Listens on all `addresses` of a name, on the `inherited` sockets as far as they fit. If the addresses' port is 0, all
/// get the same port.
pub(crate) fn listen(
    addresses: &[Addr],
    sockets: &Sockets<'_>,
    inherited: &mut Inherited,
) -> Result<Vec<Listening>, ServeError> {
    let mut listening: Vec<Listening> = Vec::new();
    let mut missing = None;
    for &addr in addresses {
        let first = listening.first().and_then(|first| first.addr.inet());
        let addr = with_port_of(first, addr);
        let bound = match (inherited.take(addr), addr) {
            (Some((taken, addr)), _) => {
                let different = taken.len();
                Bound::shared_by(taken, sockets.workers).map(|sockets| Listening { addr, sockets, different })
            }
            (None, Addr::Inet(addr)) => listen_on(addr, sockets),
            (None, Addr::Unix(addr)) => listen_on_unix(addr, sockets),
        };
        match bound {
            Ok(bound) => listening.push(bound),
            // A name, or every interface, may include an IP version that this machine lacks.
            Err(error) if addr.inet().is_some() && is_missing(&error) => {
                missing = Some(ServeError::Listen { addr, error });
            }
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

/// The backlog of a page's listener: browsers open a few connections at once.
#[cfg(feature = "cli")]
const PAGE_BACKLOG: i32 = 128;

/// Listens on all `addresses` of a name for one loop that serves a page, on the `inherited` sockets as far as they fit, and
/// returns each socket with its address. The file of a Unix socket has this `mode`.
#[cfg(feature = "cli")]
pub(crate) fn listen_alone(
    addresses: &[Addr],
    mode: Option<u32>,
    inherited: &mut Inherited,
) -> Result<Vec<(SocketListener, Addr)>, ServeError> {
    let sockets = Sockets { backlog: PAGE_BACKLOG, workers: 1, congestion_control: None, mode };
    let listening = listen(addresses, &sockets, inherited)?.into_iter();
    Ok(listening
        .flat_map(|Listening { addr, sockets, .. }| sockets.into_iter().map(move |socket| (socket, addr)))
        .collect())
}

/// `addr`, with the port of the `first` address of its name if it may have any.
fn with_port_of(first: Option<SocketAddr>, mut addr: Addr) -> Addr {
    if let (Addr::Inet(addr), Some(first)) = (&mut addr, first)
        && addr.port() == 0
    {
        addr.set_port(first.port());
    }
    addr
}

fn listen_on(mut addr: SocketAddr, like: &Sockets<'_>) -> io::Result<Listening> {
    let workers = like.workers;
    if workers > 1 && addr.port() != 0 {
        // Sockets that share their port would also share it with any other server of the same user. Binding one that
        // doesn't share finds out whether there is such a server.
        drop(bound(addr, false)?);
    }
    let mut sockets = Vec::new();
    for _ in 0..workers {
        let socket = bound(addr, workers > 1)?;
        if let Some(name) = like.congestion_control {
            set_congestion_control(&socket, name)?;
        }
        socket.listen(like.backlog)?;
        let socket = std::net::TcpListener::from(socket);
        addr = socket.local_addr()?;
        sockets.push(selector::listener(socket)?);
    }
    Ok(Listening { addr: addr.into(), different: sockets.len(), sockets })
}

fn listen_on_unix(addr: UnixAddr, like: &Sockets<'_>) -> io::Result<Listening> {
    let mut sockets = vec![unix::listen_on(addr, like.backlog, like.mode)?];
    for _ in 1..like.workers {
        sockets.push(sockets[0].try_clone()?);
    }
    Ok(Listening { addr: Addr::Unix(addr), sockets, different: 1 })
}

fn bound(addr: SocketAddr, shares_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server can reuse its port although old connections are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if shares_port {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        // IPv4 has its own listener.
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(addr))?;
    Ok(socket)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn set_congestion_control(socket: &Socket, name: &str) -> io::Result<()> {
    socket.set_tcp_congestion(name.as_bytes()).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "this system has none of that name".into(),
            io::ErrorKind::PermissionDenied => "it needs privileges here".into(),
            _ => reason(&error),
        };
        io::Error::other(format!("congestion control '{name}': {why}"))
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn set_congestion_control(_socket: &Socket, name: &str) -> io::Result<()> {
    Err(io::Error::other(format!("congestion control '{name}': this system has only one")))
}

fn is_missing(error: &io::Error) -> bool {
    // AFNOSUPPORT has no `ErrorKind` of its own.
    error.kind() == io::ErrorKind::AddrNotAvailable || Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::Ipv4Addr;

    use socket2::SockRef;

    use super::*;

    fn listen_with(congestion_control: &str) -> Result<Vec<Listening>, ServeError> {
        let addr = Addr::from((Ipv4Addr::LOCALHOST, 0));
        let congestion_control = Some(congestion_control);
        let sockets = Sockets { backlog: 1, workers: 1, congestion_control, mode: None };
        listen(&[addr], &sockets, &mut Inherited::default())
    }

    #[test]
    fn connections_have_the_congestion_control_of_their_listener() {
        // Every Linux has reno.
        let listening = listen_with("reno").unwrap();
        let _client = std::net::TcpStream::connect(listening[0].addr).unwrap();
        let (accepted, _) = listening[0].sockets[0].accept().unwrap();
        let name = SockRef::from(&accepted).tcp_congestion().unwrap();
        assert_eq!(name.split(|&byte| byte == 0).next(), Some(&b"reno"[..]));
    }

    #[test]
    fn one_that_there_is_not_is_told() {
        let error = listen_with("pigeon").unwrap_err().to_string();
        assert!(error.ends_with("congestion control 'pigeon': this system has none of that name"), "{error}");
    }
}
