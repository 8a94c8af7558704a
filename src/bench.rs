//! Comparing servers: load generation, measurements, statistics and reports.
//!
//! [`load`] has the generator; [`measure`](mod@measure) makes a single measurement; [`plan`] decides their order. The
//! outcome is [`results::Results`], the input of everything else and the content of a results file. [`summary`]
//! arranges the rounds of one server at one point in a row, [`stats`] finds differences, and [`report`] writes reports
//! for people and programs. `docs/benchmarks.md` explains the method and its reasons.

pub mod command_line;
pub mod conditions;
pub mod json;
pub mod load;
pub mod machine;
pub mod measure;
pub mod meet;
pub mod others;
pub mod pinning;
pub mod plan;
mod process;
pub mod processes;
pub mod quantiles;
pub mod raw;
pub mod recorder;
pub mod report;
pub mod results;
pub mod schedule;
pub mod server;
pub mod slo;
pub mod stats;
pub mod summary;
pub mod surroundings;
pub mod system_calls;
pub mod task;
pub mod usage;
pub mod whole;
