//! The first conversation in any protocol: two requests, which show whether the end of a reply is the right one, and
//! whether all replies can be the same.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use socket2::Socket;

use super::{PATIENCE, greet};
use crate::address::Addr;
use crate::bench::load::Talk;
use crate::bench::raw::{Check, Exchange, Partial, Template, Wrong};
use crate::codec::proxy::Version;
use crate::text::{Escaped, reason};

/// The number of requests in this conversation; the load begins with the next number.
const REQUESTS: u64 = 2;
/// How long to wait until the server has closed: it may keep the connection open all the same.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// Makes two requests, and returns the data to send under load.
pub fn meet(stream: Socket, address: Addr, send_proxy: Option<Version>, exchange: &Exchange) -> Result<Talk, String> {
    let mut conversation = Conversation { stream, address, exchange, partial: Partial::default() };
    let mut check = exchange.check.clone();
    for number in 0..REQUESTS {
        if number > 0 && exchange.framing.is_until_close() {
            conversation.stream = greet(address, send_proxy)?;
            conversation.partial.clear();
        }
        let request = exchange.request(number);
        let asked = || format!("{address} was asked {}", Escaped(&request));
        let reply = conversation.ask(&request).map_err(|why| format!("{}, and {why}", asked()))?;
        check.check(number, &reply, &mut Vec::new()).map_err(|wrong| match exchange.check {
            Check::First => format!(
                "{}, and the reply differs from the first: {wrong}; name what is right with --expect or --expect-regex, or \
                 use --unchecked",
                asked()
            ),
            Check::Bytes(_) | Check::Regex(_) | Check::Unchecked => format!("{}, and the reply is wrong: {wrong}", asked()),
        })?;
        if let Check::First = check {
            check = Check::Bytes(Template::fixed(reply));
        }
    }
    conversation.end()?;
    Ok(Talk::raw(Exchange { check, ..exchange.clone() }, REQUESTS))
}

/// A conversation with a server.
struct Conversation<'a> {
    stream: Socket,
    address: Addr,
    exchange: &'a Exchange,
    partial: Partial,
}

impl Conversation<'_> {
    /// Makes a request and returns the reply, or what went wrong.
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let framing = &self.exchange.framing;
        self.stream.write_all(request).map_err(|error| reason(&error))?;
        let (mut reply, mut piece) = (None, vec![0; 64 << 10]);
        loop {
            let so_far = || Escaped(self.partial.as_slice());
            let nothing_came = self.partial.as_slice().is_empty();
            let len = match self.stream.read(&mut piece) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) && nothing_came => {
                    return Err(format!("there is no reply within {PATIENCE:?}"));
                }
                Err(error) if is_timeout(&error) => {
                    return Err(format!(
                        "the reply does not end within {PATIENCE:?}: {} came, and {framing}",
                        so_far()
                    ));
                }
                Err(error) => return Err(reason(&error)),
            };
            match len {
                0 if framing.is_until_close() && !nothing_came => return Ok(self.partial.as_slice().to_vec()),
                0 if nothing_came => return Err("it closes without a reply".into()),
                0 => return Err(format!("it closes within the reply: {} came, and {framing}", so_far())),
                len => {
                    let take = |whole: &[u8]| match reply.replace(whole.to_vec()) {
                        None => Ok(()),
                        Some(_) => Err(Wrong::unrequested(whole)),
                    };
                    self.partial
                        .take(framing, &piece[..len], take)
                        .map_err(|wrong| format!("the reply is wrong: {wrong}"))?;
                    let more = self.partial.as_slice();
                    match reply.take() {
                        Some(_) if !more.is_empty() => {
                            return Err(format!("the reply is wrong: {}", Wrong::unrequested(more)));
                        }
                        Some(reply) => return Ok(reply),
                        None => {}
                    }
                }
            }
        }
    }

    /// Ends our side, and waits for the server to do the same: one that serves a client at a time is free only then.
    fn end(mut self) -> Result<(), String> {
        // It's not an error if the server has closed already, or doesn't close.
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(CLOSED_WITHIN));
        let mut piece = [0; Escaped::LEN_MAX];
        match self.stream.read(&mut piece) {
            Ok(0) | Err(_) => Ok(()),
            Ok(len) => Err(format!("{} sent more than the reply: {}", self.address, Escaped(&piece[..len]))),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
