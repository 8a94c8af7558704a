//! Sessions that keep to the letter of `Progress`, and make little of it: none holds up the loop, or stays for good.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use multiconn::reactor::Config;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

use crate::support::{Server, millis, seconds};

/// Works in a number of steps, and yields after each, ignoring its share of messages.
struct Stepper {
    steps_left: u32,
}

impl Session for Stepper {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        io.output().push(b".");
        self.steps_left -= 1;
        Ok(if self.steps_left == 0 { Progress::Finished } else { Progress::Yield })
    }
}

#[test]
fn who_yields_goes_on_in_the_next_turn() {
    let mut server = Server::new(|_: &Peer| Stepper { steps_left: 100 }, Config::default());
    server.net.set_turn_time(millis(1));
    let peer = server.client_at(seconds(1));
    server.run_until(seconds(2));
    assert_eq!(peer.received(), [b'.'; 100]);
    let turns = (peer.closed().unwrap() - seconds(1)).as_millis();
    assert!((98..=100).contains(&turns), "a hundred steps in {turns} turns");
}

/// Says something, then waits until it has gone, however much room there is beside it, and looks whether it has.
struct Flusher {
    calls: Rc<Cell<u32>>,
    parts_left: u32,
}

impl Session for Flusher {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        self.calls.set(self.calls.get() + 1);
        assert!(self.calls.get() < 1000, "it is called over and over, with nothing new");
        if io.output().is_empty() {
            if self.parts_left == 0 {
                return Ok(Progress::Finished);
            }
            self.parts_left -= 1;
            io.output().push(&[b'x'; 100]);
        }
        Ok(Progress::NeedRoom)
    }
}

#[test]
fn who_waits_for_room_beside_room_is_called_when_something_has_gone() {
    let calls = Rc::new(Cell::new(0));
    let service = {
        let calls = Rc::clone(&calls);
        move |_: &Peer| Flusher { calls: Rc::clone(&calls), parts_left: 3 }
    };
    let mut server = Server::new(service, Config::default());
    let quick = server.client_at(seconds(1));
    let slow = server.client_at(seconds(2));
    slow.window(60).reads_nothing();
    for n in 0..10 {
        slow.read_at(seconds(3 + n), 60);
    }
    server.run_until(seconds(20));
    assert_eq!((quick.received().len(), quick.end_seen()), (300, Some(seconds(1))));
    assert_eq!(slow.received().len(), 300);
    assert!(calls.get() <= 4 + 8, "{} calls", calls.get());
}

/// Never looks whether the peer has ended its side.
struct Heedless;

impl Session for Heedless {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let bytes = io.input().take_all();
        io.output().push(bytes);
        Ok(Progress::NeedInput)
    }
}

#[test]
fn who_waits_for_what_cannot_come_is_closed() {
    let mut server = Server::new(|_: &Peer| Heedless, Config::default());
    let quick = server.client_at(seconds(1));
    quick.send_at(seconds(2), "hello").end_at(seconds(3));
    // What waits to go out goes out before.
    let slow = server.client_at(seconds(1));
    slow.window(3).reads_nothing().send_at(seconds(2), "hello").end_at(seconds(3)).read_all_from(seconds(5));
    slow.read_at(seconds(5), 1);
    server.run_until(seconds(20));
    assert_eq!((quick.received(), quick.closed()), (b"hello".to_vec(), Some(seconds(3))));
    assert_eq!((slow.received(), slow.closed()), (b"hello".to_vec(), Some(seconds(5))));
}
