//! Measuring servers: load on them, and what they make of it.
//!
//! The generator is [`load`]; one measurement is put together in [`measure`](mod@measure); [`plan`] says which is made
//! when. What comes of it is [`results::Results`], which every report is made of. `docs/benchmarks.md` tells how it
//! measures, and why so.

pub mod load;
pub mod machine;
pub mod measure;
pub mod meet;
pub mod pinning;
pub mod plan;
pub mod recorder;
pub mod results;
pub mod schedule;
pub mod server;
pub mod slo;
pub mod usage;
