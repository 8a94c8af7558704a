//! A file server: the client requests a path and gets the file.
//!
//! The texts' `getfile`, where the client sends a path and a newline, and the server sends the file and closes. A
//! client can also request a status with a leading zero byte: then the server first sends the file's length, or the
//! reason for a refusal, and the file can start at an offset.

mod client;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use client::{GetFileClient, GetFileError, Store};

use super::line::{LineLimits, LineReader};
use crate::buffer::Output;
use crate::folder::{Files, Folder, FolderError};
use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::{Escaped, count};

/// The texts' port.
pub const PORT: u16 = 50001;
/// The longest path that systems accept, plus an offset.
pub const REQUEST_LEN_MAX: usize = 4096 + 32;

/// The file to get, and the offset to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's path, relative to the served folder.
    pub path: &'a [u8],
    /// Whether a status is sent before the file.
    pub with_status: bool,
    /// The number of bytes to skip.
    pub offset: u64,
}

impl<'a> Request<'a> {
    /// Parses a request without its newline.
    pub fn parse(line: &'a [u8]) -> Request<'a> {
        let Some(rest) = line.strip_prefix(b"\0") else {
            return Request { path: line, with_status: false, offset: 0 };
        };
        let space = rest.iter().position(|&byte| byte == b' ');
        let offset = space.and_then(|end| Some((number(&rest[..end])?, &rest[end + 1..])));
        let (offset, path) = offset.unwrap_or((0, rest));
        Request { path, with_status: true, offset }
    }

    /// Writes the request with its newline.
    pub fn write(&self, to: &mut Vec<u8>) {
        if self.with_status {
            // Include the offset even if it's 0: a path may begin with a number and a space.
            to.extend_from_slice(format!("\0{} ", self.offset).as_bytes());
        }
        to.extend_from_slice(self.path);
        to.push(b'\n');
    }
}

/// Makes the server's sessions, for the files of a folder or of [any other place](Files).
#[derive(Debug)]
pub struct GetFileService<F = Folder> {
    files: Arc<F>,
    limits: LineLimits,
}

impl<F> GetFileService<F> {
    /// Creates a service for `files`. A request may take `request_timeout` from its first byte on.
    pub fn new(files: F, request_timeout: Duration) -> Self {
        let limits = LineLimits { len_max: REQUEST_LEN_MAX, timeout: request_timeout, pause: None };
        GetFileService { files: Arc::new(files), limits }
    }
}

/// Serves the same files.
impl<F> Clone for GetFileService<F> {
    fn clone(&self) -> Self {
        GetFileService { files: Arc::clone(&self.files), limits: self.limits }
    }
}

impl<F: Files> Service for GetFileService<F> {
    type Session = GetFileServer<F>;

    fn accept(&mut self, _peer: &Peer) -> GetFileServer<F> {
        GetFileServer { files: Arc::clone(&self.files), line: LineReader::new(self.limits) }
    }
}

/// The server's side: one request, one file.
#[derive(Debug)]
pub struct GetFileServer<F = Folder> {
    files: Arc<F>,
    line: LineReader,
}

impl<F: Files> Session for GetFileServer<F> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let line = match self.line.read(io, now) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Progress::NeedInput),
            Err(error) => {
                if io.input().remaining().starts_with(b"\0") {
                    write_error(&mut io.output, &error);
                }
                return Err(error);
            }
        };
        let request = Request::parse(line);
        if let Err(error) = self.answer(&request, io) {
            let error = format!("{}{error}", cannot_send(request.path));
            if request.with_status {
                write_error(&mut io.output, &error);
            }
            return Err(SessionError::other(error));
        }
        Ok(Progress::Finished)
    }

    fn deadline(&self) -> Option<Instant> {
        self.line.deadline()
    }

    fn is_idle(&self) -> bool {
        self.line.is_idle()
    }
}

impl<F: Files> GetFileServer<F> {
    fn answer(&self, request: &Request<'_>, io: &mut SessionIo<'_>) -> Result<(), RequestError> {
        let Request { path, with_status, offset } = *request;
        let (file, len) = self.file(path).map_err(RequestError::Folder)?;
        let left = len.checked_sub(offset).ok_or(RequestError::BeyondTheEnd { offset, len })?;
        log::info!("Sending {} to {}: {left} of {len} bytes", Escaped(path), io.peer());
        if with_status {
            io.output().push(format!("OK {len}\n").as_bytes());
        }
        io.output().push_file(file, offset, left);
        Ok(())
    }

    /// Opens a file. The line may have ended with CR LF, if there is no file whose name ends with CR.
    fn file(&self, path: &[u8]) -> Result<(F::File, u64), FolderError> {
        match (self.files.file(path), path.strip_suffix(b"\r")) {
            (Err(FolderError::System(error)), Some(path)) if error.kind() == io::ErrorKind::NotFound => {
                self.files.file(path)
            }
            (found, _) => found,
        }
    }
}

/// Parses a number of decimal digits only; the standard parser would accept a sign.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// The beginning of an error, which names the file.
fn cannot_send(path: &[u8]) -> String {
    format!("cannot send {}: ", Escaped(path))
}

fn write_error(output: &mut Output<'_>, error: &dyn fmt::Display) {
    output.push(format!("ERROR {error}\n").as_bytes());
}

/// Why a request gets no file.
#[derive(Debug)]
enum RequestError {
    Folder(FolderError),
    BeyondTheEnd { offset: u64, len: u64 },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(error) => error.fmt(f),
            Self::BeyondTheEnd { offset, len } => {
                write!(f, "offset {offset} is beyond the end of the file, which has {}", count(*len, "byte"))
            }
        }
    }
}

impl Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let plain = |path| Request { path, with_status: false, offset: 0 };
        let told = |path, offset| Request { path, with_status: true, offset };
        for (line, request) in [
            (&b"a/b c"[..], plain(&b"a/b c"[..])),
            (b"12 monkeys", plain(b"12 monkeys")),
            (b"", plain(b"")),
            (b"a\0", plain(b"a\0")),
            (b"\0a b", told(b"a b", 0)),
            (b"\0", told(b"", 0)),
            (b"\x007 a b", told(b"a b", 7)),
            (b"\x000 12 monkeys", told(b"12 monkeys", 0)),
            (b"\x0012 monkeys", told(b"monkeys", 12)),
            (b"\0+1 a", told(b"+1 a", 0)),
            (b"\0 a", told(b" a", 0)),
            (b"\099999999999999999999 a", told(b"99999999999999999999 a", 0)),
        ] {
            assert_eq!(Request::parse(line), request, "{}", line.escape_ascii());
        }
        for request in [plain(b"a b"), told(b"12 monkeys", 0), told(b"a", u64::MAX)] {
            let mut line = Vec::new();
            request.write(&mut line);
            assert_eq!(line.pop(), Some(b'\n'));
            assert_eq!(Request::parse(&line), request);
        }
    }
}
