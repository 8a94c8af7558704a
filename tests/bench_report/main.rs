//! Reports of measurements: their statements about noise, and their formats.

mod answer;
#[path = "../common/mod.rs"]
mod common;
mod comparing;
mod disturbed;
mod files;
mod fixtures;
mod honesty;
mod objectives;
mod pages;
mod plots;
