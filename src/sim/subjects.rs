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
