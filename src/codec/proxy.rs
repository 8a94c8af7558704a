//! The header of the PROXY protocol, versions 1 and 2: a proxy tells the server the address of its client.
//!
//! The rules are those of [HAProxy's document](https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt), and the
//! section numbers are from there. Nothing is guessed: bytes that can't be the beginning of a header are an error at
//! once, and a header without an address of TCP has [no client](Header::client).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The version of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its length. The bytes after it are the connection's own.
    pub len: usize,
    /// The client's address. `None` for a connection of the proxy's own, such as a health check (LOCAL), and for a client
    /// that doesn't use TCP or isn't known (UNKNOWN, UNSPEC, UDP, Unix sockets): section 2.2 allows a receiver to treat
    /// these alike.
    pub client: Option<SocketAddr>,
}

/// The error for bytes that are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// They begin like neither version.
    NoHeader,
    /// The line of version 1 does not end with CR LF within its greatest length.
    NoLineEnd,
    /// The line of version 1 says something else.
    Line,
    /// The version of a binary header is not 2.
    Version(u8),
    /// The command of version 2 has no meaning.
    Command(u8),
    /// The family or the transport of version 2 has no meaning.
    Family(u8),
    /// The addresses of version 2 take more than its length.
    TooShort {
        /// The length after the fixed part.
        len: usize,
        /// The length of the addresses.
        needed: usize,
    },
    /// A header of version 2 is longer than anybody needs.
    TooLong {
        /// The length after the fixed part.
        len: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => f.write_str("no PROXY header comes first"),
            Self::NoLineEnd => write!(f, "the PROXY line does not end within {LINE_LEN_MAX} bytes"),
            Self::Line => f.write_str("the PROXY line is malformed"),
            Self::Version(version) => write!(f, "the PROXY header has version {version}"),
            Self::Command(command) => write!(f, "the PROXY header has command {command}"),
            Self::Family(family) => write!(f, "the PROXY header has the address family {family:#04x}"),
            Self::TooShort { len, needed } => {
                write!(f, "the PROXY header has {len} bytes for addresses of {needed}")
            }
            Self::TooLong { len } => {
                write!(f, "the PROXY header has {len} bytes, and at most {REST_LEN_MAX} are allowed")
            }
        }
    }
}

impl std::error::Error for Error {}

/// The longest line of version 1, with its end: section 2.1.
pub const LINE_LEN_MAX: usize = 107;
/// The fixed part of version 2: signature, version and command, family and transport, and the length of the rest.
const FIXED_LEN: usize = 16;
/// The most bytes after it. A header should fit in a segment of 536 bytes (section 2), but certificates in its TLVs may
/// take more; 65535 would be memory for nothing.
pub const REST_LEN_MAX: usize = 4096;

const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Finds the header that `bytes` begin with. Returns `None` while it isn't complete.
///
/// # Errors
/// If they can't be the beginning of a header, as soon as that is certain.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Error> {
    if begins_like(bytes, SIGNATURE) {
        return binary(bytes);
    }
    if begins_like(bytes, LINE_START) {
        return line(bytes);
    }
    Err(Error::NoHeader)
}

