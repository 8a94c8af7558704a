//! Addresses as people write them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use socket2::Socket;

use super::failure::Failure;
use super::systemd;
use crate::address::{Addr, UNIX, UnixAddr};
use crate::client::connect;
use crate::sys::interface_index;
use crate::text::{count, reason};

/// `HOST:PORT`, `[V6]:PORT`, `:PORT`, `HOST`, `PORT`, `unix:PATH` or `unix:@NAME`; for servers, also `systemd` or
/// `systemd:NAME`. An empty host is every interface, as in Python. An IPv6 address may end in `%INTERFACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: Host,
    /// Defaults to the protocol's port. A Unix socket has none.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// Every interface.
    Every,
    Ip(IpAddr),
    /// An address on one network interface, given by its name or number: a scope, as RFC 4007 calls it.
    Scoped(Ipv6Addr, String),
    Name(String),
    /// This machine, by a Unix socket.
    Unix(UnixAddr),
    /// The sockets of this name that systemd has passed, or all that no other address names.
    Systemd(Option<String>),
}

/// The address of the sockets that systemd has passed. With a colon and a name, it's those of that name.
const SYSTEMD: &str = "systemd";

const LOOPBACK: Host = Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(UNIX) {
            let addr = UnixAddr::new(name).map_err(|error| error.to_string())?;
            return Ok(Address { host: Host::Unix(addr), port: None });
        }
        if let Some(rest) = text.strip_prefix(SYSTEMD)
            && (rest.is_empty() || rest.starts_with(':'))
        {
            let name = rest.strip_prefix(':').map(str::to_owned);
            if name.as_deref() == Some("") {
                return Err("the name is empty".into());
            }
            return Ok(Address { host: Host::Systemd(name), port: None });
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Address::loopback(port(text)?));
        }
        if let Some(host) = ip(text) {
            return Ok(Address { host, port: None });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (text, rest) = rest.split_once(']').ok_or("'[' without ']'")?;
            let is_v4 = text.parse::<Ipv4Addr>().is_ok();
            let host = ip(text).filter(|_| !is_v4).ok_or_else(|| format!("'{text}' is not an IPv6 address"))?;
            let port = match rest.strip_prefix(':') {
                Some(text) => Some(port(text)?),
                None if rest.is_empty() => None,
                None => return Err(format!("'{rest}' after ']'; expected ':PORT'")),
            };
            return Ok(Address { host, port });
        }
        let (host, port) = match text.split_once(':') {
            None => (text, None),
            Some((_, rest)) if rest.contains(':') => {
                return Err("more than one ':'; an IPv6 address with a port is written [ADDRESS]:PORT".into());
            }
            Some((host, text)) => (host, Some(port(text)?)),
        };
        let host = match host {
            "" => Host::Every,
            host => host.parse().map_or_else(|_| Host::Name(host.into()), Host::Ip),
        };
        Ok(Address { host, port })
    }
}

/// Parses an IPv4 address, or an IPv6 address without brackets.
fn ip(text: &str) -> Option<Host> {
    match text.split_once('%') {
        Some((_, "")) => None,
        Some((ip, interface)) => Some(Host::Scoped(ip.parse().ok()?, interface.into())),
        // An IPv4-mapped address is used as the IPv4 address.
        None => Some(Host::Ip(text.parse::<IpAddr>().ok()?.to_canonical())),
    }
}

/// Parses a port.
pub fn port(text: &str) -> Result<u16, String> {
    // Parsing alone would accept a sign.
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| format!("'{text}' is not a port, a number from 0 to 65535"))
}

/// Parses an address that must have a port, since no protocol supplies one.
pub fn with_port(text: &str) -> Result<Address, String> {
    let address: Address = text.parse()?;
    match address.is_complete() {
        true => Ok(address),
        false => {
            Err(format!("it has no port, and there is no default; write '{}' for port 5000", address.or_port(5000)))
        }
    }
}

/// Shows the port too, if the address has one.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (Host::Every, Some(port)) => write!(f, ":{port}"),
            (Host::Every, None) => write!(f, ":"),
            (Host::Ip(ip), Some(port)) => SocketAddr::new(*ip, port).fmt(f),
            (Host::Ip(ip), None) => ip.fmt(f),
            (Host::Scoped(ip, interface), Some(port)) => write!(f, "[{ip}%{interface}]:{port}"),
            (Host::Scoped(ip, interface), None) => write!(f, "{ip}%{interface}"),
            (Host::Name(name), Some(port)) => write!(f, "{name}:{port}"),
            (Host::Name(name), None) => f.write_str(name),
            (Host::Unix(addr), _) => addr.fmt(f),
            (Host::Systemd(Some(name)), _) => write!(f, "{SYSTEMD}:{name}"),
            (Host::Systemd(None), _) => f.write_str(SYSTEMD),
        }
    }
}

impl Address {
    /// A port on the loopback interface.
    pub fn loopback(port: u16) -> Address {
        Address { host: LOOPBACK, port: Some(port) }
    }

