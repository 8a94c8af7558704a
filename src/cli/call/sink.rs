//! `multiconn call sink`: sends bytes until no more are accepted.
//!
//! This uses a socket and poll(2) rather than a session: it only waits for room in one socket, and then inspects that
//! socket.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use socket2::Socket;

use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::stdout::print;
use crate::cli::{send_proxy, units};
use crate::protocols::sink::PORT;
use crate::queues::{self, TcpQueues, plain};
use crate::sys::{self, PollFd};
use crate::text::{count, reason};

/// Send until a server that does not read accepts no more, and show where the bytes are
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call sink 127.0.0.1:65432 --send-until-full")]
pub struct CallSink {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 65432), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Send until nothing more is accepted; this is the only mode, and so the default
    #[arg(long = "send-until-full")]
    _send_until_full: bool,
    /// How long no bytes must be accepted before the buffers count as full; they grow with use
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = units::timeout)]
    settle: Duration,
    /// Maximum bytes to send, in case the server does read
    #[arg(long, value_name = "SIZE", default_value = "1g", value_parser = units::size)]
    limit: usize,
    /// How long to wait for the connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
}

impl CallSink {
    pub fn run(self) -> Result<(), Failure> {
        let (mut stream, theirs) = self.address.or_port(PORT).connect(self.timeout)?;
        let failed = |error: io::Error| Failure::new(format!("cannot use the connection: {}", reason(&error)));
        let ours = stream.local_addr().map_err(failed)?.as_socket();
        // Make the close a reset. With unread bytes before it, an orderly end would never arrive: the server would not
        // notice that we have gone, and both kernels would hold the bytes for minutes.
        stream.set_linger(Some(Duration::ZERO)).map_err(failed)?;
        send_proxy::introduce(&stream, theirs).map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        let mut sent = 0;
        let filled = self.fill(&mut stream, &mut sent).map_err(|error| {
            Failure::new(format!("the connection to {theirs} broke after {}: {}", count(sent, "byte"), reason(&error)))
        })?;
        if !filled {
            return Err(Failure::new(format!(
                "nothing filled up: {theirs} took {}, all that --limit allows; either it reads them, or the kernels hold \
                 more than that",
                count(sent, "byte")
            )));
        }
        let text = format!("{theirs} took {}, and then no more for {:?}\n", count(sent, "byte"), self.settle);
        let whereabouts = match (ours, theirs.inet()) {
            (Some(ours), Some(theirs)) => whereabouts(queues::all(), sent, ours, theirs),
            _ => {
                "The kernel holds them until the server reads, but does not report how many of a Unix socket's\n".into()
            }
        };
        print((text + &whereabouts).as_bytes())
    }

