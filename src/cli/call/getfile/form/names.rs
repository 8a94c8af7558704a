//! Looking up names in threads: the system's resolver blocks, and on the loop all downloads would wait for it.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::address::Addr;
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::selector::Waker;
use crate::text::reason;

/// The addresses of a name, or why there are none.
pub type Found = Result<Vec<Addr>, Failure>;

/// Looks up each name in a thread of its own.
#[derive(Debug)]
pub struct Names {
    sender: Sender<(u64, Found)>,
    results: Receiver<(u64, Found)>,
    waker: Waker,
}

impl Names {
    /// Creates a look-up whose results wake the loop.
    pub fn new(waker: Waker) -> Self {
        let (sender, results) = mpsc::channel();
        Names { sender, results, waker }
    }

    /// Finds the addresses of `address`, as the result of this `number`: at once, if it is no name.
    pub fn look_up(&self, number: u64, address: &Address) {
        let (sender, waker) = (self.sender.clone(), self.waker.clone());
        if !address.is_name() {
            let _ = sender.send((number, address.to_connect_to()));
            return waker.wake();
        }
        let name = address.clone();
        let work = move || {
            // Sending fails only when the program is about to end.
            let _ = sender.send((number, name.to_connect_to()));
            waker.wake();
        };
        if let Err(error) = thread::Builder::new().name("name".to_owned()).spawn(work) {
            let why = format!("cannot find the address of {address}: cannot start a thread: {}", reason(&error));
            let _ = self.sender.send((number, Err(Failure::new(why))));
            self.waker.wake();
        }
    }

    /// The next result, if there is one.
    pub fn next(&self) -> Option<(u64, Found)> {
        self.results.try_recv().ok()
    }
}
