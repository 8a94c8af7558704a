//! The sockets of the real selectors: mio's non-blocking ones, over TCP or of a Unix socket, whichever selector watches
//! them.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, writev};
use rustix::net::{
    RecvFlags, SendFlags, Shutdown, SocketAddrAny, getpeername, getsockname, recv, send, shutdown, sockopt,
};

#[cfg(all(feature = "models", target_os = "linux"))]
use super::Queues;
#[cfg(any(target_os = "linux", target_os = "android"))]
use super::copy_file;
use super::socket_file::SocketFile;
use super::{Listener, Stream};
use crate::address::{Addr, UnixAddr};
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::buffer::Contents;

/// A connection, over TCP or of a Unix socket. The system calls are the same for both, but that the options of TCP fail on
/// a Unix socket, so it's no more than a descriptor.
#[derive(Debug)]
pub struct SocketStream(OwnedFd);

/// A listening socket.
#[derive(Debug)]
pub enum SocketListener {
    /// For TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(NamedListener),
}

/// A listening Unix socket, with its name.
#[derive(Debug)]
pub struct NamedListener {
    /// Its file, if it's to be removed with the last of the sockets that share it. It is first here, and so dropped while
    /// the socket is open.
    file: Option<Arc<SocketFile>>,
    socket: UnixListener,
    addr: UnixAddr,
}

/// Prepares a bound and listening socket for a real selector.
///
/// # Errors
/// If the system refuses its options.
pub fn listener(listener: std::net::TcpListener) -> io::Result<SocketListener> {
    listener.set_nonblocking(true)?;
    // Replies must go out at once. On Linux, accepted sockets inherit TCP_NODELAY, which saves a call for each; std
    // sets it only on streams, so the listener is treated as one.
    let options = std::net::TcpStream::from(OwnedFd::from(listener));
    options.set_nodelay(true)?;
    Ok(SocketListener::Tcp(TcpListener::from_std(OwnedFd::from(options).into())))
}

/// Prepares a Unix socket that listens under the name `addr` for a real selector. Its file, if it has one, is not
/// removed.
///
/// # Errors
/// If the system refuses its options.
pub fn unix_listener(listener: StdUnixListener, addr: UnixAddr) -> io::Result<SocketListener> {
    with_file(listener, addr, None)
}

/// Like [`unix_listener`], with a file that is removed when the socket is closed.
pub(crate) fn with_file(
    listener: StdUnixListener,
    addr: UnixAddr,
    file: Option<SocketFile>,
) -> io::Result<SocketListener> {
    listener.set_nonblocking(true)?;
    let file = file.map(Arc::new);
    Ok(SocketListener::Unix(NamedListener { file, socket: UnixListener::from_std(listener), addr }))
}

impl SocketListener {
    /// Accepts a connection, if one waits.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; otherwise see accept(2).
    pub fn accept(&self) -> io::Result<(SocketStream, Addr)> {
        match self {
            SocketListener::Tcp(listener) => {
                let (stream, addr) = listener.accept()?;
                // On Linux, an accepted socket inherits this from its listener.
                #[cfg(not(target_os = "linux"))]
                stream.set_nodelay(true)?;
                Ok((stream.into(), canonical(addr).into()))
            }
            SocketListener::Unix(listener) => {
                let (stream, _) = listener.socket.accept()?;
                Ok((stream.into(), Addr::Unix(listener.addr.peer(next_peer()))))
            }
        }
    }

    /// Sets whether the file of a Unix socket, if it has one, stays when the socket is closed.
    #[cfg_attr(not(feature = "models"), expect(dead_code, reason = "only the models pass sockets on"))]
    pub(crate) fn keep_file(&self, stays: bool) {
        if let SocketListener::Unix(NamedListener { file: Some(file), .. }) = self {
            file.stays(stays);
        }
    }

    /// The same socket, for another thread: each connection goes to one of those that wait for it.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn try_clone(&self) -> io::Result<SocketListener> {
        let fd = self.as_fd().try_clone_to_owned()?;
        Ok(match self {
            SocketListener::Tcp(_) => SocketListener::Tcp(TcpListener::from_std(fd.into())),
            SocketListener::Unix(NamedListener { file, addr, .. }) => {
                let socket = UnixListener::from_std(fd.into());
                SocketListener::Unix(NamedListener { file: file.clone(), socket, addr: *addr })
            }
        })
    }
}

/// `addr`, as an IPv4 address if it's one that is mapped into IPv6: a socket that another process has made may be for both.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip if ip != addr.ip() => SocketAddr::new(ip, addr.port()),
        _ => addr,
    }
}

/// The number of the next peer of a Unix socket in this process.
fn next_peer() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    // 0 would be the socket itself.
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
}

