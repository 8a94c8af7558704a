//! Listening on Unix sockets, whose files may be there already.
//!
//! A killed server leaves its file behind, and that file looks like a live server's. Connecting shows the difference: it
//! is refused if no socket listens. Two servers that start at the same time could both replace such a file, so each
//! holds a lock on the directory meanwhile.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::UnixAddr;
use crate::selector::{self, SocketFile, SocketListener};

/// The number of tries to lock the directory, and the pause between two. A server holds the lock for less than a
/// millisecond. A program that holds it longer is not ours, and must not keep a server from starting.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Listens on the Unix socket `addr`, whose file has this `mode`, or what the process's umask allows.
pub(super) fn listen_on(addr: UnixAddr, backlog: i32, mode: Option<u32>) -> io::Result<SocketListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let file = match addr.path() {
        None => {
            socket.bind(&SockAddr::unix(&*addr.raw_name())?)?;
            socket.listen(backlog)?;
            None
        }
        Some(path) => {
            let _lock = lock_directory_of(path);
            bind(&socket, path)?;
            let file = SocketFile::new(path)?;
            // Nobody can connect before it listens.
            if let Some(mode) = mode {
                fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
            socket.listen(backlog)?;
            Some(file)
        }
    };
    selector::with_file(socket.into(), addr, file)
}

/// Binds `socket` to `path`, and replaces the file of a dead server there.
fn bind(socket: &Socket, path: &Path) -> io::Result<()> {
    let addr = SockAddr::unix(path)?;
    match socket.bind(&addr) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
        result => return result,
    }
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is there"));
    }
    let caller = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    caller.set_nonblocking(true)?;
    match caller.connect(&addr) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
        // A full backlog is a live server's as well.
        Ok(()) | Err(_) => return Err(io::ErrorKind::AddrInUse.into()),
    }
    log::info!("Replacing {}, which a server that is gone has left", path.display());
    fs::remove_file(path)?;
    socket.bind(&addr)
}

/// Locks the directory of `path` until the result is dropped. Returns `None` if the lock isn't available.
fn lock_directory_of(path: &Path) -> Option<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(parent.unwrap_or(Path::new("."))).ok()?;
    for _ in 0..TRIES {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => thread::sleep(PAUSE),
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::sync::Barrier;

    use tempfile::TempDir;

    use super::*;
    use crate::address::Addr;
    use crate::models::inherited::Inherited;
    use crate::models::{Listening, ServeError, Sockets};

    fn place() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.sock");
        (directory, path)
    }

    fn listen_with(path: &Path, workers: usize, mode: Option<u32>) -> Result<Vec<Listening>, ServeError> {
        let addr = Addr::Unix(UnixAddr::new(path.to_str().unwrap()).unwrap());
        let sockets = Sockets { backlog: 8, workers, congestion_control: None, mode };
        super::super::listen(&[addr], &sockets, &mut Inherited::default())
    }

    fn listen(path: &Path) -> Result<Vec<Listening>, ServeError> {
        listen_with(path, 1, None)
    }

    #[test]
    fn a_file_lasts_as_long_as_its_socket() {
        let (_directory, path) = place();
        let listening = listen(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(listening);
        assert!(!path.exists());
    }

    #[test]
    fn workers_share_one_socket() {
        let (_directory, path) = place();
        let mut sockets = listen_with(&path, 2, None).unwrap().remove(0).sockets;
        let _client = UnixStream::connect(&path).unwrap();
        sockets.pop().unwrap().accept().unwrap();
        assert!(path.exists());
        assert_eq!(sockets[0].accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_a_dead_server_has_left_is_replaced() {
        let (_directory, path) = place();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _listening = listen(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_live_server_keeps_its_file() {
        let (_directory, path) = place();
        let _live = listen(&path).unwrap();
        let error = listen(&path).unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen on unix:{}: a server listens there already", path.display()));
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn so_does_one_whose_backlog_is_full() {
        let (_directory, path) = place();
        let live = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        live.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        live.listen(0).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        assert!(listen(&path).unwrap_err().to_string().ends_with("a server listens there already"));
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_replaced() {
        let (_directory, path) = place();
        fs::write(&path, "precious").unwrap();
        let error = listen(&path).unwrap_err().to_string();
        assert!(error.ends_with("a file that is not a socket is there"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_directory_that_is_missing_is_told() {
        let error = listen(Path::new("/nowhere/server.sock")).unwrap_err().to_string();
        assert_eq!(error, "cannot listen on unix:/nowhere/server.sock: its directory does not exist");
    }

    #[test]
    fn a_file_that_has_taken_the_place_stays() {
        let (_directory, path) = place();
        let listening = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(listening);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn of_servers_that_start_at_once_one_gets_the_file() {
        for _ in 0..50 {
            let (_directory, path) = place();
            drop(UnixListener::bind(&path).unwrap());
            let start = Barrier::new(4);
            let served = thread::scope(|scope| {
                let server = || {
                    start.wait();
                    listen(&path)
                };
                let servers = [(); 4].map(|()| scope.spawn(server));
                servers.map(|server| server.join().unwrap()).into_iter().filter_map(Result::ok).collect::<Vec<_>>()
            });
            assert_eq!(served.len(), 1);
            UnixStream::connect(&path).unwrap();
        }
    }

    #[test]
    fn its_mode_is_the_configured_one() {
        let (_directory, path) = place();
        let _listening = listen_with(&path, 1, Some(0o660)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_name_needs_no_file() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;

        let name = format!("multiconn-test-{}", std::process::id());
        let addr = Addr::Unix(UnixAddr::new(&format!("@{name}")).unwrap());
        let sockets = Sockets { backlog: 8, workers: 1, congestion_control: None, mode: None };
        let _listening = super::super::listen(&[addr], &sockets, &mut Inherited::default()).unwrap();
        UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let error = super::super::listen(&[addr], &sockets, &mut Inherited::default()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen on unix:@{name}: a server listens there already"));
    }
}
