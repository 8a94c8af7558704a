//! A server that systemd supervises: it says when it's ready and when it reloads, and feeds the watchdog.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

use super::notify::{is_listening, tell};
use super::watchdog::Watchdog;
use crate::models::Server;
use crate::reactor::ReloadPhase;

/// Tells systemd that `server` is ready and, from now on, when it reloads and that its loops still turn. Drop the result
/// once the server has ended.
///
/// # Errors
/// If the system has no thread for the watchdog.
pub fn supervise(server: &Server<'_>) -> io::Result<Option<Watchdog>> {
    if !is_listening() {
        return Ok(None);
    }
    for handle in server.loops() {
        handle.observe_reloads(|phase| match phase {
            ReloadPhase::Begun => match NotifyState::monotonic_usec_now() {
                Ok(now) => tell(&[NotifyState::Reloading, now]),
                Err(_) => tell(&[NotifyState::Reloading]),
            },
            ReloadPhase::Ended => tell(&[NotifyState::Ready]),
        });
    }
    let watchdog = match sd_notify::watchdog_enabled() {
        Some(timeout) if timeout > Duration::ZERO => Some(Watchdog::start(server, timeout)?),
        _ => None,
    };
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("Listening on {}", addresses.join(", ")))]);
    Ok(watchdog)
}
