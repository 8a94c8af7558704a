//! The reactor on a simulated network: every second of these tests is virtual.

mod accepting;
mod admission;
mod apart;
mod asked;
#[cfg(feature = "models")]
mod busy;
mod chunks;
mod connecting;
mod echoing;
mod fairness;
mod leaving;
mod manners;
mod memory;
mod panics;
mod pressure;
mod proxied;
mod serving;
mod sinking;
mod slots;
mod stopping;
mod support;
mod timeouts;
mod totals;
mod tracing;
mod wishes;
mod working;
