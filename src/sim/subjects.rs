//! The protocols of this crate as subjects.

mod app;
mod echo;

pub use app::AppSubject;
pub use echo::EchoSubject;