/// Whether `bytes` begin with `start`, as far as they go.
fn begins_like(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

/// Section 2.1.
fn line(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let end = bytes.iter().take(LINE_LEN_MAX).position(|byte| matches!(byte, b'\r' | b'\n'));
    let Some(end) = end.filter(|&end| end + 2 <= LINE_LEN_MAX) else {
        return if bytes.len() < LINE_LEN_MAX { Ok(None) } else { Err(Error::NoLineEnd) };
    };
    match bytes[end..] {
        [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => {}
        _ => return Err(Error::Line),
    }
    let text = str::from_utf8(&bytes[LINE_START.len()..end]).map_err(|_| Error::Line)?;
    let client = client_of(text).ok_or(Error::Line)?;
    Ok(Some(Header { len: end + 2, client }))
}

/// The client in the line after its start: `TCP4 192.0.2.1 192.0.2.2 50000 80`.
fn client_of(text: &str) -> Option<Option<SocketAddr>> {
    let (family, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut words = rest.split(' ');
    let mut word = || words.next();
    let [ip, own_ip, port, own_port] = match family {
        "UNKNOWN" => return Some(None),
        "TCP4" | "TCP6" => [word()?, word()?, word()?, word()?],
        _ => return None,
    };
    if words.next().is_some() {
        return None;
    }
    number(own_port)?;
    let port = number(port)?;
    let client = if family == "TCP4" {
        own_ip.parse::<Ipv4Addr>().ok()?;
        SocketAddr::from((ip.parse::<Ipv4Addr>().ok()?, port))
    } else {
        own_ip.parse::<Ipv6Addr>().ok()?;
        SocketAddr::from((ip.parse::<Ipv6Addr>().ok()?, port))
    };
    Some(Some(client))
}

/// A port without zeros in front.
fn number(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    if is_plain { text.parse().ok() } else { None }
}

/// Section 2.2.
fn binary(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let Some(&version_and_command) = bytes.get(SIGNATURE.len()) else { return Ok(None) };
    let (version, command) = (version_and_command >> 4, version_and_command & 0xf);
    if version != 2 {
        return Err(Error::Version(version));
    }
    if command > 1 {
        return Err(Error::Command(command));
    }
    let is_local = command == 0;
    let Some(&family) = bytes.get(SIGNATURE.len() + 1) else { return Ok(None) };
    let needed = match family >> 4 {
        // The family of LOCAL is ignored, whatever it is.
        _ if is_local => 0,
        _ if family & 0xf > 2 => return Err(Error::Family(family)),
        0 => 0,
        1 => 2 * (4 + 2),
        2 => 2 * (16 + 2),
        3 => 2 * 108,
        _ => return Err(Error::Family(family)),
    };
    let Some(fixed) = bytes.first_chunk::<FIXED_LEN>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len < needed {
        return Err(Error::TooShort { len, needed });
    }
    if len > REST_LEN_MAX {
        return Err(Error::TooLong { len });
    }
    let Some(rest) = bytes.get(FIXED_LEN..FIXED_LEN + len) else { return Ok(None) };
    // The TLVs after the addresses are skipped.
    let client = match family {
        _ if is_local => None,
        0x11 => Some(SocketAddr::from((Ipv4Addr::from(chunk(rest, 0)), u16::from_be_bytes(chunk(rest, 8))))),
        0x21 => Some(SocketAddr::from((Ipv6Addr::from(chunk::<16>(rest, 0)), u16::from_be_bytes(chunk(rest, 32))))),
        _ => None,
    };
    Ok(Some(Header { len: FIXED_LEN + len, client }))
}

/// The `N` bytes from `start` on, which are known to be there.
fn chunk<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    *bytes[start..].first_chunk().expect("the length was checked")
}

/// Makes a header for a connection from `client` to `server`. If they aren't both of the same IP version, it names no
/// client (UNKNOWN, LOCAL).
pub fn write(version: Version, client: Option<SocketAddr>, server: Option<SocketAddr>) -> Vec<u8> {
    let ends = client.zip(server).filter(|(client, server)| client.is_ipv4() == server.is_ipv4());
    match (version, ends) {
        (Version::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (Version::V1, Some((client, server))) => {
            let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
            let (ip, own_ip, port, own_port) = (client.ip(), server.ip(), client.port(), server.port());
            format!("PROXY {family} {ip} {own_ip} {port} {own_port}\r\n").into_bytes()
        }
        (Version::V2, None) => [SIGNATURE, &[0x20, 0, 0, 0]].concat(),
        (Version::V2, Some((client, server))) => {
            let mut header = [SIGNATURE, &[0x21]].concat();
            match (client.ip(), server.ip()) {
                (IpAddr::V4(client), IpAddr::V4(server)) => {
                    header.extend([0x11, 0, 12]);
                    header.extend([client.octets(), server.octets()].concat());
                }
                (client, server) => {
                    header.extend([0x21, 0, 36]);
                    for ip in [client, server] {
                        let IpAddr::V6(ip) = ip else { unreachable!("both are of the same version") };
                        header.extend(ip.octets());
                    }
                }
            }
            header.extend([client.port().to_be_bytes(), server.port().to_be_bytes()].concat());
            header
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: ([u8; 4], u16) = ([192, 0, 2, 1], 56324);

    fn v4() -> Option<SocketAddr> {
        Some(SocketAddr::from(V4))
    }

    fn v6() -> Option<SocketAddr> {
        Some("[2001:db8::1]:56324".parse().unwrap())
    }

    /// A header of version 2 with this command, family and rest.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &len, rest].concat()
    }

    /// Headers, and the clients that they tell.
    fn headers() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
        let own = |v4: bool| if v4 { "192.0.2.11:443" } else { "[2001:db8::11]:443" }.parse().ok();
        let tcp4 = write(Version::V2, v4(), own(true));
        let with_tlvs = v2(0x21, 0x11, &[&tcp4[FIXED_LEN..], &[0x04, 0, 3, 1, 2, 3], &[0xe0; 500]].concat());
        vec![
            (b"PROXY TCP4 192.0.2.1 192.0.2.11 56324 443\r\n".to_vec(), v4()),
            (b"PROXY TCP6 2001:db8::1 2001:db8::11 56324 443\r\n".to_vec(), v6()),
            (b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n".to_vec(),
             "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().ok()),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            // The longest line that there may be.
            (b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n".to_vec(), None),
            (write(Version::V1, v4(), own(true)), v4()),
            (write(Version::V1, v6(), own(false)), v6()),
            (write(Version::V1, v4(), own(false)), None),
            (tcp4, v4()),
            (write(Version::V2, v6(), own(false)), v6()),
            (write(Version::V2, None, None), None),
            (with_tlvs, v4()),
            // LOCAL, whose family and addresses mean nothing.
            (v2(0x20, 0x11, &[1; 12]), None),
            (v2(0x20, 0xff, &[]), None),
            (v2(0x21, 0x00, &[0; 7]), None),
            (v2(0x21, 0x12, &[1; 12]), None),
            (v2(0x21, 0x31, &[b'a'; 216]), None),
            (v2(0x21, 0x00, &[0; REST_LEN_MAX]), None),
        ]
    }

    #[test]
    fn a_header_tells_its_client_and_ends_where_it_ends_at_any_split() {
        for (header, client) in headers() {
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(None), "{end} of {}", header.escape_ascii());
            }
            let expected = Ok(Some(Header { len: header.len(), client }));
            assert_eq!(parse(&header), expected, "{}", header.escape_ascii());
            assert_eq!(parse(&[&header[..], b"\r\nPROXY "].concat()), expected, "{}", header.escape_ascii());
        }
    }

    #[test]
    fn the_longest_line_has_107_bytes() {
        assert_eq!(headers()[4].0.len(), LINE_LEN_MAX);
        let longer = [&b"PROXY UNKNOWN "[..], &[b'x'; 92], b"\r\n"].concat();
        assert_eq!(parse(&longer), Err(Error::NoLineEnd));
        assert_eq!(parse(&longer[..LINE_LEN_MAX - 1]), Ok(None));
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_that_is_certain() {
        let line = |text: &str| text.as_bytes().to_vec();
        let mut signed = v2(0x21, 0x11, &[0; 12]);
        signed[5] ^= 1;
        for (bytes, error) in [
            (line("G"), Error::NoHeader),
            (line("PROXY\r"), Error::NoHeader),
            (line("PROXY  TCP4 192.0.2.1 192.0.2.11 56324 443\r\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 56324 443\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 56324 443\rx"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 56324\r\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 56324 443 \r\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.01 192.0.2.11 56324 443\r\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 056324 443\r\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 +5632 443\r\n"), Error::Line),
            (line("PROXY TCP4 192.0.2.1 192.0.2.11 56324 65536\r\n"), Error::Line),
            (line("PROXY TCP4 2001:db8::1 2001:db8::11 56324 443\r\n"), Error::Line),
            (line("PROXY TCP6 192.0.2.1 192.0.2.11 56324 443\r\n"), Error::Line),
            (line("PROXY TCP6 fe80::1%1 2001:db8::11 56324 443\r\n"), Error::Line),
            (line("PROXY UDP4 192.0.2.1 192.0.2.11 56324 443\r\n"), Error::Line),
            (line("PROXY TCP4\r\n"), Error::Line),
            (line("PROXY UNKNOWNS\r\n"), Error::Line),
            (vec![b'P', b'R', b'O', b'X', b'Y', b' ', 0xff, b'\r', b'\n'], Error::Line),
            (signed, Error::NoHeader),
            (v2(0x11, 0x11, &[0; 12])[..13].to_vec(), Error::Version(1)),
            (v2(0x22, 0x11, &[0; 12])[..13].to_vec(), Error::Command(2)),
            (v2(0x21, 0x41, &[0; 12])[..14].to_vec(), Error::Family(0x41)),
            (v2(0x21, 0x13, &[0; 12])[..14].to_vec(), Error::Family(0x13)),
            (v2(0x21, 0x11, &[0; 11])[..16].to_vec(), Error::TooShort { len: 11, needed: 12 }),
            (v2(0x21, 0x21, &[0; 35])[..16].to_vec(), Error::TooShort { len: 35, needed: 36 }),
            (v2(0x21, 0x31, &[0; 215])[..16].to_vec(), Error::TooShort { len: 215, needed: 216 }),
            (v2(0x20, 0, &[0; REST_LEN_MAX + 1])[..16].to_vec(), Error::TooLong { len: REST_LEN_MAX + 1 }),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_error_stays_whatever_follows() {
        for bytes in [&b"GET"[..], b"PROXY TCP4 x\r\n", &v2(0x22, 0, &[])] {
            let error = parse(bytes).unwrap_err();
            for more in [0, b'\n', b'P', 0xff] {
                assert_eq!(parse(&[bytes, &[more; 200]].concat()), Err(error));
            }
        }
    }
}
