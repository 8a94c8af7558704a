//! Messages to systemd: see sd_notify(3). A server that stops says so.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};

use log::LevelFilter;
use sd_notify::NotifyState;

use crate::models::Config;
use crate::text::{count, reason};
use crate::trace::{Event, Record, Subscriber};

/// Another process is the service now, and speaks for it.
static HAS_HANDED_OVER: AtomicBool = AtomicBool::new(false);

/// Sends `states`, if there is somebody to receive them.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if HAS_HANDED_OVER.load(Ordering::Relaxed) {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("Cannot tell systemd: {}", reason(&error));
    }
}

/// Whether systemd wants to be told.
pub(super) fn is_listening() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// Tells systemd that the process `id` is the service from now on, and nothing after that: otherwise it would take this
/// server's end for the service's.
pub fn hand_over(id: Option<u32>) {
    if let Some(id) = id.filter(|_| is_listening()) {
        tell(&[NotifyState::MainPid(id)]);
    }
    HAS_HANDED_OVER.store(true, Ordering::Relaxed);
}

/// Makes the server tell systemd when it begins to stop.
pub fn subscribe(config: &mut Config) {
    if is_listening() {
        config.subscribe(Stops);
    }
}

/// Tells systemd that the server begins to stop. Each worker says so.
struct Stops;

impl Subscriber for Stops {
    fn level(&self) -> LevelFilter {
        LevelFilter::Info
    }

    fn record(&self, record: &Record<'_>) {
        let status = match record.event {
            Event::StopDelayed { delay } => format!("Stopping in {delay:?}"),
            Event::Stopping { open, .. } => format!("Stopping; {} open", count(open, "connection")),
            _ => return,
        };
        tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
    }
}
