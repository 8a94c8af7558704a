//! All connections of a reactor, by id.

use slab::Slab;

use super::id::{ConnectionId, Numbers};
use super::slot::Slot;
use crate::connection::Connection;
use crate::places::Place;

/// A slab of connections. A reused slot has a new generation, so an old id finds nothing in it.
#[derive(Debug)]
pub(super) struct Slots<S, T> {
    slab: Slab<Slot<S, T>>,
    /// The generations, which are the connections' numbers.
    numbers: Numbers,
    /// The number of connections of listeners apart.
    apart: usize,
}

impl<S, T> Default for Slots<S, T> {
    fn default() -> Self {
        Slots { slab: Slab::new(), numbers: Numbers::default(), apart: 0 }
    }
}

impl<S, T> Slots<S, T> {
    /// The number of the next connection, its generation.
    pub fn next_number(&mut self) -> u32 {
        self.numbers.next(false)
    }

    /// The number of the next connection of a listener apart.
    pub fn next_number_apart(&mut self) -> u32 {
        self.numbers.next(true)
    }

    /// Gives a connection with its own number a slot and an id.
    pub fn insert(&mut self, connection: Connection<S, T>, place: Option<Place>, number: u32) -> ConnectionId {
        let key = self.slab.insert(Slot::new(connection, number, place));
        let id = ConnectionId::new(key, number);
        self.apart += usize::from(id.is_apart());
        id
    }

    /// The slot of `id`, if its connection still exists.
    #[inline]
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Slot<S, T>> {
        self.slab.get_mut(id.key()).filter(|slot| slot.generation == id.generation())
    }

    /// The same, to look at.
    pub fn get(&self, id: ConnectionId) -> Option<&Slot<S, T>> {
        self.slab.get(id.key()).filter(|slot| slot.generation == id.generation())
    }

    /// Removes and returns the connection of `id`, if it still exists.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Slot<S, T>> {
        self.get_mut(id)?;
        self.apart -= usize::from(id.is_apart());
        Some(self.slab.remove(id.key()))
    }

    /// The connection in the slot of this key, if there is one.
    pub fn at(&self, key: usize) -> Option<(ConnectionId, &Slot<S, T>)> {
        self.slab.get(key).map(|slot| (ConnectionId::new(key, slot.generation), slot))
    }

    /// The end of the keys: all are less.
    pub fn keys_end(&self) -> usize {
        self.slab.capacity()
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// The number of connections of listeners apart.
    pub fn apart(&self) -> usize {
        self.apart
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot<S, T>> {
        self.slab.iter().map(|(_, slot)| slot)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Slot<S, T>)> {
        self.slab.iter_mut().map(|(key, slot)| (ConnectionId::new(key, slot.generation), slot))
    }

    /// The ids of all connections.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.slab.iter().map(|(key, slot)| ConnectionId::new(key, slot.generation)).collect()
    }
}
