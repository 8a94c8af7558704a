//! Any bytes in front of a connection that has a PROXY header: see `header.rs`.

#![no_main]

#[path = "../header.rs"]
mod header;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| header::any_header(bytes));
