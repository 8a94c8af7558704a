//! Sessions that keep to the letter of `Progress`, and make little of it: none holds up the loop, or stays for good.

use std::time::Instant;

use multiconn::reactor::Config;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

use crate::support::{Server, millis, seconds};

/// Works in so many steps, and yields after each, without a look at its share of messages.
struct Stepper {
    steps_left: u32,
}

impl Session for Stepper {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        io.output.push(b".");
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