    /// Sends until no bytes are accepted for the settling time, or up to the limit. Counts the accepted bytes in
    /// `sent`, and returns whether the buffers are full.
    fn fill(&self, stream: &mut Socket, sent: &mut usize) -> io::Result<bool> {
        let piece = [b'x'; 64 << 10];
        // Whether nothing has been accepted since the wait began.
        let mut settled = false;
        while *sent < self.limit {
            match stream.write(&piece[..piece.len().min(self.limit - *sent)]) {
                Ok(taken) => {
                    *sent += taken;
                    settled = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if settled => return Ok(true),
                // There may be a little room that the system doesn't report: only one more write can tell.
                Err(_) => match sys::poll(&mut [PollFd::new(stream, false, true)], Some(self.settle)) {
                    Ok(ready) => settled = ready == 0,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(false)
    }
}

/// Describes where the bytes are, as netstat shows it and in words, from the queues of `all` sockets.
fn whereabouts(all: Option<Vec<TcpQueues>>, sent: usize, ours: SocketAddr, theirs: SocketAddr) -> String {
    let Some(all) = all else {
        return "This system does not report how many of them each kernel holds\n".into();
    };
    let find = |local, remote| all.iter().find(|socket| (socket.local, socket.remote) == (plain(local), plain(remote)));
    let (client, server) = (find(ours, theirs), find(theirs, ours));
    let Some(client) = client else { return "The system does not list this connection\n".into() };
    let ends: Vec<&TcpQueues> = server.into_iter().chain([client]).collect();
    let sent = sent as u64;
    let words = match server {
        None => format!(
            "The other end can't be seen from here: its kernel has confirmed {}, and our Send-Q has the others",
            count(sent.saturating_sub(client.send_q), "byte")
        ),
        Some(server) => {
            let held = server.recv_q + client.send_q;
            let read = match sent.saturating_sub(held) {
                0 => "all that was sent, and held by the kernel".to_owned(),
                read => format!("{read} less than was sent: the server has read those"),
            };
            format!("The server's Recv-Q of {} and our Send-Q of {} make {held}: {read}", server.recv_q, client.send_q)
        }
    };
    table(&ends) + &words + "\n"
}

/// Formats a table like netstat's.
fn table(sockets: &[&TcpQueues]) -> String {
    let addresses = sockets.iter().flat_map(|socket| [socket.local, socket.remote]);
    let width = addresses.map(|addr| addr.to_string().len()).max().unwrap_or(0).max("Foreign Address".len());
    let mut text = format!("Proto  Recv-Q  Send-Q {:width$} {:width$} State\n", "Local Address", "Foreign Address");
    for TcpQueues { local, remote, state, recv_q, send_q } in sockets {
        let (proto, local, remote) =
            (if local.is_ipv6() { "tcp6" } else { "tcp" }, local.to_string(), remote.to_string());
        writeln!(text, "{proto:5} {recv_q:>7} {send_q:>7} {local:width$} {remote:width$} {state}")
            .expect("a String takes it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(local: &str, remote: &str, recv_q: u64, send_q: u64) -> TcpQueues {
        let [local, remote] = [local, remote].map(|addr| addr.parse().unwrap());
        TcpQueues { local, remote, state: "ESTABLISHED", recv_q, send_q }
    }

    #[test]
    fn it_is_said_what_can_be_known() {
        let [ours, theirs] = ["127.0.0.1:50000", "127.0.0.1:65432"];
        let (client, server) = (socket(ours, theirs, 0, 70), socket(theirs, ours, 30, 0));
        let words = |all: Option<&[TcpQueues]>, sent| {
            let text = whereabouts(all.map(<[_]>::to_vec), sent, ours.parse().unwrap(), theirs.parse().unwrap());
            (text.lines().count(), text.lines().last().unwrap().to_owned())
        };
        let both = "The server's Recv-Q of 30 and our Send-Q of 70 make 100: ";
        let all_held = format!("{both}all that was sent, and held by the kernel");
        assert_eq!(words(Some(&[client, server]), 100), (4, all_held));
        let some_read = format!("{both}23 less than was sent: the server has read those");
        assert_eq!(words(Some(&[server, client]), 123), (4, some_read));
        let elsewhere =
            "The other end can't be seen from here: its kernel has confirmed 30 bytes, and our Send-Q has the others";
        assert_eq!(words(Some(&[client]), 100), (3, elsewhere.into()));
        assert_eq!(words(Some(&[server]), 100), (1, "The system does not list this connection".into()));
        let untold = "This system does not report how many of them each kernel holds";
        assert_eq!(words(None, 100), (1, untold.into()));
    }

    #[test]
    fn a_table_is_as_wide_as_its_addresses() {
        let socket = socket("[::1]:65432", "[2001:db8:aaaa:bbbb::1]:50000", 408_300, 0);
        let expected = "\
Proto  Recv-Q  Send-Q Local Address                 Foreign Address               State
tcp6   408300       0 [::1]:65432                   [2001:db8:aaaa:bbbb::1]:50000 ESTABLISHED
";
        assert_eq!(table(&[&socket]), expected);
    }
}