    /// What a server listens on if nothing else is said: the sockets that systemd has passed, if there are any, or else
    /// the loopback interface.
    pub fn default_to_listen_on() -> Address {
        Address { host: if systemd::any_left() { Host::Systemd(None) } else { LOOPBACK }, port: None }
    }

    /// The name of the sockets that systemd has passed, if it has one: `Some(None)` is all that no other address names.
    pub fn of_systemd(&self) -> Option<Option<&str>> {
        match &self.host {
            Host::Systemd(name) => Some(name.as_deref()),
            _ => None,
        }
    }

    /// The same address, with `port` if it requires one and has none of its own.
    pub fn or_port(&self, port: u16) -> Address {
        if self.is_complete() {
            return self.clone();
        }
        Address { host: self.host.clone(), port: Some(port) }
    }

    /// The addresses to listen on: all that the name has, or one of each IP version for every interface. The result has
    /// one list for each of `ports` consecutive ports; for port 0, the system picks free ones. A Unix socket is one list
    /// of its own.
    pub fn to_listen_on(&self, ports: u16) -> Result<Vec<Vec<Addr>>, Failure> {
        if let Host::Unix(addr) = self.host {
            return match ports {
                1 => Ok(vec![vec![Addr::Unix(addr)]]),
                _ => Err(Failure::of_usage(format!("cannot listen on {} of {self}", count(ports, "port")))),
            };
        }
        if self.of_systemd().is_some() {
            return Err(self.only_for_servers());
        }
        let first = self.port();
        if first > 0 && u16::MAX - first < ports - 1 {
            return Err(Failure::of_usage(format!(
                "cannot listen on {} starting at {self}: the last port is 65535",
                count(ports, "port")
            )));
        }
        let addresses = self.resolve([Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()])?;
        let with_port = |port| {
            let mut addresses = addresses.clone();
            addresses.iter_mut().for_each(|addr| addr.set_port(port));
            addresses.into_iter().map(Addr::from).collect()
        };
        Ok((0..ports).map(|number| with_port(if first == 0 { 0 } else { first + number })).collect())
    }

    /// The addresses to connect to, in the order to try.
    pub fn to_connect_to(&self) -> Result<Vec<Addr>, Failure> {
        if let Host::Unix(addr) = self.host {
            return Ok(vec![Addr::Unix(addr)]);
        }
        if self.of_systemd().is_some() {
            return Err(self.only_for_servers());
        }
        if self.port() == 0 {
            return Err(Failure::new(format!("cannot connect to {self}: no server has port 0")));
        }
        let addresses = self.resolve([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])?;
        Ok(addresses.into_iter().map(Addr::from).collect())
    }

    fn only_for_servers(&self) -> Failure {
        Failure::of_usage(format!("{self} is only for what `serve` listens on, and for --admin"))
    }

    /// Connects to the first of its addresses that accepts, trying each for at most `timeout`.
    pub fn connect(&self, timeout: Duration) -> Result<(Socket, Addr), Failure> {
        let mut failed = None;
        for addr in self.to_connect_to()? {
            match connect(addr, timeout) {
                Ok(socket) => return Ok((socket, addr)),
                Err(error) => failed = Some((addr, error)),
            }
        }
        let (addr, error) = failed.expect("there is at least one address");
        let why = match error.kind() {
            io::ErrorKind::TimedOut => format!("no answer within {timeout:?}"),
            _ => reason(&error),
        };
        Err(self.cannot_connect(addr, &why, error.kind()))
    }

    /// Makes the failure to connect to `addr`, one of its addresses.
    pub fn cannot_connect(&self, addr: Addr, why: &str, kind: io::ErrorKind) -> Failure {
        let hint = match kind {
            io::ErrorKind::NotFound if addr.unix().is_some() => " (is a server running there?)",
            io::ErrorKind::ConnectionRefused => " (is a server running there?)",
            io::ErrorKind::TimedOut => " (is it the right address?)",
            io::ErrorKind::AddrNotAvailable => " (are all local ports in use?)",
            _ => "",
        };
        let shown = match self.to_string() {
            name if name == addr.to_string() => name,
            name => format!("{name} at {addr}"),
        };
        Failure::new(format!("cannot connect to {shown}: {why}{hint}"))
    }

    /// Whether its host is a name, which the system may take long to look up.
    pub fn is_name(&self) -> bool {
        matches!(self.host, Host::Name(_))
    }

