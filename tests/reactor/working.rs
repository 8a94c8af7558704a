//! Sessions that are at work: called when it's done, and not before, while others go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use multiconn::connection;
use multiconn::reactor::Config;
use multiconn::selector::Interest;
use multiconn::selector::sim::SimPeer;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

use crate::pressure::interest_at;
use crate::support::{Server, millis, seconds};

/// Answers each byte with a capital, once that is done.
struct Kitchen {
    /// Where its wakers go, if it's not the time that it waits for.
    orders: Option<Rc<RefCell<Orders>>>,
    order: Option<(u8, Option<Instant>)>,
    /// What it does when the guest has hung up.
    minds: bool,
    knows: bool,
}

#[derive(Default)]
struct Orders {
    waiting: Vec<Waker>,
    /// Calls for a hang-up, and others.
    hang_ups: u32,
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
            if !done && io.hung_up() && self.minds {
                return Err(SessionError::other("nobody waits for it"));
            }
            if !done {
                let Some(orders) = &self.orders else {
                    assert!(io.hung_up(), "a deadline is not early");
                    return Ok(Progress::Working);
                };
                let mut orders = orders.borrow_mut();
                let is_news = io.hung_up() && !std::mem::replace(&mut self.knows, true);
                let count = if is_news { &mut orders.hang_ups } else { &mut orders.calls_while_working };
                *count += 1;
                return Ok(Progress::Working);
            }
            self.order = None;
            io.output().push(&[byte.to_ascii_uppercase()]);
        }
        match io.input().take(1) {
            Some(byte) => {
                let time = match &self.orders {
                    Some(orders) => {
                        orders.borrow_mut().waiting.push(io.waker());
                        None
                    }
                    None => Some(now + COOKING_TIME),
                };
                self.order = Some((byte[0], time));
                Ok(Progress::Working)
            }
            None if io.input_ended() => Ok(Progress::Finished),
            None => Ok(Progress::NeedInput),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.order?.1
    }
}

fn by_time(config: impl Into<Config>) -> Server<impl FnMut(&Peer) -> Kitchen> {
    Server::new(|_: &Peer| Kitchen { orders: None, order: None, minds: false, knows: false }, config)
}

fn that_minds() -> Server<impl FnMut(&Peer) -> Kitchen> {
    Server::new(|_: &Peer| Kitchen { orders: None, order: None, minds: true, knows: false }, Config::default())
}

