//! `multiconn serve multiply`: sends a string back ten thousand times.

use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::run::run_with;
use crate::cli::descriptors::Needs;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::units;
use crate::protocols::line::{LineLimits, PAUSE};
use crate::protocols::multiply::{Keyboard, MultiplyService, PORT};
use crate::sys::{self, PollFd};
use crate::text::reason;

/// The server that repeats: sends each client its string 10,000 times (port 2000)
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn serve multiply\n  multiconn call multiply 127.0.0.1 hello")]
pub struct ServeMultiply {
    #[command(flatten)]
    server: ServerOptions,
    /// Number of times to send the string
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    times: u64,
    /// Maximum string length in bytes
    #[arg(long, value_name = "SIZE", default_value = "1000000", value_parser = units::size)]
    max_string: usize,
    /// How long a complete string may take, from its first byte on
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    request_timeout: Duration,
    /// Send nothing until Enter is pressed here, once for each client
    #[arg(long)]
    wait_for_enter: bool,
}

impl ServeMultiply {
    pub fn run(mut self) -> Result<(), Failure> {
        self.server.message_len_max = self.max_string;
        let limits = LineLimits { len_max: self.max_string, timeout: self.request_timeout, pause: Some(PAUSE) };
        let keyboard = self.wait_for_enter.then(watch_standard_input).transpose()?;
        let needs = Needs { woken: keyboard.is_some(), ..Needs::SOCKET };
        let service = MultiplyService { limits, times: self.times, keyboard };
        run_with(&self.server, "multiply", PORT, needs, service, |_| {})
    }
}

/// Reads lines on a separate thread, since reading them blocks.
fn watch_standard_input() -> Result<Keyboard, Failure> {
    let keyboard = Keyboard::default();
    let pressed = keyboard.clone();
    let watch = move || {
        if let Err(error) = read_lines(io::stdin().lock(), || pressed.enter()) {
            log::error!("Cannot read standard input: {}", reason(&error));
        }
        pressed.end();
    };
    match thread::Builder::new().name("keyboard".into()).spawn(watch) {
        Ok(_) => Ok(keyboard),
        Err(error) => Err(Failure::new(format!("cannot start a thread: {}", reason(&error)))),
    }
}

/// Calls `enter` at the end of each line. Lines may have any length, since they are not stored.
fn read_lines(mut lines: impl BufRead + AsFd, mut enter: impl FnMut()) -> io::Result<()> {
    loop {
        let len = match lines.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => {
                bytes.iter().filter(|&&byte| byte == b'\n').for_each(|_| enter());
                bytes.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            // Another process that shares it has made it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sys::poll(&mut [PollFd::new(&lines, true, false)], None)?;
                0
            }
            Err(error) => return Err(error),
        };
        lines.consume(len);
    }
}
