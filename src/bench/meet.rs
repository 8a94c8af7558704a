//! The first conversation with a server, before the load. It checks that the server is there, speaks the protocol, and
//! answers correctly. The answer to a framed request is the one expected for all others.

mod raw;

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use socket2::Socket;

use super::conditions::Conditions;
use super::load::Talk;
use super::results::Workload;
use crate::address::Addr;
use crate::buffer::Input;
use crate::client::connect;
use crate::codec::proxy::{self, Version};
use crate::message::{Limits, MessageReader};
use crate::protocols::app::{Dictionary, Reply, Request};
use crate::text::{Escaped, reason};

/// How long to wait for a connection and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The word to search for, repeated to reach the requested size.
const VALUE: &str = "morpheus";
/// The most bytes echoed in this conversation.
const ECHO_LEN_MAX: u64 = 64;
/// Bytes that a reply may have besides the value.
const REPLY_LEN_SPARE: usize = 64 << 10;

/// The default size for the workload: of a message, a value or a piece.
pub fn size_by_default(workload: Workload) -> u64 {
    match workload {
        Workload::Echo | Workload::Idle | Workload::Slow => 64,
        Workload::App | Workload::AppClose => VALUE.len() as u64,
        Workload::Connect | Workload::Raw => 0,
        Workload::Stream => 64 << 10,
    }
}

/// Checks the server at `address`, and returns the data to send under load; with `raw`, that is of the exchange.
///
/// # Errors
/// The failure, with a readable reason.
pub fn meet(address: Addr, workload: Workload, size: u64, conditions: &Conditions<'_>) -> Result<Talk, String> {
    let mut stream = greet(address, conditions.send_proxy)?;
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("{address} does not answer within {PATIENCE:?}"),
        _ => format!("the first conversation with {address} failed: {}", reason(&error)),
    };
    let talk = match workload {
        Workload::Echo | Workload::Idle | Workload::Slow | Workload::Stream => {
            let talk = Talk::echo(size);
            let sent = talk.out(0, 0, size.min(ECHO_LEN_MAX)).to_vec();
            stream.write_all(&sent).map_err(failed)?;
            let mut back = Vec::new();
            (&stream).take(sent.len() as u64).read_to_end(&mut back).map_err(failed)?;
            if back.len() < sent.len() {
                let (came, asked) = (back.len(), sent.len());
                return Err(format!("{address} is not an echo server: it closed after {came} of {asked} bytes"));
            }
            if back != sent {
                return Err(format!("{address} is not an echo server: {} came back", Escaped(&back)));
            }
            talk
        }
        Workload::App | Workload::AppClose => {
            let keep_alive = workload == Workload::App;
            let value: String = VALUE.chars().cycle().take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
            let mut request = Vec::new();
            Request::Search(value.clone()).write(&mut request, keep_alive);
            stream.write_all(&request).map_err(failed)?;
            let reply = read_reply(&mut stream, address, &value).map_err(|wrong| match wrong {
                Wrong::Io(error) => failed(error),
                Wrong::Words(words) => words,
            })?;
            if keep_alive { Talk::fixed(&request, &reply) } else { Talk::fixed_once(&request, &reply) }
        }
        Workload::Connect => Talk::nothing(),
        Workload::Raw => {
            let exchange = conditions.exchange.expect("the command line has one");
            return raw::meet(stream, address, conditions.send_proxy, exchange);
        }
    };
    // Wait until the server has closed, too: one that serves a client at a time is free only then.
    match workload {
        Workload::AppClose | Workload::Raw => {}
        Workload::App | Workload::Echo | Workload::Idle | Workload::Slow | Workload::Stream | Workload::Connect => {
            stream.shutdown(Shutdown::Write).map_err(failed)?;
        }
    }
    match stream.read(&mut [0; 1]).map_err(failed)? {
        0 => Ok(talk),
        _ => Err(format!("{address} sent more than the reply")),
    }
}

/// Opens the connection, with a limit for each wait, and sends the header if there is one.
fn greet(address: Addr, send_proxy: Option<Version>) -> Result<Socket, String> {
    let cannot_connect = |error: io::Error| {
        let hint = match error.kind() {
            ErrorKind::ConnectionRefused => " (is a server running there?)",
            _ => "",
        };
        format!("cannot connect to {address}: {}{hint}", reason(&error))
    };
    let mut stream = connect(address, PATIENCE).map_err(cannot_connect)?;
    let set_up = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    set_up.map_err(cannot_connect)?;
    if let Some(version) = send_proxy {
        let own = stream.local_addr().ok().and_then(|own| own.as_socket());
        stream.write_all(&proxy::write(version, own, address.inet())).map_err(cannot_connect)?;
    }
    Ok(stream)
}

enum Wrong {
    Io(io::Error),
    Words(String),
}

/// Reads one message, checks that it's the right answer, and returns its bytes.
fn read_reply(stream: &mut Socket, address: Addr, value: &str) -> Result<Vec<u8>, Wrong> {
    let expected = match Dictionary::default().get(value) {
        Some(found) => found.to_owned(),
        None => format!("No match for '{value}'."),
    };
    let limits = Limits { content_len_max: value.len() + REPLY_LEN_SPARE, ..Limits::default() };
    let is_no_app = |why: &dyn std::fmt::Display| Wrong::Words(format!("{address} is not an app server: {why}"));
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let len = stream.read(&mut piece).map_err(Wrong::Io)?;
        if len == 0 {
            return Err(Wrong::Words(format!("{address} closed without a complete reply")));
        }
        bytes.extend_from_slice(&piece[..len]);
        let mut input = Input::new(&bytes);
        if let Some(message) = MessageReader::default().read(&mut input, &limits).map_err(|error| is_no_app(&error))? {
            let reply = Reply::from_message(&message, limits.depth_max).map_err(|error| is_no_app(&error))?;
            let got = match reply {
                Reply::Result(result) if result == expected && input.remaining().is_empty() => return Ok(bytes),
                Reply::Result(result) => result.into_bytes(),
                Reply::Sum(sum) => sum.to_string().into_bytes(),
                Reply::Binary(content) => content,
            };
            let (asked, expected) = (Escaped(value.as_bytes()), Escaped(expected.as_bytes()));
            let words = format!("{address} answers {asked} with {}, not with {expected}", Escaped(&got));
            return Err(Wrong::Words(words));
        }
    }
}
