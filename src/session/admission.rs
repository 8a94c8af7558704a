//! Admission to a service: limits on the connections of each client, and on the rate of new ones.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZero;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::address::Addr;
use crate::text::count;

/// A number of connections in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

impl Rate {
    /// The most connections of a rate.
    const COUNT_MAX: u32 = 1_000_000;
    const PERIODS: [(&str, Duration); 2] = [("s", Duration::from_secs(1)), ("m", Duration::from_secs(60))];

    /// Creates a rate of `count` connections a second, at most a million.
    pub fn per_second(count: NonZero<u32>) -> Self {
        Rate { count: count.get().min(Self::COUNT_MAX), period: Self::PERIODS[0].1 }
    }

    /// The time after which another connection is admitted.
    fn interval(self) -> Duration {
        self.period / self.count
    }
}

/// As a person writes it: `100/s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = Self::PERIODS.iter().find(|(_, period)| *period == self.period).map_or("s", |(unit, _)| unit);
        write!(f, "{}/{unit}", self.count)
    }
}

/// Reads `100/s` or `30/m`.
impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (count, unit) = text.split_once('/').ok_or(NoRate)?;
        let (_, period) = Self::PERIODS.into_iter().find(|(name, _)| *name == unit).ok_or(NoRate)?;
        match count.parse() {
            Ok(count) if (1..=Self::COUNT_MAX).contains(&count) => Ok(Rate { count, period }),
            _ => Err(NoRate),
        }
    }
}

/// A text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRate;

impl fmt::Display for NoRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a rate is a number from 1 to {} for each second or minute, such as 100/s or 30/m", Rate::COUNT_MAX)
    }
}

impl std::error::Error for NoRate {}

/// Limits on the clients of a service. Its loops and threads share them.
#[derive(Debug)]
pub struct Admission {
    per_peer_max: Option<usize>,
    rate: Option<Rate>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The open connections of each client that has any.
    open: HashMap<IpAddr, usize>,
    /// The time when the bucket has all its tokens again, a token for each connection of the rate.
    full_at: Option<Instant>,
}

impl Admission {
    /// Limits the open connections of an IP address, and the rate of new connections of all clients. At most as many as
    /// the rate has for a second, or a minute, are admitted at once.
    ///
    /// Peers on Unix sockets have no addresses, so only the rate applies to them.
    pub fn new(per_peer_max: Option<NonZero<usize>>, rate: Option<Rate>) -> Self {
        Admission { per_peer_max: per_peer_max.map(NonZero::get), rate, state: Mutex::default() }
    }

    /// Admits a connection of the client at `addr`, for as long as its [`Pass`] is kept.
    ///
    /// # Errors
    /// The limit that it is above.
    pub(super) fn admit(self: &Arc<Self>, addr: Addr, now: Instant) -> Result<Pass, Denied> {
        let mut state = self.lock();
        let ip = addr.inet().map(|addr| addr.ip().to_canonical());
        let counted = self.per_peer_max.zip(ip);
        if let Some((max, ip)) = counted
            && state.open.get(&ip).is_some_and(|&open| open >= max)
        {
            return Err(Denied::PerPeer(max));
        }
        if let Some(rate) = self.rate {
            let full_at = state.full_at.map_or(now, |full_at| full_at.max(now)) + rate.interval();
            if full_at - now > rate.period {
                return Err(Denied::Rate(rate));
            }
            state.full_at = Some(full_at);
        }
        if let Some((_, ip)) = counted {
            *state.open.entry(ip).or_default() += 1;
        }
        Ok(Pass { counted: counted.map(|(_, ip)| (Arc::clone(self), ip)) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is admitted. Dropping it frees its place.
#[derive(Debug)]
pub(super) struct Pass {
    counted: Option<(Arc<Admission>, IpAddr)>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some((admission, ip)) = &self.counted else { return };
        let open = &mut admission.lock().open;
        if let Some(of_peer) = open.get_mut(ip) {
            *of_peer -= 1;
            if *of_peer == 0 {
                open.remove(ip);
            }
        }
    }
}

/// Why a connection is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// Its client has this many already.
    PerPeer(usize),
    /// Connections come faster than this.
    Rate(Rate),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerPeer(max) => write!(f, "this address has {} already", count(*max, "connection")),
            Self::Rate(rate) => write!(f, "connections come faster than {rate}"),
        }
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8, port: u16) -> Addr {
        Addr::from(([192, 0, 2, last], port))
    }

    fn admission(per_peer: Option<usize>, rate: Option<&str>) -> Arc<Admission> {
        let per_peer = per_peer.map(|max| NonZero::new(max).unwrap());
        Arc::new(Admission::new(per_peer, rate.map(|rate| rate.parse().unwrap())))
    }

    #[test]
    fn a_client_is_its_address_whatever_the_port() {
        let (admission, now) = (admission(Some(2), None), Instant::now());
        let first = admission.admit(client(1, 1), now).unwrap();
        let _second = admission.admit(Addr::from("[::ffff:192.0.2.1]:2".parse::<std::net::SocketAddr>().unwrap()), now);
        assert_eq!(admission.admit(client(1, 3), now).unwrap_err(), Denied::PerPeer(2));
        let _other = admission.admit(client(2, 1), now).unwrap();
        drop(first);
        let third = admission.admit(client(1, 3), now).unwrap();
        drop(third);
        assert_eq!(admission.lock().open.len(), 2);
    }

    #[test]
    fn clients_that_have_left_take_no_memory() {
        let (admission, now) = (admission(Some(1), None), Instant::now());
        (0..=255).for_each(|last| drop(admission.admit(client(last, 1), now).unwrap()));
        assert!(admission.lock().open.is_empty());
    }

    #[test]
    fn a_bucket_holds_a_period_and_fills_evenly() {
        for (rate, burst, interval) in [("4/s", 4, 250), ("1/s", 1, 1000), ("30/m", 30, 2000)] {
            let (admission, start) = (admission(None, Some(rate)), Instant::now());
            let admits = |millis: u64| admission.admit(client(1, 1), start + Duration::from_millis(millis)).is_ok();
            assert_eq!((0..100).filter(|_| admits(0)).count(), burst, "{rate}");
            assert!(!admits(interval - 1) && admits(interval) && !admits(interval), "{rate}");
            // An hour later, it holds no more than a period's.
            assert_eq!((0..100).filter(|_| admits(3_600_000)).count(), burst, "{rate}");
        }
    }

    #[test]
    fn a_connection_over_one_limit_does_not_count_for_the_other() {
        let (admission, now) = (admission(Some(1), Some("2/s")), Instant::now());
        let pass = admission.admit(client(1, 1), now).unwrap();
        assert_eq!(admission.admit(client(1, 2), now).unwrap_err(), Denied::PerPeer(1));
        let _last_token = admission.admit(client(2, 1), now).unwrap();
        drop(pass);
        assert_eq!(admission.admit(client(1, 3), now).unwrap_err().to_string(), "connections come faster than 2/s");
        assert!(admission.admit(client(1, 4), now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn rates_as_people_write_them() {
        for text in ["1/s", "1000000/s", "30/m"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["", "5", "0/s", "-1/s", "1000001/s", "1/h", "1/", "/s", "1.5/s", "1 /s"] {
            assert_eq!(text.parse::<Rate>(), Err(NoRate), "{text}");
        }
        assert_eq!(Rate::per_second(NonZero::new(7).unwrap()).to_string(), "7/s");
    }
}
