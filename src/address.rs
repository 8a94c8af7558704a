//! The addresses of listeners and peers: an IP address with a port, or the name of a Unix socket.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::net;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// The prefix of a Unix socket's address as text.
pub const UNIX: &str = "unix:";

/// The address of a listener or a peer. It is as large as a [`SocketAddr`], and as cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addr {
    /// An IP address and a port of TCP.
    Inet(SocketAddr),
    /// A Unix socket, or one of its peers.
    Unix(UnixAddr),
}

/// The name of a Unix socket, see unix(7): a path, or an abstract name, which Linux has.
///
/// The peers that connect to one have no names of their own. Each gets a number instead, so that logs can tell them
/// apart: `unix:/run/multiconn.sock#3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixAddr {
    /// The path, or `@` and the abstract name. Never freed, since there are only a few names in a process.
    name: &'static str,
    /// The number of a peer, or 0 for the socket itself.
    peer: u32,
}

impl UnixAddr {
    /// The socket of this name: a path, or `@` and an abstract name. The path of a file whose name begins with `@` must
    /// say more, such as `./@name`. Each different name takes a little memory until the process ends.
    ///
    /// # Errors
    /// If the system can't have a socket of this name, or the name has control characters.
    pub fn new(name: &str) -> io::Result<UnixAddr> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        if matches!(name, "" | "@") {
            return Err(invalid("the name is empty"));
        }
        if name.contains(char::is_control) {
            return Err(invalid("the name has control characters"));
        }
        system_name(name)?;
        Ok(UnixAddr { name: interned(name), peer: 0 })
    }

    /// The peer of this number, from 1, which has connected to it.
    #[must_use]
    pub const fn peer(self, number: u32) -> UnixAddr {
        UnixAddr { peer: number, ..self }
    }

    /// The number of a peer, or `None` for the socket itself.
    pub const fn number(self) -> Option<u32> {
        if self.peer == 0 { None } else { Some(self.peer) }
    }

    /// The path, or `@` and the abstract name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The path, unless the name is abstract.
    pub fn path(self) -> Option<&'static Path> {
        (!self.name.starts_with('@')).then_some(Path::new(self.name))
    }

    /// The name as the system has it: the path, or a zero byte and the abstract name.
    pub fn raw_name(self) -> Cow<'static, str> {
        match self.name.strip_prefix('@') {
            Some(name) => format!("\0{name}").into(),
            None => self.name.into(),
        }
    }

    /// The name as an address of the system.
    ///
    /// # Errors
    /// None for a name that has passed [`new`](Self::new).
    pub fn to_system(self) -> io::Result<net::SocketAddr> {
        system_name(self.name)
    }
}

fn system_name(name: &str) -> io::Result<net::SocketAddr> {
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    match name.strip_prefix('@') {
        // Its only requirement that a name can fail here.
        None => net::SocketAddr::from_pathname(name).map_err(|_| invalid("a path of a Unix socket must be shorter")),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Some(name) => {
            #[cfg(target_os = "android")]
            use std::os::android::net::SocketAddrExt;
            #[cfg(target_os = "linux")]
            use std::os::linux::net::SocketAddrExt;
            net::SocketAddr::from_abstract_name(name).map_err(|_| invalid("the name of a Unix socket must be shorter"))
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        Some(_) => Err(invalid("only Linux has abstract names")),
    }
}

/// The same text, kept until the process ends.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = names.get(name) {
        return kept;
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

/// A network, as CIDR writes it: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    ip: IpAddr,
    /// How many of its first bits an address must share.
    len: u8,
}

