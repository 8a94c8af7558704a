//! Reports of what was measured: what is said of noise, and how it's written down.

#[path = "../common/mod.rs"]
mod common;
mod disturbed;
mod files;
mod fixtures;
mod honesty;
mod objectives;
mod pages;
mod plots;
