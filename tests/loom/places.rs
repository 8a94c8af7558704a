//! Limited places, taken and freed by several threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use multiconn::Places;
use multiconn::selector::WakeFlag;

use crate::selector::sleep;
use crate::{check, run};

#[test]
fn no_more_are_taken_than_there_are() {
    check(|| {
        let places = Places::new(1);
        let holders = Arc::new(AtomicU32::new(0));
        let threads = [(); 2].map(|()| {
            let (places, holders) = (places.clone(), Arc::clone(&holders));
            run(move || {
                let Some(_place) = places.take() else { return };
                assert_eq!(holders.fetch_add(1, Relaxed), 0);
                loom::thread::yield_now();
                holders.fetch_sub(1, Relaxed);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((places.taken(), places.sharers()), (0, 1));
    });
}

/// As in the accept loops of the blocking models.
#[test]
fn a_loop_that_finds_all_taken_is_woken_when_one_is_free() {
    check(|| {
        let (waker, flag) = WakeFlag::new();
        let places = Places::waking(2, waker.into());
        for _ in 0..3 {
            while !places.has_room() {
                sleep(&flag).unwrap();
            }
            let place = places.take().expect("nobody else takes any");
            run(move || drop(place));
        }
    });
}
