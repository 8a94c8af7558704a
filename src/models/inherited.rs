//! The sockets of the server before this one, and their choice for an address.

use super::bound::Bound;
use crate::address::Addr;

/// The sockets that no address has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    left: Vec<Bound>,
    /// All addresses to listen on.
    wanted: Vec<Addr>,
}

impl Inherited {
    /// These sockets, for a server that is to listen on the `wanted` addresses.
    pub fn new<'a>(sockets: Vec<Bound>, wanted: impl IntoIterator<Item = &'a Addr>) -> Inherited {
        Inherited { left: sockets, wanted: wanted.into_iter().copied().collect() }
    }

    /// Takes all sockets of `addr`, and returns their address too. Port 0 means any port that no other address wants.
    pub fn take(&mut self, addr: Addr) -> Option<(Vec<Bound>, Addr)> {
        let is_wanted = |addr: Addr| self.wanted.contains(&addr);
        let fits = |other: Addr| match (addr, other) {
            (Addr::Inet(addr), Addr::Inet(inet)) if addr.port() == 0 => addr.ip() == inet.ip() && !is_wanted(other),
            _ => addr == other,
        };
        let actual = self.left.iter().map(Bound::addr).find(|&other| fits(other))?;
        let taken = self.left.extract_if(.., |bound| bound.addr() == actual).collect();
        Some((taken, actual))
    }

    /// The sockets that no address has taken.
    pub fn into_rest(self) -> Vec<Bound> {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn bound(listener: TcpListener) -> Bound {
        Bound::inherited(listener.into()).unwrap()
    }

    fn any() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn an_address_takes_all_of_its_sockets_once() {
        let (one, other) = (any(), any());
        let addr = Addr::Inet(one.local_addr().unwrap());
        let copy = one.try_clone().unwrap();
        let mut inherited = Inherited::new([one, other, copy].map(bound).into(), &[addr]);
        let (taken, actual) = inherited.take(addr).unwrap();
        assert_eq!((taken.len(), actual), (2, addr));
        assert!(inherited.take(addr).is_none());
        assert_eq!(inherited.into_rest().len(), 1);
    }

    #[test]
    fn port_0_takes_one_that_no_other_address_wants() {
        let (one, other) = (any(), any());
        let addresses = [&one, &other].map(|listener| Addr::Inet(listener.local_addr().unwrap()));
        let free = Addr::from((Ipv4Addr::LOCALHOST, 0));
        let mut inherited = Inherited::new([one, other].map(bound).into(), &[free, addresses[0]]);
        assert_eq!(inherited.take(free).unwrap().1, addresses[1]);
        assert!(inherited.take(free).is_none());
        assert_eq!(inherited.take(addresses[0]).unwrap().1, addresses[0]);
    }

    #[test]
    fn port_0_of_another_ip_address_takes_none() {
        let mut inherited = Inherited::new(vec![bound(any())], &[]);
        assert!(inherited.take(Addr::from((Ipv4Addr::UNSPECIFIED, 0))).is_none());
    }
}
