//! The server's side: reads a name, and sends the output of its program.

use std::process::ExitStatus;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{CommandError, NAME_LEN_MAX, News, Program, Runner, Running, StartError};
use crate::buffer::{Output, Tail};
use crate::protocols::line::{LineLimits, LineReader, PAUSE};
use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::{Escaped, count};

/// Maximum line length in bytes, without the newline: a name and a carriage return.
const LINE_LEN_MAX: usize = NAME_LEN_MAX + 1;
/// How long a name may take. A name is short, and a pause ends it, so it can't take long.
const NAME_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon after its name a client may end its sending side and still get the answer: such an end belongs to the
/// request. A later end means that the client has closed.
const HALF_CLOSE_TIME: Duration = Duration::from_millis(100);
/// The most bytes of output taken in one call, however much room there is.
const BYTES_PER_CALL: usize = 256 << 10;

/// Limits of a program's resources.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a program may run.
    pub run_time_max: Duration,
    /// The maximum output in bytes.
    pub output_len_max: usize,
}

impl Default for Limits {
    /// The defaults: half a minute and a mebibyte for each program.
    fn default() -> Self {
        Limits { run_time_max: Duration::from_secs(30), output_len_max: 1 << 20 }
    }
}

/// Makes the server's sessions.
#[derive(Clone, Debug)]
pub struct CommandService {
    shared: Arc<CommandShared>,
}

/// The data shared by all sessions.
#[derive(Debug)]
struct CommandShared {
    programs: Vec<Program>,
    runner: Box<dyn Runner>,
    limits: Limits,
}

impl CommandService {
    /// Creates a service that lets `runner` run `programs`, and no others, for its clients.
    pub fn new(programs: Vec<Program>, runner: impl Runner + 'static, limits: Limits) -> Self {
        CommandService { shared: Arc::new(CommandShared { programs, runner: Box::new(runner), limits }) }
    }
}

impl Service for CommandService {
    type Session = CommandServer;

    fn accept(&mut self, _peer: &Peer) -> CommandServer {
        let limits = LineLimits { len_max: LINE_LEN_MAX, timeout: NAME_TIMEOUT, pause: Some(PAUSE) };
        CommandServer { state: CommandState::Reading(LineReader::new(limits)), shared: Arc::clone(&self.shared) }
    }
}

/// Reads a name, runs its program, passes on the output as it arrives, and finishes when the program has ended.
#[derive(Debug)]
pub struct CommandServer {
    // Dropped before the shared data, so that no program is running when the runner is dropped.
    state: CommandState,
    shared: Arc<CommandShared>,
}

#[derive(Debug)]
enum CommandState {
    /// The name is being read.
    Reading(LineReader),
    Running(ProgramRun),
    Done,
}

/// A program running for the client.
#[derive(Debug)]
struct ProgramRun {
    running: Box<dyn Running>,
    /// Its index in the list.
    index: usize,
    began: Instant,
    /// Whether the client has ended its sending side and waits.
    is_half_closed: bool,
    /// The number of bytes of output so far.
    len: usize,
    /// Whether the last of them is a newline, or there are none.
    at_line_start: bool,
}

/// The name in a client's request.
struct Name<'a> {
    bytes: &'a [u8],
    /// Whether this is only the beginning of an overlong name.
    is_cut: bool,
}

impl Session for CommandServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let CommandState::Reading(line) = &mut self.state {
            let name = match line.read(io, now) {
                Ok(Some([])) if io.input().used() == 0 => return Ok(Progress::Finished),
                Ok(Some(line)) => Name { bytes: line.strip_suffix(b"\r").unwrap_or(line), is_cut: false },
                Ok(None) => return Ok(Progress::NeedInput),
                Err(_) if io.input().len() > LINE_LEN_MAX => {
                    Name { bytes: &io.input().remaining()[..NAME_LEN_MAX], is_cut: true }
                }
                Err(error) => return Err(error),
            };
            match self.start(&name, io, now) {
                Ok(run) => self.state = CommandState::Running(run),
                Err(error) => return Err(self.fail(error, io.output())),
            }
        }
        // Input after the name has no meaning.
        io.input().take_all();
        let CommandState::Running(run) = &mut self.state else { return Ok(Progress::Finished) };
        match run.advance(&self.shared, io, now) {
            Ok(Some(progress)) => Ok(progress),
            Ok(None) => {
                self.state = CommandState::Done;
                Ok(Progress::Finished)
            }
            Err(error) => Err(self.fail(error, io.output())),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            CommandState::Reading(line) => line.deadline(),
            CommandState::Running(run) => Some(run.began + self.shared.limits.run_time_max),
            CommandState::Done => None,
        }
    }

    fn is_idle(&self) -> bool {
        match &self.state {
            CommandState::Reading(line) => line.is_idle(),
            CommandState::Running(_) => false,
            CommandState::Done => true,
        }
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        output.push(format!("Error: {why}\n").as_bytes());
    }
}

