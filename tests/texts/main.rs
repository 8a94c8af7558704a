//! The smaller protocols, each against Python programs in the manner of the texts, in both directions, and against peers
//! that mean no good.

#[path = "../common/mod.rs"]
mod common;

mod accumulate;
mod command;
mod echo;
mod fixed;
mod raw;
mod redirect;
mod sink;
