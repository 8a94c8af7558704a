//! The service under test: it opens the connections of a world, and takes their results.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::call::Call;
use super::deeds::{Deeds, Outcome};
use super::subject::ClientSubject;
use super::world::ClientWorld;
use crate::address::Addr;
use crate::reactor::Handle;
use crate::selector::sim::SimNet;
use crate::session::{Connect, End, Peer, Service};

/// A call as the service makes it.
#[derive(Debug)]
struct Connecting<R> {
    addresses: Vec<Addr>,
    requests: Rc<[R]>,
}

/// The clients of a world.
#[derive(Debug)]
pub struct Callers<C: ClientSubject> {
    subject: C,
    calls: Vec<Connecting<C::Request>>,
    net: SimNet,
    deeds: Rc<RefCell<Deeds<C::Replies>>>,
    /// Calls that are due.
    due: Rc<RefCell<VecDeque<usize>>>,
    /// Stops the loop after the last call.
    handle: Rc<OnceCell<Handle>>,
}

impl<C: ClientSubject> Callers<C> {
    /// The clients of `world`.
    pub fn new(world: &ClientWorld<C>, net: &SimNet, deeds: &Rc<RefCell<Deeds<C::Replies>>>) -> Self {
        let connecting =
            |call: &Call<C::Request>| Connecting { addresses: call.addrs(), requests: Rc::clone(&call.requests) };
        let calls = world.calls.iter().map(connecting).collect();
        let (subject, net, deeds) = (world.subject.clone(), net.clone(), Rc::clone(deeds));
        Callers { subject, calls, net, deeds, due: Rc::default(), handle: Rc::default() }
    }

    /// The queue of the calls that are due.
    pub fn due(&self) -> Rc<RefCell<VecDeque<usize>>> {
        Rc::clone(&self.due)
    }

    /// The cell for the handle of a loop that doesn't end by itself.
    pub fn handle(&self) -> Rc<OnceCell<Handle>> {
        Rc::clone(&self.handle)
    }

    /// The first due call, to be opened now.
    pub fn next(&self) -> Option<Connect<C::Session>> {
        let index = self.due.borrow_mut().pop_front()?;
        self.deeds.borrow_mut().opened.push(index);
        let Connecting { addresses, requests } = &self.calls[index];
        Some(Connect { addresses: addresses.clone(), session: self.subject.session(requests) })
    }
}

impl<C: ClientSubject> Service for Callers<C> {
    type Session = C::Session;

    fn accept(&mut self, _peer: &Peer) -> C::Session {
        unreachable!("nobody connects to the clients")
    }

    fn ended(&mut self, session: C::Session, peer: &Peer, end: End) {
        let (mut deeds, now) = (self.deeds.borrow_mut(), self.net.now());
        let number = peer.number().expect("it was opened");
        let index = deeds.opened[number as usize - 1];
        let requests = &self.calls[index].requests;
        let outcome = Outcome::new(&end, |error| self.subject.verdict(requests, error));
        deeds.calls[index].ended = Some((now, outcome, self.subject.replies(session)));
        deeds.ended += 1;
        if deeds.ended == self.calls.len()
            && let Some(handle) = self.handle.get()
        {
            handle.stop();
        }
    }

    fn opens_connections(&self) -> bool {
        true
    }

    fn next_connect(&mut self) -> Option<Connect<C::Session>> {
        self.next()
    }
}
