//! Any bytes, in any pieces, to a reader, a server and a client: see `body.rs`.

#![no_main]

#[path = "../body.rs"]
mod body;
#[path = "../../memory/mod.rs"]
mod memory;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::any_bytes(bytes));
