//! The watchdog: systemd restarts a server that gives no sign of life for a time.
//!
//! A thread asks every loop for a sign of life, and passes it on once all have answered: by a turn. So a loop that hangs in a
//! session, or in a system call, is restarted, though the thread goes on. Without a watchdog there is no such thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sd_notify::NotifyState;

use super::notify::tell;
use crate::models::Server;
use crate::reactor::Handle;

/// The parts of the timeout: in each, the thread looks for answers and asks again. With four, a turn may take half of the
/// timeout and is still in time.
const PARTS: u32 = 4;

/// The thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Watchdog {
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts the thread for `server`, whose loops may be silent for less than `timeout`.
    pub fn start(server: &Server<'_>, timeout: Duration) -> io::Result<Watchdog> {
        let has_ended = Arc::new(AtomicBool::new(false));
        let (ended, order, loops) = (Arc::clone(&has_ended), server.handle().clone(), server.loops().to_vec());
        let watch = move || {
            while !ended.load(Ordering::Acquire) {
                // Once it stops, systemd's timeout for stopping counts: threads that wait for others don't turn.
                if order.is_stopped() || loops.iter().all(Handle::has_answered) {
                    tell(&[NotifyState::Watchdog]);
                    loops.iter().for_each(Handle::ask);
                }
                thread::park_timeout(timeout / PARTS);
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(watch)?;
        Ok(Watchdog { has_ended, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It can't panic, and the end of the program comes next.
            let _ = thread.join();
        }
    }
}
