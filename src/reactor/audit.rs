//! The loop's books, checked between two turns.

use std::time::Instant;

use super::Reactor;
use super::id::ConnectionId;
use super::recover::Concerned;
use super::slot::Slot;
use crate::connection::{TICK, earlier};
use crate::places::Places;
use crate::selector::{Selector, Stream};
use crate::session::{Service, Session};
use crate::trace::{Subscriber, is_apart};

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Checks what holds between two turns, whatever peers, sessions and the system do:
    ///
    /// - No connection is queued as runnable twice, and each is if and only if its flag says so.
    /// - A connection that waits is registered for the interest that follows from its state, and has a timer at its
    ///   deadline or before it. No deadline has been missed.
    /// - Every session is a connection's, or back at the service.
    /// - Every place taken is a connection's.
    /// - A connection that waits has nothing to do: no event is lost.
    /// - The memory in use is that of the connections, and within its limit. Each uses memory in proportion to the data
    ///   that it holds, and none without any.
    /// - No connection is closed, and those that may make way for others are known.
    ///
    /// For a test that runs it [turn](Reactor::turn) by turn: a violation is a bug of the loop. What other reactors share
    /// is checked only as far as this one knows. A session whose [deadline](crate::session::Session::deadline) changes
    /// between its calls misses it, which is reported.
    ///
    /// # Errors
    /// The first violation, in words.
    pub fn audit(&self) -> Result<(), String> {
        self.audit_loop()?;
        let mut seen = Seen::default();
        for slot in self.slots.iter() {
            self.audit_connection(slot)?;
            seen.add(slot, self.accepting.places());
        }
        self.audit_runnable(seen.runnable)?;
        let known = self.count_once(self.leaving.ids(), |slot| slot.connection.is_leaving());
        if known < seen.leaving {
            return Err(format!("{known} of {} connections that are leaving may make way", seen.leaving));
        }
        if seen.timer.is_some_and(|timer| self.timers.next().is_none_or(|next| next > timer)) {
            return Err("the timer of a connection is not set".into());
        }
        for (places, held) in self.accepting.places().into_iter().zip(seen.places) {
            let taken = places.taken();
            if held > taken || held < taken && places.sharers() == 1 {
                return Err(format!("{taken} places are taken, and {held} connections have one"));
            }
        }
        let (taken, apart) = (self.apart.taken(), self.slots.apart());
        if (seen.apart, seen.apart) != (taken, apart) {
            let seen = seen.apart;
            return Err(format!("of {seen} connections apart, {apart} are counted, and {taken} have places"));
        }
        let memory = &self.config.connection.memory;
        // The configuration has a clone of it, and each connection with data.
        let holders = memory.sharers();
        if holders < 1 + seen.memory_users || holders == 1 + seen.memory_users && memory.users() != seen.memory_users {
            let (charged, all) = (memory.users(), seen.memory_users);
            return Err(format!("of {all} connections with data, {charged} are charged for memory"));
        }
        let is_shared = holders > 1 + seen.memory_users;
        if seen.memory > memory.used() || seen.memory < memory.used() && !is_shared {
            return Err(format!("{} bytes are in use, and connections have {}", memory.used(), seen.memory));
        }
        if memory.used() > memory.max() && !is_shared {
            return Err(format!("{} bytes are in use, and {} are allowed", memory.used(), memory.max()));
        }
        Ok(())
    }

    /// Checks the part of it that costs little: what belongs to the loop itself, and the connections of these `numbers`,
    /// such as those to which something has happened in the last turn.
    ///
    /// # Errors
    /// The first violation, in words.
    pub fn audit_some(&self, numbers: &[u64]) -> Result<(), String> {
        self.audit_loop()?;
        let mut runnable = 0;
        for slot in self.slots.iter() {
            runnable += usize::from(slot.is_runnable());
            if numbers.contains(&slot.generation.into()) {
                self.audit_connection(slot)?;
            }
        }
        self.audit_runnable(runnable)
    }

    /// Checks the loop apart from its connections.
    fn audit_loop(&self) -> Result<(), String> {
        if !matches!(self.concerned, Concerned::Nothing) || self.newcomer.is_some() || !self.events.is_empty() {
            return Err("a step of the turn has not ended".into());
        }
        if self.begun != self.ended + self.slots.len() as u64 {
            let (begun, ended, open) = (self.begun, self.ended, self.slots.len());
            return Err(format!("of {begun} sessions, {ended} have ended and {open} have a connection"));
        }
        if self.timers.have_fired(self.now) && self.timers.next().is_some_and(|next| next <= self.now) {
            return Err("a timer has not fired in time".into());
        }
        Ok(())
    }

    /// Checks the queues of runnable connections, given the number of connections that say they are runnable.
    fn audit_runnable(&self, all: usize) -> Result<(), String> {
        if all == 0 && self.runnable.is_empty() {
            return Ok(());
        }
        let queued = self.runnable.ids().filter(|&id| self.slots.get(id).is_some()).count();
        let flagged = self.count_once(self.runnable.ids(), Slot::is_runnable);
        if (queued, flagged) != (all, all) {
            return Err(format!("{queued} are queued as runnable, {flagged} of {all} connections that say so"));
        }
        Ok(())
    }

    /// The number of connections among `ids` that are so.
    fn count_once(
        &self,
        ids: impl Iterator<Item = ConnectionId>,
        is_so: impl Fn(&Slot<S::Stream, V::Session>) -> bool,
    ) -> usize {
        let mut ids: Vec<ConnectionId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter(|&id| self.slots.get(id).is_some_and(&is_so)).count()
    }

    #[inline]
    fn audit_connection(&self, slot: &Slot<S::Stream, V::Session>) -> Result<(), String> {
        let result = self.audit_slot(slot);
        result.map_err(|why| format!("{} (number {}): {why}", slot.connection.peer, slot.generation))
    }

    #[inline]
    fn audit_slot(&self, slot: &Slot<S::Stream, V::Session>) -> Result<(), String> {
        slot.connection.audit(&self.config.connection)?;
        if slot.is_runnable() {
            return Ok(());
        }
        slot.connection.audit_interest(slot.interest, &self.config.connection)?;
        slot.connection.audit_wait(&self.config.connection)?;
        let after = |when: Instant| when.saturating_duration_since(self.now);
        if let Some(deadline) = slot.connection.deadline() {
            match slot.timer() {
                None => return Err("it has a deadline, and no timer".into()),
                Some(timer) if timer > deadline && timer > self.now + TICK => {
                    return Err(format!("its deadline is in {:?}, its timer in {:?}", after(deadline), after(timer)));
                }
                Some(timer) if timer <= self.now && self.timers.have_fired(self.now) => {
                    return Err("its timer has not fired in time".into());
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// What all connections have, added up.
#[derive(Default)]
struct Seen {
    runnable: usize,
    leaving: usize,
    /// Those of listeners apart.
    apart: usize,
    /// The earliest timer.
    timer: Option<Instant>,
    /// The places that they hold, for being served and for being refused.
    places: [usize; 2],
    memory: usize,
    memory_users: usize,
}

impl Seen {
    #[inline]
    fn add<S: Stream, T: Session>(&mut self, slot: &Slot<S, T>, places: [&Places; 2]) {
        self.runnable += usize::from(slot.is_runnable());
        self.leaving += usize::from(slot.connection.is_leaving() && !is_apart(slot.generation));
        self.apart += usize::from(is_apart(slot.generation));
        self.timer = earlier(self.timer, slot.timer());
        if let Some(place) = &slot.place {
            for (held, places) in self.places.iter_mut().zip(places) {
                *held += usize::from(place.is_of(places));
            }
        }
        self.memory += slot.connection.memory_used();
        self.memory_users += usize::from(slot.connection.holds_data());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::connection::Memory;
    use crate::reactor::Config;
    use crate::selector::sim::{SimNet, SimSelector};
    use crate::selector::{Interest, Readiness};
    use crate::session::{Peer, Progress, SessionError, SessionIo};

    /// Waits for more, whatever it gets.
    struct Hoard;

    impl Session for Hoard {
        fn advance(&mut self, _io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
            Ok(Progress::NeedInput)
        }
    }

    type Server = Reactor<SimSelector, fn(&Peer) -> Hoard>;

    /// A server with one connection, which has received a byte.
    fn serving() -> (Server, ConnectionId) {
        let net = SimNet::new(1);
        let addr = std::net::SocketAddr::from(([10, 255, 0, 1], 65432));
        let mut reactor = Reactor::new(net.selector(), (|_: &Peer| Hoard) as fn(&Peer) -> Hoard, Config::default());
        reactor.add_listener(net.listener(addr)).unwrap();
        net.client_at(Duration::ZERO, addr).send_at(Duration::from_secs(1), "x");
        while net.now() < Duration::from_secs(1) || reactor.timeout() == Some(Duration::ZERO) {
            assert!(reactor.turn().unwrap());
            assert_eq!(reactor.audit(), Ok(()));
        }
        let id = reactor.slots.ids()[0];
        (reactor, id)
    }

    #[track_caller]
    fn finds(words: &str, spoil: impl FnOnce(&mut Server, ConnectionId)) {
        let (mut reactor, id) = serving();
        spoil(&mut reactor, id);
        let found = reactor.audit().unwrap_err();
        assert!(found.contains(words), "{found}");
    }

    #[test]
    fn a_queue_that_disagrees_with_the_flags_is_found() {
        finds("1 are queued as runnable, 0 of 0", |reactor, id| reactor.runnable.add(id, false));
        finds("2 are queued as runnable, 1 of 1", |reactor, id| {
            let Reactor { slots, runnable, .. } = reactor;
            slots.get_mut(id).unwrap().enqueue(id, runnable);
            runnable.add(id, true);
        });
        finds("0 are queued as runnable, 0 of 1", |reactor, id| {
            reactor.slots.get_mut(id).unwrap().enqueue(id, &mut Default::default());
        });
    }

    #[test]
    fn another_interest_is_found() {
        finds("it is registered for w, and wants r", |reactor, id| {
            reactor.slots.get_mut(id).unwrap().interest = Interest::WRITE;
        });
    }

    #[test]
    fn a_lost_event_is_found() {
        finds("it waits, and could read", |reactor, id| {
            reactor.slots.get_mut(id).unwrap().connection.ready(Readiness { readable: true, ..Readiness::default() });
        });
        finds("it waits, and its session is to be called", |reactor, id| {
            reactor.slots.get_mut(id).unwrap().connection.woken();
        });
    }

    #[test]
    fn a_missing_or_missed_timer_is_found() {
        finds("the timer of a connection is not set", |reactor, _| reactor.timers.retain(|_, _| false));
        finds("its timer has not fired in time", |reactor, _| {
            reactor.now += Duration::from_secs(60);
            while reactor.timers.expired(reactor.now).is_some() {}
        });
    }

    #[test]
    fn some_connections_are_checked_alone_and_the_queues_with_them() {
        let (mut reactor, id) = serving();
        let slot = reactor.slots.get_mut(id).unwrap();
        let number = id.generation().into();
        slot.interest = Interest::WRITE;
        assert_eq!(reactor.audit_some(&[number + 1]), Ok(()));
        let found = reactor.audit_some(&[number + 1, number]).unwrap_err();
        assert!(found.ends_with("it is registered for w, and wants r"), "{found}");
        reactor.runnable.add(id, false);
        let found = reactor.audit_some(&[]).unwrap_err();
        assert_eq!(found, "1 are queued as runnable, 0 of 0 connections that say so");
    }

    #[test]
    fn a_timer_that_waits_for_its_turn_in_vain_is_found() {
        finds("a timer has not fired in time", |reactor, id| {
            while reactor.timers.expired(reactor.now).is_some() {}
            reactor.timers.set(id, reactor.now);
        });
    }

    #[test]
    fn a_lost_session_place_or_byte_is_found() {
        finds("of 2 sessions, 0 have ended and 1 have a connection", |reactor, _| reactor.begun += 1);
        finds("2 places are taken, and 1 connections have one", |reactor, _| {
            std::mem::forget(reactor.accepting.places()[0].take());
        });
        finds("of 1 connections with data, 0 are charged", |reactor, _| {
            reactor.config.connection.memory = Memory::new(1);
        });
    }
}
