//! Sockets that listen already: another process has made them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketAddrAny, SocketType, getsockname, sockopt};

use crate::address::{Addr, UnixAddr};
use crate::selector::{self, SocketFile, SocketListener};

/// A socket that listens already, with its address.
#[derive(Clone, Debug)]
pub struct Bound {
    listener: Arc<SocketListener>,
    addr: Addr,
    /// Its name among the sockets of systemd.
    name: Option<String>,
}

impl Bound {
    /// Takes the socket `fd`. The file of a Unix socket stays when it's closed.
    ///
    /// # Errors
    /// If it isn't a listening socket of TCP or a stream socket of Unix, or the system refuses its options.
    pub fn new(fd: OwnedFd) -> io::Result<Bound> {
        Bound::with_file(fd, |_| None)
    }

    /// Takes the socket `fd` of the server before this one. The file of a Unix socket stays when the socket is closed, until
    /// [`Copies::keep_files`](super::Copies::keep_files) says otherwise.
    ///
    /// # Errors
    /// The same as [`new`](Self::new)'s.
    pub fn inherited(fd: OwnedFd) -> io::Result<Bound> {
        Bound::with_file(fd, |addr| {
            let file = SocketFile::new(addr.path()?).ok()?;
            file.stays(true);
            Some(file)
        })
    }

    /// The same socket with its name among those of systemd.
    #[must_use]
    pub fn named(self, name: String) -> Bound {
        Bound { name: Some(name), ..self }
    }

    fn with_file(fd: OwnedFd, file: impl FnOnce(UnixAddr) -> Option<SocketFile>) -> io::Result<Bound> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let name = getsockname(&fd)?;
        if sockopt::socket_type(&fd)? != SocketType::STREAM {
            return Err(invalid("not a stream socket"));
        }
        if !sockopt::socket_acceptconn(&fd)? {
            return Err(invalid("a socket that does not listen"));
        }
        let (listener, addr) = match name.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => {
                let addr = inet(name).ok_or_else(|| invalid("a socket without an address"))?;
                (selector::listener(fd.into())?, addr)
            }
            AddressFamily::UNIX => {
                let addr = unix(name)?;
                (selector::with_file(fd.into(), addr, file(addr))?, Addr::Unix(addr))
            }
            _ => return Err(invalid("neither a socket of TCP nor a Unix socket")),
        };
        Ok(Bound { listener: Arc::new(listener), addr, name: None })
    }

    /// Where it listens.
    pub fn addr(&self) -> Addr {
        self.addr
    }

    /// Its name among the sockets of systemd, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The socket itself, for one loop.
    ///
    /// # Errors
    /// If there is a clone of this value, and the system has no descriptors left for one of the socket.
    pub(crate) fn into_listener(self) -> io::Result<SocketListener> {
        Arc::try_unwrap(self.listener).or_else(|listener| listener.try_clone())
    }

    /// The sockets of one address, and as many copies as `workers` need. There may be more sockets than workers.
    pub(super) fn shared_by(sockets: Vec<Bound>, workers: usize) -> io::Result<Vec<SocketListener>> {
        let mut sockets = sockets.into_iter().map(Bound::into_listener).collect::<io::Result<Vec<_>>>()?;
        let few = sockets.len();
        for number in few..workers {
            sockets.push(sockets[number % few].try_clone()?);
        }
        Ok(sockets)
    }

    /// Sets whether the file of a Unix socket, if it has one, stays when the socket is closed.
    pub(super) fn keep_file(&self, stays: bool) {
        self.listener.keep_file(stays);
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn inet(name: SocketAddrAny) -> Option<Addr> {
    let addr: std::net::SocketAddr = name.try_into().ok()?;
    Some(addr.into())
}

fn unix(name: SocketAddrAny) -> io::Result<UnixAddr> {
    let name: rustix::net::SocketAddrUnix = name.try_into()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(path) = name.path_bytes() {
        return UnixAddr::new(&text(path));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(abstract_name) = name.abstract_name() {
        return UnixAddr::new(&format!("@{}", text(abstract_name)));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket without a name"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_listening_socket_has_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = Addr::Inet(listener.local_addr().unwrap());
        let bound = Bound::new(listener.into()).unwrap();
        assert_eq!(bound.addr(), addr);
        let _client = TcpStream::connect(addr).unwrap();
        bound.into_listener().unwrap().accept().unwrap();
    }

    #[test]
    fn the_file_of_a_unix_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let bound = Bound::new(UnixListener::bind(&path).unwrap().into()).unwrap();
        assert_eq!(bound.addr().to_string(), format!("unix:{}", path.display()));
        let _client = UnixStream::connect(&path).unwrap();
        drop(bound.into_listener().unwrap());
        assert!(path.exists());
    }

    #[test]
    fn workers_share_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut sockets = Bound::shared_by(vec![Bound::new(listener.into()).unwrap()], 2).unwrap();
        assert_eq!(sockets.len(), 2);
        let _client = TcpStream::connect(addr).unwrap();
        drop(sockets.remove(0));
        sockets[0].accept().unwrap();
    }

    #[test]
    fn what_does_not_listen_is_refused_with_the_reason() {
        let why = |fd: OwnedFd| Bound::new(fd).unwrap_err().to_string();
        let (stream, _other) = UnixStream::pair().unwrap();
        assert_eq!(why(stream.into()), "a socket that does not listen");
        assert_eq!(why(UdpSocket::bind("127.0.0.1:0").unwrap().into()), "not a stream socket");
        assert!(Bound::new(tempfile::tempfile().unwrap().into()).is_err());
    }
}