    /// Whether it is a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self.host, Host::Unix(_))
    }

    /// Whether it requires no port, or has one of its own.
    pub fn is_complete(&self) -> bool {
        self.port.is_some() || matches!(self.host, Host::Unix(_) | Host::Systemd(_))
    }

    fn port(&self) -> u16 {
        self.port.expect("an address gets a port before it is resolved")
    }

    /// Resolves it to all its addresses, with `every` for every interface.
    fn resolve(&self, every: [IpAddr; 2]) -> Result<Vec<SocketAddr>, Failure> {
        let port = self.port();
        let name = match &self.host {
            Host::Every => return Ok(every.map(|ip| SocketAddr::new(ip, port)).to_vec()),
            Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
            Host::Scoped(ip, interface) => {
                let number = interface_index(interface).ok_or_else(|| {
                    let why = format!("this machine has no network interface '{interface}'");
                    Failure::new(format!("cannot use {self}: {why} (a name or a number is expected after '%')"))
                })?;
                return Ok(vec![SocketAddrV6::new(*ip, port, 0, number).into()]);
            }
            Host::Name(name) => name,
            Host::Unix(_) | Host::Systemd(_) => unreachable!("it has nothing to resolve"),
        };
        let shown = name.escape_debug();
        let fail = |error: io::Error| {
            let text = error.to_string();
            let why = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
            Failure::new(format!("cannot find the address of {shown}: {}", why.to_lowercase()))
        };
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for addr in (name.as_str(), port).to_socket_addrs().map_err(fail)? {
            if !addresses.contains(&addr) {
                addresses.push(addr);
            }
        }
        match addresses.is_empty() {
            true => Err(Failure::new(format!("cannot find the address of {shown}: it has none"))),
            false => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn every_spelling() {
        for (text, shown) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("localhost:80", "localhost:80"),
            ("localhost", "localhost:65432"),
            ("10.0.0.1", "10.0.0.1:65432"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            (":8080", ":8080"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:65432"),
            ("::1", "[::1]:65432"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("", ":65432"),
            ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
            ("[fe80::1%2]", "[fe80::1%2]:65432"),
            ("fe80::1%eth0", "[fe80::1%eth0]:65432"),
            ("unix:/run/multiconn.sock", "unix:/run/multiconn.sock"),
            ("unix:80", "unix:80"),
            ("systemd", "systemd"),
            ("systemd:web", "systemd:web"),
            ("systemd.example", "systemd.example:65432"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().or_port(65432).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, why) in [
            ("65536", "not a port"),
            ("host:", "not a port"),
            ("host:http", "not a port"),
            ("host:-1", "not a port"),
            ("host:+1", "not a port"),
            ("[::1]:+1", "not a port"),
            ("[::1", "without ']'"),
            ("[::1]80", "after ']'"),
            ("[host]:80", "not an IPv6 address"),
            ("[127.0.0.1]:80", "not an IPv6 address"),
            ("[127.0.0.1%lo]:80", "not an IPv6 address"),
            ("[fe80::1%]:80", "not an IPv6 address"),
            ("1::2::3", "more than one ':'"),
            ("unix:", "the name is empty"),
            ("systemd:", "the name is empty"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn every_interface_to_listen_on_is_loopback_to_connect_to() {
        let address: Address = ":7".parse().unwrap();
        let shown = |addresses: Vec<Addr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            address.to_listen_on(1).unwrap().into_iter().map(shown).collect::<Vec<_>>(),
            [["0.0.0.0:7", "[::]:7"]]
        );
        assert_eq!(shown(address.to_connect_to().unwrap()), ["127.0.0.1:7", "[::1]:7"]);
        assert!("0".parse::<Address>().unwrap().to_connect_to().is_err());
    }

    #[test]
    fn an_address_has_the_interface_that_is_said() {
        let listen = |text: &str| text.parse::<Address>().unwrap().to_listen_on(2);
        let addresses = listen("[fe80::1%1]:7").unwrap().concat();
        assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[fe80::1%1]:7", "[fe80::1%1]:8"]);
        assert_eq!(
            listen("[fe80::1%nothing0]:7").unwrap_err().to_string(),
            "cannot use [fe80::1%nothing0]:7: this machine has no network interface 'nothing0' \
             (a name or a number is expected after '%')"
        );
    }

    #[test]
    fn several_ports_follow_each_other() {
        let listen = |text: &str, ports| text.parse::<Address>().unwrap().to_listen_on(ports);
        let all = |ports: [u16; 3]| ports.map(|port| vec![Addr::from(([127, 0, 0, 1], port))]).to_vec();
        assert_eq!(listen("7", 3).unwrap(), all([7, 8, 9]));
        assert_eq!(listen("0", 3).unwrap(), all([0, 0, 0]), "any that are free");
        assert_eq!(listen("65533", 3).unwrap(), all([65533, 65534, 65535]));
        assert!(listen("65534", 3).unwrap_err().to_string().contains("the last port is 65535"));
    }

    #[test]
    fn a_port_of_our_own_that_is_missing_is_told_from_an_address_that_is() {
        let error = io::Error::from(Errno::ADDRNOTAVAIL);
        let addr = Addr::from(([10, 0, 0, 1], 7));
        let address: Address = addr.to_string().parse().unwrap();
        assert_eq!(
            address.cannot_connect(addr, &reason(&error), error.kind()).to_string(),
            "cannot connect to 10.0.0.1:7: address not available (are all local ports in use?)"
        );
    }
}
