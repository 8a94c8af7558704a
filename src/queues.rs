//! The queues that netstat shows: the bytes that wait in each TCP socket, in either direction.
//!
//! The kernel accepts bytes that no program reads, up to a limit, and keeps them in the socket's receive queue, its
//! Recv-Q. It keeps sent bytes in the send queue, its Send-Q, until the other side has confirmed them. On Linux, both
//! are listed in `/proc/net`; other systems are not supported.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A TCP socket and its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpQueues {
    /// Its own address. Both addresses are in the [plain] form.
    pub local: SocketAddr,
    /// The peer's address; unspecified for a listening socket.
    pub remote: SocketAddr,
    /// The state's name in netstat.
    pub state: &'static str,
    /// Bytes received and not read.
    pub recv_q: u64,
    /// Bytes sent and not confirmed.
    pub send_q: u64,
}

/// The queues of all sockets that the system lists: on Linux, all in the same network namespace as this process, such
/// as its container. `None` if there is no such list.
pub fn all() -> Option<Vec<TcpQueues>> {
    let v4 = fs::read_to_string("/proc/net/tcp").ok()?;
    // A machine without IPv6 has no such list.
    let v6 = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    Some(parse(&v4).chain(parse(&v6)).collect())
}

/// The form of an address used in these lists: IPv4 not mapped into IPv6, and without a scope.
pub fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

fn parse(list: &str) -> impl Iterator<Item = TcpQueues> {
    list.lines().filter_map(line)
}

/// Parses a line. `None` for a header or an unknown format.
fn line(line: &str) -> Option<TcpQueues> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
    let state = usize::from_str_radix(fields.next()?, 16).ok()?;
    let (send_q, recv_q) = fields.next()?.split_once(':')?;
    let bytes = |digits| u64::from_str_radix(digits, 16).ok();
    let state = STATES.get(state).copied().unwrap_or("UNKNOWN");
    Some(TcpQueues { local, remote, state, recv_q: bytes(recv_q)?, send_q: bytes(send_q)? })
}

/// Parses an address such as `0100007F:FF98`: 32-bit words in this machine's byte order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok();
    let ip = match ip.len() {
        8 => IpAddr::from(word(0)?.to_ne_bytes()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?].map(u32::to_ne_bytes);
            let bytes: [u8; 16] = words.concat().try_into().expect("four words are sixteen bytes");
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The states by the kernel's numbers.
const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// Formats a word of an address, given in network order, like this machine's kernel.
    fn word(bytes: [u8; 4]) -> String {
        match cfg!(target_endian = "big") {
            true => format!("{:08X}", u32::from_be_bytes(bytes)),
            false => format!("{:08X}", u32::from_le_bytes(bytes)),
        }
    }

    fn parsed(lines: &str) -> Vec<TcpQueues> {
        parse(&format!("{HEADER}{lines}")).collect()
    }

    #[test]
    fn sockets_of_ipv4() {
        let loopback = word([127, 0, 0, 1]);
        let nobody = word([0; 4]);
        let found = parsed(&format!(
            "   0: {loopback}:FF98 {nobody}:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 9 1 0\n\
             \x20  1: {loopback}:FF98 {loopback}:C350 01 00000000:00063AEC 00:00000000 00000000  1000        0 9 1 0\n\
             1234: {loopback}:C350 {loopback}:FF98 01 00041E2C:00000000 04:00000B7C 00000000  1000        0 9 2 0\n"
        ));
        let queues = |local: &str, remote: &str, state, recv_q, send_q| TcpQueues {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            state,
            recv_q,
            send_q,
        };
        assert_eq!(
            found,
            [
                queues("127.0.0.1:65432", "0.0.0.0:0", "LISTEN", 3, 0),
                queues("127.0.0.1:65432", "127.0.0.1:50000", "ESTABLISHED", 408_300, 0),
                queues("127.0.0.1:50000", "127.0.0.1:65432", "ESTABLISHED", 0, 269_868),
            ]
        );
    }

    #[test]
    fn sockets_of_ipv6_and_those_that_are_ipv4_in_truth() {
        let zero = word([0; 4]);
        let loopback = [&zero, &zero, &zero, &word([0, 0, 0, 1])].map(String::as_str).concat();
        let mapped = [&zero, &zero, &word([0, 0, 0xff, 0xff]), &word([10, 1, 2, 3])].map(String::as_str).concat();
        let other = [[0x20, 1, 0x0d, 0xb8], [0; 4], [0; 4], [0, 0, 0xab, 0xcd]].map(word).concat();
        let found = parsed(&format!(
            "0: {loopback}:0050 {other}:FFFF 08 00000001:00000002 00:0\n\
             1: {mapped}:0016 {mapped}:0001 01 00000000:00000000 00:0\n"
        ));
        let addresses: Vec<_> = found.iter().flat_map(|found| [found.local, found.remote]).collect();
        let expected = ["[::1]:80", "[2001:db8::abcd]:65535", "10.1.2.3:22", "10.1.2.3:1"];
        assert_eq!(addresses, expected.map(|address| address.parse().unwrap()));
        assert_eq!((found[0].state, found[0].recv_q, found[0].send_q), ("CLOSE_WAIT", 2, 1));
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let zero = word([0; 4]);
        for line in ["", "0:", "0: x:1 y:2 01 0:0", "0: 00:1 00:2 01 0:0", "0: äääää:1 äääää:2 01 0:0"] {
            assert_eq!(parsed(line), [], "{line}");
        }
        for line in ["00:0", "01 00", "01 g:0", "01 0:"] {
            assert_eq!(parsed(&format!("0: {zero}:0001 {zero}:0002 {line}")), [], "{line}");
        }
        assert_eq!(parsed(&format!("0: {zero}:0001 {zero}:0002 FF 0:0"))[0].state, "UNKNOWN");
    }

    /// The system's list, if there is one, contains this test's sockets.
    #[test]
    fn the_system_tells_of_a_socket_and_what_is_in_it() {
        use std::io::Write;
        use std::net::{TcpListener, TcpStream};

        for address in ["127.0.0.1:0", "[::1]:0"] {
            // Some machines lack IPv6.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, _) = listener.accept().unwrap();
            client.write_all(b"unread").unwrap();
            server.peek(&mut [0; 6]).unwrap();
            let all = all();
            assert_eq!(all.is_some(), cfg!(target_os = "linux"));
            let Some(all) = all else { return };
            let (local, remote) = (server.local_addr().unwrap(), client.local_addr().unwrap());
            let found: Vec<_> = all.iter().filter(|found| (found.local, found.remote) == (local, remote)).collect();
            assert_eq!(found, [&TcpQueues { local, remote, state: "ESTABLISHED", recv_q: 6, send_q: 0 }]);
        }
    }
}
