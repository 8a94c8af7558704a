//! Conversations, and their outcomes.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::Model;
use crate::common::{PATIENCE, Server, connect, read_some};
use crate::running::Running;

/// An outcome of a conversation.
#[derive(Clone, PartialEq, Eq)]
pub enum Came {
    /// These bytes, in one piece or several.
    Bytes(Vec<u8>),
    /// The end of what the server sends.
    End,
    /// A reset, while there was something to read or send.
    Reset,
    /// An end or a reset, depending on the system.
    Cut,
    /// The beginning of what should have come, and then the end.
    BeginningAndEnd,
    /// A line of the server's log with these words.
    Logged(String),
    /// Nothing for as long as anybody would wait.
    Silence,
    /// Another error.
    Error(ErrorKind),
}

pub type Transcript = Vec<Came>;

impl fmt::Debug for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Came::Bytes(bytes) => write!(f, "{} bytes: {}", bytes.len(), beginning(bytes)),
            Came::End => write!(f, "the end"),
            Came::Reset => write!(f, "a reset"),
            Came::Cut => write!(f, "the end or a reset"),
            Came::BeginningAndEnd => write!(f, "the beginning of it and the end"),
            Came::Logged(words) => write!(f, "'{words}' in the log"),
            Came::Silence => write!(f, "nothing for {PATIENCE:?}"),
            Came::Error(kind) => write!(f, "an error: {kind}"),
        }
    }
}

/// So that people can read it, in one line.
fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
    text.chars().map(|char| if char.is_control() { char.escape_debug().to_string() } else { char.into() }).collect()
}

pub fn bytes(bytes: impl AsRef<[u8]>) -> Came {
    Came::Bytes(bytes.as_ref().to_vec())
}

pub fn logged(words: &str) -> Came {
    Came::Logged(words.to_owned())
}

/// A part of the script: what is said, and the expected outcomes. Its connections are opened and closed one after the
/// other, so that a server of one at a time can take part.
pub struct Conversation {
    pub name: &'static str,
    pub talk: fn(&Way) -> Transcript,
    pub comes: fn() -> Transcript,
}

/// The way to the server.
pub struct Way<'a>(pub &'a Server);

impl Way<'_> {
    pub fn connect(&self) -> Peer {
        Peer { stream: connect(self.0.address()), came: Vec::new() }
    }

    /// A connection on which little can come before it is read.
    pub fn connect_with_little_room(&self) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there is a descriptor left");
        // Before it connects, or the other side has been promised more.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.connect_timeout(&self.0.address().into(), PATIENCE).expect("it accepts");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream, came: Vec::new() }
    }

    /// Waits until the log says why the connection from `address` is closed: with these words.
    pub fn log_of_close(&self, address: &str, words: &str) -> Came {
        self.0.wait_for_log(&format!("Closing connection to {address}: {words}"));
        logged(words)
    }
}

/// The peer of a server: one connection, and what has come on it.
pub struct Peer {
    stream: TcpStream,
    came: Transcript,
}

