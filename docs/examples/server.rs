//! The shouting server of `shout.rs` as a program: addresses, concurrency models, limits, signals and logging.
//!
//! Run it with `cargo run --example server -- --help`, for example `cargo run --example server -- --model threads -v`.

use std::process::ExitCode;

use multiconn::front::Front;
use multiconn::session::Peer;

#[path = "shout.rs"]
#[allow(dead_code)]
mod shout;

fn main() -> ExitCode {
    Front::new("shout", 7000).about("Sends each line back in capitals").serve(|_: &Peer| shout::Shout::default())
}
