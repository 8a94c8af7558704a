//! The conditions shared by all measurements of one call.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::pinning::Pinning;
use super::raw::Exchange;
use crate::codec::proxy::Version;

/// The conditions of all measurements.
#[derive(Clone, Debug)]
pub struct Conditions<'a> {
    /// How long a server may take to listen.
    pub start_timeout: Duration,
    /// The duration of the load before a measurement.
    pub warmup: Duration,
    /// The duration of a measurement.
    pub duration: Duration,
    /// The processors of the servers and of the load generator.
    pub pinning: Pinning,
    /// The requests and replies of the workload `raw`.
    pub exchange: Option<&'a Exchange>,
    /// The PROXY header with which each connection begins, if there is one.
    pub send_proxy: Option<Version>,
    /// Set to end everything early.
    pub interrupted: &'a AtomicBool,
}
