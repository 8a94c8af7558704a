//! Reports of what was measured: what is said of noise, and how it's written down.

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
