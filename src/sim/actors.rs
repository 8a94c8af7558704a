//! The peers at work: they carry out their plans on the network, by timers of its agenda.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::ledger::Ledger;
use super::peer::{Leaving, Manner, Plan, Reading, When};
use crate::address::Addr;
use crate::reactor::Handle;
use crate::selector::sim::{Alarm, SimNet, SimPeer};
use crate::text::count;

/// The peers of a world. The network's agenda holds only weak references to them, so they end with the run.
#[derive(Debug)]
pub struct Actors {
    net: SimNet,
    /// The server that they connect to; without one, connections come to them.
    server: Option<Addr>,
    plans: Vec<Rc<Plan>>,
    ledger: Rc<RefCell<Ledger>>,
    /// One for each conversation of the ledger.
    actors: RefCell<Vec<Actor>>,
    /// Rings when an action is due.
    alarm: Alarm,
}

/// A peer during one conversation.
#[derive(Debug)]
struct Actor {
    plan: usize,
    peer: SimPeer,
    /// How often it may still come back.
    returns_left: u32,
    /// The next piece to send.
    next: usize,
    sent: usize,
    received: usize,
    /// It waits for a reply before the next piece.
    waits: bool,
    /// It sends nothing more.
    is_mute: bool,
    reads_left: u32,
}

/// An action of a peer that is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Connect,
    Send,
    Read,
    Leave(Manner),
    Return,
}

impl Action {
    const ALL: [Action; 7] = [
        Action::Connect,
        Action::Send,
        Action::Read,
        Action::Leave(Manner::HalfCloses),
        Action::Leave(Manner::Closes),
        Action::Leave(Manner::Resets),
        Action::Return,
    ];

    /// The number with which the alarm rings for this action of the peer with this index.
    fn number(self, index: usize) -> u64 {
        let action = Self::ALL.iter().position(|&other| other == self).expect("ALL has every action");
        (index * Self::ALL.len() + action) as u64
    }

    /// The index and the action of such a number.
    fn of(number: u64) -> (usize, Self) {
        let number = usize::try_from(number).expect("a number of an action");
        (number / Self::ALL.len(), Self::ALL[number % Self::ALL.len()])
    }
}

impl Actors {
    /// Schedules the arrival of all peers at the server on `addr`.
    pub fn begin(net: &SimNet, addr: Addr, plans: &[Rc<Plan>], ledger: &Rc<RefCell<Ledger>>) -> Rc<Self> {
        let actors = Self::new(net, Some(addr), plans.to_vec(), ledger);
        for (index, plan) in plans.iter().enumerate() {
            actors.schedule(plan.arrives, index, Action::Connect);
        }
        actors
    }

    /// Peers to whom connections come: see [`converse`](Self::converse).
    pub fn waiting(net: &SimNet, plans: Vec<Rc<Plan>>, ledger: &Rc<RefCell<Ledger>>) -> Rc<Self> {
        Self::new(net, None, plans, ledger)
    }