impl Network {
    /// The networks of this machine itself.
    pub const LOOPBACK: [Network; 2] = [
        Network { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), len: 8 },
        Network { ip: IpAddr::V6(Ipv6Addr::LOCALHOST), len: 128 },
    ];

    /// Whether `ip` is in it. An IPv4-mapped address counts as the IPv4 address.
    pub fn contains(self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.len)).unwrap_or(0);
                u32::from(own) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.len)).unwrap_or(0);
                u128::from(own) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ip, len) = text.split_once('/').map_or((text, None), |(ip, len)| (ip, Some(len)));
        let ip: IpAddr = ip.parse().map_err(|_| format!("'{ip}' is not an IP address"))?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let len = match len {
            None => bits,
            Some(len) => len
                .parse()
                .ok()
                .filter(|&number| number <= bits && !len.starts_with('+'))
                .ok_or_else(|| format!("'{len}' is not a number of bits up to {bits}"))?,
        };
        Ok(Network { ip, len })
    }
}

impl Addr {
    /// The IP address and port, unless it's a Unix socket.
    pub const fn inet(self) -> Option<SocketAddr> {
        match self {
            Addr::Inet(addr) => Some(addr),
            Addr::Unix(_) => None,
        }
    }

    /// The Unix socket, if it's one.
    pub const fn unix(self) -> Option<UnixAddr> {
        match self {
            Addr::Inet(_) => None,
            Addr::Unix(addr) => Some(addr),
        }
    }
}

/// `unix:`, and its name; for a peer, also `#` and its number.
impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{UNIX}{}", self.name)?;
        if self.peer == 0 { Ok(()) } else { write!(f, "#{}", self.peer) }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Inet(addr) => addr.fmt(f),
            Addr::Unix(addr) => addr.fmt(f),
        }
    }
}

/// Parses the address of a listener, as it is shown.
impl FromStr for Addr {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Addr> {
        match text.strip_prefix(UNIX) {
            Some(name) => UnixAddr::new(name).map(Addr::Unix),
            None => text.parse().map(Addr::Inet).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error)),
        }
    }
}

/// As text.
impl serde::Serialize for Addr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<A: Into<SocketAddr>> From<A> for Addr {
    fn from(addr: A) -> Self {
        Addr::Inet(addr.into())
    }
}

/// For connecting over TCP.
impl ToSocketAddrs for Addr {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.inet() {
            Some(addr) => Ok(Some(addr).into_iter()),
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket has no IP address")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_unix_socket_takes_no_more_than_one_of_tcp() {
        assert_eq!(size_of::<Addr>(), size_of::<SocketAddr>());
    }

    #[test]
    fn a_peer_has_the_name_of_its_socket_and_a_number() {
        let addr = UnixAddr::new("/run/multiconn.sock").unwrap();
        assert_eq!(Addr::Unix(addr).to_string(), "unix:/run/multiconn.sock");
        assert_eq!(Addr::Unix(addr.peer(3)).to_string(), "unix:/run/multiconn.sock#3");
        assert_eq!("unix:/run/multiconn.sock".parse::<Addr>().unwrap(), Addr::Unix(addr));
        assert_eq!(serde_json::to_string(&Addr::Unix(addr.peer(3))).unwrap(), r##""unix:/run/multiconn.sock#3""##);
    }

    #[test]
    fn a_network_contains_its_addresses() {
        let contains = |network: &str, ip: &str| network.parse::<Network>().unwrap().contains(ip.parse().unwrap());
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0", "9.255.255.255"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("192.0.2.0/25", "::ffff:192.0.2.127", "192.0.2.128"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("::/0", "ffff::", "127.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(contains(network, inside) && !contains(network, outside), "{network}");
        }
        for text in ["", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "localhost", "10.0.0.0/8/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn equal_names_share_their_text() {
        let name = |text| UnixAddr::new(text).unwrap().name();
        assert_eq!(name("/run/a.sock").as_ptr(), name(&format!("/run/{}.sock", 'a')).as_ptr());
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        let long = "x".repeat(200);
        for (name, why) in [
            ("", "the name is empty"),
            ("@", "the name is empty"),
            ("a\nb", "the name has control characters"),
            (&long, "must be shorter"),
            (&format!("@{long}"), if cfg!(target_os = "linux") { "must be shorter" } else { "only Linux" }),
        ] {
            let error = UnixAddr::new(name).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
    }
}