impl SocketStream {
    /// Begins to open a connection to `addr`.
    ///
    /// # Errors
    /// If it fails at once; see connect(2). A Unix socket always answers at once, with `WouldBlock` if its backlog is
    /// full.
    pub fn connect(addr: Addr) -> io::Result<SocketStream> {
        match addr {
            Addr::Inet(addr) => {
                let stream = TcpStream::connect(addr)?;
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
            Addr::Unix(addr) => match UnixStream::connect_addr(&addr.to_system()?) {
                Ok(stream) => Ok(stream.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(io::Error::new(io::ErrorKind::WouldBlock, "its backlog is full"))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// The error that has broken it, or has kept it from opening, unless taken before.
    ///
    /// # Errors
    /// If the system can't say.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(sockopt::socket_error(&self.0)?.err().map(io::Error::from))
    }

    /// Whether it is open, rather than being opened.
    ///
    /// # Errors
    /// If the system can't say, or has connected it to itself.
    pub fn is_open(&self) -> io::Result<bool> {
        match getpeername(&self.0) {
            // Only TCP connects a socket to itself.
            Ok(peer) => match peer.and_then(inet) {
                Some(peer) => not_to_itself(self.inet_addr(), Ok(peer)).map(|()| true),
                None => Ok(true),
            },
            Err(Errno::NOTCONN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Our address over TCP.
    fn inet_addr(&self) -> io::Result<SocketAddr> {
        inet(getsockname(&self.0)?).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }
}

/// The address, if it's one of TCP.
fn inet(addr: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(addr).ok()
}

impl From<TcpStream> for SocketStream {
    fn from(stream: TcpStream) -> Self {
        SocketStream(std::net::TcpStream::from(stream).into())
    }
}

impl From<UnixStream> for SocketStream {
    fn from(stream: UnixStream) -> Self {
        SocketStream(std::os::unix::net::UnixStream::from(stream).into())
    }
}

impl From<SocketStream> for OwnedFd {
    fn from(stream: SocketStream) -> Self {
        stream.0
    }
}

/// Checks that both ends of a connection differ. If nothing listens on a port in the system's range for clients, the
/// system may choose that port for our own end. TCP then connects the socket to itself.
///
/// # Errors
/// If it's connected to itself.
pub fn not_to_itself(local: io::Result<SocketAddr>, peer: io::Result<SocketAddr>) -> io::Result<()> {
    match (local, peer) {
        (Ok(local), Ok(peer)) if local == peer => {
            Err(io::Error::other("it connected to itself, since nothing listens there"))
        }
        _ => Ok(()),
    }
}

/// A write to a broken connection returns an error, and causes no signal. Apple's systems lack the flag; there, mio sets an
/// option, and Rust's programs ignore the signal.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const ERRORS_ONLY: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const ERRORS_ONLY: SendFlags = SendFlags::empty();

impl Read for SocketStream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(&self.0, buffer, RecvFlags::empty())?.0)
    }
}

impl Write for SocketStream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(&self.0, bytes, ERRORS_ONLY)?)
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(writev(&self.0, parts)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for SocketStream {
    /// A Unix socket's is its name for a server, which is in the peer's address as well, and nothing for a client.
    fn local_addr(&self) -> io::Result<Addr> {
        self.inet_addr().map(Addr::from)
    }

    fn end_output(&mut self) -> io::Result<()> {
        Ok(shutdown(&self.0, Shutdown::Write)?)
    }

    /// A Unix socket has no resets: whatever happens, its peer reads what was sent, and then the end, or an error if
    /// something from the peer was left unread.
    fn reset_on_close(&mut self) {
        // If it fails, the connection is broken already.
        let _ = sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }

    /// What is sent to a Unix socket belongs to its peer, and so does the limit.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn bound_close(&mut self, timeout: Duration) {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        // If it fails, the system's own limits apply.
        let _ = sockopt::set_tcp_user_timeout(&self.0, millis);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_file(&mut self, file: &dyn Contents, mut offset: u64, len: usize) -> io::Result<usize> {
        match file.as_file() {
            Some(file) => Ok(rustix::fs::sendfile(&self.0, file, Some(&mut offset), len)?),
            None => copy_file(self, file, offset, len),
        }
    }

    #[cfg(all(feature = "models", target_os = "linux"))]
    fn queues(&self) -> Option<Queues> {
        let (recv_q, send_q) = crate::sys::queues(&self.0)?;
        Some(Queues { recv_q, send_q })
    }

    fn connected(&mut self) -> io::Result<bool> {
        match self.take_error()? {
            Some(error) => Err(error),
            None => self.is_open(),
        }
    }
}

impl AsFd for SocketStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for SocketStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for SocketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            SocketListener::Tcp(listener) => listener.as_fd(),
            SocketListener::Unix(listener) => listener.socket.as_fd(),
        }
    }
}

impl AsRawFd for SocketListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Source for SocketStream {
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).register(registry, token, interest)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).deregister(registry)
    }
}

impl SocketListener {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            SocketListener::Tcp(listener) => listener,
            SocketListener::Unix(listener) => &mut listener.socket,
        }
    }
}

impl Source for SocketListener {
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.source().register(registry, token, interest)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

impl Listener for SocketListener {
    fn local_addr(&self) -> io::Result<Addr> {
        match self {
            SocketListener::Tcp(listener) => listener.local_addr().map(Addr::from),
            SocketListener::Unix(listener) => Ok(Addr::Unix(listener.addr)),
        }
    }
}

#[cfg(all(test, feature = "models"))]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_stream_is_no_more_than_its_descriptor() {
        assert_eq!(size_of::<SocketStream>(), size_of::<OwnedFd>());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connection_to_itself_is_none() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let own = socket.local_addr().unwrap();
        socket.connect(&own).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut stream = SocketStream::from(TcpStream::from_std(socket.into()));
        let error = stream.connected().unwrap_err();
        assert_eq!(error.to_string(), "it connected to itself, since nothing listens there");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bytes_that_are_not_read_wait_in_the_receive_queue() {
        use std::io::Write;

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        peer.write_all(b"hello").unwrap();
        // It waits until they have arrived.
        stream.peek(&mut [0; 5]).unwrap();
        let stream = SocketStream::from(TcpStream::from_std(stream));
        assert_eq!(stream.queues(), Some(Queues { recv_q: 5, send_q: 0 }));
    }

    #[test]
    fn others_are_connected() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        assert!(SocketStream::from(TcpStream::from_std(stream)).connected().unwrap());
    }
}
