//! `call app`, and the smaller protocols, each against Python programs in the manner of the texts, in both directions, and against peers
//! that mean no good.

#[path = "../common/mod.rs"]
mod common;

mod accumulate;
mod app;
mod command;
mod echo;
mod fixed;
mod getfile;
#[cfg(target_os = "linux")]
mod hostile_paths;
mod multiply;
mod raw;
mod redirect;
mod sink;
