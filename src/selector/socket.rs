//! The sockets of the real selectors: mio's non-blocking ones, whichever selector watches them.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

pub use mio::net::{TcpListener, TcpStream};

#[cfg(all(feature = "models", target_os = "linux"))]
use super::Queues;
#[cfg(any(target_os = "linux", target_os = "android"))]
use super::copy_file;
use super::{Listener, Stream};
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::buffer::Contents;

/// Prepares a bound and listening socket for a real selector.
///
/// # Errors
/// If the system refuses its options.
pub fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    // Replies must go out at once. On Linux, accepted sockets inherit TCP_NODELAY, which saves a call for each; std
    // sets it only on streams, so the listener is treated as one.
    let options = std::net::TcpStream::from(OwnedFd::from(listener));
    options.set_nodelay(true)?;
    Ok(TcpListener::from_std(OwnedFd::from(options).into()))
}

/// Implements [`Selector::accept`](super::Selector::accept) for every real selector.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, addr) = listener.accept()?;
    // On Linux, an accepted socket inherits this from its listener.
    #[cfg(not(target_os = "linux"))]
    stream.set_nodelay(true)?;
    Ok((stream, addr))
}

/// Implements [`Selector::connect`](super::Selector::connect) for every real selector.
pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    Ok(stream)
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

impl Stream for TcpStream {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpStream::local_addr(self)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&mut self) {
        // If it fails, the connection is broken already.
        let _ = rustix::net::sockopt::set_socket_linger(&*self, Some(Duration::ZERO));
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn bound_close(&mut self, timeout: Duration) {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        // If it fails, the system's own limits apply.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&*self, millis);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_file(&mut self, file: &dyn Contents, mut offset: u64, len: usize) -> io::Result<usize> {
        match file.as_file() {
            Some(file) => Ok(rustix::fs::sendfile(self, file, Some(&mut offset), len)?),
            None => copy_file(self, file, offset, len),
        }
    }

    #[cfg(all(feature = "models", target_os = "linux"))]
    fn queues(&self) -> Option<Queues> {
        let (recv_q, send_q) = crate::sys::queues(self)?;
        Some(Queues { recv_q, send_q })
    }

    fn connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.take_error()? {
            return Err(error);
        }
        match self.peer_addr() {
            Ok(peer) => not_to_itself(self.local_addr(), Ok(peer)).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Listener for TcpListener {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

#[cfg(all(test, feature = "models"))]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connection_to_itself_is_none() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let own = socket.local_addr().unwrap();
        socket.connect(&own).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(socket.into());
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
        let stream = TcpStream::from_std(stream);
        assert_eq!(stream.queues(), Some(Queues { recv_q: 5, send_q: 0 }));
    }

    #[test]
    fn others_are_connected() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        assert!(TcpStream::from_std(stream).connected().unwrap());
    }
}
