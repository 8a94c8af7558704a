//! The protocols of this crate as subjects.

mod accumulate;
mod app;
mod echo;
mod fixed;
mod getfile;
mod multiply;
mod sink;

pub use accumulate::AccumulateSubject;
pub use app::{AppClientSubject, AppSubject};
pub use echo::{EchoClientSubject, EchoSubject};
pub use fixed::FixedSubject;
pub use getfile::GetFileSubject;
pub use multiply::MultiplySubject;
pub use sink::SinkSubject;

/// The alphabet twice: it can be repeated from any of its letters on.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

/// `len` bytes of a pattern that is repeated.
fn repeated(pattern: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = pattern.repeat(len.div_ceil(pattern.len()));
    bytes.truncate(len);
    bytes
}
