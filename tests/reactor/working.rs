//! Sessions that are at work: called when it's done, and not before, while others go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use multiconn::reactor::Config;
use multiconn::selector::sim::SimPeer;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

use crate::support::{Server, seconds};

/// Answers each byte with a capital, once that is done.
struct Kitchen {
    /// Where its wakers go, if it's not the time that it waits for.
    orders: Option<Rc<RefCell<Orders>>>,
    order: Option<(u8, Option<Instant>)>,
}

#[derive(Default)]
struct Orders {
    waiting: Vec<Waker>,
    calls_while_working: u32,
    done: bool,
}

const COOKING_TIME: Duration = Duration::from_secs(3);

impl Session for Kitchen {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Some((byte, ready_at)) = self.order {
            let done = match &self.orders {
                Some(orders) => orders.borrow().done,
                None => ready_at.is_some_and(|time| now >= time),
            };
            if !done {
                let orders = self.orders.as_ref().expect("a deadline is not early");
                orders.borrow_mut().calls_while_working += 1;
                return Ok(Progress::Working);
            }
            self.order = None;
            io.output.push(&[byte.to_ascii_uppercase()]);
        }
        match io.input.take(1) {
            Some(byte) => {
                let time = match &self.orders {
                    Some(orders) => {
                        orders.borrow_mut().waiting.push(io.wakers.waker());
                        None
                    }
                    None => Some(now + COOKING_TIME),
                };
                self.order = Some((byte[0], time));
                Ok(Progress::Working)
            }
            None if io.input_ended => Ok(Progress::Finished),
            None => Ok(Progress::NeedInput),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.order?.1
    }
}

fn by_time(config: Config) -> Server<impl FnMut(&Peer) -> Kitchen> {
    Server::new(|_: &Peer| Kitchen { orders: None, order: None }, config)
}

fn by_waker() -> (Server<impl FnMut(&Peer) -> Kitchen>, Rc<RefCell<Orders>>) {
    let orders: Rc<RefCell<Orders>> = Rc::default();
    let server = {
        let orders = Rc::clone(&orders);
        Server::new(move |_: &Peer| Kitchen { orders: Some(Rc::clone(&orders)), order: None }, Config::default())
    };
    (server, orders)
}

fn answered(peer: &SimPeer) -> (Vec<u8>, Option<Duration>) {
    (peer.received(), peer.closed())
}

#[test]
fn work_takes_its_time_and_others_go_on() {
    let mut server = by_time(Config::default());
    let two = server.client_at(seconds(1));
    two.send_at(seconds(1), "ab").end_at(seconds(1));
    let one = server.client_at(seconds(2));
    one.send_at(seconds(2), "c").end_at(seconds(2));
    server.run_until(seconds(20));
    assert_eq!(answered(&two), (b"AB".to_vec(), Some(seconds(7))), "one after the other");
    assert_eq!(answered(&one), (b"C".to_vec(), Some(seconds(5))), "beside the other's");
}

#[test]
fn nothing_is_read_of_one_at_work() {
    let mut server = by_time(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "a").send_at(seconds(2), "b").end_at(seconds(2));
    server.run_until(seconds(3));
    // Its FIN, and the second order, were there before the stop.
    assert_eq!(answered(&peer), (b"AB".to_vec(), Some(seconds(7))));
    let counts = server.net.counts();
    assert!(counts.reads <= 4, "{counts:?}");
}

#[test]
fn who_is_woken_is_called() {
    let (mut server, orders) = by_waker();
    let first = server.client_at(seconds(1));
    first.send_at(seconds(1), "a").end_at(seconds(1));
    let other = server.client_at(seconds(1));
    other.send_at(seconds(1), "b").end_at(seconds(1));
    {
        // Woken for nothing, and twice at that: it looks, and goes on waiting.
        let orders = Rc::clone(&orders);
        server.net.at(seconds(2), move || {
            orders.borrow().waiting[0].wake_by_ref();
            orders.borrow().waiting[0].wake_by_ref();
        });
    }
    {
        let orders = Rc::clone(&orders);
        server.net.at(seconds(4), move || {
            orders.borrow_mut().done = true;
            orders.borrow().waiting[1].wake_by_ref();
        });
    }
    {
        let orders = Rc::clone(&orders);
        server.net.at(seconds(5), move || orders.borrow().waiting[0].wake_by_ref());
    }
    server.run_until(seconds(20));
    assert_eq!(answered(&first), (b"A".to_vec(), Some(seconds(5))));
    assert_eq!(answered(&other), (b"B".to_vec(), Some(seconds(4))));
    assert_eq!(orders.borrow().calls_while_working, 1);
}

#[test]
fn who_has_gone_is_not_woken() {
    let (mut server, orders) = by_waker();
    let gone = server.client_at(seconds(1));
    gone.send_at(seconds(1), "a");
    {
        let orders = Rc::clone(&orders);
        server.net.at(seconds(3), move || orders.borrow_mut().done = true);
    }
    {
        let orders = Rc::clone(&orders);
        server.net.at(seconds(4), move || orders.borrow().waiting[0].wake_by_ref());
    }
    gone.end_at(seconds(2));
    // It has the same slot.
    let next = server.client_at(seconds(5));
    next.send_at(seconds(5), "b");
    {
        let orders = Rc::clone(&orders);
        server.net.at(seconds(6), move || {
            orders.borrow_mut().done = false;
            orders.borrow().waiting[0].wake_by_ref();
        });
    }
    server.run_until(seconds(7));
    assert_eq!(answered(&gone), (b"A".to_vec(), Some(seconds(4))));
    assert_eq!(orders.borrow().calls_while_working, 0, "the first one's waker is not the second one's");
}

#[test]
fn a_stop_waits_for_work_and_not_for_ever() {
    let mut server = by_time(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(4), "a");
    server.run_until(seconds(5));
    assert_eq!(peer.received(), b"A");
    assert_eq!(server.end_of(&peer), (seconds(7), "server is stopping".into()));

    let mut server = by_time(Config { drain_timeout: seconds(1), ..Config::default() });
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(4), "a");
    server.run_until(seconds(5));
    assert_eq!(peer.received(), b"");
    assert_eq!(server.end_of(&peer), (seconds(6), "server stopped before it was done".into()));
}
