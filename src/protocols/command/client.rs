//! The client's side: sends a name, and passes on the output.

use std::io::{self, Write};
use std::mem;
use std::time::{Duration, Instant};

use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// The maximum length of a line that can be the server's own.
const NOTICE_LEN_MAX: usize = 16 << 10;

/// Sends a name, writes the output as it arrives, and finishes when the server closes.
///
/// The server's own messages, such as the error for an unknown name, arrive like output. They are recognized by their
/// beginning, and by being the last or only line. So a line with that beginning is held back until more output, or the
/// end, arrives.
#[derive(Debug)]
pub struct CommandClient<W> {
    name: String,
    out: W,
    is_sent: bool,
    silence_timeout: Duration,
    deadline: Option<Instant>,
    /// A line that may be the server's own.
    held: Vec<u8>,
    /// Whether any output has been passed on.
    has_output: bool,
    at_line_start: bool,
    failed: Option<io::Error>,
}

impl<W: Write> CommandClient<W> {
    /// Creates a client that writes the output of the program `name` to `out`, and gives up after `silence_timeout`
    /// without output.
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

    /// Returns the server's own message, if there is one. Call it after the end; it also writes held-back output.
    ///
    /// # Errors
    /// If output could not be written, now or earlier.
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

    /// Writes `bytes`, except for a last line that may be the server's own.
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

    /// `None` if `line` can't be one of the server's own messages; otherwise whether it is long enough to be sure.
    fn may_be_notice(&self, line: &[u8]) -> Option<bool> {
        let name = Escaped(self.name.as_bytes());
        let last = format!("Error: {name:#} was ended after ");
        let only = [
            format!("Error: {name:#} is not one of: "),
            format!("Error: cannot run {name:#}: "),
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