impl Peer {
    /// Sends all of `bytes` in one call, or as many as the system asks for.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.stream.write_all(bytes.as_ref()) {
            self.came.push(came_of(error.kind()));
        }
    }

    /// Sends `bytes`, the last of which is urgent: it is out of band, and no server here reads it.
    pub fn send_urgent(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert_eq!(rustix::net::send(&self.stream, bytes, rustix::net::SendFlags::OOB), Ok(bytes.len()));
    }

    /// Sends as many of `bytes` as the connection takes while nobody reads the replies, and returns how many.
    pub fn send_what_fits(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(more @ 1..) = self.stream.write(&bytes[sent..]) {
            sent += more;
        }
        self.stream.set_nonblocking(false).unwrap();
        sent
    }

    /// Sends `piece` again and again until the server lets go of the connection.
    pub fn send_until_cut(&mut self, piece: &[u8]) {
        for _ in 0..1000 {
            match self.stream.write_all(piece) {
                Ok(()) => {}
                Err(error) if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()) => {
                    return self.came.push(Came::Cut);
                }
                Err(error) => return self.came.push(came_of(error.kind())),
            }
        }
        panic!("{} bytes were taken and none read", 1000 * piece.len());
    }

    /// Ends the sending side.
    pub fn end(&mut self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            self.came.push(came_of(error.kind()));
        }
    }

    /// Sends all of `bytes` and then the end, and meanwhile reads to the end, at most `piece` bytes at a time.
    pub fn exchange(&mut self, bytes: &[u8], piece: usize) {
        let mut sender = self.stream.try_clone().expect("there is a descriptor left");
        thread::scope(|scope| {
            scope.spawn(move || {
                // Where it fails, less comes back.
                let _ = sender.write_all(bytes);
                let _ = sender.shutdown(Shutdown::Write);
            });
            self.hear_in_pieces(usize::MAX, piece);
        });
    }

    /// Reads `len` bytes, or to the end if that comes sooner.
    pub fn hear(&mut self, len: usize) {
        self.hear_in_pieces(len, 1 << 16);
    }

    pub fn hear_to_end(&mut self) {
        self.hear(usize::MAX);
    }

    fn hear_in_pieces(&mut self, len: usize, piece: usize) {
        let mut got = Vec::new();
        let mut buffer = vec![0; piece];
        let ending = loop {
            let wanted = piece.min(len - got.len());
            if wanted == 0 {
                break None;
            }
            match read_some(&mut self.stream, &mut buffer[..wanted]) {
                Ok(0) => break Some(Came::End),
                Ok(more) => got.extend(&buffer[..more]),
                Err(error) => break Some(came_of(error.kind())),
            }
        };
        if !got.is_empty() {
            self.came.push(Came::Bytes(got));
        }
        self.came.extend(ending);
    }

    /// Its own address, as the server sees it.
    pub fn address(&self) -> String {
        self.stream.local_addr().expect("it has one").to_string()
    }

    /// Closes, with or without having read all, and returns what has come.
    pub fn close(self) -> Transcript {
        self.came
    }

    /// Closes so that the server gets a reset, and returns what has come.
    pub fn reset(self) -> Transcript {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
        self.came
    }
}

fn came_of(error: ErrorKind) -> Came {
    match error {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Came::Reset,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Came::Silence,
        other => Came::Error(other),
    }
}

/// Holds conversations with a server of its own, started with `args`, and lets it stop.
pub fn hold(model: &Model, protocol: &str, args: &[&str], conversations: &[Conversation]) {
    let running = Running::start(model, protocol, args);
    for Conversation { name, talk, comes } in conversations {
        // Shown where the conversation itself fails.
        println!("{}: {name}", running.name);
        check(&running, name, &talk(&Way(running.server())), &comes());
    }
    running.stop(model);
}

/// Each server by itself and all at once, since they mostly wait.
pub fn hold_at_once(model: &Model, protocol: &str, servers: &[(&[&str], &[Conversation])]) {
    thread::scope(|scope| {
        for (args, conversations) in servers {
            scope.spawn(|| hold(model, protocol, args, conversations));
        }
    });
}

/// Asserts that the outcomes are the expected ones.
pub fn check(running: &Running, name: &str, came: &[Came], expected: &[Came]) {
    let Some(step) = (0..came.len().max(expected.len())).find(|&step| came.get(step) != expected.get(step)) else {
        return;
    };
    let shown = |came: Option<&Came>| came.map_or("nothing more".to_owned(), |came| format!("{came:?}"));
    let place = match (came.get(step), expected.get(step)) {
        (Some(Came::Bytes(got)), Some(Came::Bytes(wanted))) => {
            let same = got.iter().zip(wanted).take_while(|(got, wanted)| got == wanted).count();
            format!("\nthey differ after {same} bytes; what came goes on with: {}", beginning(&got[same..]))
        }
        _ => String::new(),
    };
    panic!(
        "{}: {name}: step {} of what came is\n    {}\nand should have been\n    {}{place}",
        running.name,
        step + 1,
        shown(came.get(step)),
        shown(expected.get(step)),
    );
}

/// To be held with a server whose idle timeout is 300 ms.
pub const SILENT: &[Conversation] = &[Conversation {
    name: "a silent peer, and another",
    talk: |way| {
        let mut all = Vec::new();
        for _ in 0..2 {
            let mut peer = way.connect();
            peer.hear_to_end();
            let address = peer.address();
            all.extend(peer.close());
            all.push(way.log_of_close(&address, "idle for 300ms"));
        }
        all
    },
    comes: || vec![Came::End, logged("idle for 300ms"), Came::End, logged("idle for 300ms")],
}];
