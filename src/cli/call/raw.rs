//! `multiconn call raw`: a conversation with any server.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;

use crate::address::Addr;
use crate::cli::address::{Address, with_port};
use crate::cli::failure::Failure;
use crate::cli::stdout::cannot_print;
use crate::cli::{send_proxy, units};
use crate::relay::{AtEnd, Fd, Filter, Plain, Relay, Route, SinkId, SourceId, Turn, Unwanted, standard_output};
use crate::session::End;
use crate::text::{Printable, count, reason};

/// Talk to any server: send text or standard input, and print what arrives
#[derive(Debug, Args)]
#[command(
    after_help = "Standard input is sent as it comes, and its end ends our sending side; after TEXT, that side stays \
                        open. Received data is printed until the server closes, or is silent for --timeout after our input \
                        has ended; silence is an error only if nothing has been received at all.\n\n\
                        Example:\n  multiconn call raw localhost:25 QUIT --crlf\n  \
                        printf 'GET / HTTP/1.0\\n\\n' | multiconn call raw 8000 --crlf"
)]
pub struct CallRaw {
    /// Where the server is: HOST:PORT, [V6]:PORT, PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS", value_parser = with_port)]
    address: Address,
    /// What to send, in one line [default: standard input, as it comes]
    #[arg(value_name = "TEXT")]
    text: Vec<OsString>,
    /// Send every line end as CR LF, as mail, FTP and web servers expect
    #[arg(long)]
    crlf: bool,
    /// Show sent (>) and received (<) bytes as hexadecimal
    #[arg(long)]
    hex: bool,
    /// End our sending side after TEXT too
    #[arg(long, overrides_with = "no_half_close")]
    half_close: bool,
    /// Don't end our sending side at the end of standard input
    #[arg(long, overrides_with = "half_close")]
    no_half_close: bool,
    /// How long to wait for the connection, for the server to accept data, and for more data from it after our input
    /// has ended
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
}

impl CallRaw {
    pub fn run(self) -> Result<(), Failure> {
        let out = standard_output().map_err(|error| cannot_print(&error))?;
        let (stream, addr) = self.address.connect(self.timeout)?;
        let failed = |error| Failure::of_loop(&error);
        send_proxy::introduce(&stream, addr).map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        self.converse(Rc::new(stream), addr, out).map_err(failed)?
    }

    /// Sends and prints until the conversation is over. The outer error is the relay's, the inner one the
    /// conversation's.
    fn converse(&self, server: Fd, addr: Addr, out: Fd) -> io::Result<Result<(), Failure>> {
        let half_closes = self.half_close || self.text.is_empty() && !self.no_half_close;
        let at_end = if half_closes { AtEnd::HalfClose } else { AtEnd::LetGo };
        let mut relay = Relay::new()?;
        let out = relay.add_sink(out, AtEnd::LetGo, None)?;
        let to_server = relay.add_sink(Rc::clone(&server), at_end, Some(self.timeout))?;
        let shown = if self.hex {
            Route::new(out, HexDump::new('<', false))
        } else if io::stdout().is_terminal() {
            Route::new(out, OnTerminal::default())
        } else {
            Route::new(out, Plain)
        };
        let from_server = relay.add_source(Rc::clone(&server), vec![shown], Unwanted::Drop);
        let mut call =
            RelayedCall { relay, server, addr, timeout: self.timeout, out, to_server, from_server, input: None };
        self.feed(&mut call);
        call.run()
    }

    /// Feeds the text, or else standard input, to the server.
    fn feed(&self, call: &mut RelayedCall) {
        let (to_server, out) = (call.to_server, call.out);
        let mut sent: Vec<Route> = Vec::new();
        sent.push(if self.crlf { Route::new(to_server, CrLf::default()) } else { Route::new(to_server, Plain) });
        if self.hex {
            sent.push(Route::new(out, HexDump::new('>', self.crlf)));
        }
        if self.text.is_empty() {
            call.input = Some(call.relay.add_source(Rc::new(io::stdin()), sent, Unwanted::Close));
        } else {
            let mut line = self.text.join(" ".as_ref());
            line.push("\n");
            call.relay.push(line.as_bytes(), sent);
        }
    }
}

