//! Reports of results: verdicts on noisy figures, and every output format.

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