fn by_waker() -> (Server<impl FnMut(&Peer) -> Kitchen>, Rc<RefCell<Orders>>) {
    let orders: Rc<RefCell<Orders>> = Rc::default();
    let server = {
        let orders = Rc::clone(&orders);
        let kitchen =
            move |_: &Peer| Kitchen { orders: Some(Rc::clone(&orders)), order: None, minds: false, knows: false };
        Server::new(kitchen, Config::default())
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
    gone.end_at(seconds(1));
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
fn a_connection_that_breaks_is_noticed_while_its_session_works() {
    let mut server = by_time(Config::default());
    // Also where more has come that is not read, and where both come at once.
    let peers = [1, 2, 3].map(|_| server.client_at(seconds(1)));
    peers[0].send_at(seconds(1), "a").reset_at(seconds(2));
    peers[1].send_at(seconds(1), "a").send_at(millis(1500), "b").reset_at(seconds(2));
    peers[2].send_at(seconds(1), "a").end_at(millis(1500)).reset_at(seconds(9));
    server.run_until(seconds(20));
    for peer in &peers[..2] {
        assert_eq!(server.end_of(peer), (seconds(2), "connection reset by peer".into()));
    }
    assert_eq!(answered(&peers[2]), (b"A".to_vec(), Some(seconds(4))));
}

#[test]
fn half_a_connection_is_worked_for_if_the_session_likes() {
    let mut patient = by_time(Config::default());
    let peer = patient.client_at(seconds(1));
    peer.send_at(seconds(1), "ab").end_at(seconds(2));
    patient.run_until(seconds(20));
    assert_eq!(answered(&peer), (b"AB".to_vec(), Some(seconds(7))));
    assert_eq!(peer.reset_seen(), None);

    let mut server = that_minds();
    let [hung_up, stays, at_once] = [1, 1, 1].map(|time| server.client_at(seconds(time)));
    hung_up.send_at(seconds(1), "ab").end_at(seconds(2));
    stays.send_at(seconds(1), "ab").end_at(seconds(9));
    // What was there before it began to work.
    at_once.send_at(seconds(1), "ab").end_at(seconds(1));
    server.run_until(seconds(20));
    assert_eq!(server.end_of(&hung_up), (seconds(2), "nobody waits for it".into()));
    assert_eq!(answered(&stays).0, b"AB");
    assert_eq!(server.end_of(&at_once), (seconds(1), "nobody waits for it".into()));
}

#[test]
fn who_hangs_up_is_told_of_once() {
    let (mut server, orders) = by_waker();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "a").send_at(seconds(2), "b").send_at(seconds(3), "c").end_at(seconds(4));
    let interests = interest_at(&peer, [3, 5]);
    for (order, time) in [(0, 6), (1, 7), (2, 8)] {
        let orders = Rc::clone(&orders);
        server.net.at(seconds(time), move || {
            orders.borrow_mut().done = true;
            orders.borrow().waiting[order].wake_by_ref();
        });
    }
    let before = server.net.counts();
    server.run_until(seconds(20));
    assert_eq!(interests.map(|seen| seen.get()), [Interest::HANGUP, Interest::ERROR]);
    assert_eq!((orders.borrow().hang_ups, orders.borrow().calls_while_working), (1, 0));
    assert_eq!(answered(&peer), (b"ABC".to_vec(), Some(seconds(8))));
    let counts = server.net.counts() - before;
    assert_eq!((counts.registers, counts.reregisters, counts.deregisters), (1, 1, 0), "{counts:?}");

    // A connection that breaks later is closed, whatever its session is doing.
    let (mut server, orders) = by_waker();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "a").end_at(seconds(2)).reset_at(seconds(3));
    server.run_until(seconds(20));
    assert_eq!(orders.borrow().hang_ups, 1);
    assert_eq!(server.end_of(&peer), (seconds(3), "connection reset by peer".into()));
}

#[test]
fn a_stop_waits_for_work_and_not_for_ever() {
    let mut server = by_time(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(4), "a");
    server.run_until(seconds(5));
    assert_eq!(peer.received(), b"A");
    assert_eq!(server.end_of(&peer), (seconds(7), "server is stopping".into()));

    let mut server = by_time(connection::Config { drain_timeout: seconds(1), ..connection::Config::default() });
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(4), "a");
    server.run_until(seconds(5));
    assert_eq!(peer.received(), b"");
    assert_eq!(server.end_of(&peer), (seconds(6), "server stopped before it was done".into()));
}

/// Sends much, and is woken while that is being sent.
struct Course {
    waker: Option<Waker>,
    begun: bool,
}

impl Session for Course {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if io.input().is_empty() {
            return Ok(Progress::NeedInput);
        }
        if !std::mem::replace(&mut self.begun, true) {
            io.output().push_repeated(b"0123456", 300_000);
            let waker = io.waker();
            // Done before anybody has looked.
            waker.wake_by_ref();
            self.waker = Some(waker);
            return Ok(Progress::Working);
        }
        io.input().take_all();
        io.output().push(b"!");
        Ok(Progress::Finished)
    }
}

#[test]
fn who_is_woken_while_much_is_being_sent_is_called() {
    let mut server = Server::new(|_: &Peer| Course { waker: None, begun: false }, Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "a");
    server.run_until(seconds(30));
    let received = peer.received();
    assert_eq!((received.len(), peer.closed().is_some()), (2_100_001, true), "{:?}", peer.closed());
}
