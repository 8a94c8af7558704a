//! Comparing servers: load on them, what they make of it, what follows from that, and how it's shown.
//!
//! The generator is [`load`]; one measurement is put together in [`measure`](mod@measure); [`plan`] says which is made
//! when. What comes of it is [`results::Results`], which everything else is made of, and all that a file holds.
//! [`summary`] has the rounds of one server at one point in a row, [`stats`] says what differs, and [`report`] writes it
//! down for people and programs. `docs/benchmarks.md` tells how it measures, and why so.

pub mod conditions;
pub mod json;
pub mod load;
pub mod machine;
pub mod measure;
pub mod meet;
pub mod pinning;
pub mod plan;
pub mod quantiles;
pub mod recorder;
pub mod report;
pub mod results;
pub mod schedule;
pub mod server;
pub mod slo;
pub mod stats;
pub mod summary;
pub mod system_calls;
pub mod usage;
