//! `--admin ADDRESS`: what a server shows to a browser, and to nobody else.

#[path = "../common/mod.rs"]
mod common;

mod paths;
mod simulated;
