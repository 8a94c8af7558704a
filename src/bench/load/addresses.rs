//! The addresses that connections come from: one loopback address has some 28,000 ports, and two connections to the same server can't
//! have the same one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Connections from one address that there are ports for in any case.
const PORTS_MIN: usize = 20_000;
/// Addresses to come from, where one isn't enough.
const ADDRESSES: u32 = 1000;
/// The first of these.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// The addresses that connections come from, in turn.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddresses {
    is_loopback: bool,
    is_spread: bool,
    next: u32,
}

impl ClientAddresses {
    /// For so many connections to `target` at once, of which each port serves for many if they're short.
    pub fn new(target: SocketAddr, connections: usize, are_short: bool) -> ClientAddresses {
        let is_loopback = matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback());
        ClientAddresses { is_loopback, is_spread: is_loopback && (are_short || connections > PORTS_MIN), next: 0 }
    }

    /// Where the next comes from; nothing where the system may choose.
    pub fn next(&mut self) -> Option<Ipv4Addr> {
        if !self.is_spread {
            return None;
        }
        self.next = (self.next + 1) % ADDRESSES;
        Some(Ipv4Addr::from(u32::from(FIRST) + self.next))
    }

    /// The ports have run short. Returns whether there is a way out.
    pub fn spread(&mut self) -> bool {
        let is_way_out = self.is_loopback && !self.is_spread;
        self.is_spread |= self.is_loopback;
        is_way_out
    }
}