/// A conversation in progress.
struct RelayedCall {
    relay: Relay,
    server: Fd,
    addr: Addr,
    timeout: Duration,
    out: SinkId,
    to_server: SinkId,
    from_server: SourceId,
    /// Standard input, if that is the source.
    input: Option<SourceId>,
}

impl RelayedCall {
    fn run(mut self) -> io::Result<Result<(), Failure>> {
        let mut was_silent = false;
        while !self.is_over() && !was_silent {
            let deadline = self.patience().map(|patience| self.relay.moved_at() + patience);
            was_silent = self.relay.turn(deadline)? == Turn::Idle;
        }
        let RelayedCall { relay, server, out, from_server, .. } = &mut self;
        let nothing_came = was_silent && relay.received(*from_server) == 0 && !relay.has_ended(*from_server);
        // This flushes an incomplete character, so that it is shown as well.
        relay.let_go(server);
        while relay.unwritten(*out) > 0 && relay.write_error(*out).is_none() {
            relay.turn(None)?;
        }
        Ok(self.outcome(nothing_came))
    }

    fn is_over(&self) -> bool {
        let RelayedCall { relay, out, to_server, from_server, .. } = self;
        let nothing_more_to_print = relay.has_ended(*from_server) && relay.unwritten(*out) == 0;
        // A server that has merely ended its sending side still gets the input that our side has at hand.
        let nothing_more_to_send =
            relay.is_done(*to_server) || self.input_has_ended() && relay.unwritten(*to_server) == 0;
        relay.write_error(*out).is_some() || nothing_more_to_print && nothing_more_to_send
    }

    fn input_has_ended(&self) -> bool {
        self.input.is_none_or(|input| self.relay.has_ended(input))
    }

    /// How long to wait for progress in either direction.
    fn patience(&self) -> Option<Duration> {
        let RelayedCall { relay, out, to_server, from_server, .. } = self;
        let is_ours_to_move = relay.unwritten(*out) > 0;
        let is_watched_already = relay.unwritten(*to_server) > 0 && !relay.is_done(*to_server);
        if is_ours_to_move || is_watched_already {
            None
        } else if relay.has_ended(*from_server) {
            Some(Duration::ZERO)
        } else if self.input_has_ended() {
            Some(self.timeout)
        } else {
            None
        }
    }

    fn outcome(self, nothing_came: bool) -> Result<(), Failure> {
        let RelayedCall { relay, addr, timeout, out, to_server, from_server, input, .. } = self;
        if let Some(error) = relay.write_error(out) {
            return Err(cannot_print(error));
        }
        let unsent = relay.unwritten(to_server);
        let why = match (relay.read_error(from_server), relay.write_error(to_server)) {
            (Some(error), _) => Some(reason(error)),
            (None, Some(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Some(End::WriteTimedOut(timeout).to_string())
            }
            (None, Some(error)) => Some(reason(error)),
            (None, None) if nothing_came => Some(format!("nothing came for {timeout:?}")),
            (None, None) => None,
        };
        if let Some(why) = why {
            let left = if unsent > 0 { format!("; left unsent: {}", count(unsent, "byte")) } else { String::new() };
            return Err(Failure::new(format!("the conversation with {addr} failed: {why}{left}")));
        }
        match input.and_then(|input| relay.read_error(input)) {
            Some(error) => Err(Failure::new(format!("cannot read standard input: {}", reason(error)))),
            None => Ok(()),
        }
    }
}

/// Turns every line end into CR LF.
#[derive(Default)]
struct CrLf {
    after_cr: bool,
}

impl Filter for CrLf {
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        for &byte in bytes {
            if byte == b'\n' && !self.after_cr {
                out.push_back(b'\r');
            }
            out.push_back(byte);
            self.after_cr = byte == b'\r';
        }
    }
}

