//! Standard input for a session. A thread reads it, so that the conversation goes on while nothing is typed.
//!
//! Making it non-blocking instead would affect every process that shares it, such as the shell.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use super::failure::Failure;
use super::standard;
use crate::session::{SessionError, Source};
use crate::text::reason;

/// The most bytes in a piece: few enough to travel in one segment.
const PIECE_LEN: usize = 1024;
/// The most bytes in a line. A terminal allows 4096.
const LINE_LEN_MAX: usize = 64 << 10;

/// Standard input. Reading starts when the first piece is requested, and stays at most one or two pieces ahead. The
/// reading thread can't be stopped: it ends at the end of input, or with the program.
#[derive(Debug)]
pub struct Stdin {
    read: ReadPiece,
    reading: Option<Reading>,
}

/// Reads the next piece, which is empty at the end.
type ReadPiece = fn(&mut dyn BufRead) -> Result<Vec<u8>, String>;

/// The state shared with the thread.
#[derive(Debug)]
struct Reading {
    pieces: Receiver<Result<Vec<u8>, String>>,
    waker: SharedWaker,
}

/// The waker of a waiting session.
type SharedWaker = Arc<Mutex<Option<Waker>>>;

impl Stdin {
    /// Reads bytes as they come, in pieces of at most 1024.
    pub fn bytes() -> Stdin {
        Stdin { read: read_bytes, reading: None }
    }

    /// Reads lines, each with its newline; the last one may lack it.
    pub fn lines() -> Stdin {
        Stdin { read: read_line, reading: None }
    }

    fn start(&self) -> io::Result<Reading> {
        let (sender, pieces) = mpsc::sync_channel(1);
        let waker = SharedWaker::default();
        let (read, shared) = (self.read, Arc::clone(&waker));
        thread::Builder::new().name("standard input".into()).spawn(move || {
            send_all(&mut BufReader::new(standard::input()), read, sender, &shared);
        })?;
        Ok(Reading { pieces, waker })
    }
}

impl Source for Stdin {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        let reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.start().map_err(|error| failed(&reason(&error)))?,
        };
        let reading = self.reading.insert(reading);
        let mut piece = reading.pieces.try_recv();
        if piece == Err(TryRecvError::Empty) {
            *reading.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(make_waker());
            // A piece that arrived before the waker was set has woken no session.
            piece = reading.pieces.try_recv();
        }
        match piece {
            Ok(Ok(piece)) => Ok(Poll::Ready(Some(piece))),
            Ok(Err(why)) => Err(failed(&why)),
            Err(TryRecvError::Empty) => Ok(Poll::Pending),
            Err(TryRecvError::Disconnected) => Ok(Poll::Ready(None)),
        }
    }
}

fn failed(why: &str) -> SessionError {
    SessionError::other(Failure::new(format!("cannot read from standard input: {why}")))
}

/// Sends piece after piece, until the end, an error, or the receiver is dropped.
fn send_all(
    input: &mut dyn BufRead,
    read: ReadPiece,
    pieces: SyncSender<Result<Vec<u8>, String>>,
    waker: &Mutex<Option<Waker>>,
) {
    let wake = || {
        // A separate statement, so that the lock is released before the session is woken.
        let waiting = waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.into_iter().for_each(Waker::wake);
    };
    loop {
        let piece = read(input);
        let is_last = piece.is_err();
        if piece.as_ref().is_ok_and(Vec::is_empty) || pieces.send(piece).is_err() || is_last {
            break;
        }
        wake();
    }
    drop(pieces);
    wake();
}

fn read_bytes(input: &mut dyn BufRead) -> Result<Vec<u8>, String> {
    let mut piece = vec![0; PIECE_LEN];
    let len = loop {
        match input.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read.map_err(|error| reason(&error))?,
        }
    };
    piece.truncate(len);
    Ok(piece)
}

fn read_line(input: &mut dyn BufRead) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let mut limited = input.take(LINE_LEN_MAX as u64 + 1);
    limited.read_until(b'\n', &mut line).map_err(|error| reason(&error))?;
    match line.len() {
        len if len > LINE_LEN_MAX => Err(format!("a line is longer than {LINE_LEN_MAX} bytes")),
        _ => Ok(line),
    }
}

/// Another source, one byte at a time.
#[derive(Debug)]
pub struct Bytewise<S> {
    source: S,
    left: Vec<u8>,
    used: usize,
}

impl<S> Bytewise<S> {
    /// Wraps `source`.
    pub fn new(source: S) -> Self {
        Bytewise { source, left: Vec::new(), used: 0 }
    }
}

impl<S: Source> Source for Bytewise<S> {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        loop {
            if let Some(&byte) = self.left.get(self.used) {
                self.used += 1;
                return Ok(Poll::Ready(Some(vec![byte])));
            }
            match self.source.next(make_waker)? {
                Poll::Ready(Some(piece)) => (self.left, self.used) = (piece, 0),
                other @ (Poll::Ready(None) | Poll::Pending) => return Ok(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces_of(input: &[u8], read: ReadPiece) -> Vec<Result<Vec<u8>, String>> {
        let (sender, pieces) = mpsc::sync_channel(100);
        send_all(&mut { input }, read, sender, &Mutex::default());
        pieces.into_iter().collect()
    }

    #[test]
    fn lines_have_a_limit_and_the_last_needs_no_end() {
        let lines: Vec<_> = [&b"a\n"[..], b"\n", b"b"].iter().map(|line| Ok(line.to_vec())).collect();
        assert_eq!(pieces_of(b"a\n\nb", read_line), lines);
        assert_eq!(pieces_of(b"", read_line), []);
        let mut long = vec![b'x'; LINE_LEN_MAX - 1];
        long.push(b'\n');
        assert_eq!(pieces_of(&long, read_line), [Ok(long.clone())]);
        long.insert(0, b'x');
        assert_eq!(pieces_of(&long, read_line), [Err("a line is longer than 65536 bytes".into())]);
    }

    #[test]
    fn bytes_come_in_pieces() {
        let bytes = vec![7; 2 * PIECE_LEN + 1];
        let lens: Vec<usize> = pieces_of(&bytes, read_bytes).into_iter().map(|piece| piece.unwrap().len()).collect();
        assert_eq!(lens, [PIECE_LEN, PIECE_LEN, 1]);
    }
}