    fn new(net: &SimNet, server: Option<Addr>, plans: Vec<Rc<Plan>>, ledger: &Rc<RefCell<Ledger>>) -> Rc<Self> {
        let (net, ledger) = (net.clone(), Rc::clone(ledger));
        let actors = RefCell::new(Vec::with_capacity(plans.len()));
        ledger.borrow_mut().conversations.reserve(plans.len());
        Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            let alarm = net.alarm(move |number| {
                if let Some(actors) = Weak::upgrade(&weak) {
                    actors.act(number);
                }
            });
            Actors { net, server, plans, ledger, actors, alarm }
        })
    }

    /// Stops the server once no peer has done anything for `patience`, the last arrival included.
    pub fn stop_when_quiet(self: &Rc<Self>, patience: Duration, handle: Handle) {
        let last_arrival = self.plans.iter().map(|plan| plan.arrives).max().unwrap_or_default();
        let quiet_at = self.ledger.borrow().last_action.max(last_arrival) + patience;
        let pause = quiet_at.saturating_sub(self.net.now());
        match pause.is_zero() {
            true => handle.stop(),
            false => {
                let actors = Rc::downgrade(self);
                self.net.at(self.net.now() + pause, move || {
                    if let Some(actors) = Weak::upgrade(&actors) {
                        actors.stop_when_quiet(patience, handle);
                    }
                });
            }
        }
    }

    /// Schedules an action of the peer with this index, after `pause`.
    fn schedule(&self, pause: Duration, index: usize, action: Action) {
        self.alarm.ring_at(self.net.now() + pause, action.number(index));
    }

    fn connect(self: &Rc<Self>, plan_index: usize, returns_left: u32) {
        let Some(server) = self.server else { return };
        let peer = self.net.client_at(self.net.now(), server);
        log::trace!("peer {} connects as {}", self.plans[plan_index].number, peer.addr());
        self.converse(plan_index, peer, returns_left);
    }

    /// Lets `peer` carry out a plan on its connection. Returns the index of the conversation in the ledger.
    pub fn converse(self: &Rc<Self>, plan_index: usize, peer: SimPeer, returns_left: u32) -> usize {
        let (now, plan) = (self.net.now(), &self.plans[plan_index]);
        let index = self.ledger.borrow_mut().open(plan_index, peer.clone(), now);
        peer.window(plan.window);
        if plan.leaving == Leaving::Stays {
            peer.keeps_open();
        }
        if plan.pieces.iter().any(|piece| piece.awaits > 0) {
            let actors = Rc::downgrade(self);
            peer.answers(move |bytes| {
                if let Some(actors) = Weak::upgrade(&actors) {
                    actors.received(index, bytes.len());
                }
                Vec::new()
            });
        }
        let mut reads_left = 0;
        match plan.reading {
            Reading::Eager => {}
            Reading::Never => drop(peer.reads_nothing()),
            Reading::Late(after) => drop(peer.reads_nothing().read_all_from(now + after)),
            Reading::Slow { pause, times, .. } => {
                peer.reads_nothing();
                reads_left = times;
                self.schedule(pause, index, Action::Read);
            }
        }
        if let Leaving::Leaves(manner, When::Connected(after)) = plan.leaving {
            self.schedule(after, index, Action::Leave(manner));
        }
        if returns_left > 0
            && let Some((_, after)) = plan.returns
        {
            self.schedule(after, index, Action::Return);
        }
        let first = plan.pieces.first().map(|piece| piece.pause);
        let (next, sent, received, waits, is_mute) = (0, 0, 0, false, false);
        let actor = Actor { plan: plan_index, peer, returns_left, next, sent, received, waits, is_mute, reads_left };
        self.actors.borrow_mut().push(actor);
        match first {
            Some(pause) if !pause.is_zero() => self.schedule(pause, index, Action::Send),
            Some(_) => self.send(index),
            None => self.has_sent_all(index),
        }
        index
    }

    fn act(self: &Rc<Self>, number: u64) {
        let (index, action) = Action::of(number);
        match action {
            Action::Connect => {
                let returns = self.plans[index].returns.map_or(0, |(times, _)| times);
                self.connect(index, returns);
            }
            Action::Send => self.send(index),
            Action::Read => self.read(index),
            Action::Leave(manner) => self.leave(index, manner),
            Action::Return => self.come_back(index),
        }
    }

    /// Sends the pieces that are due.
    fn send(self: &Rc<Self>, index: usize) {
        let now = self.net.now();
        let mut actors = self.actors.borrow_mut();
        let actor = &mut actors[index];
        let plan = &self.plans[actor.plan];
        // Nobody would receive it any more.
        actor.is_mute |= self.ledger.borrow().conversations[index].closed().is_some();
        let mut is_due = true;
        while let Some(piece) = plan.pieces.get(actor.next) {
            if actor.is_mute {
                return;
            }
            if !is_due {
                return self.schedule(piece.pause, index, Action::Send);
            }
            if actor.received < piece.awaits {
                actor.waits = true;
                return;
            }
            log::trace!("peer {} sends {}", plan.number, count(piece.len, "byte"));
            actor.peer.send(&plan.stream[actor.sent..actor.sent + piece.len]);
            self.ledger.borrow_mut().sends(index, piece.len, now);
            actor.sent += piece.len;
            actor.next += 1;
            is_due = plan.pieces.get(actor.next).is_some_and(|next| next.pause.is_zero());
        }
        drop(actors);
        self.has_sent_all(index);
    }

    fn has_sent_all(self: &Rc<Self>, index: usize) {
        let plan = self.actors.borrow()[index].plan;
        if let Leaving::Leaves(manner, When::Sent(after)) = self.plans[plan].leaving {
            match after.is_zero() {
                true => self.leave(index, manner),
                false => self.schedule(after, index, Action::Leave(manner)),
            }
        }
    }

    /// Records that bytes have been received, for which the next piece may have waited.
    fn received(self: &Rc<Self>, index: usize, len: usize) {
        let mut actors = self.actors.borrow_mut();
        let actor = &mut actors[index];
        actor.received += len;
        let awaits = self.plans[actor.plan].pieces.get(actor.next).map_or(0, |piece| piece.awaits);
        if actor.waits && actor.received >= awaits {
            actor.waits = false;
            drop(actors);
            self.send(index);
        }
    }

    fn read(self: &Rc<Self>, index: usize) {
        let now = self.net.now();
        let mut actors = self.actors.borrow_mut();
        let actor = &mut actors[index];
        let Reading::Slow { len, pause, .. } = self.plans[actor.plan].reading else { return };
        let mut ledger = self.ledger.borrow_mut();
        ledger.acts(index, now);
        if actor.reads_left == 0 || ledger.conversations[index].closed().is_some() {
            actor.peer.read_all_from(now);
            return;
        }
        actor.reads_left -= 1;
        actor.peer.read_at(now, len);
        self.schedule(pause, index, Action::Read);
    }

    fn leave(self: &Rc<Self>, index: usize, manner: Manner) {
        let now = self.net.now();
        let actor = &mut self.actors.borrow_mut()[index];
        let mut ledger = self.ledger.borrow_mut();
        ledger.acts(index, now);
        let conversation = &mut ledger.conversations[index];
        log::trace!("peer {} {}", self.plans[actor.plan].number, manner.name());
        actor.is_mute = true;
        match manner {
            Manner::HalfCloses => {
                actor.peer.end_at(now);
                conversation.ended = Some(now);
                return;
            }
            Manner::Closes => {
                actor.peer.close_at(now);
                conversation.ended = Some(now);
            }
            Manner::Resets => drop(actor.peer.reset_at(now)),
        }
        conversation.gone = Some(now);
    }

    /// Comes back in a new connection, if this one is over and wasn't served.
    fn come_back(self: &Rc<Self>, index: usize) {
        let (peer, plan, returns_left) = {
            let actor = &self.actors.borrow()[index];
            (actor.peer.clone(), actor.plan, actor.returns_left)
        };
        let was_served =
            self.ledger.borrow().conversations[index].served.as_ref().is_some_and(|served| !served.is_refused);
        let is_over = peer.end_seen().is_some() || peer.reset_seen().is_some();
        if is_over && !was_served {
            self.connect(plan, returns_left - 1);
        }
    }
}