/// Formats bytes as a hex dump: sixteen to a line, each piece on lines of its own.
struct HexDump {
    mark: char,
    /// The line-end filter, if bytes are sent through one.
    crlf: Option<CrLf>,
    offset: u64,
}

impl HexDump {
    fn new(mark: char, crlf: bool) -> HexDump {
        HexDump { mark, crlf: crlf.then(CrLf::default), offset: 0 }
    }
}

impl Filter for HexDump {
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        let mut piece = VecDeque::new();
        match &mut self.crlf {
            Some(crlf) => crlf.pass(bytes, &mut piece),
            None => piece.extend(bytes),
        }
        for row in piece.make_contiguous().chunks(16) {
            let mut line = format!("{} {:08x} ", self.mark, self.offset);
            for index in 0..16 {
                let gap = if index % 8 == 0 { " " } else { "" };
                let shown = row.get(index).map_or("  ".into(), |byte| format!("{byte:02x}"));
                write!(line, "{gap}{shown} ").expect("a string takes all");
            }
            let text = row.iter().map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { byte.into() } else { '.' });
            line.push_str(" |");
            line.extend(text);
            line.push_str("|\n");
            out.extend(line.as_bytes());
            self.offset += row.len() as u64;
        }
    }
}

/// Text made safe for a terminal, except for carriage returns, with which many servers end their lines.
struct OnTerminal(Printable);

impl Default for OnTerminal {
    fn default() -> Self {
        OnTerminal(Printable::with_carriage_returns())
    }
}

impl Filter for OnTerminal {
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        out.extend(self.0.take(bytes).as_bytes());
    }

    fn end(&mut self, out: &mut VecDeque<u8>) {
        out.extend(self.0.take_rest().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter's output for `bytes`; it must be the same wherever they are split in two.
    fn filtered<F: Filter>(new: impl Fn() -> F, bytes: &[u8]) -> String {
        let mut results = (0..=bytes.len()).map(|split| {
            let (mut filter, mut out) = (new(), VecDeque::new());
            filter.pass(&bytes[..split], &mut out);
            filter.pass(&bytes[split..], &mut out);
            filter.end(&mut out);
            String::from_utf8(out.into()).unwrap()
        });
        let first = results.next().unwrap();
        assert!(results.all(|result| result == first), "{first:?}");
        first
    }

    #[test]
    fn line_ends_become_cr_lf_once() {
        for (bytes, expected) in [("", ""), ("a\nb\r\nc\rd\n\n\r\r\n", "a\r\nb\r\nc\rd\r\n\r\n\r\r\n")] {
            assert_eq!(filtered(CrLf::default, bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        for (bytes, expected) in [
            (&b"plain\ttext\r\n"[..], "plain\ttext\r\n"),
            ("é 🐰 \u{9b}1m".as_bytes(), "é 🐰 \\u{9b}1m"),
            (b"\x1b[31m\x07\x00\x7f", "\\u{1b}[31m\\u{7}\\u{0}\\u{7f}"),
            (b"\x9b1m\xff\xf0\x9f\x90", "\\x9b1m\\xff\\xf0\\x9f\\x90"),
            (b"\xf0\x9f\x90a\xe2\x82", "\\xf0\\x9f\\x90a\\xe2\\x82"),
            (b"\xed\xa0\x80\xc0\xaf", "\\xed\\xa0\\x80\\xc0\\xaf"),
        ] {
            assert_eq!(filtered(OnTerminal::default, bytes), expected);
        }
    }

    #[test]
    fn a_dump_counts_on() {
        let mut out = VecDeque::new();
        let mut dump = HexDump::new('>', true);
        dump.pass(b"GET / HTTP/1.0\n\n", &mut out);
        dump.pass(b"\xff", &mut out);
        let expected = "\
> 00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 30 0d 0a  |GET / HTTP/1.0..|
> 00000010  0d 0a                                             |..|
> 00000012  ff                                                |.|
";
        assert_eq!(String::from_utf8(out.into()).unwrap(), expected);
    }
}
