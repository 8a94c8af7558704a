//! Models of threads that use a reactor at the same time. loom runs each in all orders of the threads' steps with at most
//! [`PREEMPTIONS`] preemptions, and with older values that an atomic load may return.

mod limits;
mod places;
mod reloading;
mod selector;
mod stopping;
mod waking;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use loom::model::Builder;
use loom::thread::{self, JoinHandle};

/// The most interruptions, in one run, of threads that could go on. `LOOM_MAX_PREEMPTIONS` sets another number.
const PREEMPTIONS: usize = 3;

/// Runs `model` in all orders of its threads' steps.
fn check(model: fn()) {
    let orders = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&orders);
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        run(model).join().unwrap();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}

/// Runs `work` in a thread with room for a reactor.
fn run(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    // loom counts words.
    const STACK_LEN: usize = (256 << 10) / size_of::<usize>();
    thread::Builder::new().stack_size(STACK_LEN).spawn(work).unwrap()
}
