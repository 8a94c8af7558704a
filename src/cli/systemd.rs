//! What systemd passes to a server, and what the server tells it: sockets, states, signs of life, and the priority of log
//! lines.
//!
//! Each part is there if systemd's variable is in the environment: LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC,
//! JOURNAL_STREAM. Without them, nothing here makes a system call.

mod journal;
mod notify;
mod sockets;
mod supervise;
mod watchdog;

pub use journal::{is_journal, prefix, with_prefix};
pub use notify::{hand_over, subscribe};
pub use sockets::{any_left, inherit, receive, take, unused};
pub use supervise::supervise;
