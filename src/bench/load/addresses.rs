//! Client addresses: one loopback address has some 28,000 ports, and two connections to the same server can't share
//! one.

use std::net::{IpAddr, Ipv4Addr};

use crate::address::Addr;

/// The number of connections for which one address always has enough ports.
const PORTS_MIN: usize = 20_000;
/// The number of client addresses, if one isn't enough.
const ADDRESSES: u32 = 1000;
/// The first of these.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// The client addresses, used in turn.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddresses {
    is_loopback: bool,
    is_spread: bool,
    next: u32,
}

impl ClientAddresses {
    /// Creates the addresses for `connections` to `target` at once. Short connections soon use up the ports of one
    /// address, since a port stays in use for a while after its connection.
    pub fn new(target: Addr, connections: usize, are_short: bool) -> ClientAddresses {
        let ip = target.inet().map(|target| target.ip());
        let is_loopback = matches!(ip, Some(IpAddr::V4(ip)) if ip.is_loopback());
        ClientAddresses { is_loopback, is_spread: is_loopback && (are_short || connections > PORTS_MIN), next: 0 }
    }

    /// The next client address; `None` if the system may choose.
    pub fn next(&mut self) -> Option<Ipv4Addr> {
        if !self.is_spread {
            return None;
        }
        self.next = (self.next + 1) % ADDRESSES;
        Some(Ipv4Addr::from(u32::from(FIRST) + self.next))
    }

    /// Switches to many addresses after ports have run out. Returns whether that helps.
    pub fn spread(&mut self) -> bool {
        let is_way_out = self.is_loopback && !self.is_spread;
        self.is_spread |= self.is_loopback;
        is_way_out
    }
}
