//! The client's side: sends a name, and passes on what comes.

use std::io::{self, Write};
use std::mem;
use std::time::{Duration, Instant};

use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// A line that is longer is none of the server's own.
const NOTICE_LEN_MAX: usize = 16 << 10;

/// Sends a name, writes the output as it comes, and is finished when the server closes.
///
/// A server's own words, such as that it doesn't have that program, come as output does. They are known by their beginning
/// and by being the last line, or the only one; so a line that begins as they do is held back until it's clear.
#[derive(Debug)]
pub struct CommandClient<W> {
    name: String,
    out: W,
    is_sent: bool,
    silence_timeout: Duration,
    deadline: Option<Instant>,
    /// The line that may be the server's own.
    held: Vec<u8>,
    /// Whether a line has been passed on, or some of it.
    has_output: bool,
    at_line_start: bool,
    failed: Option<io::Error>,
}

impl<W: Write> CommandClient<W> {
    /// A client that writes what `name` puts out to `out`, and gives up when nothing comes for `silence_timeout`.
    pub fn new(name: String, out: W, silence_timeout: Duration) -> Self {
        CommandClient {
            name,
            out,
            is_sent: false,
            silence_timeout,
            deadline: None,
            held: Vec::new(),
            has_output: false,
            at_line_start: true,
            failed: None,
        }
    }

    /// After the end: what the server has said itself, if it has. What was held back for that and is not is written.
    ///
    /// # Errors
    /// If something could not be written, now or before.
    pub fn into_notice(mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let held = mem::take(&mut self.held);
        if let Some(notice) =
            held.strip_suffix(b"\n").filter(|line| self.may_be_notice(line).is_some_and(|whole| whole))
        {
            return Ok(Some(notice.to_vec()));
        }
        self.out.write_all(&held)?;
        self.out.flush()?;
        Ok(None)
    }

    /// Writes `bytes`, except for a line that may be the server's own and the last.
    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut passed = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.held.ends_with(b"\n") {
                self.let_go(&mut passed);
            }
            if self.at_line_start || !self.held.is_empty() {
                self.held.extend(piece);
                if self.held.len() > NOTICE_LEN_MAX || self.may_be_notice(&self.held).is_none() {
                    self.let_go(&mut passed);
                }
            } else {
                passed.extend(piece);
            }
            self.at_line_start = piece.ends_with(b"\n");
        }
        self.out.write_all(&passed)?;
        self.out.flush()
    }

    fn let_go(&mut self, passed: &mut Vec<u8>) {
        passed.append(&mut self.held);
        self.has_output = true;
    }

    /// Whether `line` begins as the server's own words do (`true`), or is yet too short to tell.
    fn may_be_notice(&self, line: &[u8]) -> Option<bool> {
        let name = Escaped(self.name.as_bytes());
        let last = format!("Error: {name} was ended after ");
        let only = [
            format!("Error: {name} is not one of: "),
            format!("Error: cannot run {name}: "),
            "Error: too many programs are running".to_owned(),
            "Error: the server is full".to_owned(),
        ];
        let only = if self.has_output { &[][..] } else { &only };
        let mut fitting = [&last].into_iter().chain(only).filter(|notice| {
            let len = notice.len().min(line.len());
            notice.as_bytes()[..len] == line[..len]
        });
        fitting.next().map(|notice| line.len() >= notice.len())
    }
}

impl<W: Write> Session for CommandClient<W> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if !mem::replace(&mut self.is_sent, true) {
            io.output().push(self.name.as_bytes());
            io.output().push(b"\n");
        }
        let bytes = io.input().take_all();
        if let Err(error) = self.pass_on(bytes) {
            self.failed = Some(error);
            return Err(SessionError::other("the output cannot be written"));
        }
        if io.input_ended() {
            return Ok(Progress::Finished);
        }
        match self.deadline {
            Some(deadline) if bytes.is_empty() => {
                if now >= deadline {
                    let timeout = self.silence_timeout;
                    return Err(SessionError::other(format!("timed out: nothing came for {timeout:?}")));
                }
            }
            Some(_) | None => self.deadline = Some(now + self.silence_timeout),
        }
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}
