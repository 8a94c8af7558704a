//! Watching a loop at work, in a browser: `--admin`.
//!
//! A second listener, [apart](crate::reactor::Reactor::add_listener_apart) from the served one, answers HTTP requests on
//! the same thread. It shows what the [trace](crate::trace) says, and changes nothing.

mod hub;
mod metrics;
pub mod page;
mod ring;
mod session;
mod watched;

pub use hub::{Hub, Watching};
pub use session::{AdminService, AdminSession};
pub use watched::{Watched, WatchedSession};

/// The most connections to it at once; others wait.
pub const PLACES: usize = 32;
