//! How all measurements of one call are made.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::pinning::Pinning;

/// How all measurements are made.
#[derive(Clone, Debug)]
pub struct Conditions<'a> {
    /// How long a server may take to listen.
    pub start_timeout: Duration,
    /// How long there is load before it's measured.
    pub warmup: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// The processors of the servers and of the load generator.
    pub pinning: Pinning,
    /// Ends everything early.
    pub interrupted: &'a AtomicBool,
}