impl CommandServer {
    /// Starts the program called `name`.
    fn start(&self, name: &Name<'_>, io: &SessionIo<'_>, now: Instant) -> Result<ProgramRun, CommandError> {
        let programs = &self.shared.programs;
        let found = programs.iter().position(|program| !name.is_cut && program.name.as_bytes() == name.bytes);
        let Some(index) = found else {
            let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
            let (name, is_cut, names) = (name.bytes.to_vec(), name.is_cut, names.join(", "));
            return Err(CommandError::NotAllowed { name, is_cut, names });
        };
        log::info!("Running {} for {}", Escaped(name.bytes), io.peer());
        let running = self.shared.runner.start(&programs[index], io.waker()).map_err(|error| match error {
            StartError::TooMany => CommandError::TooMany,
            StartError::Refused(error) => CommandError::CannotRun { name: programs[index].name.clone(), error },
        })?;
        Ok(ProgramRun { running, index, began: now, is_half_closed: false, len: 0, at_line_start: true })
    }

    /// Sends the error to the client, on a line of its own, and drops the program.
    fn fail(&mut self, error: CommandError, output: &mut Output<'_>) -> SessionError {
        let at_line_start = match &self.state {
            CommandState::Running(run) => run.at_line_start,
            CommandState::Reading(_) | CommandState::Done => true,
        };
        self.state = CommandState::Done;
        match error {
            CommandError::PeerClosed { .. } => {}
            CommandError::NotAllowed { .. }
            | CommandError::TooMany
            | CommandError::CannotRun { .. }
            | CommandError::Ended { .. } => {
                let line_end = if at_line_start { "" } else { "\n" };
                output.push(format!("{line_end}Error: {error}\n").as_bytes());
            }
        }
        SessionError::other(error)
    }
}

impl ProgramRun {
    /// Passes on available output, as far as there is room. Returns `None` when the program has ended.
    fn advance(
        &mut self,
        shared: &CommandShared,
        io: &mut SessionIo<'_>,
        now: Instant,
    ) -> Result<Option<Progress>, CommandError> {
        let name = || shared.programs[self.index].name.clone();
        if io.input_ended() && !self.is_half_closed {
            if now > self.began + HALF_CLOSE_TIME {
                return Err(CommandError::PeerClosed { name: name() });
            }
            self.is_half_closed = true;
        }
        let mut passed = 0;
        while io.output().has_room() && passed < BYTES_PER_CALL {
            let mut too_much = Vec::new();
            let left = shared.limits.output_len_max - self.len;
            let (mut output, len_max) = match left {
                // Only one more byte can show whether the limit is exceeded.
                0 => (Tail::from(&mut too_much), 1),
                _ => (io.output().tail(), left.min(BYTES_PER_CALL - passed)),
            };
            match self.running.read(&mut output, len_max) {
                Poll::Pending => break,
                Poll::Ready(Ok(News::Output(_))) if left == 0 => {
                    let after = format!("{} of output", count(self.len, "byte"));
                    return Err(CommandError::Ended { name: name(), after });
                }
                Poll::Ready(Ok(News::Output(len))) => {
                    self.at_line_start = output.as_slice().last() == Some(&b'\n');
                    self.len += len;
                    passed += len;
                }
                Poll::Ready(Ok(News::Ended(status))) => {
                    log_end(&name(), status, self.len, io.peer());
                    return Ok(None);
                }
                Poll::Ready(Err(error)) => return Err(CommandError::CannotRun { name: name(), error }),
            }
        }
        if now >= self.began + shared.limits.run_time_max {
            let after = format!("{:?}", shared.limits.run_time_max);
            return Err(CommandError::Ended { name: name(), after });
        }
        // Input is dropped, but its end may mean that the client has gone. The session is also called when there is
        // room, although it didn't wait for that.
        Ok(Some(if passed < BYTES_PER_CALL { Progress::NeedEither } else { Progress::Yield }))
    }
}

/// Logs how the program ended. The client gets only the output, as in the text.
fn log_end(name: &str, status: ExitStatus, len: usize, peer: &Peer) {
    let (name, len) = (Escaped(name.as_bytes()), count(len, "byte"));
    match status.success() {
        true => log::debug!("{name} for {peer} has ended, after {len} of output"),
        false => log::info!("{name} for {peer} has ended with {status}, after {len} of output"),
    }
}
