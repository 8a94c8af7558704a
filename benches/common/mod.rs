//! Code shared by the benches.

// Each bench uses its own part of this.
#![allow(dead_code)]

pub mod stage;

use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::Criterion;
use multiconn::address::Addr;
use multiconn::protocols::app::Request;
use multiconn::session::Peer;

/// The settings of all benches: short enough that all of them together take a few minutes.
pub fn criterion() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3))
}

/// A peer for sessions without a connection.
pub fn peer() -> Peer {
    Peer::accepted(Addr::from((Ipv4Addr::LOCALHOST, 1)))
}

/// The message of `request`.
pub fn message(request: &Request, keep_alive: bool) -> Vec<u8> {
    let mut message = Vec::new();
    request.write(&mut message, keep_alive);
    message
}

/// A search with a match, on a connection that is kept open.
pub fn search() -> Vec<u8> {
    message(&Request::Search("morpheus".into()), true)
}
